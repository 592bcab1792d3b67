/** What all connections of a listener together may keep. */
import { maxReceivedBytes, maxUnsentBytes } from "../wire/limits.ts";
import { ByteBudget } from "./byte-budget.ts";
import { UnsentBudget } from "./unsent-budget.ts";

export interface Budgets {
  /** Of what has arrived and is not dealt with: who would go beyond is not read from. */
  readonly received: ByteBudget;
  /** Of what waits to be sent: who takes nothing is cut when it is too much. */
  readonly unsent: UnsentBudget;
}

export function budgetsOf(receivedBytes = maxReceivedBytes, unsentBytes = maxUnsentBytes): Budgets {
  return { received: new ByteBudget(receivedBytes), unsent: new UnsentBudget(unsentBytes) };
}

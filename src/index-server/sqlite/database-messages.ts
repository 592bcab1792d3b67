/** What passes between `database-work.ts` and its worker. */
import type { DatabaseReport } from "./database-check.ts";

export interface DatabaseOrder {
  do: "check" | "vacuum";
  path: string;
}

export type DatabaseAnswer =
  | { type: "checked"; report: DatabaseReport }
  | { type: "vacuumed" }
  /** A LocalIoError. */
  | { type: "failed"; message: string };

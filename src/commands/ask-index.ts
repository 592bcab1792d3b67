/** One question to an index, for the verbs that ask one and end. */
import type { Address } from "../address.ts";
import { IndexClient } from "../net/index-client.ts";
import { unlessAborted } from "../shutdown.ts";

/** A connect cannot be cancelled; what comes of it after an interruption is closed and forgotten. */
export async function withIndex<Result>(
  indexes: readonly Address[],
  signal: AbortSignal,
  ask: (client: IndexClient) => Promise<Result>,
): Promise<Result> {
  const asking = async () => {
    const client = await IndexClient.open(indexes);
    try {
      signal.throwIfAborted();
      return await ask(client);
    } finally {
      client.close();
    }
  };
  return await unlessAborted(asking(), signal);
}

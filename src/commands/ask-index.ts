/** One question to an index, for the verbs that ask one and end. */
import { IndexClient } from "../net/index-client.ts";
import { unlessAborted } from "../shutdown.ts";
import type { Network } from "../trust/network.ts";

/** A connect cannot be cancelled; what comes of it after an interruption is closed and forgotten. */
export async function withIndex<Result>(
  network: Network,
  signal: AbortSignal,
  ask: (client: IndexClient) => Promise<Result>,
): Promise<Result> {
  const asking = async () => {
    const client = await IndexClient.open(network);
    try {
      signal.throwIfAborted();
      return await ask(client);
    } finally {
      client.close();
    }
  };
  return await unlessAborted(asking(), signal);
}

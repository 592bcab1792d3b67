/** The hashes of a single file, by a thread that is started for it: for files that no library knows. */
import { dirname } from "node:path";
import { unlessAborted } from "../shutdown.ts";
import type { HashOutcome } from "./hash-messages.ts";
import { HashPool } from "./hash-pool.ts";

/** Rejects with the signal's reason and nothing else. Whoever names the path has chosen the way to it, links and all. */
export async function hashOneFile(
  path: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<HashOutcome> {
  const pool = new HashPool({ threads: 1 });
  const { promise, resolve } = Promise.withResolvers<HashOutcome>();
  pool.add({ folder: dirname(path), path, sizeBytes, done: resolve });
  try {
    return await unlessAborted(promise, signal);
  } finally {
    await pool.stop();
  }
}

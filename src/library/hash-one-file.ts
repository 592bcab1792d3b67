/** The hashes of a single file, by a thread that is started for it: for files that no library knows. */
import { dirname } from "node:path";
import { reasonOf } from "../errors.ts";
import { unlessAborted } from "../shutdown.ts";
import type { HashOutcome } from "./hash-messages.ts";
import { HashPool } from "./hash-pool.ts";
import { realPlaceOf } from "./walked-folder.ts";

/** Rejects with the signal's reason and nothing else. Whoever names the path has chosen the way to it, links and all. */
export async function hashOneFile(
  path: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<HashOutcome> {
  let place: string;
  try {
    place = realPlaceOf(path);
  } catch (error) {
    return { kind: "failed", reason: reasonOf(error) };
  }
  const pool = new HashPool({ threads: 1 });
  const { promise, resolve } = Promise.withResolvers<HashOutcome>();
  pool.add({ folder: dirname(place), path: place, sizeBytes, done: resolve });
  try {
    return await unlessAborted(promise, signal);
  } finally {
    await pool.stop();
  }
}

/**
 * Whether a worker that is hashing large files should take one more beside them. Pure.
 *
 * Files that are hashed side by side in one worker take less time than one after the other, but each of them takes
 * longer than alone: a giant with company may be the one that all wait for in the end.
 */

/**
 * Durations are in the time that reading and the tree take for one byte (measured: 0.8 s a GiB). MD5 goes through
 * four files at once, and takes twice that, or hardly more, for each byte of the largest.
 */
export function durationOf(sizes: Iterable<number>): number {
  let all = 0;
  let largest = 0;
  for (const size of sizes) {
    all += size;
    largest = Math.max(largest, size);
  }
  return all + 2 * largest;
}

/** Of a byte, when there are always four files side by side (measured: 1.35 s a GiB). */
const durationInCompany = 1.75;

/** How things stand. Sizes are what is left of files that are being hashed. */
export interface Situation {
  job: number;
  /** What the worker would have then, that job included. */
  withJob: readonly number[];
  /** How long each of the others is busy, with 0 for those not started yet. */
  others: readonly number[];
  /** All that waits, that job included. */
  waitingBytes: number;
}

/** Whether the worker would be through with all it has then before the others could be, with all that waits. */
export function pays({ job, withJob, others, waitingBytes }: Situation): boolean {
  if (others.length === 0) return true;
  const busy = others.reduce((sum, duration) => sum + duration, 0);
  const evenly = (busy + durationInCompany * waitingBytes) / others.length;
  // The largest part of that may be the job itself.
  const byOne = Math.min(...others) + durationOf([job]);
  return durationOf(withJob) <= Math.max(evenly, byOne);
}

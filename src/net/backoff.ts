/** How long to wait before the next attempt. Pure: chance is passed in. */

const firstMs = 250;
const lastMs = 10_000;

/**
 * Wait after the `failures`-th failure in a row (from 1): doubles up to 10 s. Between half of that and all of it,
 * by `random` (from 0 to below 1), so that a thousand peers do not come back in the same moment.
 */
export function backoffMs(failures: number, random: number): number {
  const fullMs = Math.min(lastMs, firstMs * 2 ** Math.min(failures - 1, 16));
  return fullMs * (0.5 + random / 2);
}

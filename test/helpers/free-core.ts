/** Whether this machine has a core for somebody who never rests: else what is measured says more of others. */

const looksForMs = 500;
/** How long a thread on a core of its own is kept from running, now and then, by interrupts and by the system. */
const longestPauseMs = 10;

export function hasFreeCore(): boolean {
  const endMs = performance.now() + looksForMs;
  let lastMs = performance.now();
  let longestMs = 0;
  while (lastMs < endMs) {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  }
  return longestMs < longestPauseMs;
}

/** Waits for a condition, and not for a time. */

/** Rejects when it has not come true by then. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
  pauseMs = 10,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`not true within ${timeoutMs} ms: ${isTrue}`);
    await Bun.sleep(pauseMs);
  }
}

/** How long a lost connection waits. */
import { expect, test } from "bun:test";
import { backoffMs } from "../../src/net/backoff.ts";

test("waits double up to a bound, and chance spreads them", () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 50, 10_000].map((failures) => backoffMs(failures, 1));
  expect(longest).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  for (const failures of [1, 3, 100]) {
    expect(backoffMs(failures, 0)).toBe(backoffMs(failures, 1) / 2);
  }
});

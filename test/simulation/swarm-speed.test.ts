/**
 * How long a flash crowd takes, against what the lines allow at best, must not grow. Virtual time: the same everywhere.
 * `bun test/simulation/report.ts` measures larger ones; STATES.md tells what was tried.
 */
import { describe, expect, test } from "bun:test";
import { measureCrowd } from "./report.ts";

describe("a flash crowd on equal lines", () => {
  test.each([
    [1, 1.06],
    [20, 1.06],
    [100, 1.25],
  ])("of 8, %d ms away: the last one is done within %d of the bound", (latencyMs, mostRatio) => {
    const { ratio, seedFiles, duplicates } = measureCrowd(8, latencyMs);
    expect(ratio).toBeLessThan(mostRatio);
    expect(seedFiles).toBeLessThan(1.15);
    expect(duplicates).toBeLessThan(8);
  });

  test("of 64 begins and ends a second later than the lines allow at best", () => {
    // 64 MiB, 3.2 s at best: what is lost is lost in the beginning and at the end.
    const { seconds, seedFiles } = measureCrowd(64, 1, { chunks: 64, tickMs: 1 });
    expect(seconds).toBeLessThan(3.2 + 1.2);
    expect(seedFiles).toBeLessThan(1.5);
  }, 60_000);
});

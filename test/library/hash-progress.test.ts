import { expect, test } from "bun:test";
import { HashProgress } from "../../src/library/hash-progress.ts";

test("tells files, bytes, the rate and the time left", () => {
  const progress = new HashProgress();
  progress.begin(1000, 0);
  progress.begin(3000, 0);
  expect(progress.report(0, 0).secondsLeft).toBeUndefined();
  progress.end(1000);
  expect(progress.report(1000, 1000)).toEqual({
    files: 1,
    totalFiles: 2,
    bytes: 2000,
    totalBytes: 4000,
    bytesPerSecond: 2000,
    secondsLeft: 1,
  });
  expect(progress.done).toBe(false);
  progress.end(3000);
  expect(progress.done).toBe(true);
  expect(progress.report(0, 2000)).toMatchObject({ files: 2, bytes: 4000, secondsLeft: 0 });
});

test("the rate is that of the last seconds", () => {
  const progress = new HashProgress();
  progress.begin(1e9, 0);
  for (let second = 1; second <= 10; second++) progress.report(second * 1e6, second * 1000);
  for (let second = 11; second <= 20; second++) progress.report(10e6 + (second - 10) * 100, second * 1000);
  expect(progress.report(10e6 + 1000, 20_000).bytesPerSecond).toBeLessThan(200);
});

test("a new batch begins at zero", () => {
  const progress = new HashProgress();
  progress.begin(1000, 0);
  progress.end(1000);
  progress.begin(10, 9000);
  expect(progress.report(5, 9001)).toMatchObject({ files: 0, totalFiles: 1, bytes: 5, totalBytes: 10 });
});

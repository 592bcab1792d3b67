import { describe, expect, test } from "bun:test";
import { durationOf, pays } from "../../src/library/hash-load.ts";

const mib = 1024 * 1024;

test("files side by side take less than one after the other, but no more than together", () => {
  const files = [300, 200, 200, 100];
  const inTurn = files.reduce((sum, size) => sum + durationOf([size]), 0);
  expect(durationOf(files)).toBeLessThan(inTurn);
  for (const size of files) expect(durationOf(files)).toBeGreaterThan(durationOf([size]));
  expect(durationOf([])).toBe(0);
});

describe("one more large file beside another", () => {
  /** Two workers: this one, with `has`, and another. `waiting` begins with the job. */
  const paysToTake = (has: number[], other: number[], waiting: number[]) =>
    pays({
      job: waiting[0]!,
      withJob: [...has, waiting[0]!],
      others: [durationOf(other)],
      waitingBytes: waiting.reduce((sum, size) => sum + size, 0),
    });

  test("of files of one size, all are begun", () => {
    const size = 700 * mib;
    expect(paysToTake([size], [size], [size])).toBe(true);
    expect(paysToTake([size], [size], [size, size])).toBe(true);
    expect(paysToTake([size], [size, size], [size])).toBe(true);
  });

  test("a giant is left alone while others can do the rest in its time", () => {
    const rest = Array<number>(32).fill(32 * mib);
    expect(paysToTake([2_048 * mib], rest.slice(0, 4), rest)).toBe(false);
    const more = Array<number>(256).fill(32 * mib);
    expect(paysToTake([2_048 * mib], more.slice(0, 4), more)).toBe(true);
  });

  test("a giant that waits is begun beside smaller ones", () => {
    expect(paysToTake([1_000 * mib], [1_000 * mib], [5_000 * mib])).toBe(true);
  });

  test("a worker that is the only one takes all", () => {
    expect(pays({ job: 5, withJob: [1_000, 5], others: [], waitingBytes: 5 })).toBe(true);
  });
});

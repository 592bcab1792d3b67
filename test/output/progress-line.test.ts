import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fit, type ProgressState, progressLine, progressSummary } from "../../src/output/progress-line.ts";

const bar = (share: number, width: number) => "#".repeat(Math.round(share * width)).padEnd(width, "-");
const download: ProgressState = {
  label: "iso/debian-13.2.0-amd64-netinst.iso",
  sizeBytes: 734_003_200,
  bytes: 316_000_000,
  bytesPerSecond: 101_000_000,
  sources: 3,
};
const hashing: ProgressState = {
  label: "hashing",
  sizeBytes: 2_000_000_000,
  bytes: 500_000_000,
  bytesPerSecond: 0,
  files: { done: 12, total: 10_000 },
};

test.each([
  [
    download,
    119,
    "iso/debian-13.2.0-amd64-netinst.iso  #########-------------   43 %   316 MB of 734 MB   101 MB/s    5 s left  3 sources",
  ],
  [download, 79, "iso/debian-13.2.0-amd64…  ###-----  43 %  316/734 MB  101 MB/s  5 s left  3 src"],
  [download, 59, "######--------  43 %  316/734 MB  101 MB/s  5 s left  3 src"],
  [download, 40, "43 %  316/734 MB  101 MB/s  5 s left"],
  [download, 3, "43…"],
  [
    hashing,
    119,
    "hashing  ##########------------------------------   25 %   500 MB of 2.00 GB      0 B/s     stalled  12 of 10,000 files",
  ],
  [hashing, 59, "25 %  500 MB/2.00 GB  0 B/s  stalled  12/10,000 files"],
])("%o in %d columns", (state, columns, expected) =>
  expect(progressLine(state, columns, bar)).toBe(expected),
);

test("for a log", () => {
  expect(progressSummary(download)).toBe(
    "iso/debian-13.2.0-amd64-netinst.iso: 43 %, 316 MB of 734 MB, 101 MB/s, 5 s left, 3 sources",
  );
});

test("never wider than the terminal, never without the percentage, never raw", () => {
  const state = fc.record({
    label: fc.string({ unit: "binary", maxLength: 60 }),
    sizeBytes: fc.maxSafeNat(),
    bytes: fc.maxSafeNat(),
    bytesPerSecond: fc.double({ min: 0 }),
    sources: fc.nat({ max: 64 }),
  });
  fc.assert(
    fc.property(state, fc.integer({ min: 6, max: 300 }), (given, columns) => {
      const line = progressLine(given, columns, bar);
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
      expect(line).toContain(" %");
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});

describe("fit", () => {
  test.each([
    ["abc", 3, "abc"],
    ["abcd", 3, "ab…"],
    ["日本語", 5, "日本…"],
    ["日本語", 4, "日…"],
    ["👨‍👩‍👧x", 2, "…"],
    ["abc", 0, ""],
  ])("%p in %d", (text, width, expected) => expect(fit(text, width)).toBe(expected));
});

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
const folder: ProgressState = {
  label: "dataset/",
  sizeBytes: 131_072_000,
  bytes: 8_585_216,
  bytesPerSecond: 101_000_000,
  sources: 3,
  files: { done: 131, total: 2_000 },
};
const manyFiles: ProgressState = {
  label: "models/**/*.safetensors",
  sizeBytes: 1_310_720_000_000,
  bytes: 858_521_600_000,
  bytesPerSecond: 10_100_000,
  sources: 17,
  files: { done: 131_072, total: 1_000_000 },
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
    folder,
    119,
    "dataset/  ##-------------------------    6 %    131 of 2,000 files   101 MB/s    2 s left  8.59 MB of 131 MB  3 sources",
  ],
  [folder, 79, "#----------------  6 %  131/2,000 files  101 MB/s  2 s left  8.59/131 MB  3 src"],
  [folder, 59, "#----------------  6 %  131/2,000 files  101 MB/s  2 s left"],
  [folder, 40, "6 %  131/2,000 files  101 MB/s  2 s left"],
  [
    manyFiles,
    119,
    "models/**/*.s…  #####---   65 %    131,072 of 1,000,000 files  10.1 MB/s  12:26:13 left   859 GB of 1.31 TB  17 sources",
  ],
  [manyFiles, 59, "65 %  131,072/1,000,000 files  10.1 MB/s  12:26:13 left"],
  [
    hashing,
    119,
    "hashing  #########---------------------------   25 %      12 of 10,000 files      0 B/s     stalled   500 MB of 2.00 GB",
  ],
  [hashing, 59, "#####---------------  25 %  12/10,000 files  0 B/s  stalled"],
])("%o in %d columns", (state, columns, expected) =>
  expect(progressLine(state, columns, bar)).toBe(expected),
);

test("for a log", () => {
  expect(progressSummary(download)).toBe(
    "iso/debian-13.2.0-amd64-netinst.iso: 43 %, 316 MB of 734 MB, 101 MB/s, 5 s left, 3 sources",
  );
  expect(progressSummary(folder)).toBe(
    "dataset/: 6 %, 131 of 2,000 files, 101 MB/s, 2 s left, 8.59 MB of 131 MB, 3 sources",
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
  const files = fc.record({ done: fc.maxSafeNat(), total: fc.maxSafeNat() });
  const folder = fc.tuple(state, files).map(([given, files]) => ({ ...given, files }));
  fc.assert(
    fc.property(fc.oneof(state, folder), fc.integer({ min: 6, max: 300 }), (given, columns) => {
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

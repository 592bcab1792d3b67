import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatWhole,
} from "../../src/output/format.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [9_994, "9.99 kB"],
  [9_996, "10.0 kB"],
  [99_949, "99.9 kB"],
  [99_999, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.00 MB"],
  [734_003_200, "734 MB"],
  [1_099_511_627_776, "1.10 TB"],
])("%d bytes are %s", (count, expected) => expect(formatBytes(count)).toBe(expected));

test("sizes never have more than seven characters", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (count) => formatBytes(count).length <= 7));
});

test.each([
  [0, "0 s"],
  [0.04, "0.04 s"],
  [1.46, "1.5 s"],
  [4, "4 s"],
  [42.4, "42 s"],
  [59.7, "1:00"],
  [187, "3:07"],
  [7509, "2:05:09"],
  [273_600, "3 d 4 h"],
  [Number.POSITIVE_INFINITY, "?"],
])("%d seconds are %s", (seconds, expected) => expect(formatDuration(seconds)).toBe(expected));

test("the rest", () => {
  expect(formatRate(101_000_000.4)).toBe("101 MB/s");
  expect(formatRate(Number.NaN)).toBe("0 B/s");
  expect(formatPercent(999, 1000)).toBe("99 %");
  expect(formatPercent(0, 0)).toBe("100 %");
  expect(formatCount(1, "source")).toBe("1 source");
  expect(formatCount(12_345, "file")).toBe("12,345 files");
});

test("a whole number is written as in English", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(17), (number, digits) => {
      const count = Math.floor(number / 10 ** digits);
      expect(formatWhole(count)).toBe(count.toLocaleString("en-US"));
    }),
  );
});

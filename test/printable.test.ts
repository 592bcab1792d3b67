/** What remote text may do to a terminal: nothing. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { printable } from "../src/printable.ts";

const table: [text: string, shown: string][] = [
  ["plain text.iso", "plain text.iso"],
  ["ünïcödé 名前 🎉 👩\u200d💻 cafe\u0301 $<>|", "ünïcödé 名前 🎉 👩\u200d💻 cafe\u0301 $<>|"],
  ["\u001b]0;owned\u0007\u001b[2J", "\\u{1b}]0;owned\\u{7}\\u{1b}[2J"],
  ["\u009b31m", "\\u{9b}31m"],
  ["a\rb\nc\td", "a\\u{d}b\\u{a}c\\u{9}d"],
  ["invoice\u202efdp.exe", "invoice\\u{202e}fdp.exe"],
  ["\u2066a\u2069\ufeff\u200b\u00a0", "\\u{2066}a\\u{2069}\\u{feff}\\u{200b}\\u{a0}"],
  ["a\ud800", "a\ufffd"],
  ["\u{e0001}", "\\u{e0001}"],
];
test.each(table)("%j", (text, shown) => expect(printable(text)).toBe(shown));

test("cuts what is long, and says so", () => {
  expect(printable("x".repeat(200))).toBe("x".repeat(200));
  expect(printable("x".repeat(201))).toBe(`${"x".repeat(199)}…`);
  expect(printable("abcdef", 4)).toBe("abc…");
});

test("never lets a control or format character through, and never breaks a character in two", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 50 }), (text, limit) => {
      const shown = printable(text, limit);
      expect(shown.length).toBeLessThanOrEqual(limit);
      expect(shown).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]/u);
      expect(shown.isWellFormed()).toBe(true);
    }),
    { numRuns: 500 },
  );
});

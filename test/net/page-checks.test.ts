/** Which pages of a list are accepted. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isPageOf } from "../../src/net/answer-checks.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { Names } from "../../src/wire/messages.ts";
import { NamePattern } from "../../src/wire/name-pattern.ts";

const everything = new NamePattern("**");

function page(names: readonly string[], next?: string): Names {
  const files = names.map((name) => ({
    name: name as FileName,
    root: "aa",
    sizeBytes: 1,
    md5: "bb",
    total: 0,
    sources: [],
  }));
  return { type: "NAMES", id: 1, files, next: next as FileName | undefined };
}

/** UTF-16 puts the last one before the one before it. */
const inOrder = ["A", "a", "a/b", "ab", "\u00e9", "\ud7ff", "\uff5e", "\u{1f600}"];

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

describe("a page", () => {
  test("is in the order of the bytes", () => {
    expect(isPageOf(page(inOrder), everything, "")).toBe(true);
    expect(isPageOf(page(inOrder.toReversed()), everything, "")).toBe(false);
    const part = fc.constantFrom("a", "z", "\ud7ff", "\ue000", "\uff5e", "\u{1f600}", "\u{10fffd}");
    const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(isPageOf(page([one, other]), everything, "")).toBe(compareBytes(one, other) <= 0);
        expect(isPageOf(page([], other), everything, one)).toBe(compareBytes(one, other) < 0);
      }),
    );
  });

  test("is behind what it was asked for, and fits", () => {
    expect(isPageOf(page(["b", "b"]), everything, "a")).toBe(true);
    expect(isPageOf(page(["a"]), everything, "a")).toBe(false);
    expect(isPageOf(page(["a"]), everything, "b")).toBe(false);
    expect(isPageOf(page(["c/a"]), new NamePattern("d/"), "")).toBe(false);
  });

  test("leads on", () => {
    expect(isPageOf(page(["b"], "b"), everything, "a")).toBe(true);
    expect(isPageOf(page(["b"], "a"), everything, "a")).toBe(false);
  });
});

/** Which names fit a pattern, against a table and a slow but obvious matcher, and that no pattern is slow. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NamePattern } from "../../src/wire/name-pattern.ts";

function fits(pattern: string, name: string): boolean {
  return new NamePattern(pattern).matches(name);
}

describe("a pattern", () => {
  const table: [pattern: string, fitting: string[], others: string[]][] = [
    ["a.iso", ["a.iso"], ["b.iso", "x/a.iso", "a.iso/b", "A.ISO", "a.is", "a.isoo"]],
    ["dataset/", ["dataset/a", "dataset/x/y"], ["dataset", "datasets/a", "x/dataset/a"]],
    ["dataset/**", ["dataset/a", "dataset/x/y"], ["dataset"]],
    ["**", ["a", "a/b/c"], []],
    ["*", ["a", ".env"], ["a/b"]],
    ["*/", ["a/b", "a/b/c"], ["a"]],
    ["**/", ["a/b", "a"], []],
    ["*.iso", ["a.iso", ".iso"], ["x/a.iso", "a.isox"]],
    [
      "models/**/*.safetensors",
      ["models/a.safetensors", "models/x/y/a.safetensors"],
      ["models/x/a.bin", "a.safetensors"],
    ],
    ["**/a/**/b", ["a/b", "x/a/b", "a/x/b", "a/b/a/x/y/b"], ["a", "b", "a/b/c", "b/a"]],
    ["a/**/**/b", ["a/b", "a/x/b"], ["ab", "a"]],
    ["a**z", ["az", "a**z", "abz"], ["a/z"]],
    ["?", ["a", "é", "🎬", "*"], ["", "ab", "a/b", "/"]],
    ["??.txt", ["ab.txt", "🎬é.txt"], ["a.txt", "🎬.txt"]],
    ["*?🎬", ["x🎬", "🎬🎬"], ["🎬"]],
    ["[a-z]{1,2}\\?", ["[a-z]{1,2}\\x"], ["ab", "[a-z]{1,2}?x"]],
    ["a*b*c", ["abc", "aXbbYcbc"], ["abcd", "acb"]],
    ["", [], ["a"]],
    ["/", [], ["a", "a/b"]],
    ["//", [], ["a", "a/b"]],
    ["/a", [], ["a"]],
    ["../*", [], ["a", "a/b"]],
    ["*\u0000", [], ["a"]],
  ];
  test.each(table)("%j", (pattern, fitting, others) => {
    for (const name of fitting) expect(fits(pattern, name), name).toBe(true);
    for (const name of others) expect(fits(pattern, name), name).toBe(false);
  });

  test("says what all that fit begin with", () => {
    const prefixes = ["a/b.iso", "dataset/", "mod*/x", "a/b?", "**", ""].map(
      (text) => new NamePattern(text).prefix,
    );
    expect(prefixes).toEqual(["a/b.iso", "dataset/", "mod", "a/b", "", ""]);
    expect(new NamePattern("a/b.iso").isName).toBe(true);
    expect(new NamePattern("a/").isName).toBe(false);
  });
});

/** Tries everything there is: what the pattern means, and nothing of how it is found. */
function partsFit(parts: readonly string[], names: readonly string[]): boolean {
  const [part, ...rest] = parts;
  if (part === undefined) return names.length === 0;
  if (part === "**") {
    const least = rest.length === 0 ? 1 : 0;
    return (
      names.some((_, i) => i >= least && partsFit(rest, names.slice(i))) ||
      (rest.length === 0 && names.length > 0)
    );
  }
  return names.length > 0 && charactersFit([...part], [...names[0]!]) && partsFit(rest, names.slice(1));
}

function charactersFit(signs: readonly string[], name: readonly string[]): boolean {
  const [sign, ...rest] = signs;
  if (sign === undefined) return name.length === 0;
  if (sign === "*") return [...name, ""].some((_, i) => charactersFit(rest, name.slice(i)));
  return name.length > 0 && (sign === "?" || sign === name[0]) && charactersFit(rest, name.slice(1));
}

test("fits what the obvious matcher says, and only what begins with its prefix", () => {
  const part = fc.oneof(
    fc.constant("**"),
    fc.string({ unit: fc.constantFrom(..."ab*?🎬"), minLength: 1, maxLength: 5 }),
  );
  const name = fc.array(fc.string({ unit: fc.constantFrom(..."ab🎬"), minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      name,
      fc.boolean(),
      (parts, names, isBelow) => {
        const text = parts.join("/") + (isBelow ? "/" : "");
        const pattern = new NamePattern(text);
        const expected = partsFit(isBelow ? [...parts, "**"] : parts, names);
        expect(pattern.matches(names.join("/")), text).toBe(expected);
        if (expected) expect(names.join("/").startsWith(pattern.prefix)).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("takes no exponential time for a hostile pattern and name", () => {
  const longPart = "a".repeat(255);
  const longName = [longPart, longPart, longPart, longPart].join("/");
  const manyParts = Array(32).fill("a".repeat(31)).join("/");
  const hostile = [
    `${"*a".repeat(500)}b`,
    `${"a*".repeat(500)}b`,
    `*${"a".repeat(127)}b`,
    Array(4)
      .fill(`*${"a".repeat(127)}*b`)
      .join("/"),
    Array(300).fill("**").join("/"),
    `${"**/*a/".repeat(150)}b`,
    `${"**/a*/".repeat(30)}**/b`,
    `${"?".repeat(1_000)}*`,
    "*".repeat(1_024),
  ];
  for (const text of hostile) {
    const pattern = new NamePattern(text);
    const startMs = performance.now();
    for (let i = 0; i < 20; i++) {
      pattern.matches(longName);
      pattern.matches(manyParts);
    }
    // 0.3 ms each at most, with room for a busy machine.
    expect(performance.now() - startMs, text.slice(0, 40)).toBeLessThan(400);
  }
});

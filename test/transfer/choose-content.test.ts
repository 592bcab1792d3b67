import { describe, expect, test } from "bun:test";
import { type Choice, chooseContent } from "../../src/transfer/choose-content.ts";
import type { FoundContent } from "../../src/wire/messages.ts";

function content(root: string): FoundContent {
  return {
    root: root.padEnd(64, "0"),
    sizeBytes: 1,
    md5: "0".repeat(32),
    names: ["a"],
    total: 1,
    sources: [],
  };
}

const one = content("aabb11");
const two = content("aabb22");

const table: { contents: FoundContent[]; prefix?: string; kind: Choice["kind"]; roots: string[] }[] = [
  { contents: [], kind: "none", roots: [] },
  { contents: [one], kind: "one", roots: [one.root] },
  { contents: [one, two], kind: "several", roots: [one.root, two.root] },
  { contents: [one, two], prefix: "aabb", kind: "several", roots: [one.root, two.root] },
  { contents: [one, two], prefix: "aabb2", kind: "one", roots: [two.root] },
  { contents: [one, two], prefix: "abcd", kind: "none", roots: [] },
  { contents: [one], prefix: "ffff", kind: "none", roots: [] },
];

describe("which content a name means", () => {
  for (const { contents, prefix, kind, roots } of table) {
    test(`${contents.length} contents, prefix ${prefix ?? "not given"}: ${kind}`, () => {
      const choice = chooseContent(contents, { rootPrefix: prefix, sizeBytes: undefined });
      expect(choice.kind).toBe(kind);
      const chosen =
        choice.kind === "one" ? [choice.content] : choice.kind === "several" ? choice.contents : [];
      expect(chosen.map(({ root }) => root)).toEqual(roots);
    });
  }
});

test("a lie about the size is told apart by the size", () => {
  const lie = { ...one, sizeBytes: 64 };
  expect(chooseContent([lie, one], { rootPrefix: one.root, sizeBytes: undefined }).kind).toBe("several");
  expect(chooseContent([lie, one], { rootPrefix: one.root, sizeBytes: 1 })).toEqual({
    kind: "one",
    content: one,
  });
});

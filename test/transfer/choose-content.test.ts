import { expect, test } from "bun:test";
import { type Meant, meantOf } from "../../src/transfer/choose-content.ts";
import type { FoundContent } from "../../src/wire/messages.ts";

function content(root: string, sizeBytes = 1): FoundContent {
  return { root: root.padEnd(64, "0"), sizeBytes, md5: "0".repeat(32), names: ["a"], total: 1, sources: [] };
}

const one = content("aabb11");
const two = content("aabb22");
/** Somebody lies about the size. */
const lie = content("aabb11", 64);

const table: { of: FoundContent[]; meant: Partial<Meant>; expected: FoundContent[] }[] = [
  { of: [], meant: {}, expected: [] },
  { of: [one, two], meant: {}, expected: [one, two] },
  { of: [one, two], meant: { rootPrefix: "aabb" }, expected: [one, two] },
  { of: [one, two], meant: { rootPrefix: "aabb2" }, expected: [two] },
  { of: [one, two], meant: { rootPrefix: "abcd" }, expected: [] },
  { of: [one, lie], meant: { rootPrefix: one.root }, expected: [one, lie] },
  { of: [one, lie], meant: { rootPrefix: one.root, sizeBytes: 1 }, expected: [one] },
  { of: [one, two], meant: { sizeBytes: 2 }, expected: [] },
];

for (const { of, meant, expected } of table) {
  test(`of ${of.length} contents, ${JSON.stringify(meant)} means ${expected.length}`, () => {
    expect(meantOf(of, { rootPrefix: undefined, sizeBytes: undefined, ...meant })).toEqual(expected);
  });
}

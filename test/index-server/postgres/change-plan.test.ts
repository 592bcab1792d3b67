import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Change,
  changeOf,
  haveNamesInCommon,
  joined,
} from "../../../src/index-server/postgres/change-plan.ts";
import type { FileName } from "../../../src/wire/file-name.ts";
import type { FileEntry } from "../../../src/wire/messages.ts";
import { fileEntry } from "../../helpers/file-entries.ts";

/** With names as their own keys. */
function change(add: readonly FileEntry[], remove?: readonly string[]): Change {
  const keyed = (file: FileEntry) => ({ file, nameKey: file.name, lastKey: file.name, entry: 0n });
  return changeOf(add, remove as FileName[] | undefined, keyed, (name) => name);
}

/** What a peer has after it, by name. */
function after(held: ReadonlyMap<string, string>, { add, remove }: Change): Map<string, string> {
  const now = remove === undefined ? new Map<string, string>() : new Map(held);
  for (const name of remove ?? []) now.delete(name);
  for (const [name, { file }] of add) now.set(name, file.root);
  return now;
}

const name = fc.constantFrom("a", "b", "c", "d");
const file = fc
  .tuple(name, fc.integer({ min: 1, max: 3 }))
  .map(([named, content]) => fileEntry(named, content));
const update = fc
  .tuple(fc.array(file, { maxLength: 4 }), fc.array(name, { maxLength: 4 }))
  .map(([add, remove]) => change(add, remove));
const register = fc.array(file, { maxLength: 4 }).map((add) => change(add));

test("changes that are joined do what they do one after the other", () => {
  fc.assert(
    fc.property(fc.array(file), fc.oneof(register, update), update, update, (held, first, second, third) => {
      const before = new Map(held.map((each) => [each.name as string, each.root]));
      const oneByOne = [first, second, third].reduce(after, before);
      expect(after(before, joined(joined(first, second), third))).toEqual(oneByOne);
    }),
  );
});

test("what is added and removed by one line stays", () => {
  const both = change([fileEntry("a", 1), fileEntry("a", 2)], ["a", "b"]);
  expect([...both.add.values()].map(({ file: { root } }) => root)).toEqual([fileEntry("a", 2).root]);
  expect([...both.remove!]).toEqual(["b"]);
});

test.each<[string, Change, Change, boolean]>([
  ["nothing", change([], []), change([fileEntry("a")], []), false],
  ["different names", change([fileEntry("a")], ["b"]), change([fileEntry("c")], ["d"]), false],
  ["one that both add", change([fileEntry("a")], []), change([fileEntry("a")], []), true],
  ["one that is added and then removed", change([fileEntry("a")], []), change([], ["a"]), true],
  ["one that is removed and then added", change([], ["a"]), change([fileEntry("a")], []), true],
  ["one that both remove", change([], ["a"]), change([], ["a"]), true],
  ["all of them", change([]), change([fileEntry("a")], []), true],
])("names in common: %s", (_, one, other, expected) => {
  expect(haveNamesInCommon(one, other)).toBe(expected);
  expect(haveNamesInCommon(other, one)).toBe(expected);
});

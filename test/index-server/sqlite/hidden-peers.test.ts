/** Peers that have left, found by what they had. */
import { expect, test } from "bun:test";
import { HiddenPeers } from "../../../src/index-server/sqlite/hidden-peers.ts";
import type { Holder } from "../../../src/index-server/sqlite/holding-tables.ts";
import { LibraryDigest } from "../../../src/wire/library-digest.ts";
import { fileEntry } from "../../helpers/file-entries.ts";

function holder(slot: number, ...names: string[]): Holder {
  const digest = new LibraryDigest();
  for (const name of names) digest.add(fileEntry(name));
  return { slot, digest };
}

const anySlot = () => true;

test("who left is found by its digest alone, as long as it is there", () => {
  const hidden = new HiddenPeers();
  const [one, other] = [holder(1, "a", "b"), holder(2, "c")];
  hidden.add(one);
  hidden.add(other);
  expect(hidden.find(one.digest.claim, anySlot)).toBe(one);
  expect(hidden.find(other.digest.claim, anySlot)).toBe(other);
  expect(hidden.find({ ...one.digest.claim, files: 3 }, anySlot)).toBeUndefined();
  expect([...hidden.slots()]).toEqual([1, 2]);
  expect([hidden.delete(1), hidden.delete(1), hidden.has(1), hidden.get(1)]).toEqual([
    true,
    false,
    false,
    undefined,
  ]);
  expect(hidden.find(one.digest.claim, anySlot)).toBeUndefined();
  expect(hidden.get(2)).toBe(other);
});

test("of several that had the same, one is found whose slot may be had", () => {
  const hidden = new HiddenPeers();
  const all = [1, 2, 3].map((slot) => holder(slot, "a"));
  for (const each of all) hidden.add(each);
  const { claim } = all[0]!.digest;
  const find = () => hidden.find(claim, (slot) => slot !== 1)?.slot;
  expect(find()).toBe(2);
  hidden.delete(2);
  expect(find()).toBe(3);
  hidden.delete(3);
  expect(find()).toBeUndefined();
  expect(hidden.find(claim, anySlot)?.slot).toBe(1);
});

test("who has lost a row since is not what it was", () => {
  const hidden = new HiddenPeers();
  const one = holder(1, "a", "b");
  const { claim } = one.digest;
  hidden.add(one);
  one.digest.remove(fileEntry("b"));
  expect(hidden.find(claim, anySlot)).toBeUndefined();
  one.digest.add(fileEntry("b"));
  expect(hidden.find(claim, anySlot)).toBe(one);
  one.digest.remove(fileEntry("a"));
  hidden.delete(1);
  expect(hidden.find(claim, anySlot)).toBeUndefined();
});

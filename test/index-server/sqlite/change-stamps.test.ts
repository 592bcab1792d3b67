/** Counters that two threads share: what has changed moves, and `sequence` says whether a change came in between. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ChangeStamps } from "../../../src/index-server/sqlite/change-stamps.ts";
import { rootOf } from "../../helpers/file-entries.ts";

test("a change moves the stamps of what it changed, and no others", () => {
  const writer = new ChangeStamps();
  const reader = new ChangeStamps(writer.shared);
  const places = ["a", "x/a", "b"].map((name) => ChangeStamps.ofName(name));
  const root = ChangeStamps.ofRoot(Buffer.from(rootOf(1), "hex"));
  const stamps = () => [...places, root].map((place) => reader.at(place));
  expect(stamps()).toEqual([0, 0, 0, 0]);
  writer.begin();
  // Not before they are visible.
  expect(stamps()).toEqual([0, 0, 0, 0]);
  writer.end([places[0]!, root]);
  expect(stamps()).toEqual([1, 0, 0, 1]);
  writer.begin();
  writer.end([]);
  expect(stamps()).toEqual([1, 0, 0, 1]);
});

test("the sequence is odd while a change becomes visible, and another one afterwards", () => {
  const stamps = new ChangeStamps();
  const seen = [stamps.sequence];
  for (let i = 0; i < 2; i++) {
    stamps.begin();
    seen.push(stamps.sequence);
    stamps.end([]);
    seen.push(stamps.sequence);
  }
  expect(seen.map((sequence) => sequence % 2)).toEqual([0, 1, 0, 1, 0]);
  expect(new Set(seen).size).toBe(5);
});

test("of a root the first bytes are enough, and every place is within the counters", () => {
  const { shared } = new ChangeStamps();
  const places = shared.byteLength / 4 - 1;
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string(), (root, name) => {
      expect(ChangeStamps.ofRoot(root.subarray(0, 3))).toBe(ChangeStamps.ofRoot(root));
      for (const place of [ChangeStamps.ofRoot(root), ChangeStamps.ofName(name)])
        expect(place).toBeWithin(0, places);
    }),
  );
  const names = Array.from({ length: 10_000 }, (_, i) => ChangeStamps.ofName(`name ${i}`));
  expect(new Set(names).size).toBeGreaterThan(9_500);
});

/** The filter in front of all that somebody wants to hear of: it may let through too much, never too little. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { WantedFiles } from "../../src/index-server/wanted-files.ts";
import { keysOfName } from "../../src/index-server/watch-keys.ts";
import { FoldedName } from "../../src/wire/search-fold.ts";
import { fileEntry, rootOf } from "../helpers/file-entries.ts";

test("lets through what is wanted by its name, by the last part of it, by its root; and everything if asked", () => {
  const wanted = new WantedFiles();
  const passes = () =>
    [fileEntry("x/a", 1), fileEntry("a", 2), fileEntry("a/b", 3), fileEntry("c", 4)].map((file) =>
      wanted.mayWant(file),
    );
  expect(passes()).toEqual([false, false, false, false]);
  wanted.wantName("a", 1);
  expect(passes()).toEqual([true, true, false, false]);
  wanted.wantRoot(rootOf(4), 1);
  expect(passes()).toEqual([true, true, false, true]);
  wanted.wantName("a", -1);
  wanted.wantName("x/a", 1);
  expect(passes()).toEqual([true, false, false, true]);
  wanted.wantAll(1);
  expect(passes()).toEqual([true, true, true, true]);
  wanted.wantAll(-1);
  expect(passes()).toEqual([true, false, false, true]);
});

test("another thread sees the same", () => {
  const here = new WantedFiles();
  const there = new WantedFiles(here.shared);
  here.wantName("a", 1);
  expect(there.mayWant(fileEntry("x/a"))).toBe(true);
  here.wantName("a", -1);
  expect(there.mayWant(fileEntry("x/a"))).toBe(false);
});

type Want = { what: "name" | "root"; of: number } | { what: "all" };

test("whatever is wanted and given up in whatever order: all that is wanted comes through, few others do", () => {
  const names = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? `n${i}` : `d/n${i}`));
  const wantArbitrary: fc.Arbitrary<Want> = fc.oneof(
    { weight: 20, arbitrary: fc.record({ what: fc.constantFrom("name", "root"), of: fc.nat({ max: 29 }) }) },
    { weight: 1, arbitrary: fc.constant<Want>({ what: "all" }) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(wantArbitrary, fc.boolean()), { maxLength: 60 }), (steps) => {
      const wanted = new WantedFiles();
      const change = (want: Want, by: 1 | -1) => {
        if (want.what === "all") wanted.wantAll(by);
        else if (want.what === "name") wanted.wantName(names[want.of]!, by);
        else wanted.wantRoot(rootOf(want.of), by);
      };
      const held: Want[] = [];
      for (const [want, isGivenUp] of steps) {
        const at = isGivenUp ? held.findIndex((one) => JSON.stringify(one) === JSON.stringify(want)) : -1;
        if (at >= 0) held.splice(at, 1);
        else held.push(want);
        change(want, at >= 0 ? -1 : 1);
      }
      const isWanted = (content: number, name: string) =>
        held.some(
          (want) =>
            want.what === "all" ||
            (want.what === "root" && want.of === content) ||
            (want.what === "name" && (names[want.of] === name || names[want.of] === name.split("/").at(-1))),
        );
      let surplus = 0;
      for (const [i, name] of names.entries()) {
        const passes = wanted.mayWant(fileEntry(name, i));
        if (isWanted(i, name)) expect(passes).toBe(true);
        else if (passes) surplus++;
      }
      // These are some dozen of 65,536 places, the same ones whenever this runs.
      expect(surplus).toBeLessThan(3);
    }),
  );
});

/** A root that does not pass as a sample. */
const rare = "f".repeat(64);
const named = (name: string) => ({ ...fileEntry(name), root: rare });

test.each<[key: string, name: string, passes: boolean]>([
  ["FIL", "a film.mkv", true],
  ["FIL", "a frog.mkv", false],
  ["M ", "a film.mkv", true],
  [" M", "a film.mkv", true],
  ["Z", "a film.mkv", false],
  [".MKV", "a film.mkv", true],
  [".MKV", "a film.mkv/readme", false],
  [".", "readme", true],
  ["ÉES", "idées", false],
  ["EES", "Idées", true],
  ["猫", "黒猫", true],
])("of names those with the key %j: %j", (key, name, passes) => {
  const wanted = new WantedFiles();
  expect(wanted.mayWant(named(name))).toBe(false);
  wanted.wantKey(key, 1);
  expect([wanted.any, wanted.mayWant(named(name))]).toEqual([true, passes]);
  wanted.wantKey(key, -1);
  expect([wanted.any, wanted.mayWant(named(name))]).toEqual([false, false]);
});

test("while a key is wanted, some files pass whatever their names are, so that it is known which keys are rare", () => {
  const wanted = new WantedFiles();
  const files = Array.from({ length: 1_600 }, (_, i) => ({ ...fileEntry("zzz"), root: rootOf(i) }));
  const passing = () => files.filter((file) => wanted.mayWant(file)).length;
  expect(passing()).toBe(0);
  wanted.wantName("another", 1);
  expect(passing()).toBeLessThan(5);
  wanted.wantKey("FIL", 1);
  expect(passing()).toBeWithin(60, 150);
});

test("every key of every name lets it through", () => {
  const names = fc
    .string({ unit: "binary", minLength: 1, maxLength: 40 })
    .filter((name) => name.trim() !== "");
  fc.assert(
    fc.property(names, fc.nat(), (name, which) => {
      const keys = [...keysOfName(new FoldedName(name))];
      const wanted = new WantedFiles();
      wanted.wantKey(keys[which % keys.length]!, 1);
      expect(wanted.mayWant(named(name))).toBe(true);
    }),
  );
});

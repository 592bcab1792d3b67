/** SEARCH: what matches, in which order, and what its limits do. */
import { describe, expect, test } from "bun:test";
import { matchesWords, parseSearch } from "../../src/index-server/sqlite/search.ts";
import { fileEntry } from "../helpers/file-entries.ts";
import { OpenCatalog } from "./open-catalog.ts";

describe("words", () => {
  const table: [text: string, name: string, matches: boolean][] = [
    ["ubuntu", "iso/Ubuntu 24.04.iso", true],
    ["iso ubuntu", "Ubuntu.iso", true],
    ["UBUNTU -server", "ubuntu-desktop.iso", true],
    ["ubuntu -server", "ubuntu-SERVER.iso", false],
    ["-server", "desktop", true],
    ["ubuntu zebra", "ubuntu", false],
    ["  ubuntu\t ", "xubuntux", true],
    ["", "anything", true],
    ["-", "a-b", true],
    ["-", "ab", false],
    ["%", "a%b", true],
    ["%", "ab", false],
    ["_", "ab", false],
    ["名前", "ünï 名前.txt", true],
    ["ÜNÏ", "ünï", true],
    ["strasse", "Straße", true],
    ["ΟΔΟΣ", "οδος", true],
    ["café", "cafe\u0301.txt", true],
    ["folder/file", "a/folder/file", true],
  ];
  test.each(table)("%p in %p: %p", (text, name, expected) => {
    expect(matchesWords(parseSearch(text), name)).toBe(expected);
  });

  test("are 16 at most", () => {
    expect(parseSearch("x ".repeat(16)).wanted).toHaveLength(16);
    expect(() => parseSearch("x ".repeat(17))).toThrow(expect.objectContaining({ code: "TOO_MANY" }));
  });
});

describe("matches", () => {
  test("come by name, each name and content once, with how many peers have the content", () => {
    using open = new OpenCatalog();
    open.peer([fileEntry("b iso", 1), fileEntry("a iso", 2), fileEntry("zebra", 3)]);
    open.peer([fileEntry("b iso", 1), fileEntry("a iso", 1)]);
    open.peer([{ ...fileEntry("b iso", 1), md5: "0".repeat(32) }]);
    const { matches, more } = open.find("ISO");
    expect(more).toBe(false);
    expect(matches.map(({ name, sources }) => `${name} ${sources}`).sort()).toEqual([
      "a iso 1",
      "a iso 3",
      "b iso 3",
    ]);
    expect(matches.map(({ name }) => name)).toEqual(["a iso", "a iso", "b iso"] as never[]);
    expect(open.find("iso")).toEqual({ matches, more });
  });

  test("are the first by name of all, however many there are; more says that there are others", () => {
    using open = new OpenCatalog();
    const names = Array.from({ length: 1_000 }, (_, i) => `file ${(i * 617) % 1_000}`);
    open.peer(names.map((name) => fileEntry(name)));
    for (const limit of [1, 10, 999]) {
      const found = open.find("file", limit);
      expect(found.matches.map(({ name }) => name as string)).toEqual(names.toSorted().slice(0, limit));
      expect(found.more).toBe(true);
    }
    expect(open.find("file", 1_000).more).toBe(false);
    expect(open.find("file 77", 19)).toMatchObject({ more: false });
    expect(open.find("file 77", 18)).toMatchObject({ more: true });
  });

  test("a peer that leaves while the search rests is not among them", () => {
    using open = new OpenCatalog();
    open.peer([fileEntry("stays", "s")]);
    const leaver = open.peer([fileEntry("leaves", "l")]);
    const steps = open.search.run("s", 50);
    steps.next();
    open.leave(leaver);
    let step = steps.next();
    while (!step.done) step = steps.next();
    expect(step.value.matches.map(({ name }) => name as string)).toEqual(["stays"]);
  });
});

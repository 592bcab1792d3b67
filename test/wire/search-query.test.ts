/** The grammar of SEARCH: what people type, what it finds, what is wrong with it. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { maxContentBytes } from "../../src/wire/limits.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { FoldedName, fold, wordsOf } from "../../src/wire/search-fold.ts";
import {
  compareRanked,
  isPeerMeant,
  matchesName,
  matchesSize,
  type Ranked,
  rank,
} from "../../src/wire/search-match.ts";
import { parseSearch } from "../../src/wire/search-query.ts";
import { endingsOfType, searchTypes } from "../../src/wire/search-types.ts";

describe("what people type", () => {
  const table: [text: string, name: string, matches: boolean][] = [
    // Words: any order, any case, anywhere.
    ["ubuntu", "iso/Ubuntu 24.04.iso", true],
    ["iso ubuntu", "Ubuntu.iso", true],
    ["buntu", "ubuntu.iso", true],
    ["ubun deskt", "ubuntu-desktop.iso", true],
    ["ubuntu zebra", "ubuntu", false],
    ["  ubuntu\t ", "xubuntux", true],
    ["", "anything", true],
    ["v", "movie", true],
    ["19 99", "1999", true],
    // Punctuation separates, whichever it is.
    ["wu-tang", "Wu Tang Clan - 01.mp3", true],
    ["wu tang", "Wu-Tang Clan.mp3", true],
    ["wu_tang", "wu.tang", true],
    ["wu-tang", "tang wu", false],
    ["wutang", "wu-tang", false],
    ["24.04", "ubuntu 24 04", true],
    ["don't", "Don’t stop.mp3", true],
    ["folder/file", "a/folder/file", true],
    ["folder/file", "a/folder file", true],
    ["(live)", "Song [Live].mp3", true],
    ["c++", "learn c", true],
    ["-", "a", true],
    ["& ! -", "a", true],
    ["http://x", "http x", true],
    ["foo:bar", "foo bar", true],
    ["foo:bar", "bar foo", false],
    ["Size", "size", true],
    // Accents and ways of writing.
    ["café", "cafe\u0301.txt", true],
    ["cafe", "CAFÉ.txt", true],
    ["Café", "cafe", true],
    ["strasse", "Straße", true],
    ["STRAẞE", "strasse", true],
    ["ΟΔΟΣ", "οδος", true],
    ["οδός", "ΟΔΟΣ 5", true],
    ["istanbul", "İSTANBUL", true],
    ["ISTANBUL", "ıstanbul", true],
    ["ubuntu", "ＵＢＵＮＴＵ", true],
    ["file 2", "ﬁle²", true],
    ["елка", "Ёлка.jpg", true],
    ["soft", "so\u00adft", true],
    ["名前", "私の名前.txt", true],
    ["名 前", "名前", true],
    ["前名", "名前", false],
    ["ガ", "ｶﾞ", true],
    ["カ", "ガ", false],
    ["한국", "한국어.txt", true],
    ["हिन्दी", "हिन्दी.txt", true],
    ["😀", "party😀.png", true],
    // Not.
    ["ubuntu -server", "ubuntu-desktop.iso", true],
    ["ubuntu -server", "ubuntu-SERVER.iso", false],
    ["-server", "desktop", true],
    ['ubuntu -"live server"', "ubuntu server live", true],
    ['ubuntu -"live server"', "ubuntu live-server", false],
    ["--server", "server", false],
    ["-*.iso", "a.iso", false],
    ["-type:video", "a.mkv", false],
    // Phrases.
    ['"gentle breeze"', "A Gentle_Breeze.mp3", true],
    ['"gentle breeze"', "breeze gentle", false],
    ['"gentle breeze"', "gentle cold breeze", false],
    ["“gentle breeze”", "gentle breeze", true],
    ['"gentle bree', "gentle breeze", true],
    ['"art"', "start", true],
    ['" art "', "start", false],
    ['" art "', "the art.mp3", true],
    ['" art"', "article", true],
    ['"art "', "article", false],
    ['"size:>1G"', "size 1g", true],
    ['"*.iso"', "x iso", true],
    ['foo"bar baz"', "bar baz foo", true],
    ['""', "x", true],
    // Globs: of the last part, or of the whole name.
    ["*.iso", "dir/A.ISO", true],
    ["*.iso", "a.iso.txt", false],
    ["*.iso", "a_iso", false],
    ["ubuntu*", "dir/Ubuntu-24.iso", true],
    ["ubuntu*", "xubuntu", false],
    ["ubuntu*", "ubuntu/x", false],
    ["*é*", "e", true],
    ["file?.txt", "file1.txt", true],
    ["file?.txt", "file10.txt", false],
    ["iso/*.iso", "iso/a.iso", true],
    ["iso/*.iso", "old/iso/a.iso", false],
    ["iso/*.iso", "iso/b/a.iso", false],
    ["**/iso/**/*.iso", "x/iso/y/z/a.iso", true],
    ["who?", "who is it", true],
    ["who are you??", "who are you", true],
    ["*", "anything", true],
    ["*.iso ubuntu", "ubuntu.iso", true],
    // A letter that folds to a slash is none.
    ["a/*", "℀", false],
    // Types.
    ["type:video", "a/Film.MKV", true],
    ["type:video", "mkv", false],
    ["type:video", ".mkv", false],
    ["TYPE:Video", "a.mp4", true],
    ["type:archive", "x.tar.gz", true],
    ["type:iso", "x.iso", true],
    // Of these a name says nothing.
    ["size:>1G peer:10.0.0.5", "x", true],
  ];
  test.each(table)("%p in %p: %p", (text, name, expected) => {
    expect(matchesName(parseSearch(text), name)).toBe(expected);
  });

  const max = maxContentBytes;
  test.each<[text: string, min: number, max: number]>([
    ["size:>1G", 2 ** 30 + 1, max],
    ["size:>=1G", 2 ** 30, max],
    ["size:<10M", 0, 10 * 2 ** 20 - 1],
    ["size:<=10MiB", 0, 10 * 2 ** 20],
    ["size:10M..20M", 10 * 2 ** 20, 20 * 2 ** 20],
    ["size:1kB..", 1000, max],
    ["size:..1.5k", 0, 1536],
    ["size:=123", 123, 123],
    ["SIZE:=0", 0, 0],
    ["size:>1.1k", 1127, max],
    ["size:<1.1k", 0, 1126],
  ])("%p is from %p to %p bytes", (text, from, to) => {
    const query = parseSearch(text);
    expect(query.wanted).toEqual([{ kind: "size", minBytes: from, maxBytes: to }]);
    expect([from - 1, from, to, to + 1].map((size) => matchesSize(query, size))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(matchesSize(parseSearch(`-${text}`), from)).toBe(false);
  });

  test.each<[prefix: string, host: string, port: number, meant: boolean]>([
    ["10.0.0.5", "10.0.0.5", 7767, true],
    ["10.0.0.5:7767", "10.0.0.5", 7767, true],
    ["10.0.0.5:7768", "10.0.0.5", 7767, false],
    ["10.0.0.", "10.0.0.5", 7767, true],
    ["0.0.5", "10.0.0.5", 7767, false],
    ["[::1]:77", "::1", 7767, true],
    ["::1", "::1", 7767, true],
  ])("peer:%s is %s, port %d: %p", (prefix, host, port, meant) => {
    expect(isPeerMeant(prefix, host, port)).toBe(meant);
  });
});

describe("what is wrong", () => {
  test.each([
    ["size:>x", "at character 1: size: is written size:>1G, size:<10M, size:10M..20M or size:=123"],
    ["abc size:10M", "at character 5: size: is written "],
    ["size:", "at character 1: size: is written "],
    ["size:20M..10M", "at character 1: size: is written "],
    ["size:..", "at character 1: size: is written "],
    ["size:>1e9", "at character 1: size: is written "],
    ["a -type:film", "at character 4: type: is one of archive, audio, "],
    ["type:", "at character 1: type: is one of archive, audio, "],
    ["type:constructor", "at character 1: type: is one of archive, audio, "],
    ["peer:", "at character 1: peer: is written peer:10.0.0.5 or peer:10.0.0.5:7767"],
  ])("%p: %s", (text, message) => {
    expect(() => parseSearch(text)).toThrow(
      expect.objectContaining({ code: "BAD_SEARCH", message: expect.stringContaining(message) }),
    );
  });

  test("more than 16 words, or than 1,024 bytes", () => {
    expect(parseSearch("x -y ".repeat(8)).unwanted).toHaveLength(8);
    expect(() => parseSearch("x ".repeat(17))).toThrow(expect.objectContaining({ code: "TOO_MANY" }));
    expect(() => parseSearch("x".repeat(1_025))).toThrow(expect.objectContaining({ code: "TOO_MANY" }));
  });
});

describe("the order", () => {
  test.each<[text: string, name: string, expected: number]>([
    ["ubuntu iso", "ubuntu.iso", 0],
    ["ubuntu iso", "dir/Ubuntu.ISO", 0],
    ["dir ubuntu iso", "dir/ubuntu.iso", 0],
    ["ubuntu", "dir/ubuntu.iso", 1],
    ["ubuntu type:iso", "ubuntu.iso", 1],
    ["ubuntu", "my ubuntu 24.iso", 2],
    ["ubu 2", "ubuntu 24.iso", 2],
    ["buntu", "ubuntu.iso", 3],
    ["*.iso", "ubuntu.iso", 2],
    ["名前", "私の名前.txt", 2],
  ])("%p: %p is of rank %d", (text, name, expected) => {
    const query = parseSearch(text);
    const folded = new FoldedName(name);
    expect(matchesName(query, name)).toBe(true);
    expect(rank(query, folded)).toBe(expected as never);
  });

  test("is by rank, then by sources, then by name", () => {
    const sorted: Ranked[] = [
      { rank: 0, sources: 1, name: "z" },
      { rank: 2, sources: 9, name: "z" },
      { rank: 2, sources: 2, name: "a" },
      { rank: 2, sources: 2, name: "b" },
      { rank: 3, sources: 9, name: "a" },
    ];
    expect(sorted.toReversed().sort(compareRanked)).toEqual(sorted);
  });
});

describe("whatever is typed", () => {
  const letters = fc.string({ unit: "binary", maxLength: 40 });
  const typed = fc
    .array(
      fc.oneof(
        letters,
        fc.constantFrom('"', "-", "*", "?", "/", "size:", "type:", ">", "1G", "ß", "İ", "ﬁ", " ", "ab", "℀"),
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join(""));

  test("every letter folds to what folds no further, and so do all of them together", () => {
    const unfolded: string[] = [];
    for (let code = 0; code < 0x110000; code++) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const once = fold(String.fromCodePoint(code));
      if (fold(once) !== once) unfolded.push(code.toString(16));
    }
    expect(unfolded).toEqual([]);
    fc.assert(
      fc.property(typed, (text) => {
        const once = fold(text);
        expect(fold(once)).toBe(once);
        expect(wordsOf(wordsOf(once))).toBe(wordsOf(once));
      }),
    );
  });

  test("it throws nothing but ProtocolError, and a name is searched without throwing", () => {
    fc.assert(
      fc.property(typed, typed, (text, name) => {
        try {
          matchesName(parseSearch(text), name);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });

  test("a name has each of its parts, and its order does not matter", () => {
    const word = fc.string({ unit: fc.constantFrom(..."aAéßİnk東カ\u30991"), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(" ", "-", "_", "/", "."),
        (words, by) => {
          const name = words.join(by);
          expect(matchesName(parseSearch(words.toReversed().join(" ")), name)).toBe(true);
          expect(matchesName(parseSearch(`"${words.join(" ")}"`), name)).toBe(true);
          expect(matchesName(parseSearch(words.map((each) => `-${each}`).join(" ")), name)).toBe(false);
        },
      ),
    );
  });

  test("what a glob says every name contains, every name that fits contains", () => {
    const unit = fc.constantFrom(..."ab.-é東カ\u3099\u0902\ufffd*?/");
    const letter = fc.constantFrom(..."ab.-é東カ\u3099\u0902\ufffd");
    const letters = fc.string({ unit: letter, maxLength: 3 });
    fc.assert(
      fc.property(
        fc.string({ unit, minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(letters, letter), { minLength: 8, maxLength: 8 }),
        (text, fillings) => {
          // A name that fits, as a rule: something for each wildcard.
          let at = 0;
          const name = text.replace(/[*?]/g, (sign) => fillings[at++]![sign === "*" ? 0 : 1]);
          const [condition] = parseSearch(text).wanted;
          if (condition?.kind !== "glob" || !matchesName(parseSearch(text), name)) return;
          for (const piece of condition.pieces) expect(new FoldedName(name).words).toContain(piece);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("a hostile pattern or word costs no more than its length times that of the name", () => {
    const name = "a".repeat(1_000);
    for (const text of [
      `${"*a".repeat(500)}b`,
      `${"a".repeat(999)}b`,
      "?".repeat(1_020),
      '"'.repeat(1_024),
    ]) {
      const query = parseSearch(text);
      for (let i = 0; i < 100; i++) matchesName(query, name);
    }
  });
});

test("every type has endings as the last dot of a name leaves them", () => {
  for (const type of searchTypes) {
    for (const ending of endingsOfType(type)!) expect(new FoldedName(`x.${ending}`).ending).toBe(ending);
  }
});

test("PROTOCOL.md has the same types", () => {
  const text = readFileSync(join(import.meta.dir, "../../src/wire/PROTOCOL.md"), "utf8");
  const written = new Map<string, Set<string>>();
  let type = "";
  for (const line of /```types\n([^`]*)```/.exec(text)![1]!.trimEnd().split("\n")) {
    if (!line.startsWith(" ")) type = line.split(" ", 1)[0]!;
    const endings = line
      .slice(line.startsWith(" ") ? 0 : type.length)
      .trim()
      .toUpperCase()
      .split(" ");
    written.set(type, new Set([...(written.get(type) ?? []), ...endings]));
  }
  expect(written).toEqual(new Map(searchTypes.map((each) => [each, new Set(endingsOfType(each))])));
});

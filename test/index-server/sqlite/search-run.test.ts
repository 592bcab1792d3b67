/** SEARCH over a full text, without threads: against the naive way, its pages, and what its stages promise. */
import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { SearchCandidates } from "../../../src/index-server/sqlite/search-candidates.ts";
import { openSearchDatabase, searchPathOf } from "../../../src/index-server/sqlite/search-database.ts";
import { SearchHolders } from "../../../src/index-server/sqlite/search-holders.ts";
import { SearchRun } from "../../../src/index-server/sqlite/search-run.ts";
import { SearchTail } from "../../../src/index-server/sqlite/search-tail.ts";
import { SearchUpkeep, type UpkeepBounds } from "../../../src/index-server/sqlite/search-upkeep.ts";
import type { Match } from "../../../src/wire/messages.ts";
import { FoldedName } from "../../../src/wire/search-fold.ts";
import {
  compareRanked,
  isPeerMeant,
  matchesName,
  matchesSize,
  type Ranked,
  rank,
} from "../../../src/wire/search-match.ts";
import { parseSearch } from "../../../src/wire/search-query.ts";
import { temporaryFolder } from "../../library/temporary-folder.ts";
import { type Held, SearchEntries } from "./search-entries.ts";

/** An index with a full text, in one thread. */
class Searched implements Disposable {
  private readonly folder = temporaryFolder();
  readonly entries: SearchEntries;
  readonly text: Database;
  private readonly upkeep: SearchUpkeep;
  private readonly databases: Database;
  private readonly candidates: SearchCandidates;
  private readonly holders: SearchHolders;

  constructor(bounds?: UpkeepBounds) {
    const path = join(this.folder.path, "index.db");
    this.entries = new SearchEntries(path);
    this.text = openSearchDatabase(searchPathOf(path), this.entries.database, () => {});
    this.upkeep = new SearchUpkeep(this.text, this.entries.database, bounds);
    this.databases = new Database(path, { readonly: true });
    this.databases.run("ATTACH ? AS search", [searchPathOf(path)]);
    this.candidates = new SearchCandidates(this.databases, new SearchTail(this.databases));
    this.holders = new SearchHolders(this.databases, this.entries.live);
  }

  index(removed: number[] = []): void {
    this.upkeep.forget(removed);
    for (const _ of this.upkeep.run());
    for (const _ of this.upkeep.tidy()) break;
    for (const _ of this.upkeep.tidy());
  }

  /** `steps`: after so many the time is over. */
  page(text: string, { limit = 50, after = "", steps = Number.POSITIVE_INFINITY } = {}) {
    let done = 0;
    const run = new SearchRun({ text, after, limit }, this.candidates, this.holders, () => done > steps);
    const running = run.run();
    for (let step = running.next(); ; step = running.next(), done++)
      if (step.done === true) return step.value;
  }

  /** All pages. */
  all(text: string, options: { limit?: number; steps?: number } = {}): Match[] {
    const found: Match[] = [];
    for (let after = "", pages = 0; ; pages++) {
      const { matches, next } = this.page(text, { ...options, after });
      found.push(...matches);
      if (next === undefined) return found;
      expect(pages).toBeLessThan(10_000);
      after = next;
    }
  }

  [Symbol.dispose](): void {
    this.databases.close(true);
    this.text.close(true);
    this.entries[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}

let searched: Searched;
afterEach(() => searched[Symbol.dispose]());

/** `name sources`, in order. */
function shown(matches: readonly Match[]): string[] {
  return matches.map(({ name, sources }) => `${name} ${sources}`);
}

/** What a search has to find, in the order of rank, by looking at every file. */
function naive(files: readonly Held[], text: string, isLive: (slot: number) => boolean): Match[] {
  const query = parseSearch(text);
  const meant = (prefix: string, slot: number) => isPeerMeant(prefix, `10.0.0.${slot}`, 7767);
  const contents = Map.groupBy(
    files,
    ({ content, sizeBytes = content * 1_000 }) => `${content} ${sizeBytes}`,
  );
  const found: (Ranked & { match: Match })[] = [];
  for (const group of contents.values()) {
    const { content, sizeBytes = content * 1_000 } = group[0]!;
    const sources = new Set(group.flatMap(({ peers = [1] }) => peers.filter(isLive)));
    const names = group.filter(({ name, peers = [1] }) => {
      const here = peers.filter(isLive);
      const isWanted = query.wanted.every(
        (each) => each.kind !== "peer" || here.some((slot) => meant(each.prefix, slot)),
      );
      return here.length > 0 && isWanted && matchesName(query, name) && matchesSize(query, sizeBytes);
    });
    const isUnwanted = query.unwanted.some(
      (each) => each.kind === "peer" && [...sources].some((slot) => meant(each.prefix, slot)),
    );
    if (names.length === 0 || isUnwanted) continue;
    const root = content.toString(16).padStart(64, "0");
    for (const { name } of names) {
      const match = { name: name as Match["name"], sizeBytes, root, sources: sources.size };
      found.push({ rank: rank(query, new FoldedName(name)), sources: sources.size, name, match });
    }
  }
  return found
    .sort((a, b) => compareRanked(a, b) || (a.match.root < b.match.root ? -1 : 1))
    .map(({ match }) => match);
}

const word = fc.constantFrom("ab", "abc", "abcd", "bc", "Éa", "x", "東京", "v2", "mp3", "ubuntu");
const heldFile = fc.record({
  name: fc
    .tuple(
      fc.array(word, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(" ", "/", "-", ""),
      fc.constantFrom("", ".mp3", ".iso"),
    )
    .map(([words, by, ending]) => `${words.join(by)}${ending}`),
  content: fc.integer({ min: 1, max: 12 }),
  peers: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
});
/** Each name and content once, as entries are. */
const files = fc.uniqueArray(heldFile, {
  maxLength: 60,
  selector: ({ name, content }) => `${content} ${name}`,
});
const searchText = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: word },
      fc.constantFrom(
        "-abc",
        "*.mp3",
        "ab*",
        "type:audio",
        "size:>5k",
        "size:<9k",
        "peer:10.0.0.1",
        "-peer:10.0.0.2",
        '"ab abc"',
        "bc*2",
        "*",
      ),
    ),
    { maxLength: 3 },
  )
  .map((words) => words.join(" "));

test("finds what the naive way finds, in the same order, also page by page and with little time", () => {
  fc.assert(
    fc.property(
      files,
      fc.array(searchText, { minLength: 1, maxLength: 4 }),
      fc.nat(60),
      (held, texts, indexed) => {
        searched?.[Symbol.dispose]();
        searched = new Searched();
        const { entries } = searched;
        entries.add(held.slice(0, indexed));
        searched.index();
        entries.add(held.slice(indexed));
        entries.live.set(3, false);
        for (const text of texts) {
          const expected = naive(held, text, (slot) => slot !== 3);
          expect(searched.all(text)).toEqual(expected);
          const byName = (a: Match, b: Match) => (a.name + a.root < b.name + b.root ? -1 : 1);
          for (const options of [{ limit: 2 }, { steps: 3 }, { limit: 3, steps: 7 }])
            expect(searched.all(text, options).sort(byName)).toEqual(expected.toSorted(byName));
        }
      },
    ),
    { numRuns: 25 },
  );
});

test("of thousands the exact ones come first, then beginnings of words, then the others; each once", () => {
  searched = new Searched();
  const { entries } = searched;
  const many = Array.from({ length: 3_000 }, (_, i) => ({ name: `xubuntu ${i}.mp3`, content: i + 1 }));
  entries.add(many);
  entries.add(Array.from({ length: 300 }, (_, i) => ({ name: `ubuntu ${i}.mp3`, content: i + 5_000 })));
  entries.add([
    { name: "iso/Ubuntu.iso", content: 9_000 },
    { name: "ubuntu", content: 9_001, peers: [1, 2] },
  ]);
  searched.index();
  entries.add([{ name: "new/ubuntu.img", content: 9_002 }]);
  const found = searched.all("ubuntu", { limit: 100 });
  expect(shown(found.slice(0, 3))).toEqual(["ubuntu 2", "iso/Ubuntu.iso 1", "new/ubuntu.img 1"]);
  expect(found.slice(3, 303).every(({ name }) => name.startsWith("ubuntu "))).toBe(true);
  expect(new Set(found.map(({ name }) => name)).size).toBe(3_303);
  const without = found.filter(({ name }) => !name.includes("7")).map(({ name }) => name as string);
  expect(
    searched
      .all("ubuntu -7", { limit: 50 })
      .map(({ name }) => name as string)
      .sort(),
  ).toEqual(without.sort());
  expect(searched.page("ubuntu 17", { limit: 1 }).matches).toMatchObject([{ name: "ubuntu 17.mp3" }]);
});

test("of thousands in which it is in the middle of words, and begins others that are not meant, each comes once", () => {
  searched = new Searched();
  const many = Array.from({ length: 1_500 }, (_, i) => ({ name: `abyss xabcd ${i}`, content: i + 1 }));
  searched.entries.add([...many, { name: "abcd", content: 2_000 }, { name: "my abcde", content: 2_001 }]);
  searched.index();
  const found = searched.all("abcd", { limit: 100 }).map(({ name }) => name as string);
  expect(found[0]).toBe("abcd");
  expect(found.toSorted()).toEqual([...many.map(({ name }) => name), "abcd", "my abcde"].sort());
});

/** Words that have both `abcd` and `wxyz`: more than are looked up at once. */
const manyWords = Array.from({ length: 150 }, (_, i) => `abcd${i}wxyz`);

test("of hundreds of words that a search may mean, each name comes once, whichever of them it has", () => {
  searched = new Searched();
  const { entries } = searched;
  const names = manyWords.flatMap((word, i) => [
    `song ${word}`,
    `${word} and ${manyWords[(i * 7 + 70) % manyWords.length]} ${i}`,
    `${manyWords[149 - i]}, ${word}; ${manyWords[i % 5]}, pqrs ${i}`,
  ]);
  entries.add(names.slice(0, 400).map((name, i) => ({ name, content: i + 1 })));
  searched.index();
  entries.add(names.slice(400).map((name, i) => ({ name, content: i + 1_000 })));
  for (const [text, expected] of [
    ["abcd", names],
    ["bcd1", names.filter((name) => name.includes("bcd1"))],
    ["abcd wxyz", names],
    ["pqrs wxyz", names.filter((name) => name.includes("pqrs"))],
    ["abcd -pqrs", names.filter((name) => !name.includes("pqrs"))],
    ["abcd1*", names.filter((name) => name.startsWith("abcd1"))],
  ] as const)
    for (const options of [{ limit: 1_000 }, { limit: 7 }, { limit: 50, steps: 5 }]) {
      const found = searched.all(text, options).map(({ name }) => name as string);
      expect(found.sort()).toEqual(expected.toSorted());
    }
});

test("pages go on where they were while words and names come", () => {
  searched = new Searched();
  const { entries } = searched;
  const add = (from: number, to: number) =>
    entries.add(
      manyWords.slice(from, to).map((word, i) => ({ name: `song ${word}`, content: from + i + 1 })),
    );
  add(0, 100);
  searched.index();
  const found: string[] = [];
  for (let after: string | undefined = "", come = 100; after !== undefined; come += 10) {
    const { matches, next }: ReturnType<Searched["page"]> = searched.page("abcd", { limit: 9, after });
    found.push(...matches.map(({ name }) => name));
    after = next;
    add(come, come + 10);
    searched.index();
  }
  expect(found.toSorted()).toEqual(manyWords.map((word) => `song ${word}`).sort());
});

test("what was registered before a search is found, though it comes into the full text between two pages", () => {
  searched = new Searched();
  const { entries } = searched;
  const songs = (from: number, to: number) =>
    manyWords.slice(from, to).map((word, i) => ({ name: `song ${word}`, content: from + i + 1 }));
  entries.add(songs(0, 140));
  searched.index();
  // Their words are of the first group, and it has been looked through when they come into the full text.
  const late = manyWords.slice(0, 20).map((word, i) => ({ name: `late ${word}`, content: i + 1_000 }));
  entries.add(late);
  const found: string[] = [];
  for (let after: string | undefined = "", pages = 0; after !== undefined; pages++) {
    const { matches, next }: ReturnType<Searched["page"]> = searched.page("abcd", { limit: 9, after });
    found.push(...matches.map(({ name }) => name));
    after = next;
    if (pages === 9) {
      entries.add(songs(140, 150));
      searched.index();
    }
  }
  expect(found).toHaveLength(new Set(found).size);
  expect(found).toEqual(expect.arrayContaining([...songs(0, 140), ...late].map(({ name }) => name)));
});

test("parts of the full text are merged when many names have come", () => {
  searched = new Searched({ spareWords: 1_000, namesToTidy: 20 });
  const parts = () => searched.text.query("SELECT count(DISTINCT segid) FROM names_idx").values()[0]?.[0];
  const counts = Array.from({ length: 12 }, (_, batch) => {
    searched.entries.add(
      Array.from({ length: 4 }, (_, i) => ({ name: `song ${batch} ${i}`, content: 4 * batch + i + 1 })),
    );
    searched.index();
    return parts();
  });
  expect(counts).toContain(4);
  expect(counts.filter((count) => count === 1)).toHaveLength(3);
  expect(searched.all("song", { limit: 100 })).toHaveLength(48);
});

test("words whose names are gone are forgotten when they are too many", () => {
  searched = new Searched({ spareWords: 40, namesToTidy: 1_000 });
  const { entries, text } = searched;
  const words = () => Number(text.query("SELECT count(*) FROM words").values()[0]?.[0]);
  const gone = entries.add(manyWords.map((name, i) => ({ name, content: i + 1 })));
  entries.add([{ name: "stays", content: 1_000 }]);
  entries.database.run("UPDATE totals SET names = 151");
  searched.index();
  for (const id of gone) entries.remove(id);
  entries.database.run("UPDATE totals SET names = 1");
  expect(words()).toBe(151);
  searched.index(gone);
  expect(words()).toBe(1);
  expect(shown(searched.all("tay"))).toEqual(["stays 1"]);
  expect(searched.all("abcd")).toEqual([]);
});

test("what is in the full text and not in the index, or held by nobody live, or in part only, is not found", () => {
  searched = new Searched();
  const { entries } = searched;
  const [gone] = entries.add([
    { name: "film gone", content: 1 },
    { name: "film left", content: 2, peers: [5] },
    { name: "film partial", content: 3, peers: [], partialPeers: [1] },
    { name: "film here", content: 4 },
  ]);
  searched.index();
  entries.remove(gone!);
  entries.live.set(5, false);
  expect(shown(searched.all("film"))).toEqual(["film here 1"]);
  searched.index([gone!, 77_777]);
  entries.live.set(5, true);
  expect(shown(searched.all("film"))).toEqual(["film here 1", "film left 1"]);
});

test("of a name with thousands of holders those who left are not counted for long, nor is it hidden by them", () => {
  searched = new Searched();
  const peers = Array.from({ length: 200 }, (_, i) => i + 21);
  searched.entries.add([{ name: "popular", content: 1, peers }]);
  searched.entries.live.set(219, true);
  expect(shown(searched.all("popular"))).toEqual(["popular 200"]);
  searched.entries.live.set(219, false);
  expect(searched.all("popular")).toEqual([]);
});

test("a content with very many names is found under each of them", () => {
  searched = new Searched();
  const many = Array.from({ length: 300 }, (_, i) => ({ name: `empty ${i}`, content: 1, sizeBytes: 0 }));
  searched.entries.add([...many, { name: "nothing", content: 1, sizeBytes: 0, peers: [2] }]);
  searched.index();
  for (const { name } of [...many, { name: "nothing" }])
    expect(searched.page(`"${name} "`).matches.map((match) => match.name as string)).toEqual([name]);
  expect(searched.page("empty", { limit: 300 }).matches).toHaveLength(300);
});

test("a cursor of another search, or none, is refused", () => {
  searched = new Searched();
  searched.entries.add([
    { name: "film 1", content: 1 },
    { name: "film 2", content: 2 },
  ]);
  const { next = "" } = searched.page("film", { limit: 1 });
  expect(shown(searched.page("film", { after: next }).matches)).toEqual(["film 2 1"]);
  for (const after of ["x", "0.0.0.0.0", next.replace(/^./, "9"), `${next}0`, "0.zzzzzzzzzzz.0.0.0"])
    expect(() => searched.page("film", { after })).toThrow(expect.objectContaining({ code: "BAD_SEARCH" }));
  expect(() => searched.page("films", { after: next })).toThrow(
    expect.objectContaining({ code: "BAD_SEARCH" }),
  );
});

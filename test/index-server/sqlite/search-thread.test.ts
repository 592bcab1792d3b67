/** The search threads: what is found when, and what happens when something breaks. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { searchPathOf } from "../../../src/index-server/sqlite/search-database.ts";
import type { SearchPage } from "../../../src/index-server/sqlite/search-run.ts";
import { SearchThread } from "../../../src/index-server/sqlite/search-thread.ts";
import { type TemporaryFolder, temporaryFolder, until } from "../../library/temporary-folder.ts";
import { SearchEntries } from "./search-entries.ts";

let folder: TemporaryFolder;
let entries: SearchEntries;
let path: string;
let warnings: string[];
let indexedTo: number;
let thread: SearchThread;

function startThread(): void {
  indexedTo = -1;
  thread = new SearchThread({
    paths: { database: path, search: searchPathOf(path) },
    live: entries.live.shared,
    warn: (line) => warnings.push(line),
    onIndexed: (upTo) => {
      indexedTo = upTo;
    },
  });
  thread.start();
}

beforeEach(() => {
  folder = temporaryFolder();
  path = folder.at("index.db");
  entries = new SearchEntries(path);
  warnings = [];
  startThread();
});

afterEach(async () => {
  await thread.stop();
  entries[Symbol.dispose]();
  folder[Symbol.dispose]();
});

/** Page after page: on a busy machine the time that a search may take is over before it has found anything. */
async function names(text: string, limit = 50): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | undefined = ""; after !== undefined && found.length < limit; ) {
    const page: SearchPage = await thread.search({ text, after, limit: limit - found.length });
    found.push(...page.matches.map(({ name }) => name));
    after = page.next;
  }
  return found;
}

function indexed(upTo: number): Promise<void> {
  return until(
    () => indexedTo >= upTo,
    () => `the full text goes to ${upTo}, not ${indexedTo}`,
  );
}

function rowsInFullText(): number {
  using database = new Database(searchPathOf(path), { readonly: true });
  return Number(database.query("SELECT count(*) FROM names_docsize").values()[0]?.[0]);
}

test("finds names as soon as they are there, in the full text or not yet", async () => {
  expect(await names("film")).toEqual([]);
  const ids = entries.add([
    { name: "film 1", content: 1 },
    { name: "film 2", content: 2 },
  ]);
  expect(await names("film")).toEqual(["film 1", "film 2"]);
  thread.changed();
  await indexed(ids[1]!);
  expect(rowsInFullText()).toBe(2);
  expect(await names("FILM")).toEqual(["film 1", "film 2"]);
  entries.remove(ids[0]!);
  expect(await names("film")).toEqual(["film 2"]);
  thread.removed([ids[0]!]);
  await until(
    () => rowsInFullText() === 1,
    () => "the full text has forgotten what is gone",
  );
  entries.live.set(1, false);
  expect(await names("film")).toEqual([]);
});

test("refuses what is wrong at once, and more than it can answer in time", async () => {
  await expect(names("size:>x")).rejects.toMatchObject({ code: "BAD_SEARCH" });
  await expect(thread.search({ text: "x", after: "y", limit: 1 })).rejects.toMatchObject({
    code: "BAD_SEARCH",
  });
  const all = await Promise.allSettled(Array.from({ length: 1_100 }, () => names("film")));
  expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1_024);
  for (const each of all)
    if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "RETRY" });
  expect(await names("film")).toEqual([]);
});

test("lets searches that take long and short ones take turns", async () => {
  entries.add(Array.from({ length: 60_000 }, (_, i) => ({ name: `${i}`, content: i + 1 })));
  await names("film");
  const done: string[] = [];
  const long = names("zz").then(() => done.push("long"));
  const short = names("59999").then(() => done.push("short"));
  await Promise.all([long, short]);
  expect(done).toEqual(["short", "long"]);
});

test("a search that nobody waits for is given up", async () => {
  const nobody = new AbortController();
  const search = thread.search({ text: "film", after: "", limit: 1 }, nobody.signal);
  nobody.abort();
  await expect(search).rejects.toMatchObject({ code: "RETRY" });
  await expect(thread.search({ text: "film", after: "", limit: 1 }, nobody.signal)).rejects.toMatchObject({
    code: "RETRY",
  });
});

test("goes on after a restart where it was, and anew for other entries", async () => {
  const [id] = entries.add([{ name: "film", content: 1 }]);
  thread.changed();
  await indexed(id!);
  await thread.stop();
  expect(existsSync(`${searchPathOf(path)}-wal`)).toBe(false);
  startThread();
  const [next] = entries.add([{ name: "film 2", content: 2 }]);
  thread.changed();
  await indexed(next!);
  expect(rowsInFullText()).toBe(2);
  expect(warnings).toEqual([]);
});

test("begins anew when the entries are others with the same numbers, or fewer than it knows", async () => {
  const ids = entries.add(Array.from({ length: 10 }, (_, i) => ({ name: `film ${i}`, content: i + 1 })));
  thread.changed();
  await indexed(ids.at(-1)!);
  await thread.stop();
  // As an index that was damaged.
  entries.database.run("UPDATE entries SET name = 'song ' || id");
  startThread();
  await indexed(ids.at(-1)!);
  expect(await names("song")).toHaveLength(10);
  await thread.stop();
  entries.database.run("DELETE FROM holdings WHERE entry > 1");
  entries.database.run("DELETE FROM entries WHERE id > 1");
  entries.database.run("UPDATE totals SET last_entry = 1");
  startThread();
  expect(await names("song")).toEqual(["song 1"]);
  entries.add([{ name: "song again", content: 3 }]);
  expect(await names("song")).toEqual(["song 1", "song again"]);
  const line = "the full text of names: it is that of other names, and is made anew";
  expect(warnings).toEqual([line, line]);
});

test("a full text that is no database is made anew at the start", async () => {
  await thread.stop();
  entries.add([{ name: "film", content: 1 }]);
  writeFileSync(searchPathOf(path), "this is no database at all".repeat(1_000));
  startThread();
  expect(await names("film")).toEqual(["film"]);
  expect(warnings).toEqual([expect.stringContaining("it is damaged, and is made anew: ")]);
});

test("a full text that is damaged is warned of once and made anew", async () => {
  const ids = entries.add(Array.from({ length: 3_000 }, (_, i) => ({ name: `film ${i}`, content: i + 1 })));
  thread.changed();
  await indexed(ids.at(-1)!);
  await thread.stop();
  // Pages that are legal, with a content that is not: the mark with which the list of its parts begins.
  const bytes = readFileSync(searchPathOf(path));
  const mark = Buffer.from([0xff, 0, 0, 1]);
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at)) bytes.fill(0xee, at, at + 12);
  writeFileSync(searchPathOf(path), bytes);
  startThread();
  expect(await names("film 17", 1)).toEqual(["film 17"]);
  expect(warnings).toEqual([expect.stringContaining("it is damaged, and is made anew: fts5: corrupt ")]);
});

test("stopping answers what was asked, and is idempotent", async () => {
  const search = names("film");
  const stopping = [thread.stop(), thread.stop()];
  await expect(search).rejects.toMatchObject({ code: "RETRY" });
  await Promise.all(stopping);
  await expect(names("film")).rejects.toMatchObject({ code: "RETRY" });
});

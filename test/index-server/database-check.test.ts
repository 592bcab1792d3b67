/** What `p2p index check` and `export` read in the database that an index writes. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalIoError } from "../../src/errors.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { migrations } from "../../src/index-server/sqlite/database.ts";
import { checkDatabase } from "../../src/index-server/sqlite/database-check.ts";
import { holdingPages } from "../../src/index-server/sqlite/export-holdings.ts";
import { CorruptDatabaseError, openExistingDatabase } from "../../src/sqlite.ts";
import { wireEntry } from "../helpers/file-entries.ts";
import { LineClient } from "../helpers/line-client.ts";

let folder = "";
let path = "";
let stops: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "p2p-check-"));
  path = join(folder, "index.db");
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  stops = [];
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<IndexServer> {
  const log = () => {};
  const index = await IndexServer.start({
    host: "127.0.0.1",
    port: 0,
    databasePath: path,
    log: { info: log, warn: log, error: log },
  });
  stops.push(() => index.stop());
  return index;
}

/** Two peers that share some names and contents. */
async function fill(index: IndexServer): Promise<void> {
  for (const [port, first] of [
    [7001, 0],
    [7002, 50],
  ] as const) {
    const client = await LineClient.greeted(index.port);
    stops.push(() => client.close());
    const files = Array.from({ length: 100 }, (_, i) => ({
      ...wireEntry(`d/${first + i}`, (first + i) % 90),
      ...(i % 10 === 0 ? { partial: true } : {}),
    }));
    expect(await client.request({ type: "REGISTER", id: 1, port, files })).toMatchObject({ type: "OK" });
  }
}

function open(at = path): Database {
  const database = openExistingDatabase({ path: at, migrations });
  stops.push(() => database.close(true));
  return database;
}

test("a database in use is right, and counted", async () => {
  await fill(await start());
  expect(checkDatabase(open())).toEqual({
    schema: migrations.length,
    peers: 2,
    entries: 150,
    holdings: 200,
    problems: [],
  });
});

test.each([
  ["UPDATE entries SET kept = kept + 1 WHERE id % 10 = 1", /^15 entries whose number of holders /],
  ["UPDATE entries SET partial_holders = 0", /^\d+ entries whose number of partial holders /],
  ["DELETE FROM holdings WHERE entry IN (SELECT entry FROM holdings LIMIT 1)", /^1 entries whose number /],
  ["DELETE FROM entries WHERE id = (SELECT min(id) FROM entries)", /^1 holdings of an entry /],
  ["DELETE FROM roots WHERE entry % 10 = 1", /^15 entries that are not found by their root$/],
  ["UPDATE roots SET root_key = 7", /^\d+ entries that know nothing of others /],
  ["UPDATE entries SET popularity = 9 WHERE id % 10 = 1", /^15 roots of an entry /],
  ["DELETE FROM peers WHERE port = 7002", /^100 holdings of a peer /],
])("found: %s", async (sql, problem) => {
  const index = await start();
  await fill(index);
  // Now all is in the file.
  await index.stop();
  const copy = join(folder, "copy.db");
  open().run(`VACUUM INTO '${copy}'`);
  const tampering = new Database(copy);
  tampering.run(sql);
  tampering.close(true);
  expect(checkDatabase(open(copy)).problems).toContainEqual(expect.stringMatching(problem));
});

test("what is exported is what the view has, in pages", async () => {
  await fill(await start());
  const database = open();
  const rows = [...holdingPages(database)].flat();
  const view = database.query("SELECT * FROM files").all() as { complete: number }[];
  const sorted = (some: object[]) => some.map((row) => JSON.stringify(row)).sort();
  expect(rows).toHaveLength(200);
  expect(sorted(rows)).toEqual(sorted(view.map((row) => ({ ...row, complete: row.complete === 1 }))));
});

test("an export holds up nobody: what changes between pages does no harm", async () => {
  const index = await start();
  await using client = await LineClient.greeted(index.port);
  const files = Array.from({ length: 1_500 }, (_, i) => wireEntry(`f${i}`, 1));
  await client.request({ type: "REGISTER", id: 1, port: 7001, files });
  const database = open();
  const pages = holdingPages(database);
  expect(pages.next().value).toHaveLength(1_000);
  // Nobody reads: the log can be emptied, which a reader in the middle of something would prevent.
  const writer = new Database(path);
  expect(writer.query("PRAGMA wal_checkpoint(TRUNCATE)").values()[0]).toEqual([0, 0, 0]);
  writer.close(true);
  const update = { type: "UPDATE", id: 2, add: [], remove: ["f1499"] };
  expect(await client.request(update)).toMatchObject({ type: "OK" });
  expect([...pages].flat()).toHaveLength(499);
});

test.each([
  ["nothing there", () => {}, LocalIoError, "there is no database"],
  ["empty", () => writeFileSync(path, ""), LocalIoError, "is empty: nobody has used it yet"],
  [
    "text",
    () => writeFileSync(path, "no database ".repeat(999)),
    CorruptDatabaseError,
    "is damaged or no database",
  ],
  ["another program's", () => tables("CREATE TABLE recipes (name)"), LocalIoError, "of another program"],
  [
    "older",
    () => tables("CREATE TABLE peers (id); PRAGMA user_version = 1"),
    LocalIoError,
    "of an older p2p",
  ],
  [
    "newer",
    () => tables("CREATE TABLE peers (id); PRAGMA user_version = 99"),
    LocalIoError,
    "of a newer p2p",
  ],
  ["a folder", () => copyFolder(), LocalIoError, "cannot open the database"],
])("%s: one line, and nothing is made", (_what, make, Class, says) => {
  make();
  const opening = () => openExistingDatabase({ path, migrations });
  expect(opening).toThrow(Class as typeof LocalIoError);
  expect(opening).toThrow(says);
});

function tables(sql: string): void {
  const database = new Database(path);
  database.run(sql);
  database.close(true);
}

function copyFolder(): void {
  path = folder;
}

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalIoError } from "../src/errors.ts";
import { CorruptDatabaseError, openDatabase, openRebuildableDatabase } from "../src/sqlite.ts";

const first = "CREATE TABLE a(x INTEGER NOT NULL) STRICT; INSERT INTO a VALUES (1);";
const second = "CREATE TABLE b(y TEXT) STRICT; INSERT INTO a VALUES (2);";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "p2p-sqlite-"));
  path = join(folder, "state", "some.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function rows(database: Database): unknown[] {
  return database.query("SELECT x FROM a ORDER BY x").values().flat();
}

function failure(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

describe("openDatabase", () => {
  test("makes folder and file for their owner alone, sets the pragmas and leaves nothing but the file", () => {
    const database = openDatabase({ path, migrations: [first] });
    expect(statSync(join(folder, "state")).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const pragma = (name: string) => database.query(`PRAGMA ${name}`).values()[0]?.[0];
    expect(pragma("journal_mode")).toBe("wal");
    expect(pragma("synchronous")).toBe(1);
    expect(pragma("foreign_keys")).toBe(1);
    expect(pragma("trusted_schema")).toBe(0);
    expect(pragma("busy_timeout")).toBe(5000);
    expect(rows(database)).toEqual([1]);
    database.close(true);
    expect(readdirSync(join(folder, "state"))).toEqual(["some.db"]);
  });

  test("opens a database in memory", () => {
    const database = openDatabase({ path: ":memory:", migrations: [first, second] });
    expect(rows(database)).toEqual([1, 2]);
    database.close(true);
    expect(existsSync(":memory:")).toBe(false);
  });

  test("runs only the migrations that are missing", () => {
    openDatabase({ path, migrations: [first] }).close(true);
    const database = openDatabase({ path, migrations: [first, second] });
    expect(rows(database)).toEqual([1, 2]);
    database.close(true);
  });

  test("a migration that fails leaves nothing of itself", () => {
    openDatabase({ path, migrations: [first] }).close(true);
    const broken = "INSERT INTO a VALUES (9); INSERT INTO missing VALUES (1);";
    expect(failure(() => openDatabase({ path, migrations: [first, broken] }))).toBeInstanceOf(LocalIoError);
    const database = openDatabase({ path, migrations: [first] });
    expect(rows(database)).toEqual([1]);
    database.close(true);
  });

  test("refuses the schema of a newer program, and another program's database", () => {
    openDatabase({ path, migrations: [first, second] }).close(true);
    const newer = failure(() => openDatabase({ path, migrations: [first] }));
    expect(newer).toBeInstanceOf(LocalIoError);
    expect(newer).not.toBeInstanceOf(CorruptDatabaseError);
    expect(newer.message).toContain("schema 2 of a newer p2p");

    const foreign = join(folder, "foreign.db");
    const other = new Database(foreign);
    other.run("CREATE TABLE theirs(x)");
    other.close(true);
    expect(failure(() => openDatabase({ path: foreign, migrations: [first] })).message).toContain(
      "another program",
    );
  });

  test.each([
    ["a folder", ".", "EISDIR"],
    ["below a file", "file/some.db", "ENOTDIR"],
  ])("%s is one clear line", (_, where, says) => {
    writeFileSync(join(folder, "file"), "");
    const error = failure(() => openDatabase({ path: join(folder, where), migrations: [first] }));
    expect(error).toBeInstanceOf(LocalIoError);
    expect(error.message).toContain(says);
    expect(error.message).not.toContain("\n");
  });

  test("says that another process holds the lock", () => {
    openDatabase({ path, migrations: [first] }).close(true);
    const other = new Database(path);
    other.run("PRAGMA locking_mode = EXCLUSIVE");
    other.run("BEGIN EXCLUSIVE");
    const error = failure(() => openDatabase({ path, migrations: [first, second], busyTimeoutMs: 50 }));
    other.run("ROLLBACK");
    other.close(true);
    expect(error).toBeInstanceOf(LocalIoError);
    expect(error.message).toContain("locked by another process");
  });

  test("several processes may start at once", async () => {
    mkdirSync(join(folder, "state"));
    const program = `
      import { openDatabase } from ${JSON.stringify(join(import.meta.dir, "../src/sqlite.ts"))};
      const database = openDatabase({ path: ${JSON.stringify(path)}, migrations: ${JSON.stringify([first, second])} });
      process.exitCode = database.query("SELECT x FROM a").values().length === 2 ? 0 : 1;
      database.close(true);`;
    writeFileSync(join(folder, "open.ts"), program);
    const starts = Array.from(
      { length: 8 },
      () => Bun.spawn([process.execPath, join(folder, "open.ts")]).exited,
    );
    expect(await Promise.all(starts)).toEqual(Array(8).fill(0));
  });
});

describe("a damaged file", () => {
  function noDatabase(): void {
    writeFileSync(path, "this is no database at all\n".repeat(100));
  }
  function overwrittenInTheMiddle(): void {
    const database = openDatabase({ path, migrations: [first] });
    const insert = database.prepare("INSERT INTO a VALUES (?)");
    database.transaction(() => {
      for (let x = 0; x < 50_000; x++) insert.run(x);
    })();
    database.close(true);
    const file = openSync(path, "r+");
    writeSync(file, Buffer.alloc(80 * 1024, 7), 0, 80 * 1024, 100_000);
    closeSync(file);
  }

  function anotherColumn(): void {
    openDatabase({ path, migrations: [first] }).close(true);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf("a(x INTEGER") + 2] = "y".charCodeAt(0);
    writeFileSync(path, bytes);
  }

  test.each([
    ["no database", noDatabase],
    ["overwritten in the middle", overwrittenInTheMiddle],
    ["with another name of a column", anotherColumn],
  ])("%s: is reported as such, and set aside for a fresh one", (_, damage) => {
    mkdirSync(join(folder, "state"));
    damage();
    expect(failure(() => openDatabase({ path, migrations: [first] }))).toBeInstanceOf(CorruptDatabaseError);
    const warnings: string[] = [];
    const database = openRebuildableDatabase({ path, migrations: [first] }, (line) => warnings.push(line));
    expect(rows(database)).toEqual([1]);
    database.close(true);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("set aside");
    const left = readdirSync(join(folder, "state")).sort();
    expect(left).toHaveLength(2);
    expect(left[1]).toMatch(/^some\.db\.corrupt-\d{8}T\d{6}Z$/);
  });

  test("what people have added is theirs", () => {
    const database = openDatabase({ path, migrations: [first] });
    database.run("CREATE TABLE mine(z); CREATE INDEX also_mine ON a(x); ALTER TABLE a ADD COLUMN more TEXT");
    database.close(true);
    const again = openDatabase({ path, migrations: [first] });
    expect(rows(again)).toEqual([1]);
    again.close(true);
  });

  test("an empty file is a new database", () => {
    mkdirSync(join(folder, "state"));
    writeFileSync(path, "");
    const database = openDatabase({ path, migrations: [first] });
    expect(rows(database)).toEqual([1]);
    database.close(true);
  });
});

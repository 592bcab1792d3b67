/**
 * The index's database file: opened by one process at a time, made anew when it is damaged, and what its errors
 * mean to a peer that asks and to the log. Knows no table.
 */
import { type Database, SQLiteError } from "bun:sqlite";
import { rmSync, statSync } from "node:fs";
import catalogSql from "../../../migrations/index/001-catalog.sql" with { type: "text" };
import partialSql from "../../../migrations/index/002-partial-holdings.sql" with { type: "text" };
import slotsSql from "../../../migrations/index/003-slots.sql" with { type: "text" };
import evenRowsSql from "../../../migrations/index/004-even-rows.sql" with { type: "text" };
import rootsInLotsSql from "../../../migrations/index/005-roots-in-lots.sql" with { type: "text" };
import { printable } from "../../printable.ts";
import { openRebuildableDatabase } from "../../sqlite.ts";
import type { ErrorCode } from "../../wire/protocol-error.ts";
import { lockFile } from "./database-lock.ts";
import { temporaryDatabase } from "./temporary-folder.ts";

/** What makes the tables; so many are the newest schema. */
export const migrations: readonly string[] = [catalogSql, partialSql, slotsSql, evenRowsSql, rootsInLotsSql];

export const inMemory = ":memory:";

export interface IndexDatabase {
  /** The file, also when it is one that nobody else should know of. */
  path: string;
  /** For reading, by the thread that opened it. */
  database: Database;
  /** False when the file or its journal has been removed or replaced: what is written then is seen by nobody. */
  isInPlace(): boolean;
  /** Of the file and what belongs to it. */
  bytesOnDisk(): number;
  /** Closes it, and lets another process have the file. */
  close(): void;
}

/**
 * Throws LocalIoError when the file is another index's, or cannot be used. `warn` is told of a damaged one. "In memory"
 * is a temporary file all the same: several threads use it, and only a file can be read by one while another writes.
 */
export function openIndexDatabase(asked: string, warn: (line: string) => void): IndexDatabase {
  const temporary = asked === inMemory ? temporaryDatabase() : undefined;
  const path = temporary?.path ?? asked;
  const removeTemporary = () => {
    if (temporary !== undefined) rmSync(temporary.folder, { recursive: true, force: true });
  };
  let lock: Database | undefined;
  try {
    const held = lockFile(path);
    lock = held;
    const database = openRebuildableDatabase({ path, migrations, mayTrust: endedInOrder }, warn);
    // What is in here is true only while its peers are connected, so a power cut costs nothing: a file damaged by
    // it is noticed at the start and replaced. Waiting for the disk cost stalls of 100 to 900 ms.
    database.run("PRAGMA synchronous = OFF");
    database.run("PRAGMA query_only = ON");
    database.run(`PRAGMA cache_size = -${cacheKib}`);
    const opened = identityOf(path);
    let journal = identityOf(`${path}-wal`);
    return {
      path,
      database,
      isInPlace() {
        // Made by the first who reads or writes, and there for as long as somebody has the database open.
        journal ||= identityOf(`${path}-wal`);
        return identityOf(path) === opened && identityOf(`${path}-wal`) === journal;
      },
      bytesOnDisk: () => bytesOnDisk(path),
      close() {
        database.close(true);
        held.close(true);
        removeTemporary();
      },
    };
  } catch (error) {
    lock?.close(true);
    removeTemporary();
    throw error;
  }
}

/** Of each connection: what the system caches is as good, but for a call to it. */
const cacheKib = 32 * 1024;
/** A journal of 64 MiB: checkpoints are few, and the same pages are written once for many changes. */
const checkpointPages = 16_000;
/** A larger file is not read from end to end at each start: a minute for 10 million holdings. */
const alwaysCheckedBytes = 64 * 1024 * 1024;

/** The connection of the thread that writes. */
export function forWriting(database: Database): void {
  // For the beginning; later the queue tries again.
  database.run("PRAGMA busy_timeout = 5000");
  database.run("PRAGMA synchronous = OFF");
  database.run("PRAGMA temp_store = MEMORY");
  database.run(`PRAGMA wal_autocheckpoint = ${checkpointPages}`);
  database.run(`PRAGMA cache_size = -${2 * cacheKib}`);
  database.run("PRAGMA trusted_schema = OFF");
}

/** A large file that was closed by its index is taken for good; damage that shows later makes a new one (`lost`). */
function endedInOrder(database: Database): boolean {
  try {
    const number = (sql: string) => Number(database.query(sql).values()[0]?.[0]);
    const bytes = number("PRAGMA page_count") * number("PRAGMA page_size");
    return bytes > alwaysCheckedBytes && number("SELECT clean FROM totals") === 1;
  } catch {
    return false;
  }
}

/** Which file it is; empty when there is none. */
function identityOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "" : `${found.dev} ${found.ino}`;
}

export function bytesOnDisk(path: string): number {
  return ["", "-wal"].reduce(
    (sum, suffix) => sum + (statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** `SQLITE_FULL` …, or empty when `error` is none of SQLite's. */
export function sqliteCode(error: unknown): string {
  return error instanceof SQLiteError ? (error.code ?? "SQLITE_ERROR") : "";
}

/** The file is not to be trusted any more, here or elsewhere in it. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error));
}

/** What a peer is told when its request failed here. */
export function codeForPeer(error: unknown): ErrorCode {
  const code = sqliteCode(error);
  if (code.startsWith("SQLITE_FULL")) return "STORAGE_FULL";
  // A damaged one is being replaced by one that the peers rebuild.
  if (/^SQLITE_(BUSY|LOCKED|READONLY)/.test(code) || isDamage(error)) return "RETRY";
  return "INTERNAL";
}

/** One line for the log: what is wrong with the database, and what to do. */
export function describeFailure(error: unknown): string {
  const code = sqliteCode(error);
  const advice = [
    [/^SQLITE_FULL/, "no space is left on its device: make room; queries go on"],
    [/^SQLITE_(BUSY|LOCKED)/, "another program keeps it locked: end that program; queries go on"],
    [/^SQLITE_READONLY/, "it has become read-only: make it writable; queries go on"],
    [/^SQLITE_(CORRUPT|NOTADB)/, "it is damaged"],
    [
      /^SQLITE_(IOERR|CANTOPEN)/,
      "it can no longer be read or written: look at the disk, then start the index again",
    ],
  ] as const;
  const known = advice.find(([pattern]) => pattern.test(code))?.[1];
  const reason = error instanceof Error ? printable(error.message) : String(error);
  if (known !== undefined) return `the index database: ${known} (${code}: ${reason})`;
  return `a request to the index failed: ${reason}${code === "" ? "" : ` (${code})`}`;
}

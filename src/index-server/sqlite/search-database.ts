/**
 * The database of the full text of names, beside that of the index: opened by the one who writes it, made anew when
 * it is damaged or belongs to other entries. Nothing in it is worth keeping: it is made from the entries.
 */
import type { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import namesSql from "../../../migrations/search/001-names.sql" with { type: "text" };
import wordsSql from "../../../migrations/search/002-words.sql" with { type: "text" };
import { reasonOf } from "../../errors.ts";
import { CorruptDatabaseError, openDatabase } from "../../sqlite.ts";
import { FoldedName } from "../../wire/search-fold.ts";
import { isDamage } from "./database.ts";
import { anyOf, stemCode } from "./search-text.ts";

export function searchPathOf(databasePath: string): string {
  return `${databasePath}.search`;
}

/** `entries`: the index's database. `warn` is told of a text that was of no use. Throws LocalIoError. */
export function openSearchDatabase(path: string, entries: Database, warn: (line: string) => void): Database {
  const database = openOrRemove(path, entries, warn) ?? open(path);
  // What a power cut damages is made again; waiting for the disk would cost stalls.
  database.run("PRAGMA synchronous = OFF");
  // 8 MB: so much of it is written at once.
  database.run("PRAGMA wal_autocheckpoint = 2000");
  database.run("PRAGMA cache_size = -16384");
  return database;
}

export function removeSearchDatabase(path: string): void {
  for (const suffix of ["-wal", "-shm", "-journal", ""]) rmSync(path + suffix, { force: true });
}

/** Not read from end to end: 4 s for 3.75 million names, before which nothing would be found. */
function open(path: string): Database {
  return openDatabase({ path, migrations: [namesSql, wordsSql], mayTrust: () => true });
}

/** Undefined when it was of no use and is gone. */
function openOrRemove(path: string, entries: Database, warn: (line: string) => void): Database | undefined {
  let database: Database | undefined;
  try {
    database = open(path);
    if (isOf(database, entries)) return database;
    warn("it is that of other names, and is made anew");
  } catch (error) {
    if (!(error instanceof CorruptDatabaseError || isDamage(error))) throw error;
    warn(`it is damaged, and is made anew: ${reasonOf(error)}`);
  }
  database?.close(true);
  removeSearchDatabase(path);
  return undefined;
}

const entriesCompared = 64;

/**
 * Whether it was made from these entries: an index that was damaged and begins anew gives the same numbers to other
 * names, and a power cut may have taken entries back. A sample of the names has to be in the text.
 */
function isOf(database: Database, entries: Database): boolean {
  const number = (of: Database, sql: string) => Number(of.query(sql).values()[0]?.[0]);
  const indexedTo = number(database, "SELECT indexed_to FROM state");
  if (indexedTo > number(entries, "SELECT last_entry FROM totals")) return false;
  const next = entries.prepare<[number, string], [from: number, to: number]>(
    "SELECT id, name FROM entries WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1",
  );
  const row = database.prepare("SELECT 1 FROM names WHERE names MATCH ? AND rowid = ?");
  for (let i = 0; i < entriesCompared; i++) {
    const from = Math.max(1, Math.ceil((indexedTo * (i + 1)) / entriesCompared));
    for (const [id, name] of next.values(from, indexedTo) as [number, string][]) {
      if (row.values(anyOf([stemCode(new FoldedName(name).stemWords)]), id).length === 0) return false;
    }
  }
  return true;
}

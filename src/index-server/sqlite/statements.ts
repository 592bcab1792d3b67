/** The SQL of the one who writes, prepared once. What it is for is said in holding-tables.ts and writer.ts. */
import type { Database } from "bun:sqlite";

export type WriterStatements = ReturnType<typeof prepareStatements>;

/** Of `entriesNamed`, by column. */
export type NamedRow = [
  id: number,
  root: Uint8Array,
  size: number,
  md5: Uint8Array,
  holders: number,
  partialHolders: number,
  popularity: number,
];

export interface EntryRow {
  name: string;
  root: Uint8Array;
  size: number;
  md5: Uint8Array;
  holders: number;
  partial_holders: number;
  popularity: number;
}

/** An entry as one peer has it. */
export interface HeldFileRow {
  entry: number;
  partial: 0 | 1;
  name: string;
  root: Uint8Array;
  size: number;
  md5: Uint8Array;
}

export interface PeerRow {
  id: number;
  files: number;
  digest: Uint8Array;
}

export interface TotalsRow {
  holdings: number;
  names: number;
  last_entry: number;
  rooted_to: number;
}

type NewEntry = [
  id: number,
  name: string,
  lastKey: number | null,
  size: number,
  md5: Uint8Array,
  root: Uint8Array,
  partialHolders: number,
  others: 0 | 1,
];

export function prepareStatements(database: Database) {
  return {
    begin: database.prepare<never, []>("BEGIN IMMEDIATE"),
    commit: database.prepare<never, []>("COMMIT"),
    rollback: database.prepare<never, []>("ROLLBACK"),

    totals: database.prepare<TotalsRow, []>("SELECT holdings, names, last_entry, rooted_to FROM totals"),
    setTotals: database.prepare<
      never,
      [holdings: number, names: number, lastEntry: number, rootedTo: number]
    >("UPDATE totals SET holdings = ?, names = ?, last_entry = ?, rooted_to = ?"),
    setClean: database.prepare<never, [clean: number]>("UPDATE totals SET clean = ?"),

    peers: database.prepare<PeerRow, []>("SELECT id, files, digest FROM peers"),
    putPeer: database.prepare<
      never,
      [id: number, host: string, port: number, files: number, digest: Uint8Array]
    >("INSERT OR REPLACE INTO peers(id, host, port, live, files, digest) VALUES (?, ?, ?, 1, ?, ?)"),
    setPeer: database.prepare<never, [files: number, digest: Uint8Array, id: number]>(
      "UPDATE peers SET files = ?, digest = ? WHERE id = ?",
    ),
    hidePeer: database.prepare<never, [id: number]>("UPDATE peers SET live = 0 WHERE id = ? AND live = 1"),
    hideAll: database.prepare<never, []>("UPDATE peers SET live = 0 WHERE live = 1"),
    removePeer: database.prepare<never, [id: number]>("DELETE FROM peers WHERE id = ?"),

    entriesNamed: database.prepare<never, [name: string]>(
      "SELECT id, root, size, md5, holders, partial_holders, popularity FROM entries WHERE name = ?",
    ),
    hasName: database.prepare<{ found: number }, [name: string]>(
      "SELECT 1 AS found FROM entries WHERE name = ? LIMIT 1",
    ),
    addEntry: database.prepare<never, NewEntry>(
      `INSERT INTO entries(id, name, last_key, size, md5, root, kept, partial_holders, others, popularity)
       VALUES (?, ?, ?, ?, ?, ?, 1 - 128, ?, ?, 0)`,
    ),
    twoWithRoot: database.prepare<never, [rootKey: number]>(
      "SELECT entry FROM roots WHERE root_key = ? LIMIT 2",
    ),
    setOthers: database.prepare<never, [id: number]>("UPDATE entries SET others = 1 WHERE id = ?"),
    addRoot: database.prepare<never, [rootKey: number, popularity: number, entry: number]>(
      "INSERT INTO roots(root_key, popularity, entry) VALUES (?, ?, ?)",
    ),
    hasRoot: database.prepare<{ found: number }, [rootKey: number, entry: number]>(
      "SELECT 1 AS found FROM roots WHERE root_key = ? AND entry = ?",
    ),
    entriesAfter: database.prepare<never, [id: number, limit: number]>(
      "SELECT id, name, root FROM entries WHERE id > ? ORDER BY id LIMIT ?",
    ),
    entry: database.prepare<EntryRow, [id: number]>(
      "SELECT name, root, size, md5, holders, partial_holders, popularity FROM entries WHERE id = ?",
    ),
    setHolders: database.prepare<never, [holders: number, partial: number, id: number]>(
      "UPDATE entries SET kept = ? - 128, partial_holders = ? WHERE id = ?",
    ),
    setPopularity: database.prepare<never, [popularity: number, id: number]>(
      "UPDATE entries SET popularity = ? WHERE id = ?",
    ),
    setRootPopularity: database.prepare<never, [to: number, rootKey: number, from: number, entry: number]>(
      "UPDATE roots SET popularity = ? WHERE root_key = ? AND popularity = ? AND entry = ?",
    ),
    removeEntry: database.prepare<never, [id: number]>("DELETE FROM entries WHERE id = ?"),
    removeRoot: database.prepare<never, [rootKey: number, popularity: number, entry: number]>(
      "DELETE FROM roots WHERE root_key = ? AND popularity = ? AND entry = ?",
    ),

    entriesOfPeer: database.prepare<{ entry: number }, [peer: number, after: number, limit: number]>(
      "SELECT entry FROM holdings WHERE peer = ? AND entry > ? ORDER BY entry LIMIT ?",
    ),
    filesOfPeer: database.prepare<HeldFileRow, [peer: number, after: number, limit: number]>(
      `SELECT entry, partial, name, root, size, md5 FROM holdings JOIN entries ON id = entry
       WHERE peer = ? AND entry > ? ORDER BY entry LIMIT ?`,
    ),
    partial: database.prepare<{ partial: 0 | 1 }, [entry: number, peer: number]>(
      "SELECT partial FROM holdings WHERE entry = ? AND partial IN (0, 1) AND peer = ?",
    ),
    addHolding: database.prepare<never, [entry: number, peer: number, partial: number]>(
      "INSERT INTO holdings(entry, peer, partial) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    ),
    addHoldings: database.prepare<never, [peer: number, partial: number, first: number, last: number]>(
      "INSERT INTO holdings(entry, peer, partial) SELECT id, ?, ? FROM entries WHERE id BETWEEN ? AND ?",
    ),
    removeHolding: database.prepare<never, [entry: number, partial: number, peer: number]>(
      "DELETE FROM holdings WHERE entry = ? AND partial = ? AND peer = ?",
    ),
  };
}

/** All entries after `id`, page by page. */
export function* entriesAfter(
  statements: WriterStatements,
  id: number,
): Generator<[id: number, name: string, root: Uint8Array], void> {
  for (;;) {
    const rows = statements.entriesAfter.values(id, pageRows) as unknown as [number, string, Uint8Array][];
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    id = last[0];
  }
}

const pageRows = 256;

/**
 * Brings the full text of names up to date with the entries, a few names at a time, as a generator that rests in
 * between. Only the one thread that runs it writes the full text.
 */
import type { Database } from "bun:sqlite";
import { FoldedName } from "../../wire/search-fold.ts";
import { searchTextOf } from "./search-text.ts";

/** In one transaction: fewer parts of the text are written, and fewer merged. A second of work; nobody waits for it. */
const namesPerTransaction = 40_000;
const namesRead = 100;

export class SearchUpkeep {
  private readonly next;
  private readonly insert;
  private readonly remove;
  private readonly setIndexedTo;
  private readonly removed: number[] = [];
  private indexedTo: number;

  /** `source` is the index's database, only read. */
  constructor(
    private readonly database: Database,
    source: Database,
  ) {
    this.next = source.prepare<[number, string], [after: number]>(
      `SELECT id, name FROM entries WHERE id > ? ORDER BY id LIMIT ${namesRead}`,
    );
    this.insert = database.prepare("INSERT INTO names(rowid, words) VALUES (?, ?)");
    this.remove = database.prepare("DELETE FROM names WHERE rowid = ?");
    this.setIndexedTo = database.prepare("UPDATE state SET indexed_to = ?");
    this.indexedTo = Number(database.query("SELECT indexed_to FROM state").values()[0]?.[0]);
  }

  get upTo(): number {
    return this.indexedTo;
  }

  /** A row that stays though its entry is gone costs room, and nothing else: nobody finds it. */
  forget(ids: Iterable<number>): void {
    for (const id of ids) this.removed.push(id);
  }

  /** Until all is in the full text that is there now. What it throws leaves everything as it was. */
  *run(): Generator<void, void> {
    for (let isDone = false; !isDone; ) {
      this.database.run("BEGIN IMMEDIATE");
      const before = this.indexedTo;
      const gone = this.removed.splice(0, namesPerTransaction);
      try {
        isDone = yield* this.transaction(gone);
        this.setIndexedTo.run(this.indexedTo);
        this.database.run("COMMIT");
      } catch (error) {
        this.indexedTo = before;
        this.removed.push(...gone);
        // After some errors SQLite has rolled back by itself.
        if (this.database.inTransaction) this.database.run("ROLLBACK");
        throw error;
      }
      yield;
    }
  }

  /** True when there is nothing more to do. */
  private *transaction(gone: readonly number[]): Generator<void, boolean> {
    for (const [i, id] of gone.entries()) {
      if (id <= this.indexedTo) this.remove.run(id);
      if (i % namesRead === 0) yield;
    }
    for (let count = 0; count < namesPerTransaction; ) {
      const rows = this.next.values(this.indexedTo) as [number, string][];
      for (const [id, name] of rows) {
        this.insert.run(id, searchTextOf(new FoldedName(name)));
        this.indexedTo = id;
      }
      count += rows.length;
      if (rows.length < namesRead) return this.removed.length === 0;
      yield;
    }
    return false;
  }
}

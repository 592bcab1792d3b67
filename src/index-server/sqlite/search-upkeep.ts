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
/** Words stay when their names go; so many more than there can be in names, and all is made anew. */
const maxSpareWords = 1_000_000;
const wordsPerName = 16;
/** When so many have come, and a quarter more than there were: to merge all costs 0.3 µs a name. */
const minNamesToTidy = 50_000;
/** At once: some milliseconds. */
const pagesMerged = 128;
/** Words that are known to be in the vocabulary: most words of names are among the last so many that came. */
const maxKnownWords = 65_536;

/** Smaller for tests. */
export interface UpkeepBounds {
  spareWords: number;
  namesToTidy: number;
}

export class SearchUpkeep {
  private readonly next;
  private readonly insert;
  private readonly remove;
  private readonly addWord;
  private readonly addParts;
  private readonly setIndexedTo;
  private readonly merge;
  private readonly totalChanges;
  private readonly removed: number[] = [];
  private readonly knownWords = new Set<string>();
  private readonly names;
  private indexedTo: number;
  private words: number;
  /** All up to here were merged. */
  private tidyTo: number;
  private isTidying = false;

  /** `source` is the index's database, only read. */
  constructor(
    private readonly database: Database,
    source: Database,
    private readonly bounds: UpkeepBounds = { spareWords: maxSpareWords, namesToTidy: minNamesToTidy },
  ) {
    const number = (sql: string) => Number(database.query(sql).values()[0]?.[0]);
    this.next = source.prepare<[number, string], [after: number]>(
      `SELECT id, name FROM entries WHERE id > ? ORDER BY id LIMIT ${namesRead}`,
    );
    this.insert = database.prepare("INSERT INTO names(rowid, words) VALUES (?, ?)");
    this.remove = database.prepare("DELETE FROM names WHERE rowid = ?");
    this.addWord = database.prepare("INSERT INTO words(word) VALUES (?) ON CONFLICT DO NOTHING");
    this.addParts = database.prepare("INSERT INTO parts(rowid, word) VALUES (?, ?)");
    this.setIndexedTo = database.prepare("UPDATE state SET indexed_to = ?");
    this.names = source.prepare<{ names: number }, []>("SELECT names FROM totals");
    this.indexedTo = number("SELECT indexed_to FROM state");
    this.words = number("SELECT max(id) FROM words");
    this.tidyTo = this.indexedTo;
    this.merge = database.prepare("INSERT INTO names(names, rank) VALUES ('merge', ?)");
    this.totalChanges = database.prepare<[changes: number], []>("SELECT total_changes()");
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
      const before = { indexedTo: this.indexedTo, words: this.words };
      const gone = this.removed.splice(0, namesPerTransaction);
      try {
        if (this.words > this.bounds.spareWords + wordsPerName * (this.names.get()?.names ?? 0)) this.clear();
        isDone = yield* this.transaction(gone);
        this.setIndexedTo.run(this.indexedTo);
        this.database.run("COMMIT");
      } catch (error) {
        this.indexedTo = before.indexedTo;
        this.words = before.words;
        this.knownWords.clear();
        this.removed.push(...gone);
        // After some errors SQLite has rolled back by itself.
        if (this.database.inTransaction) this.database.run("ROLLBACK");
        throw error;
      }
      yield;
    }
  }

  /**
   * When there is nothing else to do: makes few large parts of the text out of many small ones, in each of which a word
   * has to be looked up. May be left at any step, and goes on there the next time.
   */
  *tidy(): Generator<void, void> {
    const { indexedTo, tidyTo } = this;
    if (!this.isTidying && indexedTo < tidyTo + Math.max(this.bounds.namesToTidy, tidyTo / 4)) return;
    const changes = () => Number(this.totalChanges.values()[0]?.[0]);
    // A negative number takes all parts together, whatever their sizes; a positive one goes on with that.
    if (!this.isTidying) this.merge.run(-pagesMerged);
    this.isTidying = true;
    this.tidyTo = indexedTo;
    for (let before = -2; changes() - before >= 2; ) {
      yield;
      before = changes();
      this.merge.run(pagesMerged);
    }
    this.isTidying = false;
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
        const folded = new FoldedName(name);
        this.insert.run(id, searchTextOf(folded));
        for (const word of folded.words.split(" ")) this.know(word);
        this.indexedTo = id;
      }
      count += rows.length;
      if (rows.length < namesRead) return this.removed.length === 0;
      yield;
    }
    return false;
  }

  private know(word: string): void {
    const { knownWords } = this;
    if (word === "" || knownWords.has(word)) return;
    if (knownWords.size === maxKnownWords) knownWords.clear();
    knownWords.add(word);
    const { changes, lastInsertRowid } = this.addWord.run(word);
    if (changes === 0) return;
    this.words = Number(lastInsertRowid);
    this.addParts.run(lastInsertRowid, ` ${word} `);
  }

  private clear(): void {
    for (const table of ["names", "parts"])
      this.database.run(`INSERT INTO ${table}(${table}) VALUES ('delete-all')`);
    this.database.run("DELETE FROM words");
    this.indexedTo = this.words = 0;
    this.knownWords.clear();
  }
}

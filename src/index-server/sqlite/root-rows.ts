/**
 * `roots`, by which the entries of one content find each other. Its keys come in no order: written with its entry, nearly
 * each row would cost a page of its own. So rows of new entries wait in memory, and are written in the order of their
 * keys, one part of all keys after another: a page then takes many rows at once.
 *
 * Nobody misses what waits: only entries that share their root with others are looked up in the table, and as soon as
 * one does, all of them are there. What waited when the index was killed lies behind `totals.rooted_to`.
 */
import type { KnownKeys } from "./known-keys.ts";
import { shortKey } from "./name-key.ts";
import { entriesAfter, type WriterStatements } from "./statements.ts";

/** Of the keys. */
const parts = 64;
/** That come between two parts. When the turn of a part is there it has waited for 64 times as many: 10 MB in all. */
const usualPace = 4_096;
/** Times as many as a part usually has: whoever picks roots by their keys can fill one. */
const mostOfOnePart = 4;
const keysPerPart = 2 ** 48 / parts;

export class RootRows {
  /** Of each part: entries by the keys of their roots, the oldest first. Each has its root alone, and one holder. */
  private readonly waiting = Array.from({ length: parts }, () => new Map<number, number>());
  /** How many parts were written so far: the next one is the one that has waited for longest. */
  private partsWritten: number;
  // --- of the running transaction ---
  private readonly addedKeys: number[] = [];
  private readonly written: [key: number, entry: number][] = [];
  private partsBefore: number;

  /** Takes up what another one has left unwritten. */
  constructor(
    private readonly statements: WriterStatements,
    /** Roots of entries. */
    private readonly known: KnownKeys,
    lastEntry: number,
    rootedTo: number,
    /** Smaller for tests. */
    private readonly entriesPerPart: number = usualPace,
  ) {
    this.partsWritten = this.partsBefore = Math.floor(lastEntry / entriesPerPart);
    for (const [entry, , root] of entriesAfter(statements, rootedTo)) {
      const key = shortKey(root);
      if (statements.hasRoot.get(key, entry) === null) this.part(key).set(key, entry);
    }
  }

  /** Of a new entry. Returns 1 when others have that root. */
  add(root: Uint8Array, entry: number): 0 | 1 {
    const key = shortKey(root);
    const hash = rootHash(key);
    const isNew = !this.known.mayHave(hash);
    this.known.add(hash);
    if (isNew || !this.hasOthers(key)) {
      this.part(key).set(key, entry);
      this.addedKeys.push(key);
      return 0;
    }
    this.statements.addRoot.run(key, 0, entry);
    return 1;
  }

  setPopularity(root: Uint8Array, from: number, to: number, entry: number): void {
    const key = shortKey(root);
    if (this.take(key, entry)) this.statements.addRoot.run(key, to, entry);
    else this.statements.setRootPopularity.run(to, key, from, entry);
  }

  remove(root: Uint8Array, popularity: number, entry: number): void {
    const key = shortKey(root);
    if (!this.take(key, entry)) this.statements.removeRoot.run(key, popularity, entry);
  }

  /** Before a commit: writes what has waited for long. */
  write(lastEntry: number): void {
    for (; this.partsWritten < Math.floor(lastEntry / this.entriesPerPart); this.partsWritten++)
      this.writePart(this.waiting[this.partsWritten % parts]!);
    for (const part of this.waiting)
      if (part.size > mostOfOnePart * this.entriesPerPart) this.writePart(part);
  }

  /** Before the last commit. */
  writeAll(): void {
    for (const part of this.waiting) this.writePart(part);
  }

  /** All entries up to that one have their rows. */
  rootedTo(lastEntry: number): number {
    let oldest = lastEntry + 1;
    for (const part of this.waiting) {
      for (const entry of part.values()) {
        oldest = Math.min(oldest, entry);
        break;
      }
    }
    return oldest - 1;
  }

  /** It is committed. */
  settled(): void {
    this.partsBefore = this.partsWritten;
    this.addedKeys.length = this.written.length = 0;
  }

  /** It is not: entries after `lastEntry` were never there. */
  undo(lastEntry: number): void {
    for (const key of this.addedKeys) if (this.part(key).get(key)! > lastEntry) this.part(key).delete(key);
    for (const [key, entry] of this.written) if (entry <= lastEntry) this.part(key).set(key, entry);
    for (const [at, part] of this.waiting.entries())
      this.waiting[at] = new Map([...part].sort(([, a], [, b]) => a - b));
    this.partsWritten = this.partsBefore;
    this.settled();
  }

  // --- internal ---

  /** All of them are in the table then, and know it. */
  private hasOthers(key: number): boolean {
    const { statements } = this;
    const waiting = this.part(key).get(key);
    if (waiting !== undefined) {
      this.take(key, waiting);
      statements.addRoot.run(key, 0, waiting);
      statements.setOthers.run(waiting);
      return true;
    }
    const [first, second] = statements.twoWithRoot.values(key) as unknown as [number][];
    // Two know of each other already.
    if (first !== undefined && second === undefined) statements.setOthers.run(first[0]);
    return first !== undefined;
  }

  private part(key: number): Map<number, number> {
    return this.waiting[Math.floor(key / keysPerPart)]!;
  }

  /** It waits no longer. False when it did not. */
  private take(key: number, entry: number): boolean {
    const part = this.part(key);
    if (part.get(key) !== entry) return false;
    part.delete(key);
    this.written.push([key, entry]);
    return true;
  }

  private writePart(part: Map<number, number>): void {
    const rows = [...part].sort(([a], [b]) => a - b);
    for (const [key, entry] of rows) this.statements.addRoot.run(key, 0, entry);
    part.clear();
    this.written.push(...rows);
  }
}

/** Of its key: roots that share that, as anybody can make some, are known together. */
export function rootHash(key: number): number {
  return key | 0;
}

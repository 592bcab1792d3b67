/**
 * `holdings`: which peer has which entry. The rows of entries that are made one after the other for the same peer, as
 * those of a new library are, are written together: with one statement for all of them a row takes half the time.
 */
import type { HeldFileRow, WriterStatements } from "./statements.ts";

/** As the tables have it: 1 while the peer is still downloading. */
export type Partial = 0 | 1;

/** Rows that are not written yet. */
interface Run {
  slot: number;
  partial: Partial;
  first: number;
  last: number;
}

export class HoldingRows {
  private run: Run | undefined;

  constructor(private readonly statements: WriterStatements) {}

  /** Of an entry that others may have, too. False when the peer has it so already; it must not have it otherwise. */
  add(entry: number, slot: number, partial: Partial): boolean {
    this.write();
    return this.statements.addHolding.run(entry, slot, partial).changes > 0;
  }

  /** Of an entry that has just been made. */
  addFirst(entry: number, slot: number, partial: Partial): void {
    const { run } = this;
    if (run?.slot === slot && run.partial === partial && run.last + 1 === entry) {
      run.last = entry;
      return;
    }
    this.write();
    this.run = { slot, partial, first: entry, last: entry };
  }

  /** The peer must have it as `partial` says. */
  remove(entry: number, slot: number, partial: Partial): void {
    this.write();
    this.statements.removeHolding.run(entry, partial, slot);
  }

  /** How the peer has it; undefined: not at all. */
  partialOf(entry: number, slot: number): Partial | undefined {
    this.write();
    return this.statements.partial.get(entry, slot)?.partial;
  }

  /** The next entries that a peer has, in their order. */
  entriesAfter(slot: number, after: number, limit: number): { entry: number }[] {
    this.write();
    return this.statements.entriesOfPeer.all(slot, after, limit);
  }

  /** The same, with all that is known of them. */
  filesAfter(slot: number, after: number, limit: number): HeldFileRow[] {
    this.write();
    return this.statements.filesOfPeer.all(slot, after, limit);
  }

  /** To be called before a commit. */
  write(): void {
    const { run, statements } = this;
    this.run = undefined;
    if (run === undefined) return;
    const { slot, partial, first, last } = run;
    if (first === last) statements.addHolding.run(first, slot, partial);
    else statements.addHoldings.run(slot, partial, first, last);
  }

  /** What is not written yet has not happened. */
  undo(): void {
    this.run = undefined;
  }
}

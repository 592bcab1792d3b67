/**
 * One holding in and out of the tables, with everything that follows from it: the entry it makes or leaves unheld, the
 * counts kept with that, the digest of the peer. Knows neither which peers are live nor limits or transactions.
 */
import type { Database } from "bun:sqlite";
import type { FileName } from "../../wire/file-name.ts";
import type { LibraryDigest } from "../../wire/library-digest.ts";
import type { FileEntry } from "../../wire/messages.ts";
import { HoldingRows, type Partial } from "./holding-rows.ts";
import { KnownKeys } from "./known-keys.ts";
import { lastKey, shortKey } from "./name-key.ts";
import { RootRows, rootHash } from "./root-rows.ts";
import {
  entriesAfter,
  type HeldFileRow,
  type NamedRow,
  prepareStatements,
  type WriterStatements,
} from "./statements.ts";

/** Rows read at a time while walking over what one peer has. */
const pageRows = 256;

/** A peer as the tables have it. The count of the digest is that of its holdings. */
export interface Holder {
  readonly slot: number;
  readonly digest: LibraryDigest;
}

export interface Put {
  entry: number;
  /** The peer can be asked for something that it could not be asked for before. */
  isNews: boolean;
}

/** What is kept beside the rows. */
export interface Totals {
  holdings: number;
  /** Distinct ones. */
  names: number;
  lastEntry: number;
}

/** What others see differently after this. */
export interface ChangeListener {
  /** Of the name, or of the root. */
  fileChanged(name: string, root: Uint8Array): void;
  entryRemoved(id: number): void;
  /** Of the peer of that slot. */
  portKnown(slot: number, port: number): void;
  /** All that has changed since the last time is about to become visible to others. */
  committing(): void;
  /** It is visible, or (not `isDone`) it never will be. */
  settled(isDone: boolean): void;
}

export class HoldingTables {
  readonly statements: WriterStatements;
  totals: Totals;
  private readonly holdings: HoldingRows;
  private readonly roots: RootRows;
  private readonly knownNames = new KnownKeys();
  private readonly knownRoots = new KnownKeys();
  /** Of the file at hand, so that nothing is allocated for each. SQLite copies what it is given. */
  private readonly root = Buffer.alloc(32);
  private readonly md5 = Buffer.alloc(16);

  constructor(
    database: Database,
    readonly listener: ChangeListener,
  ) {
    this.statements = prepareStatements(database);
    const { holdings, names, last_entry, rooted_to } = this.statements.totals.get()!;
    this.totals = { holdings, names, lastEntry: last_entry };
    this.holdings = new HoldingRows(this.statements);
    this.roots = new RootRows(this.statements, this.knownRoots, last_entry, rooted_to);
  }

  /** Reads what is there, to know what is not. Until it has ended every name and root is looked up. */
  *learn(): Generator<void, void> {
    const { lastEntry } = this.totals;
    for (const [entry, name, root] of entriesAfter(this.statements, 0)) {
      // Later ones are known.
      if (entry > lastEntry) break;
      this.knownNames.add(nameHash(name));
      this.knownRoots.add(rootHash(shortKey(root)));
      yield;
    }
    this.knownNames.isComplete = this.knownRoots.isComplete = true;
  }

  /** The peer has the file from now on, and nothing else under its name. */
  put(holder: Holder, file: FileEntry): Put {
    const { holdings, root, md5 } = this;
    const { name, sizeBytes } = file;
    const { slot } = holder;
    root.write(file.root, "hex");
    md5.write(file.md5, "hex");
    const partial = file.partial === true ? 1 : 0;
    const rows = this.entriesNamed(name);
    let same: NamedRow | undefined;
    for (const row of rows) {
      if (row[2] === sizeBytes && root.equals(row[1]) && md5.equals(row[3])) same = row;
      else if (holder.digest.count > 0 && holdings.partialOf(row[0], slot) !== undefined)
        this.remove(holder, row[0]);
    }
    const entry = same === undefined ? this.addEntry(file, partial, rows.length === 0) : same[0];
    if (same === undefined) holdings.addFirst(entry, slot, partial);
    else {
      const [, , , , holders, partialHolders, popularity] = same;
      const heldOtherwise = partial === 1 ? holders - partialHolders : partialHolders;
      if (heldOtherwise > 0 && holdings.partialOf(entry, slot) === otherThan(partial)) {
        this.setPartial(holder, same, file, partial);
        return { entry, isNews: partial === 0 };
      }
      if (!holdings.add(entry, slot, partial)) return { entry, isNews: false };
      this.setHolders(entry, root, holders + 1, partialHolders + partial, popularity);
    }
    holder.digest.add({ name, sizeBytes, md5, root, partial: partial === 1 });
    this.totals.holdings++;
    this.listener.fileChanged(name, root);
    return { entry, isNews: true };
  }

  /** The peer must have it. What nobody has any more goes with its last holder. */
  remove({ slot, digest }: Holder, entry: number): void {
    const { statements, holdings, totals } = this;
    const partial = holdings.partialOf(entry, slot)!;
    const { name, root, md5, size, holders, partial_holders, popularity } = statements.entry.get(entry)!;
    holdings.remove(entry, slot, partial);
    totals.holdings--;
    digest.remove({ name, root, md5, sizeBytes: size, partial: partial === 1 });
    this.listener.fileChanged(name, root);
    if (holders > 1) {
      this.setHolders(entry, root, holders - 1, partial_holders - partial, popularity);
      return;
    }
    statements.removeEntry.run(entry);
    this.roots.remove(root, popularity, entry);
    this.listener.entryRemoved(entry);
    if (statements.hasName.get(name) === null) totals.names--;
  }

  /** The peer's entry of that name, if it has one. */
  held(slot: number, name: FileName): number | undefined {
    for (const [entry] of this.entriesNamed(name))
      if (this.holdings.partialOf(entry, slot) !== undefined) return entry;
    return undefined;
  }

  /** What a peer has, in the order of the entries, which is that of the file: as its peer has described it. */
  *files(slot: number): Generator<FileEntry[], void> {
    let after = -1;
    for (;;) {
      const rows = this.holdings.filesAfter(slot, after, pageRows);
      if (rows.length > 0) yield rows.map(fileOf);
      if (rows.length < pageRows) return;
      after = rows.at(-1)!.entry;
    }
  }

  /** The entries a peer has, page by page, in their order. Each may be removed while it is the current one. */
  *walk(slot: number): Generator<number, void> {
    let after = -1;
    for (;;) {
      const page = this.holdings.entriesAfter(slot, after, pageRows);
      for (const { entry } of page) {
        after = entry;
        yield entry;
      }
      if (page.length < pageRows) return;
    }
  }

  /** All that is still to be written of a transaction that is about to be committed. */
  complete(): void {
    const { holdings, names, lastEntry } = this.totals;
    this.holdings.write();
    this.roots.write(lastEntry);
    this.statements.setTotals.run(holdings, names, lastEntry, this.roots.rootedTo(lastEntry));
  }

  /** What could wait for longer, too: before the last transaction is completed. */
  completeAll(): void {
    this.roots.writeAll();
  }

  /** The transaction is committed. */
  settled(): void {
    this.roots.settled();
  }

  /** The transaction is not committed: everything is as it was before. */
  undo(totals: Totals): void {
    this.totals = totals;
    this.holdings.undo();
    this.roots.undo(totals.lastEntry);
  }

  // --- internal ---

  private entriesNamed(name: string): NamedRow[] {
    if (!this.knownNames.mayHave(nameHash(name))) return [];
    return this.statements.entriesNamed.values(name) as unknown as NamedRow[];
  }

  /** `isNew`: for certain no entry has that name. */
  private addEntry({ name, sizeBytes }: FileEntry, partial: Partial, isNew: boolean): number {
    const { statements, totals, root, md5 } = this;
    if (isNew || statements.hasName.get(name) === null) totals.names++;
    const id = ++totals.lastEntry;
    this.knownNames.add(nameHash(name));
    const others = this.roots.add(root, id);
    statements.addEntry.run(id, name, lastKey(name), sizeBytes, md5, root, partial, others);
    return id;
  }

  private setPartial({ slot, digest }: Holder, same: NamedRow, file: FileEntry, partial: Partial): void {
    const { holdings } = this;
    const [entry, , , , holders, partialHolders, popularity] = same;
    holdings.remove(entry, slot, otherThan(partial));
    holdings.add(entry, slot, partial);
    this.setHolders(entry, this.root, holders, partialHolders + (partial === 1 ? 1 : -1), popularity);
    digest.remove({ ...file, partial: partial === 0 });
    digest.add(file);
    this.listener.fileChanged(file.name, this.root);
  }

  private setHolders(
    entry: number,
    root: Uint8Array,
    holders: number,
    partial: number,
    popularity: number,
  ): void {
    this.statements.setHolders.run(holders, partial, entry);
    const rightPopularity = popularityOf(holders);
    if (rightPopularity === popularity) return;
    this.statements.setPopularity.run(rightPopularity, entry);
    this.roots.setPopularity(root, popularity, rightPopularity, entry);
  }
}

function otherThan(partial: Partial): Partial {
  return partial === 1 ? 0 : 1;
}

function nameHash(name: string): number {
  return Bun.hash.xxHash32(name);
}

function fileOf({ name, size, md5, root, partial }: HeldFileRow): FileEntry {
  const file = { name: name as FileName, sizeBytes: size, md5: md5.toHex(), root: root.toHex() };
  return partial === 1 ? { ...file, partial: true } : file;
}

/** 0: one holder; 1: up to 7; from there on with each doubling one more. 0 and 1 take no room, and few have more. */
function popularityOf(holders: number): number {
  return holders === 1 ? 0 : Math.max(1, 30 - Math.clz32(holders));
}

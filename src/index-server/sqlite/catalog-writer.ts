/**
 * The one who writes the tables: what a peer registers, updates and leaves behind. Synchronous; long changes are
 * generators that can rest after every file, so that whoever runs them (work-queue.ts) decides how long a turn takes.
 *
 * A peer has a slot. The rows of one that has left stay for a while: it may come back with the digest of what it
 * shares, and is then whole again without saying any of it. What its digest is, is computed here, from what is stored.
 */
import type { Database } from "bun:sqlite";
import type { FileName } from "../../wire/file-name.ts";
import { LibraryDigest } from "../../wire/library-digest.ts";
import type { FileEntry, LibraryClaim } from "../../wire/messages.ts";
import type { CatalogLimits } from "../catalog.ts";
import { sqliteCode } from "./database.ts";
import { HiddenPeers } from "./hidden-peers.ts";
import { type ChangeListener, type Holder, HoldingTables, type Totals } from "./holding-tables.ts";
import { Room } from "./room.ts";

export interface PeerAddress {
  host: string;
  port: number;
}

/** A file that its peer could not be asked for before: new there, another content, or whole now. */
export type OnNews = (file: FileEntry) => void;

/** As a peer was before the running transaction. */
interface Before {
  digest: Uint8Array;
  count: number;
}

export class CatalogWriter {
  private readonly tables: HoldingTables;
  private readonly room: Room;
  /** Of peers that are connected. */
  private readonly live = new Map<number, Holder>();
  private readonly hidden = new HiddenPeers();
  private readonly before = new Map<Holder, Before>();
  /** Peers that have moved in the running transaction, back to where they were: the last one first. */
  private readonly moves: (() => void)[] = [];

  /** Whatever the database holds is hidden from now on. */
  constructor(
    private readonly database: Database,
    limits: CatalogLimits,
    listener: ChangeListener,
  ) {
    this.tables = new HoldingTables(database, listener);
    this.room = new Room(this.tables, limits);
    const { statements } = this.tables;
    statements.hideAll.run();
    statements.setClean.run(0);
    for (const { id, files, digest } of statements.peers.all())
      this.hidden.add({ slot: id, digest: LibraryDigest.of(digest, files) });
    // From here on nobody waits for a lock while peers wait for this thread: the queue tries again.
    database.run("PRAGMA busy_timeout = 0");
  }

  get totals(): Readonly<Totals> {
    return this.tables.totals;
  }

  /** Of peers that left and whose rows are not all gone. */
  get hiddenSlots(): Iterable<number> {
    return this.hidden.slots();
  }

  isHidden(slot: number): boolean {
    return this.hidden.has(slot);
  }

  filesOf(slot: number): number {
    return this.live.get(slot)?.digest.count ?? 0;
  }

  /** In steps: reads all that is there, so that what comes is soon known to be new. */
  learn(): Generator<void, void> {
    return this.tables.learn();
  }

  // --- coming and going ---

  /** The peer of a slot that nobody has. */
  join(slot: number): void {
    this.live.set(slot, { slot, digest: new LibraryDigest() });
  }

  /**
   * A peer says that it shares just this. The slot that it has from now on when the index still holds that: its own,
   * or that of a peer that has left; undefined: it does not. `isFree`: the slot of one that has left may be had.
   */
  resume(
    slot: number,
    { host, port }: PeerAddress,
    claim: LibraryClaim,
    isFree: (slot: number) => boolean = () => true,
  ): number | undefined {
    const own = this.live.get(slot)!;
    const isOwn = own.digest.is(claim);
    const found = isOwn ? own : this.hidden.find(claim, isFree);
    if (found === undefined) return undefined;
    const { statements, listener } = this.tables;
    statements.putPeer.run(found.slot, host, port, found.digest.count, found.digest.bytes);
    listener.portKnown(found.slot, port);
    if (!isOwn) this.move(own, found);
    return found.slot;
  }

  /** What a live peer has, some files at a time. Each lot is true when it is given. */
  files(slot: number): Generator<FileEntry[], void> {
    return this.tables.files(slot);
  }

  /** From now on its rows may be purged, or resumed. False when there are none: then the slot is free. */
  leave(slot: number): boolean {
    const holder = this.live.get(slot);
    if (holder === undefined) return this.hidden.has(slot);
    this.live.delete(slot);
    return this.hide(slot, holder);
  }

  /** Removes the rows of a hidden peer. Once the last slice of it is committed, `forget` the slot. */
  *purge(slot: number): Generator<void, void> {
    const holder = this.hidden.get(slot);
    if (holder === undefined) return;
    this.touch(holder);
    for (const entry of this.tables.walk(slot)) {
      // It was resumed while we rested.
      if (this.hidden.get(slot) !== holder) return;
      this.tables.remove(holder, entry);
      yield;
      this.touch(holder);
    }
    this.tables.statements.removePeer.run(slot);
  }

  /** Its rows are gone: the slot is free. False when it was resumed meanwhile. */
  forget(slot: number): boolean {
    return this.hidden.delete(slot);
  }

  /** For whoever opens the file next: nobody is live in the view. Returns what leaves it in doubt. */
  end(): unknown {
    const { hideAll, setClean } = this.tables.statements;
    const visible = this.failureOf(() => {
      hideAll.run();
      setClean.run(1);
    });
    if (visible !== undefined) return visible;
    // Takes longer, and could wait: what opens the file next reads it from the entries otherwise.
    const unwritten = this.failureOf(() => this.tables.completeAll());
    if (unwritten === undefined || sqliteCode(unwritten).startsWith("SQLITE_FULL")) return undefined;
    return this.failureOf(() => void setClean.run(0)) ?? unwritten;
  }

  // --- changes ---

  /** Replaces all that the peer had; what stays as it was is not touched. Throws ProtocolError beyond a limit. */
  *register(
    slot: number,
    { host, port }: PeerAddress,
    files: readonly FileEntry[],
    onNews: OnNews = () => {},
  ): Generator<void, void> {
    const holder = this.live.get(slot)!;
    this.room.check(holder, files.length - holder.digest.count);
    this.touch(holder);
    this.tables.statements.putPeer.run(slot, host, port, holder.digest.count, holder.digest.bytes);
    this.tables.listener.portKnown(slot, port);
    const stay = new Set<number>();
    // Of a name that is there twice the last one counts.
    for (const file of new Map(files.map((file) => [file.name, file])).values()) {
      stay.add(this.put(holder, file, onNews));
      yield;
    }
    if (holder.digest.count === stay.size) return;
    for (const entry of this.tables.walk(slot)) {
      this.touch(holder);
      if (!stay.has(entry)) this.tables.remove(holder, entry);
      yield;
    }
  }

  /**
   * Removes, then adds: a name that is added anew has the new content afterwards, and only that. Throws
   * ProtocolError beyond a limit, before anything is changed.
   */
  *update(
    slot: number,
    add: readonly FileEntry[],
    remove: readonly FileName[],
    onNews: OnNews = () => {},
  ): Generator<void, void> {
    const holder = this.live.get(slot)!;
    yield* this.room.checkUpdate(holder, add, remove);
    for (const name of remove) {
      const entry = this.tables.held(slot, name);
      this.touch(holder);
      if (entry !== undefined) this.tables.remove(holder, entry);
      yield;
    }
    for (const file of add) {
      this.put(holder, file, onNews);
      yield;
    }
  }

  /**
   * Runs slices of such changes in a transaction: they happen as a whole or not at all, counters included. False
   * when nothing was run because another process has the lock. Throws what a change or SQLite throws.
   */
  tryTransaction(run: () => void): boolean {
    const { tables, database, before } = this;
    const { statements } = tables;
    const totals = { ...tables.totals };
    let isDone = false;
    try {
      statements.begin.run();
    } catch (error) {
      if (sqliteCode(error).startsWith("SQLITE_BUSY")) return false;
      throw error;
    }
    try {
      run();
      for (const { slot, digest } of before.keys()) statements.setPeer.run(digest.count, digest.bytes, slot);
      tables.complete();
      tables.listener.committing();
      statements.commit.run();
      tables.settled();
      isDone = true;
      return true;
    } catch (error) {
      // After some errors SQLite has rolled back by itself.
      if (database.inTransaction) statements.rollback.run();
      tables.undo(totals);
      for (const [{ digest }, old] of before) digest.set(old.digest, old.count);
      for (const moveBack of this.moves.reverse()) moveBack();
      throw error;
    } finally {
      tables.listener.settled(isDone);
      before.clear();
      this.moves.length = 0;
    }
  }

  // --- internal ---

  /** Of the database, as it tries that; none when it is locked. */
  private failureOf(work: () => void): unknown {
    try {
      this.tryTransaction(work);
      return undefined;
    } catch (error) {
      if (sqliteCode(error) === "") throw error;
      return error;
    }
  }

  /** The peer has the rows of one that left from now on, and that one has its own. */
  private move(own: Holder, found: Holder): void {
    const { live, hidden } = this;
    hidden.delete(found.slot);
    live.delete(own.slot);
    live.set(found.slot, found);
    this.hide(own.slot, own);
    this.moves.push(() => {
      hidden.delete(own.slot);
      live.delete(found.slot);
      live.set(own.slot, own);
      hidden.add(found);
    });
  }

  /** False when there are no rows. */
  private hide(slot: number, holder: Holder): boolean {
    const hasRows = holder.digest.count > 0;
    if (hasRows) this.hidden.add(holder);
    const { hidePeer, removePeer } = this.tables.statements;
    try {
      (hasRows ? hidePeer : removePeer).run(slot);
    } catch (error) {
      // Locked or full: the view learns of it from `purge`. Answers do not come from the view.
      if (sqliteCode(error) === "") throw error;
    }
    return hasRows;
  }

  private put(holder: Holder, file: FileEntry, onNews: OnNews): number {
    this.touch(holder);
    const { entry, isNews } = this.tables.put(holder, file);
    if (isNews) onNews(file);
    return entry;
  }

  /** It is about to change. */
  private touch(holder: Holder): void {
    if (this.before.has(holder)) return;
    this.before.set(holder, { digest: holder.digest.bytes, count: holder.digest.count });
  }
}

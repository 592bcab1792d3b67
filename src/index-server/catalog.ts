/**
 * Who has what: the one owner of the index's tables, synchronous. Long changes are generators that can rest after
 * every file, so that whoever runs them (work-queue.ts) decides how long a turn takes. What is found in the tables,
 * and who may be told about it, is in lookup.ts and search.ts.
 *
 * The rows of a peer that has left stay for a while: it is *hidden* at once, in memory and in the view, and purged
 * later. Counters are kept and not counted, but for once at the start.
 */
import type { Database } from "bun:sqlite";
import type { FileName } from "../wire/file-name.ts";
import { maxFilesPerIndex, maxFilesPerPeer } from "../wire/limits.ts";
import type { FileEntry } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { sqliteCode } from "./database.ts";
import { HoldingTables } from "./holding-tables.ts";
import { type LivePeer, LivePeers } from "./live-peers.ts";

export interface CatalogLimits {
  filesPerPeer: number;
  filesPerIndex: number;
}

/** A file that its peer could not be asked for before: new there, another content, or whole now and not before. */
export type OnNews = (file: FileEntry) => void;

const defaultLimits: CatalogLimits = { filesPerPeer: maxFilesPerPeer, filesPerIndex: maxFilesPerIndex };

export interface CatalogCounts {
  /** Connected and registered. */
  peers: number;
  /** Names of all peers, each counted once for every peer; those of hidden peers until they are purged. */
  holdings: number;
  /** Distinct names, with the same delay. */
  names: number;
}

export class Catalog {
  readonly live = new LivePeers();
  private readonly hidden = new Set<number>();
  private readonly tables: HoldingTables;
  private nextPeerId: number;
  private holdings: number;
  /** Counters of peers as they were before the running transaction. */
  private readonly holdingsBefore = new Map<LivePeer, number>();

  /** Whatever the database holds is hidden from now on. */
  constructor(
    readonly database: Database,
    private readonly limits: CatalogLimits = defaultLimits,
  ) {
    this.hideAll();
    this.tables = new HoldingTables(database);
    const number = (sql: string) => Number(database.query(sql).values()[0]?.[0]);
    for (const [id] of database.query("SELECT id FROM peers").values()) this.hidden.add(Number(id));
    this.nextPeerId = number("SELECT ifnull(max(id), 0) + 1 FROM peers");
    this.holdings = number("SELECT count(*) FROM holdings");
    // From here on nobody waits for a lock while peers wait for this thread: the work queue tries again.
    database.run("PRAGMA busy_timeout = 0");
  }

  get counts(): CatalogCounts {
    return { peers: this.live.size, holdings: this.holdings, names: this.tables.names };
  }

  /** Peers that left and whose rows are not all gone. */
  get hiddenPeers(): ReadonlySet<number> {
    return this.hidden;
  }

  // --- coming and going ---

  /** A peer that is about to register. */
  join(host: string, port: number, nowMs = 0): LivePeer {
    const peer: LivePeer = { id: this.nextPeerId++, host, port, holdings: 0, sinceMs: nowMs };
    this.live.add(peer);
    return peer;
  }

  /** From now on the peer is in no answer; its rows go by `purge`. */
  leave(peer: LivePeer): void {
    this.live.remove(peer.id);
    this.hidden.add(peer.id);
    try {
      this.tables.statements.hidePeer.run(peer.id);
    } catch (error) {
      // Locked or full: the view learns of it from `purge`. Answers do not come from the view.
      if (sqliteCode(error) === "") throw error;
    }
  }

  /** Removes the rows of a hidden peer. Once the last slice of it is committed, `forget` the peer. */
  *purge(peerId: number): Generator<void, void> {
    this.tables.statements.hidePeer.run(peerId);
    const entries: number[] = [];
    for (const entry of this.tables.walk(peerId)) {
      entries.push(entry);
      yield;
    }
    // In the order in which they were made they are neighbours in most tables (2.6 times faster on disk, measured).
    for (const entry of Float64Array.from(entries).sort()) {
      this.tables.remove(peerId, entry);
      this.holdings--;
      yield;
    }
    this.tables.statements.removePeer.run(peerId);
  }

  forget(peerId: number): void {
    this.hidden.delete(peerId);
  }

  /** Nobody is live any more in the view: for whoever reads the file when the index has ended. */
  hideAll(): void {
    this.database.run("UPDATE peers SET live = 0 WHERE live = 1");
  }

  // --- changes ---

  /** Replaces all that the peer had; what stays as it was is not touched. Throws ProtocolError beyond a limit. */
  *register(
    peer: LivePeer,
    port: number,
    files: readonly FileEntry[],
    onNews: OnNews = () => {},
  ): Generator<void, void> {
    this.checkRoom(peer, files.length - peer.holdings);
    peer.port = port;
    this.tables.statements.putPeer.run(peer.id, peer.host, port);
    const stay = new Set<number>();
    // Of a name that is there twice the last one counts.
    for (const file of new Map(files.map((file) => [file.name, file])).values()) {
      stay.add(this.put(peer, file, onNews));
      yield;
    }
    if (peer.holdings === stay.size) return;
    for (const entry of this.tables.walk(peer.id)) {
      if (!stay.has(entry)) this.drop(peer, entry);
      yield;
    }
  }

  /**
   * Removes, then adds: a name that is added anew has the new content afterwards, and only that. Throws
   * ProtocolError beyond a limit, before anything is changed.
   */
  *update(
    peer: LivePeer,
    add: readonly FileEntry[],
    remove: readonly FileName[],
    onNews: OnNews = () => {},
  ): Generator<void, void> {
    yield* this.checkRoomForUpdate(peer, add, remove);
    for (const name of remove) {
      const entry = this.tables.held(peer.id, name);
      if (entry !== undefined) this.drop(peer, entry);
      yield;
    }
    for (const file of add) {
      this.put(peer, file, onNews);
      yield;
    }
  }

  /**
   * Runs a slice of such a change in a transaction: it happens as a whole or not at all, counters included. False
   * when nothing was run because another process has the lock. Throws what the change or SQLite throws.
   */
  tryTransaction(run: () => void): boolean {
    const { holdings, tables } = this;
    const { names, statements } = tables;
    try {
      statements.begin.run();
    } catch (error) {
      if (sqliteCode(error).startsWith("SQLITE_BUSY")) return false;
      throw error;
    }
    try {
      run();
      statements.commit.run();
      return true;
    } catch (error) {
      // After some errors SQLite has rolled back by itself.
      if (this.database.inTransaction) statements.rollback.run();
      this.holdings = holdings;
      tables.names = names;
      for (const [peer, before] of this.holdingsBefore) peer.holdings = before;
      throw error;
    } finally {
      this.holdingsBefore.clear();
    }
  }

  // --- internal ---

  private checkRoom(peer: LivePeer, more: number): void {
    if (more <= 0) return;
    if (peer.holdings + more > this.limits.filesPerPeer) throw new ProtocolError("TOO_MANY");
    if (this.holdings + more > this.limits.filesPerIndex) throw new ProtocolError("STORAGE_FULL");
  }

  /** Counts only where it matters: names that merely change, and removals of what is not there, are not more. */
  private *checkRoomForUpdate(
    peer: LivePeer,
    add: readonly FileEntry[],
    remove: readonly FileName[],
  ): Generator<void, void> {
    const { filesPerPeer, filesPerIndex } = this.limits;
    if (peer.holdings + add.length <= filesPerPeer && this.holdings + add.length <= filesPerIndex) return;
    const added = new Set(add.map((file) => file.name));
    let more = 0;
    for (const name of added) {
      if (this.tables.held(peer.id, name) === undefined) more++;
      yield;
    }
    for (const name of new Set(remove)) {
      if (!added.has(name) && this.tables.held(peer.id, name) !== undefined) more--;
      yield;
    }
    this.checkRoom(peer, more);
  }

  private put(peer: LivePeer, file: FileEntry, onNews: OnNews): number {
    const { entry, more, isNews } = this.tables.put(peer.id, file);
    this.count(peer, more);
    if (isNews) onNews(file);
    return entry;
  }

  private drop(peer: LivePeer, entry: number): void {
    this.tables.remove(peer.id, entry);
    this.count(peer, -1);
  }

  private count(peer: LivePeer, more: number): void {
    if (!this.holdingsBefore.has(peer)) this.holdingsBefore.set(peer, peer.holdings);
    peer.holdings += more;
    this.holdings += more;
  }
}

/**
 * The catalog in a SQLite file: changes go to the thread that writes, questions are answered from a connection of this
 * thread's own, which sees what is committed. Here the two are joined: who is connected, what is kept of answers.
 */
import { monotonicMs } from "../../clock.ts";
import { encodeResultEnd } from "../../wire/encode.ts";
import type { FileEntry, FoundContent } from "../../wire/messages.ts";
import type { NameBytes } from "../../wire/plain-query.ts";
import { browse } from "../browse.ts";
import {
  type Applied,
  type ByteSlice,
  type Catalog,
  type CatalogCounts,
  type CatalogLimits,
  type CatalogListener,
  type CatalogPeer,
  type ChangeType,
  type FolderPage,
  type ListPage,
  type MatchPage,
  StoreError,
} from "../catalog.ts";
import type { WantedFiles } from "../wanted-files.ts";
import { AnswerCache } from "./answer-cache.ts";
import { CatalogNames } from "./catalog-names.ts";
import { CatalogSearch } from "./catalog-search.ts";
import { ChangeStamps } from "./change-stamps.ts";
import {
  codeForPeer,
  describeFailure,
  type IndexDatabase,
  inMemory,
  isDamage,
  openIndexDatabase,
} from "./database.ts";
import { HolderLookup, sourceOf } from "./holders.ts";
import { NameList } from "./list.ts";
import { type LivePeer, LivePeers } from "./live-peers.ts";
import { type Found, Lookup } from "./lookup.ts";
import { PlaceWatch } from "./place-watch.ts";
import { SlowReads } from "./slow-reads.ts";
import { WarmUp } from "./warm-up.ts";
import { type AppliedOutcome, WriterThread } from "./writer-thread.ts";

export interface SqliteCatalogOptions {
  /** A file, or `:memory:`. */
  path: string;
  limits: CatalogLimits;
  wanted: WantedFiles;
  listener: CatalogListener;
  /** Rows of a peer that left are kept for so long: it may come back with the same library. */
  keepLeftMs: number;
  /** Gives numbers from 0 to 1, 1 excluded. */
  chance: () => number;
  /** A line about a damaged file that was set aside. */
  warn: (line: string) => void;
}

export class SqliteCatalog implements Catalog {
  /** What is there at the same time is one commit. */
  readonly updatesAtOnce = 8;
  private readonly live = new LivePeers();
  private readonly stamps = new ChangeStamps();
  private readonly cache = new AnswerCache(this.stamps, this.live);
  private readonly lookup: Lookup;
  private readonly nameList: NameList;
  private readonly folderNames: CatalogNames;
  private readonly searcher: CatalogSearch;
  private readonly slowReads: SlowReads;
  private readonly place: PlaceWatch;
  private readonly writer: WriterThread;
  private readonly warmUp: WarmUp | undefined;
  /** Of peers that left, whose rows are still there. */
  private hidden = 0;
  private names = 0;
  private isLost = false;
  private closing: Promise<void> | undefined;

  /** Rejects with LocalIoError when the database cannot be used. */
  static async open(options: SqliteCatalogOptions): Promise<SqliteCatalog> {
    const database = openIndexDatabase(options.path, options.warn);
    const catalog = new SqliteCatalog(options, database);
    try {
      catalog.live.reserve((await catalog.writer.ready).hiddenSlots);
      return catalog;
    } catch (error) {
      await catalog.close();
      throw error;
    }
  }

  private constructor(
    private readonly options: SqliteCatalogOptions,
    private readonly database: IndexDatabase,
  ) {
    const { limits, listener, keepLeftMs, wanted, chance } = options;
    const holders = new HolderLookup(database.database, this.live, chance);
    this.lookup = new Lookup(database.database, holders);
    this.nameList = new NameList(database.database, holders);
    this.folderNames = new CatalogNames(database.database, holders);
    this.place = new PlaceWatch(database, options.path, (line) => this.lose(line, false));
    this.searcher = new CatalogSearch({
      path: database.path,
      live: this.live.bits.shared,
      warn: (line) => listener.failed(line),
      damaged: (line) => this.lose(line, true),
    });
    this.slowReads = new SlowReads((error) => this.troubled(error));
    if (options.path !== inMemory) this.warmUp = WarmUp.ofIndex(database.path);
    this.writer = new WriterThread(
      {
        kind: "open",
        path: database.path,
        limits,
        stamps: this.stamps.shared,
        ports: this.live.ports.shared,
        wanted: wanted.shared,
        keepLeftMs,
      },
      {
        committed: (names, removed) => {
          this.names = names;
          this.searcher.changed(names, removed);
        },
        news: (slot, files) => {
          const peer = this.live.at(slot);
          if (peer !== undefined) this.tell(peer, files);
        },
        released: (slot) => this.live.release(slot),
        hidden: (count) => {
          this.hidden = count;
        },
        trouble: (line) => listener.failed(line),
        lost: (line, isDamaged) => this.lose(line, isDamaged),
      },
    );
  }

  // --- who is here ---

  get storage(): "memory" | "sqlite" {
    return this.options.path === inMemory ? "memory" : "sqlite";
  }

  get waiting(): number {
    return this.writer.waitingCount + this.slowReads.size + this.hidden;
  }

  bytesOnDisk(): number | undefined {
    return this.storage === "memory" ? undefined : this.database.bytesOnDisk();
  }

  get counts(): CatalogCounts {
    return { peers: this.live.size, files: this.live.files, names: this.names };
  }

  peers(): Iterable<CatalogPeer> {
    return this.live.sorted();
  }

  isLive(id: string): boolean {
    return this.live.byId(id) !== undefined;
  }

  join(host: string, fingerprint?: CatalogPeer["fingerprint"]): LivePeer {
    const peer = this.live.join(host, monotonicMs(), fingerprint);
    this.writer.join(peer.slot);
    return peer;
  }

  leave(peer: CatalogPeer): void {
    const leaver = peer as LivePeer;
    if (!this.live.leave(leaver)) return;
    this.writer.giveUp(leaver);
    this.writer.leave(leaver.slot);
  }

  // --- changes ---

  apply(peer: CatalogPeer, type: ChangeType, line: Uint8Array): Promise<Applied> {
    const changer = peer as LivePeer;
    const { slot, host, isLive } = changer;
    if (!isLive) return Promise.reject(new StoreError("RETRY"));
    const change = { slot, host, type, line };
    return this.writer.apply(changer, change, (outcome) => this.applied(changer, outcome));
  }

  // --- questions ---

  find(name: string): FoundContent[] {
    return this.lookUp(name).contents;
  }

  keptAnswer(name: NameBytes): ByteSlice | undefined {
    return this.cache.find(name);
  }

  answer(name: string): Uint8Array {
    const known = this.cache.get(name);
    if (known !== undefined) return known;
    const { sequence } = this.stamps;
    const { contents, peers } = this.lookUp(name);
    const end = encodeResultEnd(contents);
    this.cache.keep(name, end, { contents, peers, sequence });
    return end;
  }

  keptTotal(content: { root: string; sizeBytes: number }): number {
    return this.lookup.holders.keptTotal(content);
  }

  search(owner: object, text: string, after: string, limit: number): Promise<MatchPage> {
    return this.searcher.search(owner, { text, after, limit });
  }

  list(owner: object, pattern: string, after: string, limit: number): Promise<ListPage> {
    return this.slowReads.run(owner, this.nameList.run(pattern, after, limit));
  }

  browse(owner: object, folder: string, after: string, limit: number): Promise<FolderPage> {
    return this.slowReads.run(owner, browse(this.folderNames, folder, after, limit));
  }

  forget(owner: object): void {
    this.slowReads.drop(owner);
    this.searcher.forget(owner);
  }

  // --- its life ---

  problem(): Promise<string | undefined> {
    return this.place.problem === undefined ? this.writer.probe() : Promise.resolve(this.place.problem);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  // --- internal ---

  private async end(): Promise<void> {
    this.place.stop();
    this.slowReads.stop();
    await this.warmUp?.stop();
    await this.searcher.stop();
    await this.writer.close();
    this.database.close();
  }

  private lookUp(name: string): Found {
    try {
      return this.lookup.find(name);
    } catch (error) {
      throw this.troubled(error);
    }
  }

  private applied(peer: LivePeer, outcome: AppliedOutcome): Applied {
    const { id, held, slot, port } = outcome;
    // Rows have appeared, or an address is another, under names that nobody has marked as changed.
    const isBack = held === true && slot !== peer.slot;
    if (isBack || (peer.port !== 0 && peer.port !== port)) this.cache.clear();
    this.live.has(peer, outcome);
    if (isBack) this.writer.survey(slot);
    return { id, held };
  }

  private tell(peer: LivePeer, news: readonly FileEntry[]): void {
    const { listener } = this.options;
    const wanted = news.filter((file) => listener.wants(file));
    for (const partial of [false, true]) {
      const files = wanted.filter((file) => (file.partial === true) === partial);
      if (files.length > 0) listener.arrived(sourceOf(peer, partial), files);
    }
  }

  private lose(line: string, isDamaged: boolean): void {
    if (this.isLost) return;
    this.isLost = true;
    // Whoever closes it needs no other one; it is not called clean, and looked at before it is used again.
    if (this.closing !== undefined) this.options.listener.failed(line);
    else this.options.listener.lost(line, isDamaged);
  }

  /** For whoever asked; the log has heard. */
  private troubled(error: unknown): StoreError {
    if (isDamage(error)) this.lose(describeFailure(error), true);
    else this.options.listener.failed(describeFailure(error));
    return new StoreError(codeForPeer(error));
  }
}

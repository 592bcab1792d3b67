/**
 * A catalog in a PostgreSQL, or in what speaks like one, that several index processes share. Everything that is true is
 * in its tables; this process knows for itself only who is connected to it, and keeps answers for less than a second.
 */

import { monotonicMs } from "../../clock.ts";
import { encodeResultEnd } from "../../wire/encode.ts";
import type { Fingerprint } from "../../wire/fingerprint.ts";
import type { FoundContent } from "../../wire/messages.ts";
import {
  type Applied,
  type Catalog,
  type CatalogCounts,
  type CatalogLimits,
  type CatalogPeer,
  type ChangeType,
  type FolderPage,
  type ListPage,
  type MatchPage,
  StoreError,
} from "../catalog.ts";
import { AnswerCache } from "./answer-cache.ts";
import type { ChangeEffect } from "./change-plan.ts";
import { leave } from "./change-statements.ts";
import { Changes } from "./changes.ts";
import { Chores } from "./chores.ts";
import type { Pool } from "./database.ts";
import { KeptTotals } from "./kept-totals.ts";
import { Lookup } from "./lookup.ts";
import { Members } from "./members.ts";
import { ignoreStoreError, News, type NewsListener, tellArrived } from "./news.ts";
import { OwnPeer } from "./own-peer.ts";
import type { ProcessRow, Times } from "./process-row.ts";
import { Upkeep } from "./upkeep.ts";
import { Views } from "./views.ts";

export interface CatalogParts {
  url: string;
  /** What waits for a change must not wait for a QUERY, and the other way round. */
  pools: { read: Pool; change: Pool; background: Pool };
  process: ProcessRow;
  limits: CatalogLimits;
  listener: NewsListener;
  times: Times;
  /** Gives numbers from 0 to 1, 1 excluded. */
  chance(): number;
}

/** Where slots of a process begin: as many as it has sessions, and below 2^53. */
const slotsPerProcess = 2n ** 32n;

export class PostgresCatalog implements Catalog {
  readonly storage = "postgresql";
  readonly updatesAtOnce = 8;
  private readonly members: Members;
  private readonly changes: Changes;
  private readonly lookup: Lookup;
  private readonly news: News;
  private readonly chores: Chores;
  private readonly views: Views;
  private readonly upkeep: Upkeep;
  private readonly cache = new AnswerCache();
  private readonly totals = new KeptTotals();
  private readonly joined = new Set<OwnPeer>();
  private readonly sessionIds = new Set<string>();
  private readonly departures = new Set<Promise<unknown>>();
  private sessions = 0;
  private slots = 0n;
  private versions = 0;
  private ownFiles = 0;
  private ownPeers = 0;
  private moreRows = 0;
  private moreNames = 0;
  private closing: Promise<void> | undefined;

  constructor(private readonly parts: CatalogParts) {
    const { pools, process, limits, listener, times, chance } = parts;
    this.members = new Members(process.id, pools.background, (other) => process.isAlive(other));
    this.news = new News(process.id, pools.background, this.members, listener, () => this.cache.clear());
    this.lookup = new Lookup(pools.read, this.members, chance);
    this.views = new Views(pools.read, this.members, chance);
    const rowsOfAll = () => this.members.rowsOfAll + this.moreRows;
    this.chores = new Chores(process.id, pools.background, {
      keepMs: times.keepMs,
      isFull: () => rowsOfAll() >= limits.filesPerIndex,
      isBusy: () => this.changes.isBusy || this.lookup.isBusy,
      onNames: (more) => {
        this.moreNames += more;
      },
    });
    this.changes = new Changes({
      process: process.id,
      pool: pools.change,
      limits,
      rowsOfAll,
      hasOthers: () => process.hasOthers,
      departures: () => Promise.all(this.departures),
      newSlot: () => String(BigInt(process.id) * slotsPerProcess + ++this.slots),
      newVersion: () => String(++this.versions),
      changed: (peer, plan) => this.onChanged(peer, plan),
      abandoned: (slot) => {
        this.members.remove(slot);
        this.cache.clear();
        this.news.tell([slot]);
      },
      resumed: (peer) => this.onResumed(peer),
    });
    this.upkeep = new Upkeep({
      tickMs: times.tickMs,
      pool: pools.background,
      process,
      members: this.members,
      news: this.news,
      chores: this.chores,
      listener,
      ownSlots: () => new Set([...this.joined].map(({ slot }) => slot)),
      counted: () => {
        [this.moreRows, this.moreNames] = [0, 0];
      },
      taken: (peers) => {
        for (const peer of peers) peer.disown();
        this.recount();
      },
    });
  }

  /** To be called once, before anything else. Rejects with StoreError. */
  async begin(): Promise<void> {
    await this.news.begin(this.parts.url);
    await this.members.readAll();
    this.chores.wake();
    this.upkeep.begin();
  }

  // --- who is there ---

  get waiting(): number {
    return this.changes.waiting + this.departures.size + this.members.hidden;
  }

  bytesOnDisk(): undefined {
    return undefined;
  }

  isLive(id: string): boolean {
    return this.sessionIds.has(id) || this.members.isAtAnother(id);
  }

  get counts(): CatalogCounts {
    const { peers, files } = this.members.otherCounts;
    const { names } = this.parts.process;
    return { peers: this.ownPeers + peers, files: this.ownFiles + files, names: names + this.moreNames };
  }

  *peers(): Iterable<CatalogPeer> {
    for (const peer of this.joined) if (peer.isRegistered) yield peer;
    yield* this.members.otherPeers();
  }

  join(host: string, fingerprint?: Fingerprint): CatalogPeer {
    const id = `${this.parts.process.id}-${++this.sessions}`;
    const peer = new OwnPeer(id, host, fingerprint, monotonicMs());
    this.joined.add(peer);
    this.sessionIds.add(peer.id);
    return peer;
  }

  leave(peer: CatalogPeer): void {
    const own = peer as OwnPeer;
    if (!this.joined.delete(own)) return;
    this.sessionIds.delete(own.id);
    own.hasLeft = true;
    this.recount();
    this.cache.clear();
    if (own.slot !== undefined) this.members.remove(own.slot);
    const departure = (own.served ?? Promise.resolve())
      .then(async () => {
        if (own.slot === undefined) return;
        await this.parts.pools.background.run(leave, [own.slot, own.id]);
        this.news.tell([own.slot]);
      })
      // A row that stays behind is found when all are read.
      .catch(ignoreStoreError)
      .finally(() => this.departures.delete(departure));
    this.departures.add(departure);
  }

  async apply(peer: CatalogPeer, type: ChangeType, line: Uint8Array): Promise<Applied> {
    const own = peer as OwnPeer;
    if (own.hasLeft || this.closing !== undefined) throw new StoreError("RETRY");
    return this.changes.apply(own, type, line);
  }

  // --- questions ---

  async find(name: string): Promise<FoundContent[]> {
    const found = await this.lookup.find(name);
    this.totals.found(found);
    return found;
  }

  answer(name: string): Uint8Array | Promise<Uint8Array> {
    const nowMs = monotonicMs();
    const known = this.cache.get(name, nowMs);
    return known ?? this.answerNow(name, nowMs);
  }

  keptTotal(content: { root: string; sizeBytes: number }): number {
    return this.totals.get(content);
  }

  search(owner: object, text: string, after: string, limit: number): Promise<MatchPage> {
    return this.views.search(owner, text, after, limit);
  }

  list(owner: object, pattern: string, after: string, limit: number): Promise<ListPage> {
    return this.views.list(owner, pattern, after, limit);
  }

  browse(owner: object, folder: string, after: string, limit: number): Promise<FolderPage> {
    return this.views.browse(owner, folder, after, limit);
  }

  forget(owner: object): void {
    this.views.forget(owner);
  }

  async problem(): Promise<string | undefined> {
    try {
      await this.parts.pools.change.run("UPDATE processes SET seen = now() WHERE id = $1::bigint", [
        this.parts.process.id,
      ]);
      return undefined;
    } catch (error) {
      if (error instanceof StoreError) return "the database takes no changes";
      throw error;
    }
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  // --- internal ---

  private async closeNow(): Promise<void> {
    for (const peer of [...this.joined]) this.leave(peer);
    await Promise.all([this.upkeep.end(), this.chores.close(), ...this.departures]);
    await this.parts.process.end().catch(ignoreStoreError);
    await this.news.close();
    const { read, change, background } = this.parts.pools;
    await Promise.all([read.close(), change.close(), background.close()]);
  }

  private async answerNow(name: string, nowMs: number): Promise<Uint8Array> {
    const { generation } = this.cache;
    const found = await this.find(name);
    const end = encodeResultEnd(found);
    this.cache.put(name, end, found, generation, nowMs);
    return end;
  }

  private onChanged(peer: OwnPeer, { news, drop, replaced }: ChangeEffect): void {
    const { listener, process } = this.parts;
    const files = news.map(({ file }) => file);
    this.members.add(peer.slot!, peer);
    const before = this.ownFiles;
    this.recount();
    this.moreRows += this.ownFiles - before;
    if (replaced.length > 0 || drop === undefined || drop.length > 0) this.cache.clear();
    else this.cache.came(files);
    this.totals.came(files);
    this.chores.wake();
    if (process.hasOthers) this.news.tell();
    const wanted = files.filter((file) => listener.wants(file));
    if (wanted.length > 0) tellArrived(listener, peer, wanted);
  }

  private onResumed(peer: OwnPeer): void {
    this.members.add(peer.slot!, peer);
    this.recount();
    this.cache.clear();
    if (this.parts.process.hasOthers) this.news.tell();
    void this.news.arrivedWhole(peer.slot!);
  }

  private recount(): void {
    this.ownFiles = 0;
    this.ownPeers = 0;
    for (const peer of this.joined) {
      this.ownFiles += peer.files;
      if (peer.isRegistered) this.ownPeers++;
    }
  }
}

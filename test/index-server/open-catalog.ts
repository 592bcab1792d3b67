/**
 * A catalog in one thread, driven without a queue: changes are applied at once, in slices of a few steps, and are seen
 * by the very code that answers questions.
 */
import { Database } from "bun:sqlite";
import type { CatalogLimits } from "../../src/index-server/catalog.ts";
import { CatalogWriter } from "../../src/index-server/sqlite/catalog-writer.ts";
import { forWriting, openIndexDatabase } from "../../src/index-server/sqlite/database.ts";
import { HolderLookup } from "../../src/index-server/sqlite/holders.ts";
import { NameList } from "../../src/index-server/sqlite/list.ts";
import { type LivePeer, LivePeers } from "../../src/index-server/sqlite/live-peers.ts";
import { Lookup } from "../../src/index-server/sqlite/lookup.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import { maxFilesPerIndex, maxFilesPerPeer } from "../../src/wire/limits.ts";
import type { FileEntry, LibraryClaim } from "../../src/wire/messages.ts";

const usualLimits = { filesPerPeer: maxFilesPerPeer, filesPerIndex: maxFilesPerIndex };

export class OpenCatalog implements Disposable {
  readonly writer: CatalogWriter;
  readonly live = new LivePeers();
  readonly lookup: Lookup;
  readonly list: NameList;
  readonly reading: Database;
  private readonly file;
  readonly writing: Database;
  private nextPort = 20_000;
  /** Entries that are gone. */
  readonly removed: number[] = [];

  constructor(path = ":memory:", limits: CatalogLimits = usualLimits, chance: () => number = Math.random) {
    this.file = openIndexDatabase(path, () => {});
    this.reading = this.file.database;
    this.writing = new Database(this.file.path, { readwrite: true, create: false, strict: true });
    forWriting(this.writing);
    this.writer = new CatalogWriter(this.writing, limits, {
      fileChanged: () => {},
      entryRemoved: (id) => this.removed.push(id),
      portKnown: () => {},
      committing: () => {},
      settled: () => {},
    });
    for (const _ of this.writer.learn());
    this.live.reserve(this.writer.hiddenSlots);
    const holders = new HolderLookup(this.reading, this.live, chance);
    this.lookup = new Lookup(this.reading, holders);
    this.list = new NameList(this.reading, holders);
  }

  [Symbol.dispose](): void {
    this.writing.close(true);
    this.file.close();
  }

  /** A live peer on a port of its own that has registered `files`. */
  peer(files: readonly FileEntry[] = [], host = "10.0.0.1", port = this.nextPort++): LivePeer {
    const peer = this.live.join(host, 0);
    this.writer.join(peer.slot);
    this.live.has(peer, { slot: peer.slot, port, files: 0 });
    this.register(peer, files);
    return peer;
  }

  register(peer: LivePeer, files: readonly FileEntry[]): void {
    this.run(this.writer.register(peer.slot, peer, files));
    this.counted(peer);
  }

  update(
    peer: LivePeer,
    add: readonly FileEntry[],
    remove: readonly string[] = [],
    onNews: (file: FileEntry) => void = () => {},
  ): void {
    this.run(this.writer.update(peer.slot, add, remove as FileName[], onNews));
    this.counted(peer);
  }

  /** Whether the index still holds what the peer says that it shares. */
  resume(peer: LivePeer, claim: LibraryClaim): boolean {
    const { slot: before } = peer;
    let slot: number | undefined;
    this.writer.tryTransaction(() => {
      slot = this.writer.resume(before, peer, claim);
    });
    if (slot === undefined) return false;
    this.live.has(peer, { slot, port: peer.port, files: claim.files });
    if (slot !== before && !this.writer.isHidden(before)) this.live.release(before);
    return true;
  }

  /** It leaves; its rows stay. */
  leave(peer: LivePeer): void {
    this.live.leave(peer);
    if (!this.writer.leave(peer.slot)) this.live.release(peer.slot);
  }

  purge(peer: LivePeer): void {
    this.purgeSlot(peer.slot);
  }

  purgeSlot(slot: number): void {
    this.run(this.writer.purge(slot));
    if (this.writer.forget(slot)) this.live.release(slot);
  }

  get counts(): { peers: number; holdings: number; names: number } {
    const { holdings, names } = this.writer.totals;
    return { peers: this.live.size, holdings, names };
  }

  /** Rows that were ever written. */
  get changes(): number {
    return Number(this.writing.query("SELECT total_changes()").values()[0]?.[0]);
  }

  /** Names with that part that a live peer has whole, with how many have the content whole. */
  find(part: string): { matches: { name: string; root: string; sources: number }[] } {
    const steps = this.list.run("**", "", 1_000);
    for (;;) {
      const step = steps.next();
      if (step.done !== true) continue;
      const fitting = step.value.files.filter(({ name }) => name.includes(part));
      return { matches: fitting.map(({ name, root, total }) => ({ name, root, sources: total })) };
    }
  }

  /** Rows of the view, as `host:port name size md5 root complete`. */
  view(): string[] {
    const rows = this.reading.query("SELECT * FROM files").values();
    return rows.map(([host, port, ...rest]) => [`${host}:${port}`, ...rest].join(" ")).sort();
  }

  rows(table: string): number {
    return Number(this.reading.query(`SELECT count(*) FROM ${table}`).values()[0]?.[0]);
  }

  run(steps: Iterator<void>, stepsPerSlice = 7): void {
    let done = false;
    while (!done) {
      this.writer.tryTransaction(() => {
        for (let i = 0; i < stepsPerSlice && !done; i++) done = steps.next().done === true;
      });
    }
  }

  private counted(peer: LivePeer): void {
    this.live.has(peer, { slot: peer.slot, port: peer.port, files: this.writer.filesOf(peer.slot) });
  }
}

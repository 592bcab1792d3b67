/**
 * The life of each file of the library: seen, still for a moment, hashed, offered, withdrawn as soon as it is not
 * what it was. How it comes to be known that something happened to a file is the business of `library.ts`.
 */
import { join } from "node:path";
import { monotonicMs } from "../clock.ts";
import type { FileName } from "../wire/file-name.ts";
import { chunkBytes } from "../wire/limits.ts";
import { type FileIdentity, sameContentIdentity, sameIdentity } from "./file-identity.ts";
import type { HashCache } from "./hash-cache.ts";
import type { FileHashes, HashOutcome } from "./hash-messages.ts";
import { type HashJob, HashPool } from "./hash-pool.ts";
import { HashProgress, type ScanProgress } from "./hash-progress.ts";
import { type Inspected, inspectPath } from "./inspect.ts";
import { isBelow } from "./names-below.ts";
import { alreadyStill, Settling } from "./settle.ts";
import { type SharedContent, type SharedFile, SharedFiles } from "./shared-files.ts";
import { goneFiles, isGoneFrom } from "./shared-folder.ts";

export interface FileTrackerOptions {
  root: string;
  cache: HashCache;
  threads: number;
  settleMs: number;
  listener: FileTrackerListener;
}

export interface FileTrackerListener {
  changed(added: SharedFile[], removed: FileName[]): void;
  progress(progress: ScanProgress): void;
  ready(): void;
  /** `reason` is part of a sentence. */
  skipped(name: string, reason: string): void;
}

/** One regular file as it was last seen; another entry takes its place when the file has changed. */
interface Entry {
  readonly name: FileName;
  identity: FileIdentity;
  /** Number of the scan in which it was last seen. */
  seenInScan: number;
  /** While it waits for a worker or is in the hands of one. */
  job: HashJob | undefined;
  /** When it turned out that it cannot be read. */
  failedMs: number | undefined;
}

/** Changes within this time are told together. */
const changeDelayMs = 30;
/** The same during the first scan: what the cache knows arrives in a few large steps. */
const firstScanChangeDelayMs = 250;
const progressIntervalMs = 250;
/** What could not be read is tried again when it is seen after this long. */
const retryFailedMs = 60_000;
/** How long the thread is kept at most. */
const sliceMs = 8;

export class FileTracker {
  readonly shared: SharedFiles;
  private readonly options: FileTrackerOptions;
  private readonly pool: HashPool;
  private readonly settling: Settling;
  private readonly progress = new HashProgress();
  private readonly entries = new Map<string, Entry>();
  private scanNumber = 0;
  private inFirstScan = true;
  /** Found by the first scan and neither offered nor given up; undefined once `ready` was called. */
  private awaited: Set<Entry> | undefined = new Set();
  private settleTimer: Timer | undefined;
  private progressTimer: Timer | undefined;
  private progressTicks = 0;
  private stopped = false;

  constructor(options: FileTrackerOptions) {
    this.options = options;
    this.pool = new HashPool({ threads: options.threads });
    this.settling = new Settling(options.settleMs);
    this.shared = new SharedFiles(
      (added, removed) => options.listener.changed(added, removed),
      () => (this.inFirstScan ? firstScanChangeDelayMs : changeDelayMs),
    );
  }

  // --- what happened ---

  /** The file `name` was just found with this identity. */
  seen(name: FileName, identity: FileIdentity): void {
    const known = this.entries.get(name);
    if (known !== undefined && sameContentIdentity(known.identity, identity)) {
      known.seenInScan = this.scanNumber;
      this.seenAgain(known, identity);
      return;
    }
    const entry = { name, identity, seenInScan: this.scanNumber, job: undefined, failedMs: undefined };
    // A disk that is there again may have another number: its files are the same.
    if (known !== undefined) this.forget(known, known.identity.dev === identity.dev);
    else if (this.inFirstScan) this.awaited?.add(entry);
    this.entries.set(name, entry);
    if (this.inFirstScan && alreadyStill(identity, Date.now(), this.options.settleMs)) this.hash(entry);
    else this.waitUntilStill(entry);
    // One that is being written to is not waited for.
    this.checkReady();
  }

  /** There is no such file (any more). */
  gone(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.forget(entry, isGoneFrom(this.options.root, name, entry.identity.dev));
    this.checkReady();
  }

  /** All files are gone that are below one of these folders (`""` for all) and were not seen since `beginScan`. */
  goneUnlessSeen(folders: ReadonlySet<string>): void {
    for (const entry of this.entries.values()) {
      if (entry.seenInScan < this.scanNumber && isBelow(entry.name, folders)) this.gone(entry.name);
    }
  }

  beginScan(): void {
    this.scanNumber++;
  }

  endFirstScan(): void {
    this.inFirstScan = false;
    const isGone = goneFiles(this.options.root);
    this.options.cache.prune(this.options.root, (name) => !this.entries.has(name) && isGone(name));
    this.checkReady();
  }

  /** Looks at `name` and takes in what is there. */
  look(name: string): Inspected {
    const found = inspectPath(this.options.root, name);
    if (found.kind === "file") this.seen(found.name, found.identity);
    else this.gone(name);
    if (found.kind === "skipped") this.options.listener.skipped(name, found.reason);
    return found;
  }

  /** The file is offered, but not what was hashed: it is withdrawn, and hashed again whatever the cache says. */
  suspect(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.forget(entry, true);
    this.look(name);
    this.checkReady();
  }

  // --- questions ---

  contentOf(root: string): SharedContent | undefined {
    const offer = this.shared.withRoot(root);
    if (offer === undefined) return undefined;
    const { trusted } = offer;
    const { name, path, identity, sizeBytes } = offer.file;
    const chunkHashes =
      sizeBytes <= chunkBytes ? new Uint8Array(0) : this.options.cache.chunkHashes(path, identity, root);
    if (chunkHashes === undefined) {
      // The cache is a hint: another peer, a person or a full disk may have removed what it had.
      this.suspect(name);
      return undefined;
    }
    return { folder: this.options.root, path, identity, sizeBytes, chunkHashes, trusted };
  }

  /** Ends workers and timers; nothing is told any more. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.settleTimer);
    clearInterval(this.progressTimer);
    this.shared.stop();
    await this.pool.stop();
  }

  // --- one file's way ---

  private seenAgain(entry: Entry, identity: FileIdentity): void {
    const touched = !sameIdentity(entry.identity, identity);
    if (touched) {
      entry.identity = identity;
      this.shared.touch(entry.name, identity);
    }
    if (entry.failedMs === undefined) return;
    if (touched || monotonicMs() > entry.failedMs + retryFailedMs) this.hash(entry);
  }

  private waitUntilStill(entry: Entry): void {
    this.settling.seen(entry.name, entry.identity, monotonicMs());
    this.armSettleTimer();
  }

  private armSettleTimer(): void {
    const wakeupMs = this.settling.nextWakeup();
    if (this.stopped || wakeupMs === undefined || this.settleTimer !== undefined) return;
    this.settleTimer = setTimeout(() => this.settle(), Math.max(0, wakeupMs - monotonicMs()));
  }

  private settle(): void {
    this.settleTimer = undefined;
    const nowMs = monotonicMs();
    for (const name of this.settling.due(nowMs)) {
      const found = this.look(name);
      if (found.kind === "file" && this.settling.settled(name, found.identity, nowMs)) {
        this.hash(this.entries.get(name)!);
      }
      if (monotonicMs() > nowMs + sliceMs) break;
    }
    this.armSettleTimer();
  }

  private hash(entry: Entry): void {
    entry.failedMs = undefined;
    const path = this.pathOf(entry);
    const cached = this.options.cache.find(path, entry.identity);
    if (cached !== undefined) {
      this.offer(entry, { ...cached, identity: entry.identity }, cached.trusted);
      return;
    }
    const { sizeBytes } = entry.identity;
    const folder = this.options.root;
    const queuedMs = Date.now();
    entry.job = { folder, path, sizeBytes, done: (outcome) => this.hashed(entry, outcome, queuedMs) };
    this.progress.begin(sizeBytes, monotonicMs());
    this.progressTimer ??= setInterval(() => this.tellProgress(), progressIntervalMs);
    this.pool.add(entry.job);
  }

  private hashed(entry: Entry, outcome: HashOutcome, queuedMs: number): void {
    entry.job = undefined;
    this.progress.end(entry.identity.sizeBytes);
    if (outcome.kind === "failed") {
      this.fail(entry, `it cannot be read: ${outcome.reason}`);
      return;
    }
    const found = this.look(entry.name);
    // It has been replaced while or after it was read, and starts anew.
    if (this.entries.get(entry.name) !== entry) return;
    if (outcome.kind === "hashed" && sameContentIdentity(outcome.hashes.identity, entry.identity)) {
      this.options.cache.put(this.pathOf(entry), outcome.hashes, queuedMs);
      this.offer(entry, outcome.hashes, true);
    } else if (found.kind === "file") {
      this.fail(entry, "what can be read of it does not fit its size or time");
    }
  }

  /** As what was hashed: the entry may have been seen with a later ctime since. */
  private offer(entry: Entry, hashed: Pick<FileHashes, "md5" | "root" | "identity">, trusted: boolean): void {
    const { md5, root, identity } = hashed;
    const { name } = entry;
    const file = { name, path: this.pathOf(entry), sizeBytes: identity.sizeBytes, md5, root, identity };
    this.shared.offer(file, trusted);
    this.awaited?.delete(entry);
    this.checkReady();
  }

  private fail(entry: Entry, reason: string): void {
    entry.failedMs = monotonicMs();
    this.options.listener.skipped(entry.name, reason);
    this.awaited?.delete(entry);
    this.checkReady();
  }

  /** `andHashes`: what comes to be at its path is hashed, whatever its size and time are. */
  private forget(entry: Entry, andHashes: boolean): void {
    this.entries.delete(entry.name);
    if (andHashes) this.options.cache.remove(this.pathOf(entry));
    this.settling.gone(entry.name);
    this.shared.withdraw(entry.name);
    this.awaited?.delete(entry);
    if (entry.job === undefined) return;
    this.pool.cancel(entry.job);
    this.progress.end(entry.identity.sizeBytes);
    entry.job = undefined;
  }

  private checkReady(): void {
    if (this.inFirstScan || this.awaited === undefined || this.awaited.size > 0) return;
    this.awaited = undefined;
    if (this.progressTimer !== undefined) this.tellProgress();
    this.shared.flush();
    this.options.listener.ready();
  }

  private tellProgress(): void {
    const { done } = this.progress;
    // Not worth a word when the batch was over before the first one.
    if (!done || this.progressTicks > 0) {
      this.options.listener.progress(this.progress.report(this.pool.bytesInProgress, monotonicMs()));
    }
    this.progressTicks++;
    if (!done) return;
    clearInterval(this.progressTimer);
    this.progressTimer = undefined;
    this.progressTicks = 0;
  }

  private pathOf(entry: Entry): string {
    return join(this.options.root, entry.name);
  }
}

/**
 * Hashes files on Worker threads: starts them when there is work, ends them when there has been none for a while,
 * and answers every job exactly once. Why a file is hashed and what its hashes are for is not known here.
 */
import { workerUrl } from "../worker-url.ts";
import type { FromHashWorker, HashOutcome, ToHashWorker } from "./hash-messages.ts";
import { HashQueue } from "./hash-queue.ts";

export interface HashJob {
  /** No link between it and `path` is followed. */
  readonly folder: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Called once, unless the job is cancelled or the pool stopped before. */
  readonly done: (outcome: HashOutcome) => void;
}

/** Idle workers cost 2 to 3 MiB each and start in 5 ms. */
const defaultIdleMs = 5_000;
/** Files up to this size are handed out in advance, and in between the slices of a large one. */
const smallBytes = 4 * 1024 * 1024;
/** How many of them: hides the 60 µs that a message takes, and keeps the work evenly spread. */
const maxSmallAhead = 16;
/**
 * A worker that is ended gets this long to close its files, which nobody else can: it hears of it within 50 ms, or
 * after the small files it has been given, unless a disk hangs.
 */
const endTimeoutMs = 2_000;

export interface HashPoolOptions {
  threads: number;
  /** The worker's file, relative to `src/`. */
  entry?: string;
  idleMs?: number;
}

export class HashPool {
  private readonly queue = new HashQueue<HashJob>();
  private readonly workers = new Set<HashWorker>();
  private readonly threads: number;
  private readonly entry: string;
  private readonly idleMs: number;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;
  private stopped: Promise<unknown> | undefined;

  constructor({ threads, entry = "library/hash-worker.ts", idleMs = defaultIdleMs }: HashPoolOptions) {
    this.threads = threads;
    this.entry = entry;
    this.idleMs = idleMs;
  }

  add(job: HashJob): void {
    if (this.stopped !== undefined) return;
    this.queue.add(job);
    this.dispatch();
  }

  /** Its `done` is not called any more. */
  cancel(job: HashJob): void {
    if (this.queue.delete(job)) return;
    for (const worker of this.workers) worker.cancel(job);
  }

  /** Bytes read of the files that are being hashed. */
  get bytesInProgress(): number {
    let bytes = 0;
    for (const worker of this.workers) bytes += worker.bytesDone;
    return bytes;
  }

  get workerCount(): number {
    return this.workers.size;
  }

  /** No `done` is called any more; resolves when all files are closed. Idempotent. Never rejects. */
  async stop(): Promise<void> {
    this.stopped ??= Promise.all(Array.from(this.workers, (worker) => worker.end()));
    clearTimeout(this.idleTimer);
    await this.stopped;
    this.workers.clear();
  }

  private dispatch(): void {
    while (this.queue.size > 0 && this.stopped === undefined) {
      const worker = this.leastBusy();
      if (!worker.hasRoom || !this.giveTo(worker)) return;
    }
  }

  private giveTo(worker: HashWorker): boolean {
    const job =
      worker.takesLargest && this.threads > 1 && !worker.hasLarge
        ? this.queue.takeLargest()
        : this.queue.takeSmallest();
    if (job === undefined) return false;
    if (worker.hasLarge && job.sizeBytes > smallBytes) {
      this.queue.add(job);
      return false;
    }
    worker.give(job);
    return true;
  }

  /** Starts one where that is allowed and all others have something to do. */
  private leastBusy(): HashWorker {
    let best: HashWorker | undefined;
    for (const worker of this.workers) {
      if (best === undefined || worker.load < best.load) best = worker;
    }
    if (best !== undefined && (best.load === 0 || this.workers.size >= this.threads)) return best;
    return this.startWorker();
  }

  private startWorker(): HashWorker {
    const takesLargest = !this.workers.values().some((other) => other.takesLargest);
    const worker = new HashWorker(workerUrl(this.entry), takesLargest, {
      answered: () => {
        this.dispatch();
        this.endIdleLater();
      },
      died: () => {
        this.workers.delete(worker);
        this.dispatch();
      },
    });
    this.workers.add(worker);
    return worker;
  }

  private endIdleLater(): void {
    clearTimeout(this.idleTimer);
    if (this.stopped !== undefined) return;
    this.idleTimer = setTimeout(() => {
      for (const worker of this.workers) {
        if (worker.load > 0) continue;
        worker.terminate();
        this.workers.delete(worker);
      }
    }, this.idleMs);
  }
}

// --- one worker ---

interface HashWorkerListener {
  answered(): void;
  died(): void;
}

interface GivenJob {
  job: HashJob;
  cancelled: boolean;
  bytesDone: number;
}

class HashWorker {
  private readonly worker: Worker;
  private readonly given = new Map<number, GivenJob>();
  private largeCount = 0;
  private lastId = 0;
  private ended = false;
  private readonly emptied = Promise.withResolvers<void>();
  private ending = false;

  constructor(
    url: string,
    readonly takesLargest: boolean,
    private readonly listener: HashWorkerListener,
  ) {
    this.worker = new Worker(url);
    this.worker.onmessage = ({ data }: MessageEvent<FromHashWorker>) => this.receive(data);
    // The text of an ErrorEvent is pages of source code; its first line says what happened.
    this.worker.onerror = (event) => this.died(event.message.split("\n", 1)[0] ?? "");
    this.worker.addEventListener("close", () => this.died("it ended"));
  }

  get hasLarge(): boolean {
    return this.largeCount > 0;
  }

  /** A large file outweighs any number of small ones. */
  get load(): number {
    return this.largeCount * 2 * maxSmallAhead + this.given.size;
  }

  get hasRoom(): boolean {
    return this.given.size - this.largeCount < maxSmallAhead;
  }

  get bytesDone(): number {
    let bytes = 0;
    for (const { bytesDone } of this.given.values()) bytes += bytesDone;
    return bytes;
  }

  give(job: HashJob): void {
    const id = ++this.lastId;
    this.given.set(id, { job, cancelled: false, bytesDone: 0 });
    if (job.sizeBytes > smallBytes) this.largeCount++;
    this.send({ type: "hash", id, folder: job.folder, path: job.path });
  }

  cancel(job: HashJob): void {
    for (const [id, given] of this.given) if (given.job === job) this.giveUp(id, given);
  }

  /** Gives up all jobs, and ends when their files are closed: ended before, it would leave them open. */
  async end(): Promise<void> {
    this.ending = true;
    for (const [id, given] of this.given) this.giveUp(id, given);
    const timer = setTimeout(this.emptied.resolve, endTimeoutMs);
    if (this.given.size > 0) await this.emptied.promise;
    clearTimeout(timer);
    this.terminate();
  }

  terminate(): void {
    this.ended = true;
    this.worker.terminate();
  }

  private giveUp(id: number, given: GivenJob): void {
    given.cancelled = true;
    this.send({ type: "cancel", id });
  }

  private send(message: ToHashWorker): void {
    this.worker.postMessage(message);
  }

  private receive(message: FromHashWorker): void {
    const given = this.given.get(message.id);
    if (this.ended || given === undefined) return;
    if (message.type === "progress") {
      given.bytesDone = message.bytes;
      return;
    }
    this.given.delete(message.id);
    if (given.job.sizeBytes > smallBytes) this.largeCount--;
    if (!given.cancelled) given.job.done(message.outcome);
    if (this.ending && this.given.size === 0) this.emptied.resolve();
    this.listener.answered();
  }

  private died(reason: string): void {
    if (this.ended) return;
    this.terminate();
    this.listener.died();
    for (const { job, cancelled } of this.given.values()) {
      if (!cancelled) job.done({ kind: "failed", reason: `the hash worker failed: ${reason}` });
    }
    this.given.clear();
    this.emptied.resolve();
  }
}

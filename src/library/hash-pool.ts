/**
 * Hashes files on Worker threads: starts them when there is work, ends them when there has been none for a while,
 * and answers every job exactly once. Why a file is hashed and what its hashes are for is not known here.
 */
import { streamsAtOnce } from "../content/md5-streams.ts";
import { workerUrl } from "../worker-url.ts";
import { durationOf, pays } from "./hash-load.ts";
import type { FromHashWorker, HashOutcome, ToHashWorker } from "./hash-messages.ts";
import { HashQueue } from "./hash-queue.ts";

export interface HashJob {
  /** As `realpath` gives it: no link is followed, neither on the way to it nor between it and `path`. */
  readonly folder: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Called once, unless the job is cancelled or the pool stopped before. */
  readonly done: (outcome: HashOutcome) => void;
}

/** Idle workers cost 2 to 3 MiB each and start in 5 ms. */
const defaultIdleMs = 5_000;
/**
 * After so many files they have 7 MiB each, and their answers have left as much in this thread, which nobody would look
 * for before as much has come again. (To look for it takes 150 ms among a million shared files, 1 ms among thousands.)
 */
const manyFiles = 1_000;
const idleAfterManyMs = 100;
/** Files up to this size are handed out in advance, and find a place beside large ones. */
const smallBytes = 4 * 1024 * 1024;
/** How many of them: hides the 60 µs that a message takes, and keeps the work evenly spread. */
const maxSmallAhead = 16;
/** Large files in one worker; the worker has a place more, for the small ones. */
const maxLarge = streamsAtOnce;
/** To open a file takes as long as to hash about so much. */
const openingBytes = 64 * 1024;
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
  /** Since there was no worker. */
  private answers = 0;

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
      if (this.workers.size < this.threads && this.workers.values().every((worker) => worker.isBusy)) {
        this.startWorker();
      }
      const worker = this.leastBusy((each) => this.jobFor(each) !== undefined);
      const job = worker === undefined ? undefined : this.jobFor(worker);
      if (worker === undefined || job === undefined) return;
      this.queue.delete(job);
      worker.give(job);
    }
  }

  private leastBusy(can: (worker: HashWorker) => boolean): HashWorker | undefined {
    let best: { worker: HashWorker; load: number } | undefined;
    for (const worker of this.workers) {
      if (!can(worker)) continue;
      const { load } = worker;
      if (best === undefined || load < best.load) best = { worker, load };
    }
    return best?.worker;
  }

  /** What that worker should do next, beside what it has. */
  private jobFor(worker: HashWorker): HashJob | undefined {
    const wantsLargest = worker.takesLargest && this.threads > 1 && !worker.hasLarge;
    const job = wantsLargest ? this.queue.largest : this.queue.smallest;
    if (job === undefined || !worker.hasRoomFor(job)) return undefined;
    return job.sizeBytes <= smallBytes || !worker.hasLarge || this.paysFor(worker, job) ? job : undefined;
  }

  private paysFor(worker: HashWorker, { sizeBytes }: HashJob): boolean {
    const others = Array.from({ length: this.threads - 1 }, () => 0);
    let at = 0;
    for (const other of this.workers) if (other !== worker) others[at++] = other.load;
    return pays({
      job: sizeBytes,
      withJob: [...worker.sizesLeft(), sizeBytes],
      others,
      waitingBytes: this.queue.bytes,
    });
  }

  private startWorker(): void {
    const takesLargest = !this.workers.values().some((other) => other.takesLargest);
    const worker = new HashWorker(workerUrl(this.entry), takesLargest, {
      answered: () => {
        this.answers++;
        this.dispatch();
        this.endIdleLater();
      },
      died: () => {
        this.workers.delete(worker);
        this.dispatch();
      },
    });
    this.workers.add(worker);
  }

  private endIdleLater(): void {
    clearTimeout(this.idleTimer);
    if (this.stopped !== undefined) return;
    const wereMany = this.answers >= manyFiles;
    const idleMs = wereMany ? Math.min(idleAfterManyMs, this.idleMs) : this.idleMs;
    this.idleTimer = setTimeout(() => {
      for (const worker of this.workers) {
        if (worker.isBusy) continue;
        worker.terminate();
        this.workers.delete(worker);
      }
      if (this.workers.size > 0) return;
      this.answers = 0;
      if (wereMany) Bun.gc(true);
    }, idleMs);
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
    // Its heap is kept small: what it hashes is not in there.
    this.worker = new Worker(url, { smol: true });
    this.worker.onmessage = ({ data }: MessageEvent<FromHashWorker>) => this.receive(data);
    // The text of an ErrorEvent is pages of source code; its first line says what happened.
    this.worker.onerror = (event) => this.died(event.message.split("\n", 1)[0] ?? "");
    this.worker.addEventListener("close", () => this.died("it ended"));
  }

  get isBusy(): boolean {
    return this.given.size > 0;
  }

  get hasLarge(): boolean {
    return this.largeCount > 0;
  }

  hasRoomFor({ sizeBytes }: HashJob): boolean {
    return sizeBytes > smallBytes
      ? this.largeCount < maxLarge
      : this.given.size - this.largeCount < maxSmallAhead;
  }

  /** How long it will be busy, as `hash-load.ts` measures it. */
  get load(): number {
    return durationOf(this.sizesLeft()) + this.given.size * openingBytes;
  }

  *sizesLeft(): Iterable<number> {
    for (const { job, bytesDone } of this.given.values()) yield Math.max(0, job.sizeBytes - bytesDone);
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

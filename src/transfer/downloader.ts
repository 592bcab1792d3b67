/**
 * One download from start to end: joins the scheduler (decides), the workers (sockets, hashes, disk), the store and
 * the index. Carries facts one way and actions the other, owns what it started, and decides nothing.
 */

import { formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { Bitfield } from "../content/bitfield.ts";
import { chunkCountOf, chunkLength } from "../content/chunks.ts";
import { LocalIoError } from "../errors.ts";
import { unlessAborted } from "../shutdown.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { DownloadOptions, DownloadReport } from "./download.ts";
import type { DownloadNews, SourceNews } from "./download-messages.ts";
import type { DownloadStore } from "./download-store.ts";
import { DownloadWorkers } from "./download-workers.ts";
import { RateMeter } from "./rate-meter.ts";
import { type ReceiptFacts, receiptOf, sourceReceiptOf } from "./receipt.ts";
import { relay } from "./relay.ts";
import { type Action, type Outcome, Scheduler } from "./scheduler.ts";
import { SourceReasons } from "./source-reasons.ts";

const progressIntervalMs = 200;
/** setTimeout takes 31 bits; the scheduler is simply asked again. */
const longestTimerMs = 60_000;
/** A worker is worth its start for this many chunks. */
const chunksPerWorker = 4;

export class Downloader {
  private readonly chunkCount: number;
  private readonly workers: DownloadWorkers;
  private readonly end = Promise.withResolvers<void>();
  private readonly rate = new RateMeter(monotonicMs());
  private readonly reasons = new SourceReasons();
  private scheduler: Scheduler | undefined;
  private wakeup: Timer | undefined;
  private soon: NodeJS.Immediate | undefined;
  private verifiedBytes = 0;
  private resumedBytes = 0;
  private bestBytesPerSecond = 0;
  private startedMs = monotonicMs();
  private endedMs = this.startedMs;
  private over = false;

  constructor(
    private readonly options: DownloadOptions,
    private readonly store: DownloadStore,
  ) {
    this.chunkCount = chunkCountOf(options.content.sizeBytes);
    const threads = Math.max(1, Math.min(options.threads, Math.ceil(this.chunkCount / chunksPerWorker)));
    this.workers = new DownloadWorkers(threads, (message) => this.onMessage(message));
    // It may be rejected before `transfer` waits for it.
    this.end.promise.catch(() => {});
  }

  async run(): Promise<DownloadReport> {
    const { signal } = this.options;
    const onAbort = () => this.fail(signal.reason);
    const ticker = setInterval(() => this.reportProgress(), progressIntervalMs);
    signal.addEventListener("abort", onAbort);
    try {
      if (signal.aborted) onAbort();
      if (this.chunkCount > 0) await this.transfer();
      this.endedMs = monotonicMs();
    } finally {
      clearInterval(ticker);
      clearTimeout(this.wakeup);
      clearImmediate(this.soon);
      signal.removeEventListener("abort", onAbort);
      // Only now may the file be closed, and its number given to another one: no worker writes to it any more.
      if (!(await this.workers.stop())) this.store.abandon();
    }
    return this.report();
  }

  private report(): DownloadReport {
    const sources = [...(this.scheduler?.sources ?? [])];
    const facts: ReceiptFacts = {
      bytes: this.verifiedBytes - this.resumedBytes,
      seconds: (this.endedMs - this.startedMs) / 1000,
      bestBytesPerSecond: this.bestBytesPerSecond,
      limitBytesPerSecond: this.options.limit.bytesPerSecond,
      threads: this.workers.count,
      times: this.workers.times,
      sources,
    };
    return {
      resumedBytes: this.resumedBytes,
      sources: sources.map(sourceReceiptOf),
      receipt: receiptOf(facts),
    };
  }

  private async transfer(): Promise<void> {
    const { content, sources } = this.options;
    this.workers.start({
      kind: "job",
      root: content.root,
      sizeBytes: content.sizeBytes,
      sink: this.store.sink,
      session: crypto.randomUUID(),
      limit: this.options.limit.shared,
    });
    const hashes = this.chunkCount > 1 ? this.store.readChunkHashes() : undefined;
    if (hashes !== undefined) this.workers.broadcast({ kind: "chunk-hashes", hashes });
    const needsHashes = this.chunkCount > 1 && hashes === undefined;
    const verified = needsHashes ? new Bitfield(this.chunkCount) : await this.checkDisk();
    this.resumedBytes = this.verifiedBytes;
    const nowMs = monotonicMs();
    this.startedMs = nowMs;
    this.scheduler = new Scheduler(
      {
        sizeBytes: content.sizeBytes,
        verified,
        needsHashes,
        maxRequestChunks: this.options.requestBytes / chunkBytes,
        maxConnections: this.options.connections,
        timeoutMs: this.options.timeoutMs,
        random: Math.random,
        windowChunks: this.store.windowChunks,
      },
      nowMs,
    );
    this.scheduler.onIndexAnswer(sources.known.addresses, sources.known.whole, nowMs);
    sources.follow(({ addresses }) => {
      this.scheduler?.onNewSources(addresses);
      this.advance();
    });
    this.store.follow((count) => {
      this.scheduler?.onHandedOn(count);
      this.advance();
    });
    this.store.finished.catch((error: unknown) => this.fail(error));
    this.advance();
    await this.end.promise;
    this.reportProgress();
    await unlessAborted(this.store.finished, this.options.signal);
  }

  /** Which chunks an earlier run left on disk and are right. */
  private async checkDisk(): Promise<Bitfield> {
    const verified = new Bitfield(this.chunkCount);
    const onDisk = this.store.chunksOnDisk;
    if (onDisk === 0) return verified;
    const checked = this.workers.checkDisk(onDisk, (chunk) => {
      verified.add(chunk);
      this.verifiedBytes += this.lengthOf(chunk);
      this.store.keep(chunk, false);
    });
    await Promise.race([checked, this.end.promise]);
    if (verified.count > 0) this.options.onResumed(this.verifiedBytes);
    return verified;
  }

  // --- facts in ---

  private onMessage(message: DownloadNews): void {
    if (this.over) return;
    if (message.kind === "disk-failed") {
      this.fail(
        new LocalIoError(`cannot write ${this.store.name}: ${message.reason}; what was verified is kept`),
      );
    } else if (message.kind === "worker-died") {
      this.fail(new Error(`a download worker failed: ${message.reason}`));
    } else if (this.scheduler !== undefined) {
      this.tell(this.scheduler, message, monotonicMs());
      this.advanceSoon();
    }
  }

  private tell(scheduler: Scheduler, message: SourceNews, nowMs: number): void {
    const line = this.reasons.of(message);
    if (line !== undefined) this.options.onNotice(line);
    if (message.kind === "hashes" && message.hashes !== undefined) this.keepHashes(message.hashes);
    const isNew = relay(message, scheduler, this.chunkCount, nowMs);
    if (isNew && message.kind === "chunk") this.count(message.chunk, nowMs);
  }

  private count(chunk: number, nowMs: number): void {
    this.verifiedBytes += this.lengthOf(chunk);
    this.rate.add(this.lengthOf(chunk), nowMs);
    this.store.keep(chunk, true);
  }

  private keepHashes(hashes: Uint8Array): void {
    try {
      this.store.saveChunkHashes(hashes);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.workers.broadcast({ kind: "chunk-hashes", hashes });
  }

  // --- actions out ---

  /** Once for all that the workers have said by now. */
  private advanceSoon(): void {
    this.soon ??= setImmediate(() => {
      this.soon = undefined;
      this.advance();
    });
  }

  private advance(): void {
    const { scheduler } = this;
    if (scheduler === undefined || this.over) return;
    for (const action of scheduler.nextActions(monotonicMs())) this.perform(action);
    clearTimeout(this.wakeup);
    if (scheduler.outcome !== undefined) {
      this.finish(scheduler.outcome);
      return;
    }
    const nowMs = monotonicMs();
    const waitMs = Math.min(longestTimerMs, Math.ceil(scheduler.nextWakeupMs(nowMs) - nowMs));
    this.wakeup = setTimeout(() => this.advance(), waitMs);
  }

  private perform(action: Action): void {
    switch (action.do) {
      case "connect": {
        const { connection, host, port, partial } = action;
        this.reasons.opened(connection, formatAddress({ host, port }), partial);
        this.workers.send(connection, { kind: "connect", connection, host, port });
        break;
      }
      case "get": {
        const { connection, request, first, count } = action;
        this.workers.send(connection, { kind: "get", connection, request, first, count });
        break;
      }
      case "have":
      case "hashes":
      case "close":
        this.workers.send(action.connection, { kind: action.do, connection: action.connection });
        break;
      case "ask-index":
        this.askIndex();
        break;
    }
  }

  private askIndex(): void {
    this.options.sources
      .ask()
      .then(
        ({ addresses, whole }) => this.scheduler?.onIndexAnswer(addresses, whole, monotonicMs()),
        // A running download lives without the index; its client has said that it is away.
        () => this.scheduler?.onIndexFailed(monotonicMs()),
      )
      .then(() => this.advance())
      .catch((error: unknown) => this.fail(error));
  }

  // --- the end ---

  private finish(outcome: Outcome): void {
    if (outcome.kind === "complete") {
      this.over = true;
      this.end.resolve();
    } else {
      const kept = { bytes: this.verifiedBytes, sizeBytes: this.options.content.sizeBytes };
      this.fail(this.reasons.error(outcome, kept, this.options.timeoutMs));
    }
  }

  private fail(error: unknown): void {
    if (this.over) return;
    this.over = true;
    this.end.reject(error);
  }

  private reportProgress(): void {
    if (this.scheduler === undefined) return;
    const nowMs = monotonicMs();
    const bytesPerSecond = this.rate.bytesPerSecond(nowMs);
    // Before, a mean of so few chunks says little.
    if (nowMs - this.startedMs > 1_000)
      this.bestBytesPerSecond = Math.max(this.bestBytesPerSecond, bytesPerSecond);
    this.options.onProgress({
      bytes: this.verifiedBytes,
      bytesPerSecond,
      sources: this.scheduler.activeSources,
    });
  }

  private lengthOf(chunk: number): number {
    return chunkLength(chunk, this.options.content.sizeBytes);
  }
}

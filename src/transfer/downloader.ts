/**
 * One download from start to end: joins the scheduler (decides), the workers (sockets, hashes, disk), the store and
 * the index. Carries facts one way and actions the other, owns what it started, and decides nothing.
 */

import { formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { Bitfield } from "../content/bitfield.ts";
import { LocalIoError } from "../errors.ts";
import { unlessAborted } from "../shutdown.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { DownloadReport, EngineOptions } from "./download.ts";
import type { DownloadNews, SourceNews } from "./download-messages.ts";
import { contentOf, type DownloadStore } from "./download-store.ts";
import type { DownloadThreads } from "./download-threads.ts";
import { DownloadWorkers } from "./download-workers.ts";
import type { Outcome } from "./outcome.ts";
import { RateMeter } from "./rate-meter.ts";
import { type ReceiptFacts, receiptOf, sourceReceiptOf } from "./receipt.ts";
import { relay } from "./relay.ts";
import { type Action, Scheduler } from "./scheduler.ts";
import { SourceReasons } from "./source-reasons.ts";

const progressIntervalMs = 200;
/** setTimeout takes 31 bits; the scheduler is simply asked again. */
const longestTimerMs = 60_000;

export class Downloader {
  private readonly workers: DownloadWorkers;
  private readonly end = Promise.withResolvers<void>();
  private readonly rate = new RateMeter(monotonicMs());
  private readonly reasons: SourceReasons;
  private scheduler: Scheduler | undefined;
  private wakeup: Timer | undefined;
  private soon: NodeJS.Immediate | undefined;
  private verifiedBytes = 0;
  private resumedBytes = 0;
  private bestBytesPerSecond = 0;
  private startedMs = monotonicMs();
  private endedMs = this.startedMs;
  private threads = 0;
  private over = false;

  constructor(
    private readonly options: EngineOptions,
    private readonly store: DownloadStore,
    pool: DownloadThreads,
  ) {
    this.reasons = new SourceReasons((chunk) => store.chunks.nameOf(chunk));
    this.workers = new DownloadWorkers(pool, (message) => this.onMessage(message));
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
      if (this.store.chunks.count > 0) await this.transfer();
    } finally {
      this.endedMs = monotonicMs();
      clearInterval(ticker);
      clearTimeout(this.wakeup);
      clearImmediate(this.soon);
      signal.removeEventListener("abort", onAbort);
      // Only now may the file be closed, and its number given to another one: no worker writes to it any more.
      if (!(await this.workers.stop())) this.store.abandon();
    }
    return this.report();
  }

  /** Once it is over, also when it failed. */
  report(): DownloadReport {
    const sources = [...(this.scheduler?.sources ?? [])];
    const facts: ReceiptFacts = {
      bytes: this.verifiedBytes - this.resumedBytes,
      seconds: (this.endedMs - this.startedMs) / 1000,
      bestBytesPerSecond: this.bestBytesPerSecond,
      limitBytesPerSecond: this.options.limit.bytesPerSecond,
      threads: this.threads,
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
    const { sources } = this.options;
    const { chunks } = this.store;
    await Promise.race([this.startWorkers(), this.end.promise]);
    const isOfOne = chunks.root !== undefined && chunks.count > 1;
    const hashes = isOfOne ? this.store.readChunkHashes() : undefined;
    if (hashes !== undefined) this.workers.broadcast({ kind: "chunk-hashes", hashes });
    const needsHashes = isOfOne && hashes === undefined;
    const verified = needsHashes ? new Bitfield(chunks.count) : await this.checkDisk();
    this.resumedBytes = this.verifiedBytes;
    const nowMs = monotonicMs();
    this.startedMs = nowMs;
    this.scheduler = new Scheduler(
      {
        sizeBytes: chunks.sizeBytes,
        chunkLengths: chunks.chunkLengths,
        verified,
        needsHashes,
        maxRequestChunks: chunks.root === undefined ? 1 : this.options.requestBytes / chunkBytes,
        maxConnections: this.options.connections,
        timeoutMs: this.options.timeoutMs,
        random: Math.random,
        hostLimits: this.options.hostLimits,
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

  private async startWorkers(): Promise<void> {
    const wanted = Math.min(this.options.threads, this.store.chunks.worthThreads);
    await this.workers.start(wanted, contentOf(this.store), this.options);
    this.threads = this.workers.count;
  }

  /** Which chunks an earlier run left on disk and are right. */
  private async checkDisk(): Promise<Bitfield> {
    const { chunks } = this.store;
    const verified = new Bitfield(chunks.count);
    const onDisk = this.store.chunksOnDisk;
    if (onDisk === 0) return verified;
    const checked = this.workers.checkDisk(onDisk, (chunk) => {
      verified.add(chunk);
      this.verifiedBytes += chunks.lengthOf(chunk);
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
    const isNew = relay(message, scheduler, this.store.chunks.count, nowMs);
    if (message.kind === "chunk") {
      if (isNew) this.count(message.chunk, message.request, nowMs);
      else this.store.keptTwice?.(message.chunk, message.request);
    }
    if (isNew && message.kind === "not-stored") this.store.notStored?.(message.chunk, message.failure);
  }

  private count(chunk: number, request: number, nowMs: number): void {
    const sizeBytes = this.store.chunks.lengthOf(chunk);
    this.verifiedBytes += sizeBytes;
    this.rate.add(sizeBytes, nowMs);
    this.store.keep(chunk, true, request);
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
        const { connection, host, port, fingerprint, partial } = action;
        this.reasons.opened(connection, formatAddress({ host, port }), partial);
        this.workers.send(connection, { kind: "connect", connection, host, port, fingerprint });
        break;
      }
      case "get": {
        const { connection, request, first, count } = action;
        const file = this.store.chunks.fileOf(first, request);
        this.workers.send(connection, { kind: "get", connection, request, first, count, file });
        break;
      }
      case "have":
      case "hashes":
      case "close":
        this.workers.send(action.connection, { kind: action.do, connection: action.connection });
        break;
      case "ask-index":
        this.askIndex(action.nobodyIsLeft);
        break;
    }
  }

  private askIndex(nobodyIsLeft: boolean): void {
    this.options.sources
      .ask(nobodyIsLeft)
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
      const { root, sizeBytes } = this.store.chunks;
      // Of files, those that are there are no longer this download's.
      const kept = { bytes: root === undefined ? 0 : this.verifiedBytes, sizeBytes };
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
}

/**
 * One download from start to end: joins the scheduler (decides), the workers (sockets, hashes, disk), the partial
 * file and the index. Carries facts one way and actions the other, owns what it started, and decides nothing.
 */

import { formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { Bitfield } from "../content/bitfield.ts";
import { chunkCountOf, chunkLength } from "../content/chunks.ts";
import { LocalIoError } from "../errors.ts";
import type { PartialFile } from "../library/partial-file.ts";
import { printable } from "../printable.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { DownloadOptions, DownloadReport } from "./download.ts";
import type { DownloadNews, SourceNews } from "./download-messages.ts";
import { DownloadWorkers } from "./download-workers.ts";
import { RateMeter } from "./rate-meter.ts";
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
  private verifiedBytes = 0;
  private over = false;

  constructor(
    private readonly options: DownloadOptions,
    private readonly partial: PartialFile,
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
      const resumedBytes = this.chunkCount === 0 ? 0 : await this.transfer();
      const sources = [...(this.scheduler?.sources ?? [])];
      return {
        resumedBytes,
        sources: sources.map(({ host, port, bytes, badChunks }) => ({ host, port, bytes, badChunks })),
      };
    } finally {
      clearInterval(ticker);
      clearTimeout(this.wakeup);
      signal.removeEventListener("abort", onAbort);
      // Only now may the file be closed, and its number given to another one: no worker writes to it any more.
      if (!(await this.workers.stop())) this.partial.abandon();
    }
  }

  private async transfer(): Promise<number> {
    const { content, sources } = this.options;
    this.workers.start({
      kind: "job",
      root: content.root,
      sizeBytes: content.sizeBytes,
      fd: this.partial.fd,
    });
    const hashes = this.chunkCount > 1 ? this.partial.readChunkHashes() : undefined;
    if (hashes !== undefined) this.workers.broadcast({ kind: "chunk-hashes", hashes });
    const needsHashes = this.chunkCount > 1 && hashes === undefined;
    const verified = needsHashes ? new Bitfield(this.chunkCount) : await this.checkDisk();
    const resumedBytes = this.verifiedBytes;
    const nowMs = monotonicMs();
    this.scheduler = new Scheduler(
      {
        sizeBytes: content.sizeBytes,
        verified,
        needsHashes,
        maxRequestChunks: this.options.requestBytes / chunkBytes,
        maxConnections: this.options.connections,
        timeoutMs: this.options.timeoutMs,
        random: Math.random,
      },
      nowMs,
    );
    this.scheduler.onIndexAnswer(sources.addresses, sources.whole, nowMs);
    this.advance();
    await this.end.promise;
    this.reportProgress();
    return resumedBytes;
  }

  /** Which chunks an earlier run left on disk and are right. */
  private async checkDisk(): Promise<Bitfield> {
    const verified = new Bitfield(this.chunkCount);
    const onDisk = this.partial.chunksOnDisk;
    if (onDisk === 0) return verified;
    const checked = this.workers.checkDisk(onDisk, (chunk) => {
      verified.add(chunk);
      this.verifiedBytes += this.lengthOf(chunk);
    });
    await Promise.race([checked, this.end.promise]);
    if (verified.count > 0) this.options.onResumed(this.verifiedBytes);
    return verified;
  }

  // --- facts in ---

  private onMessage(message: DownloadNews): void {
    if (this.over) return;
    if (message.kind === "disk-failed") {
      const path = printable(this.partial.path);
      this.fail(new LocalIoError(`cannot write ${path}: ${message.reason}; what was verified is kept`));
    } else if (message.kind === "worker-died") {
      this.fail(new Error(`a download worker failed: ${message.reason}`));
    } else if (this.scheduler !== undefined) {
      this.tell(this.scheduler, message, monotonicMs());
      this.advance();
    }
  }

  private tell(scheduler: Scheduler, message: SourceNews, nowMs: number): void {
    const id = message.connection;
    switch (message.kind) {
      case "connected":
        scheduler.onConnected(id, nowMs);
        break;
      case "closed":
        this.notice(this.reasons.failed(id, message.reason));
        scheduler.onClosed(id, nowMs);
        break;
      case "bytes":
        scheduler.onBytes(id, message.bytes, nowMs);
        break;
      case "hashes":
        if (message.hashes !== undefined) this.keepHashes(message.hashes);
        else this.dropped(id, "its chunk hashes do not add up to the root");
        scheduler.onHashes(id, message.hashes !== undefined, nowMs);
        break;
      case "held":
        scheduler.onHave(id, Bitfield.from(message.chunks, this.chunkCount) ?? new Bitfield(this.chunkCount));
        break;
      case "held-news":
        scheduler.onHaveNews(id, message.chunk);
        break;
      case "chunk":
        scheduler.onBytes(id, message.bytes, nowMs);
        if (scheduler.onChunk(id, message.request, message.chunk, nowMs)) this.count(message.chunk, nowMs);
        break;
      case "bad-chunk":
        this.dropped(id, `chunk ${message.chunk} is wrong`);
        scheduler.onBadChunk(id, nowMs);
        break;
      case "wrong-answer":
        this.dropped(id, message.reason);
        scheduler.onWrongAnswer(id, nowMs);
        break;
      case "gone":
        this.dropped(id, "the file changed or is gone there");
        scheduler.onGone(id, nowMs);
        break;
    }
  }

  private count(chunk: number, nowMs: number): void {
    this.verifiedBytes += this.lengthOf(chunk);
    this.rate.add(this.lengthOf(chunk), nowMs);
  }

  private keepHashes(hashes: Uint8Array): void {
    try {
      this.partial.saveChunkHashes(hashes);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.workers.broadcast({ kind: "chunk-hashes", hashes });
  }

  private dropped(connection: number, reason: string): void {
    this.notice(this.reasons.dropped(connection, reason));
  }

  private notice(line: string | undefined): void {
    if (line !== undefined) this.options.onNotice(line);
  }

  // --- actions out ---

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
        const { connection, host, port } = action;
        this.reasons.opened(connection, formatAddress({ host, port }));
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
    this.options
      .askIndex()
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
    this.options.onProgress({
      bytes: this.verifiedBytes,
      bytesPerSecond: this.rate.bytesPerSecond(monotonicMs()),
      sources: this.scheduler.activeSources,
    });
  }

  private lengthOf(chunk: number): number {
    return chunkLength(chunk, this.options.content.sizeBytes);
  }
}

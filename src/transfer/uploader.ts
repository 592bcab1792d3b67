/**
 * A peer's serving side as the rest of the program sees it: worker threads that share one port, and the answers
 * to their question what is shared here. Bytes never pass through this thread.
 */

import { formatAddress } from "../address.ts";
import { chunkCountOf } from "../content/chunks.ts";
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import type { SharedContent } from "../library/library.ts";
import { type ConnectionLimits, peerConnectionLimits, shareOf } from "../net/connection-limits.ts";
import { connectionsWithin } from "../net/file-limit.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import { SharedPort } from "../net/shared-port.ts";
import type { Gate } from "../trust/gate.ts";
import type { Membership } from "../trust/membership.ts";
import { ContentBoards } from "./content-board.ts";
import type { ServedFileOptions } from "./served-file.ts";
import { type UploadLimits, usualUploadLimits } from "./upload-limits.ts";
import type { FoundContent, Offer, PartialOffer } from "./upload-messages.ts";
import { type UploadReport, UploadThread } from "./upload-thread.ts";

export interface UploaderOptions {
  host: string;
  port: number;
  /** Take any free port when that one is in use: nobody asked for it in particular. */
  anyPortIfTaken: boolean;
  threads: number;
  /** Of all threads together. */
  connectionLimits?: ConnectionLimits;
  limits?: UploadLimits;
  limit?: RateLimit;
  /** The kernel sends files by itself where it can; tests switch it off. */
  sendFiles?: boolean;
  /** Undefined: nothing is encrypted, and everybody is served. */
  membership: Membership | undefined;
  /** Who may fetch; undefined: everybody. */
  gate?: Gate | undefined;
  contentOf: (root: string) => SharedContent | PartialOffer | undefined;
  /** A file is not what it was when it was hashed. */
  onChanged: (path: string) => void;
  /** A worker failed in a way it should not have; it no longer serves. */
  onFailed: (error: Error) => void;
}

/** News that come closer together than this are told at once. */
const newsDelayMs = 5;

export class Uploader {
  private readonly threads: UploadThread[] = [];
  /** As each said last. */
  private readonly connections = new Map<UploadThread, number>();
  private readonly served = new Map<string, number>();
  private servedSoFar = 0;
  private readonly boards = new ContentBoards();
  /** Contents that were being downloaded and now are whole. */
  private readonly whole = new Map<string, ServedFileOptions>();
  private readonly news = new Set<string>();
  private newsTimer: Timer | undefined;
  private readonly unwatchGate: (() => void) | undefined;
  private readonly unwatchToken: (() => void) | undefined;

  private constructor(
    private readonly options: UploaderOptions,
    private readonly taken: SharedPort,
  ) {
    const { gate, membership } = options;
    this.unwatchToken = membership?.onChange(() => {
      const guests = membership.postedForGuests();
      for (const thread of this.threads) thread.send({ kind: "membership", membership: guests });
    });
    this.unwatchGate = gate?.onChange(() => {
      for (const thread of this.threads) thread.send({ kind: "bans", bans: gate.posted().bans });
    });
  }

  /** Throws LocalIoError when the port cannot be listened on. */
  static async start(options: UploaderOptions): Promise<Uploader> {
    const uploader = new Uploader(options, takePort(options));
    try {
      await uploader.startThreads();
    } catch (error) {
      await uploader.stop();
      if (error instanceof LocalIoError) throw cannotListen(options.host, uploader.port, error.message);
      throw error;
    }
    return uploader;
  }

  get port(): number {
    return this.taken.port;
  }

  /** Bytes of contents handed out since the start (as of about a second ago, or of the end). */
  get servedBytes(): number {
    return this.servedSoFar;
  }

  servedBytesOf(root: string): number {
    return this.served.get(root) ?? 0;
  }

  /** Downloaders connected now (as of about a second ago). */
  get connectionCount(): number {
    return this.connections.values().reduce((sum, count) => sum + count, 0);
  }

  /** A chunk of a partial content is ready; its bit is set already. */
  haveChunk(root: string): void {
    if ((this.boards.get(root)?.watchers ?? 0) === 0) return;
    this.news.add(root);
    this.newsTimer ??= setTimeout(() => this.tellNews(), newsDelayMs);
  }

  /**
   * A content that was partial is whole, and served from that file from now on. Its descriptor may be closed after
   * that, and `contentOf` is not asked for it any more.
   */
  async becameWhole(root: string, file: ServedFileOptions): Promise<void> {
    this.whole.set(root, file);
    await this.letGo(root);
  }

  /**
   * A content is not offered any more; `contentOf` must not have it any more either. Its descriptor may be closed after
   * that: who was being sent some of it is cut off.
   */
  async forget(root: string): Promise<void> {
    this.whole.delete(root);
    await this.letGo(root);
  }

  /** Cuts every connection. Idempotent. */
  async stop(): Promise<void> {
    clearTimeout(this.newsTimer);
    this.unwatchGate?.();
    this.unwatchToken?.();
    await Promise.all(this.threads.map((thread) => thread.stop()));
    this.taken.release();
  }

  private async startThreads(): Promise<void> {
    const { host, connectionLimits = peerConnectionLimits, limits = usualUploadLimits } = this.options;
    const { slots, perAddress, total, openFiles } = limits;
    // Windows knows no port that several sockets listen on.
    const count = process.platform === "win32" ? 1 : this.options.threads;
    const share = (all: number) => Math.ceil(all / count);
    for (let each = 0; each < count; each++) {
      const thread = new UploadThread(
        {
          kind: "listen",
          host,
          port: this.port,
          reusePort: count > 1,
          limits: shareOf({ ...connectionLimits, total: connectionsWithin(connectionLimits.total) }, count),
          turnLimits: {
            slots: share(slots),
            perHost: { ...perAddress, most: share(perAddress.most) },
            total: share(total),
          },
          openFiles,
          rateLimit: this.options.limit?.shared,
          sendFiles: this.options.sendFiles ?? true,
          membership: this.options.membership?.postedForGuests(),
          gate: this.options.gate?.posted(),
        },
        {
          onReport: (report, from) => this.receive(report, from),
          onFailed: (error) => this.options.onFailed(error),
        },
      );
      this.threads.push(thread);
    }
    await Promise.all(this.threads.map((thread) => thread.started()));
  }

  private receive(report: UploadReport, from: UploadThread): void {
    switch (report.kind) {
      case "find":
        from.send({ kind: "contents", found: report.roots.map((root) => this.find(root)) });
        return;
      case "news":
        for (const thread of this.threads) {
          if (thread !== from) thread.send({ kind: "news", root: report.root });
        }
        return;
      case "changed":
        for (const [root, { path }] of this.whole) if (path === report.path) this.whole.delete(root);
        this.options.onChanged(report.path);
        return;
      case "served":
        for (const [root, bytes] of report.bytes) {
          this.servedSoFar += bytes;
          this.served.set(root, this.servedBytesOf(root) + bytes);
        }
        this.connections.set(from, report.connections);
        return;
    }
  }

  private find(root: string): FoundContent {
    const offer = this.offerOf(root);
    if (offer === undefined) return { root, content: undefined };
    const chunkCount = chunkCountOf(offer.sizeBytes);
    // Of a file of one chunk there is never any news.
    const board = offer.kind === "file" && chunkCount === 1 ? undefined : this.boards.of(root, chunkCount);
    return { root, content: { offer, board: board?.shared } };
  }

  private offerOf(root: string): Offer | undefined {
    const whole = this.whole.get(root);
    if (whole !== undefined) return { kind: "file", ...whole };
    const content = this.options.contentOf(root);
    if (content === undefined || "fd" in content) return content;
    return { kind: "file", ...content, root };
  }

  private async letGo(root: string): Promise<void> {
    // Whoever follows the download hears of its last chunks, whatever becomes of it.
    this.news.add(root);
    this.tellNews();
    await Promise.all(this.threads.map((thread) => thread.forget(root)));
  }

  private tellNews(): void {
    clearTimeout(this.newsTimer);
    this.newsTimer = undefined;
    for (const root of this.news) {
      for (const thread of this.threads) thread.send({ kind: "news", root });
    }
    this.news.clear();
  }
}

function cannotListen(host: string, port: number, reason: string): LocalIoError {
  return new LocalIoError(`cannot listen on ${formatAddress({ host, port })}: ${reason}`);
}

function takePort({ host, port, anyPortIfTaken }: UploaderOptions): SharedPort {
  try {
    return SharedPort.take(host, port);
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE" || !anyPortIfTaken)
      throw cannotListen(host, port, reasonOf(error));
  }
  return SharedPort.take(host, 0);
}

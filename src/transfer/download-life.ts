/** Whether a download still gets anywhere, and until when it may go on without. Pure; a part of the scheduler. */
import { chunkBytes } from "../wire/limits.ts";
import { RateMeter } from "./rate-meter.ts";

/** Below this rate of bytes of all sources together, only verified chunks count as life. */
const floorBytesPerSecond = 4 * 1024;
/** Chunks begun on each connection without one that ends well: after that, bytes are no life any more. */
const begunPerConnection = 2;
/** Nor after this long without a verified chunk: at the floor rate one takes 256 s. */
const maxUnverifiedMs = 300_000;

export interface LifeOptions {
  timeoutMs: number;
  maxConnections: number;
  /** Of the chunk hashes, which come before any chunk. */
  hashesBytes: number;
}

export class DownloadLife {
  private readonly arriving: RateMeter;
  private readonly maxUnverifiedBytes: number;
  private unverifiedBytes = 0;
  private lastVerifiedMs: number;

  constructor(
    private readonly options: LifeOptions,
    private lastLifeMs: number,
  ) {
    this.lastVerifiedMs = lastLifeMs;
    this.arriving = new RateMeter(lastLifeMs);
    this.maxUnverifiedBytes = begunPerConnection * options.maxConnections * chunkBytes + options.hashesBytes;
  }

  /** A chunk, or the chunk hashes. */
  onVerified(nowMs: number): void {
    this.unverifiedBytes = 0;
    this.lastVerifiedMs = nowMs;
    this.lastLifeMs = nowMs;
  }

  /** Bytes of what may become verified: a slow source is no dead one, unless nothing ever comes of it. */
  onBytes(bytes: number, nowMs: number): void {
    this.unverifiedBytes += bytes;
    this.arriving.add(bytes, nowMs);
    if (this.unverifiedBytes > this.maxUnverifiedBytes) return;
    if (nowMs - this.lastVerifiedMs > maxUnverifiedMs) return;
    if (this.arriving.bytesPerSecond(nowMs) >= floorBytesPerSecond) this.lastLifeMs = nowMs;
  }

  /** When to give up if nothing comes. */
  get deadlineMs(): number {
    return this.lastLifeMs + this.options.timeoutMs;
  }
}

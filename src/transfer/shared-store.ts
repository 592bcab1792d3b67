/**
 * A partial file that others may fetch from while it is being downloaded: knows what is verified of it, and offers it
 * as soon as the download has shown that it takes long enough for that to be of use to anybody.
 */
import { monotonicMs } from "../clock.ts";
import { chunkCountOf, chunkLength } from "../content/chunks.ts";
import type { PartialFile } from "../library/partial-file.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import { type DownloadStore, storeOf } from "./download-store.ts";
import type { PartialOffer } from "./upload-messages.ts";

/** What others are told of an offered download. */
export interface OfferedDownload {
  /** The chunk is verified and its bit is set. */
  have(chunk: number): void;
  /**
   * It is whole and lies at `path`, or it has been given up. Resolves when nobody reads from the partial file any more.
   * Never rejects.
   */
  over(path: string | undefined): Promise<void>;
}

/** Undefined when it cannot be offered, which is said elsewhere. Never rejects. */
export type OfferDownload = (offer: PartialOffer) => Promise<OfferedDownload | undefined>;

/** How a download goes, as far as it shows whether it will take long. */
export interface Course {
  fetchedBytes: number;
  leftBytes: number;
  /** Since there was nothing to do but to fetch: the chunk hashes were known, and what was on disk looked at. */
  fetchingMs: number;
  /** 0: none. */
  limitBytesPerSecond: number;
}

/**
 * What a download must seem to need yet, after so long, to be offered. To serve others costs a download a third more
 * CPU, so one that is over soon is quicker alone, and so are its neighbours: 4 that shared 512 MiB on two cores needed
 * 2.5 s, and 2.0 s when none served. What comes before it fetches says nothing, and at first its rate is too low by a
 * factor of five: the code is not compiled yet.
 */
const offers = [
  { fetchingMs: 1_000, leastLeftMs: 4_000 },
  { fetchingMs: 400, leastLeftMs: 10_000 },
];
/** Needed under its own limit, it is offered at once. */
const leastLimitedMs = 4_000;

/** Whether it will take long enough to be offered. Pure. */
export function isWorthOffering({
  fetchedBytes,
  leftBytes,
  fetchingMs,
  limitBytesPerSecond,
}: Course): boolean {
  if (limitBytesPerSecond > 0 && (leftBytes / limitBytesPerSecond) * 1000 >= leastLimitedMs) return true;
  const leftMs = (leftBytes * fetchingMs) / Math.max(1, fetchedBytes);
  return offers.some((offer) => fetchingMs >= offer.fetchingMs && leftMs >= offer.leastLeftMs);
}

export class SharedStore {
  readonly store: DownloadStore;
  private readonly verified: SharedArrayBuffer;
  private readonly bits: Uint8Array;
  private fetchingSinceMs = monotonicMs();
  /** As soon as they are known. */
  chunkHashes: Uint8Array | undefined;
  private fetchedBytes = 0;
  private leftBytes: number;
  private offering: Promise<OfferedDownload | undefined> | undefined;
  private offered: OfferedDownload | undefined;

  constructor(
    private readonly content: { root: string; sizeBytes: number },
    private readonly partial: PartialFile,
    private readonly limit: RateLimit,
    private readonly offer: OfferDownload,
  ) {
    const chunkCount = chunkCountOf(content.sizeBytes);
    this.verified = new SharedArrayBuffer(Math.ceil(chunkCount / 8));
    this.bits = new Uint8Array(this.verified);
    this.leftBytes = content.sizeBytes;
    // What is of one chunk is there at once or not at all.
    if (chunkCount <= 1) this.offering = Promise.resolve(undefined);
    this.store = {
      ...storeOf(content, partial),
      readChunkHashes: () => this.know(partial.readChunkHashes()),
      saveChunkHashes: (hashes) => {
        partial.saveChunkHashes(hashes);
        this.know(hashes);
      },
      keep: (chunk, isNew) => this.keep(chunk, isNew),
    };
  }

  /** As of OfferedDownload. After it the file may be closed. */
  async over(path: string | undefined): Promise<void> {
    const offered = await this.offering;
    // Nothing is offered from here on.
    this.offering = Promise.resolve(undefined);
    await offered?.over(path);
  }

  private know(hashes: Uint8Array | undefined): Uint8Array | undefined {
    this.chunkHashes = hashes;
    this.fetchingSinceMs = monotonicMs();
    return hashes;
  }

  private keep(chunk: number, isNew: boolean): void {
    const sizeBytes = chunkLength(chunk, this.content.sizeBytes);
    this.bits[chunk >> 3]! |= 0x80 >> (chunk & 7);
    this.leftBytes -= sizeBytes;
    if (isNew) this.fetchedBytes += sizeBytes;
    else this.fetchingSinceMs = monotonicMs();
    if (this.offered !== undefined) this.offered.have(chunk);
    else if (isNew) this.consider();
  }

  private consider(): void {
    const { chunkHashes, content, partial, verified, fetchedBytes, leftBytes } = this;
    if (this.offering !== undefined || chunkHashes === undefined) return;
    const fetchingMs = monotonicMs() - this.fetchingSinceMs;
    const limitBytesPerSecond = this.limit.bytesPerSecond;
    if (!isWorthOffering({ fetchedBytes, leftBytes, fetchingMs, limitBytesPerSecond })) return;
    this.offering = this.offer({ kind: "partial", ...content, chunkHashes, fd: partial.fd, verified });
    void this.offering.then((offered) => {
      this.offered = offered;
    });
  }
}

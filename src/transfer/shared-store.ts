/**
 * A partial file that others may fetch from while it is being downloaded: knows what is verified of it, and offers it
 * as soon as the download has shown that it takes long enough for that to be of use to anybody.
 */
import { monotonicMs } from "../clock.ts";
import { chunkCountOf, chunkLength } from "../content/chunks.ts";
import type { PartialFile } from "../library/partial-file.ts";
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

/**
 * What a download must seem to need yet, after so long, to be offered. To serve others costs a download a third more
 * CPU, so one that is over soon is quicker alone, and so are its neighbours: 4 that shared 512 MiB on two cores needed
 * 2.5 s, and 2.0 s when none served. Early on the rate is too low by a factor of five: connections are few, and the
 * code is not compiled yet: at the end of its first second such a one seemed to need between two and four more.
 */
const offers = [
  { elapsedMs: 1_000, leastLeftMs: 4_000 },
  { elapsedMs: 200, leastLeftMs: 10_000 },
];

/** Whether a download that has fetched `fetchedBytes` in `elapsedMs` will take long enough to be offered. Pure. */
export function isWorthOffering(fetchedBytes: number, leftBytes: number, elapsedMs: number): boolean {
  const leftMs = (leftBytes * elapsedMs) / Math.max(1, fetchedBytes);
  return offers.some((offer) => elapsedMs >= offer.elapsedMs && leftMs >= offer.leastLeftMs);
}

export class SharedStore {
  readonly store: DownloadStore;
  private readonly verified: SharedArrayBuffer;
  private readonly bits: Uint8Array;
  private readonly startMs = monotonicMs();
  /** As soon as they are known. */
  chunkHashes: Uint8Array | undefined;
  private fetchedBytes = 0;
  private leftBytes: number;
  private offering: Promise<OfferedDownload | undefined> | undefined;
  private offered: OfferedDownload | undefined;

  constructor(
    private readonly content: { root: string; sizeBytes: number },
    private readonly partial: PartialFile,
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
    return hashes;
  }

  private keep(chunk: number, isNew: boolean): void {
    const sizeBytes = chunkLength(chunk, this.content.sizeBytes);
    this.bits[chunk >> 3]! |= 0x80 >> (chunk & 7);
    if (isNew) this.fetchedBytes += sizeBytes;
    this.leftBytes -= sizeBytes;
    if (this.offered !== undefined) this.offered.have(chunk);
    else this.consider();
  }

  private consider(): void {
    const { chunkHashes, content, partial, verified } = this;
    if (this.offering !== undefined || chunkHashes === undefined) return;
    if (!isWorthOffering(this.fetchedBytes, this.leftBytes, monotonicMs() - this.startMs)) return;
    this.offering = this.offer({ kind: "partial", ...content, chunkHashes, fd: partial.fd, verified });
    void this.offering.then((offered) => {
      this.offered = offered;
    });
  }
}

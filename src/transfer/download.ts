/** One download as the rest of the program sees it: what it is told, what it tells, how it ends. */

import { PartialFile } from "../library/partial-file.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import type { CompleteSource, Receipt } from "../output/events.ts";
import type { Gate } from "../trust/gate.ts";
import type { Membership } from "../trust/membership.ts";
import { storeOf } from "./download-store.ts";
import type { DownloadThreads } from "./download-threads.ts";
import { Downloader } from "./downloader.ts";
import type { HostLimited } from "./host-limits.ts";
import { type OfferDownload, SharedStore } from "./shared-store.ts";
import type { SourceAddress } from "./source.ts";
import { StreamOutput } from "./stream-output.ts";

/** Who has the content, as the index says. */
export interface KnownSources {
  addresses: SourceAddress[];
  /** These are all there are, not a sample. */
  whole: boolean;
}

/** Who has the content: at the start, when asked again, and news in between. */
export interface SourceFinder {
  readonly known: KnownSources;
  /** Rejects when the index cannot be asked. `nobodyIsLeft`: it ends by the answer unless that names somebody. */
  ask(nobodyIsLeft: boolean): Promise<KnownSources>;
  follow(listener: (news: KnownSources) => void): void;
}

/** Where the bytes go. */
export type Destination =
  | {
      kind: "file";
      /** Its folder exists. */
      path: string;
      /** Another file there is replaced. */
      replace: boolean;
      checkSpace: boolean;
    }
  /** In order, while they come. */
  | { kind: "stream"; fd: number };

/** What every download is told, whatever it consists of. */
export interface EngineOptions extends HostLimited {
  /** Of one request at most: a multiple of 1 MiB. */
  requestBytes: number;
  connections: number;
  /** At most. */
  threads: number;
  timeoutMs: number;
  /** Of all downloads of the process together. */
  limit: RateLimit;
  /** Undefined: nothing is encrypted. */
  membership: Membership | undefined;
  /** Who may be a source; undefined: anybody. */
  gate?: Gate | undefined;
  sources: SourceFinder;
  onProgress: (progress: DownloadProgress) => void;
  /** Something a person should know, already printable: a source was dropped, the download goes on from before. */
  onNotice: (line: string) => void;
  /** An earlier run had left this much, and it is right. */
  onResumed: (bytes: number) => void;
  signal: AbortSignal;
}

export interface DownloadOptions extends EngineOptions {
  content: { root: string; sizeBytes: number };
  /** Lets others have what is verified while the rest is being fetched; undefined: they get nothing. */
  offer: OfferDownload | undefined;
  pool: DownloadThreads;
}

export interface DownloadProgress {
  /** Verified, those of an earlier run included. */
  bytes: number;
  bytesPerSecond: number;
  /** Sources that are connected and not silent. */
  sources: number;
}

export interface DownloadReport {
  /** Verified bytes that an earlier run had left. */
  resumedBytes: number;
  /** All that were known. */
  sources: CompleteSource[];
  /** Undefined when nothing had to be fetched. */
  receipt: Receipt | undefined;
  /** Of the file that was written, when it may be offered to others. */
  chunkHashes?: Uint8Array | undefined;
}

/** Resolves when the file is complete under its name, or all is written; rejects with what says why not. */
export async function download(options: DownloadOptions, destination: Destination): Promise<DownloadReport> {
  const { content, pool, limit, offer } = options;
  const { root, sizeBytes } = content;
  if (destination.kind === "stream") {
    const stream = new StreamOutput(destination.fd, content);
    try {
      return await new Downloader(options, stream, pool).run();
    } finally {
      stream.close();
    }
  }
  const { path, replace, checkSpace } = destination;
  const partial = PartialFile.open({ target: path, root, sizeBytes, checkSpace });
  const shared =
    offer === undefined ? undefined : new SharedStore({ root, sizeBytes }, partial, limit, offer);
  let isWhole = false;
  try {
    const report = await new Downloader(options, shared?.store ?? storeOf(content, partial), pool).run();
    partial.complete(replace);
    isWhole = true;
    return { ...report, chunkHashes: shared?.chunkHashes };
  } finally {
    await shared?.over(isWhole ? path : undefined);
    partial.close();
  }
}

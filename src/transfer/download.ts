/** One download as the rest of the program sees it: what it is told, what it tells, how it ends. */
import { PartialFile } from "../library/partial-file.ts";
import { Downloader } from "./downloader.ts";
import type { SourceAddress } from "./source-table.ts";

/** Who has the content, as the index says. */
export interface KnownSources {
  addresses: SourceAddress[];
  /** These are all there are, not a sample. */
  whole: boolean;
}

export interface DownloadOptions {
  content: { root: string; sizeBytes: number };
  /** Where the file goes; its folder exists. */
  target: string;
  /** Another file there is replaced. */
  replace: boolean;
  checkSpace: boolean;
  /** Of one request at most: a multiple of 1 MiB. */
  requestBytes: number;
  connections: number;
  threads: number;
  timeoutMs: number;
  sources: KnownSources;
  /** Asks the index again; rejects when it cannot be asked. */
  askIndex: () => Promise<KnownSources>;
  onProgress: (progress: DownloadProgress) => void;
  /** Something a person should know, already printable: a source was dropped, the download goes on from before. */
  onNotice: (line: string) => void;
  /** An earlier run had left this much, and it is right. */
  onResumed: (bytes: number) => void;
  signal: AbortSignal;
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
  /** All that were known; `bytes` are verified ones. */
  sources: { host: string; port: number; bytes: number; badChunks: number }[];
}

/** Resolves when the file is complete under its name; rejects with the P2pError that says why it is not. */
export async function download(options: DownloadOptions): Promise<DownloadReport> {
  const partial = PartialFile.open({
    target: options.target,
    root: options.content.root,
    sizeBytes: options.content.sizeBytes,
    checkSpace: options.checkSpace,
  });
  try {
    const report = await new Downloader(options, partial).run();
    partial.complete(options.replace);
    return report;
  } finally {
    partial.close();
  }
}

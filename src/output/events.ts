/**
 * Everything a command has to say on standard output, as data: with `--json` each is one
 * line, without it `event-lines.ts` says it in words. Fields may be added, never changed.
 */

import type { BanEvent } from "./ban-events.ts";
import type { IndexEvent } from "./index-events.ts";
import type { NetworkEvent } from "./network-events.ts";

export interface IndexListeningEvent {
  event: "listening";
  host: string;
  port: number;
  /** Path of the index database; a peer has none. */
  db?: string;
  /** `HOST:PORT` of the pages for those who watch over it. */
  http?: string;
  /** Of an index: the private network that it is of, if any, and who it is there. */
  network?: string;
  fingerprint?: string;
}

export interface RegisteredEvent {
  event: "registered";
  /** `HOST:PORT`. */
  index: string;
  files: number;
  bytes: number;
  /** After a reconnect. */
  again?: boolean;
  /** `HOST:PORT`: in a private network, where the index has found this peer and others will. */
  foundAt?: string;
}

export interface UpdatedEvent {
  event: "updated";
  added: readonly string[];
  removed: readonly string[];
}

/** One file of this peer. */
export interface FileEvent {
  event: "file";
  name: string;
  size: number;
  md5: string;
  root: string;
}

export interface StatusEvent {
  event: "status";
  host: string;
  port: number;
  folder: string;
  /** Files shared, their bytes, and files still to be hashed. */
  files: number;
  bytes: number;
  hashing: number;
  indexes: readonly { index: string; connected: boolean }[];
  uploads: number;
  uploadedBytes: number;
  downloads: number;
  downloadedBytes: number;
  uptimeSeconds: number;
}

/** LIMIT: bytes a second; null for none. */
export interface LimitsEvent {
  event: "limits";
  up: number | null;
  down: number | null;
}

/** What a query has sent to others while it ran. */
export interface ServedEvent {
  event: "served";
  bytes: number;
}

export interface FoundEvent {
  event: "found";
  name: string;
  size: number;
  md5: string;
  root: string;
  sources: number;
}

/** One that has the content, for `query --list`. */
export interface SourceEvent {
  event: "source";
  host: string;
  port: number;
  /** In a private network: who it is. */
  fingerprint?: string | undefined;
  root: string;
}

export interface AmbiguousEvent {
  event: "ambiguous";
  name: string;
  contents: readonly {
    root: string;
    size: number;
    md5: string;
    names: readonly string[];
    sources: number;
    /** Of the sources that the index named: anybody can be many sources at one. */
    addresses?: number;
  }[];
}

export interface ProgressEvent {
  event: "progress";
  /** Verified ones. Of a folder, here and below: of the files that had to be fetched. */
  bytes: number;
  size: number;
  bytesPerSecond: number;
  sources: number;
  /** Of a folder: those that are complete, and all that had to be fetched. */
  files?: number;
  totalFiles?: number;
}

export interface CompleteEvent {
  event: "complete";
  path: string;
  size: number;
  md5: string;
  root: string;
  seconds: number;
  /** Verified bytes that an earlier run had left. */
  resumedBytes: number;
  sources: readonly CompleteSource[];
  /** The file was there already, with this content. */
  alreadyThere?: true;
  /** Absent when nothing had to be fetched. */
  receipt?: Receipt;
}

export interface Receipt {
  bytesPerSecond: number;
  /** Of the best second, so to speak what was possible; at least the mean. */
  bestBytesPerSecond: number;
  bottleneck: "source" | "network" | "hashing" | "disk" | "limit";
  /** Why it is taken for that, as the end of a sentence. */
  because: string;
  /** Over all threads. */
  hashingSeconds: number;
  writingSeconds: number;
}

export interface CompleteSource {
  host: string;
  port: number;
  /** Verified ones; a source that was never used has 0. */
  bytes: number;
  badChunks: number;
  /** From its first byte to its last. */
  bytesPerSecond: number;
  stalls: number;
  busyAnswers: number;
  connections: number;
  /** Over all its connections: something was owed and nothing came. */
  waitedSeconds: number;
}

/** `--explain`: what is going to be done. */
export interface PlanEvent {
  event: "plan";
  path: string;
  size: number;
  chunks: number;
  sources: readonly { host: string; port: number; partial: boolean }[];
  /** How many have it in all; the index names a sample. */
  totalSources: number;
  connections: number;
  threads: number;
  requestBytes: number;
  /** Of an earlier run; to be checked. */
  partialBytes: number;
  downBytesPerSecond: number | null;
  serves: boolean;
}

/** What a folder or a pattern stands for; nothing is written yet. */
export interface MatchedEvent {
  event: "matched";
  pattern: string;
  /** Those that are to be there in the end. */
  files: number;
  bytes: number;
  /** Names besides that cannot be fetched: each gets its `failed`. */
  problems: number;
}

/** `--explain` for a folder: what is going to be done. */
export interface FolderPlanEvent extends FilesAndBytes {
  event: "folder-plan";
  pattern: string;
  path: string;
  alreadyThere: FilesAndBytes;
  /** How many of `files` fit into one chunk: those are fetched together. */
  small: number;
  sources: readonly { host: string; port: number }[];
  connections: number;
  threads: number;
  requestBytes: number;
  downBytesPerSecond: number | null;
  serves: boolean;
}

/** One file of a folder is complete under its name. */
export interface StoredEvent {
  event: "stored";
  name: string;
  path: string;
  size: number;
  md5: string;
  root: string;
  /** It was before. */
  alreadyThere: boolean;
}

/** One file of a folder will not be there; the others go on. */
export interface FailedEvent {
  event: "failed";
  name: string;
  /** As in the `error` event. */
  code: string;
  exit: number;
  message: string;
}

/** What came of a folder. When `failed` is not 0, an `error` follows: of the class of the worst. */
export interface SummaryEvent {
  event: "summary";
  pattern: string;
  path: string;
  fetched: FilesAndBytes;
  alreadyThere: FilesAndBytes;
  failed: number;
  seconds: number;
  /** Of `fetched`: verified bytes that an earlier run had left. */
  resumedBytes: number;
  sources: readonly CompleteSource[];
  /** Of all together. Absent when nothing had to be fetched. */
  receipt?: Receipt;
}

export interface FilesAndBytes {
  files: number;
  bytes: number;
}

export interface MatchEvent {
  event: "match";
  name: string;
  size: number;
  root: string;
  sources: number;
}

/** Always the last line of a command; in the prompt it ends one command. */
export interface ErrorEvent {
  event: "error";
  code: string;
  exit: number;
  message: string;
}

export type OutputEvent =
  | IndexListeningEvent
  | RegisteredEvent
  | UpdatedEvent
  | FileEvent
  | StatusEvent
  | LimitsEvent
  | ServedEvent
  | PlanEvent
  | FoundEvent
  | SourceEvent
  | AmbiguousEvent
  | ProgressEvent
  | CompleteEvent
  | MatchedEvent
  | FolderPlanEvent
  | StoredEvent
  | FailedEvent
  | SummaryEvent
  | IndexEvent
  | NetworkEvent
  | BanEvent
  | MatchEvent
  | ErrorEvent;

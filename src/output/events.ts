/**
 * Everything a command has to say on standard output, as data: with `--json` each is one
 * line, without it `event-lines.ts` says it in words. Fields may be added, never changed.
 */

export interface IndexListeningEvent {
  event: "listening";
  host: string;
  port: number;
  /** Path of the index database; a peer has none. */
  db?: string;
}

export interface RegisteredEvent {
  event: "registered";
  /** `HOST:PORT`. */
  index: string;
  files: number;
  bytes: number;
  /** After a reconnect. */
  again?: true;
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
  }[];
}

export interface ProgressEvent {
  event: "progress";
  bytes: number;
  size: number;
  bytesPerSecond: number;
  sources: number;
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
  /** Verified bytes of each source; those never used have 0. */
  sources: readonly { host: string; port: number; bytes: number; badChunks: number }[];
  /** The file was there already, with this content. */
  alreadyThere?: true;
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
  | FoundEvent
  | SourceEvent
  | AmbiguousEvent
  | ProgressEvent
  | CompleteEvent
  | MatchEvent
  | ErrorEvent;

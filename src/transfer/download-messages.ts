/**
 * What crosses between the downloader (one thread, decides) and its workers (sockets, hashes, disk): which chunk,
 * from whom, and done. Never the bytes of a content.
 */

import type { PostedGate } from "../trust/gate.ts";
import type { PostedMembership } from "../trust/membership.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import type { FileToFetch } from "./chunk-home.ts";
import type { ChunkSink } from "./chunk-sink.ts";
import type { StoreFailure } from "./drafts.ts";
import type { ThreadTimes } from "./receipt.ts";

/** What a worker must know of the download. Sent once, first. */
export interface DownloadJob {
  kind: "job";
  /** Undefined: it consists of files, of which each `get` brings what must be known. */
  content: { root: string; sizeBytes: number; sink: ChunkSink } | undefined;
  /** For HELLO: tells sources that these connections belong together. */
  session: string;
  /** How fast all downloads of the process may be: the memory of a RateLimit. */
  limit: SharedArrayBuffer;
  /** Undefined: nothing is encrypted. */
  membership: PostedMembership | undefined;
  /** Undefined: anybody may be a source. */
  gate: PostedGate | undefined;
}

export type ToDownloadWorker =
  | DownloadJob
  /** Much will be hashed: make ready for it. */
  | { kind: "prepare" }
  /** 32 bytes a chunk, checked against the root. Before it nothing can be verified. */
  | { kind: "chunk-hashes"; hashes: Uint8Array }
  /** Resume: say which of these chunks on disk are right. Answered by `on-disk`. */
  | { kind: "check-disk"; first: number; count: number }
  | {
      kind: "connect";
      connection: number;
      host: string;
      port: number;
      fingerprint: Fingerprint | undefined;
    }
  /** These are banned now. */
  | { kind: "bans"; bans: readonly string[] }
  | { kind: "have"; connection: number }
  | { kind: "hashes"; connection: number }
  /** With `file`: the one chunk `first` is that file. */
  | {
      kind: "get";
      connection: number;
      request: number;
      first: number;
      count: number;
      file: FileToFetch | undefined;
    }
  | { kind: "close"; connection: number }
  /** The job is over: write nothing more, answer `stopped`. Connections are kept for the next job, or closed. */
  | { kind: "end-job"; keepConnections: boolean }
  /** Nothing more will be wanted: close what was kept, answer `closed-all`. */
  | { kind: "close-all" };

/** What a worker says of one of its connections. */
export type SourceNews =
  /** `roundTripMs`: to the source and back, as the connection's being made told. */
  | { kind: "connected"; connection: number; roundTripMs: number }
  /** Not made, or ended by the other side; `reason` is for the log. */
  | { kind: "closed"; connection: number; reason: string }
  /** What arrived of chunks and hashes since the last report of this connection. */
  | { kind: "bytes"; connection: number; bytes: number }
  /** Undefined when they did not add up to the root. */
  | { kind: "hashes"; connection: number; hashes: Uint8Array | undefined }
  /** Bitfields of what it has and, if it said so, of what it has sent to anybody; then single chunks of each. */
  | { kind: "held"; connection: number; chunks: Uint8Array; sent: Uint8Array | undefined }
  | { kind: "held-news" | "sent-news"; connection: number; chunk: number }
  /** It has too much to do for the request now. */
  | { kind: "busy"; connection: number; request: number; retryMs: number }
  /** Verified and on disk; `bytes` as above. */
  | { kind: "chunk"; connection: number; request: number; chunk: number; bytes: number }
  /** Verified, but it cannot be stored; others may. */
  | {
      kind: "not-stored";
      connection: number;
      request: number;
      chunk: number;
      bytes: number;
      failure: StoreFailure;
    }
  | { kind: "bad-chunk"; connection: number; chunk: number }
  /** It is not the machine that is meant, or not of our network, or one of us does not want the other. */
  | { kind: "another-machine"; connection: number; reason: string }
  /** It answered what was not asked. */
  | { kind: "wrong-answer"; connection: number; reason: string }
  | { kind: "gone"; connection: number }
  /** It has not the file that was asked for. */
  | { kind: "lacks"; connection: number; request: number };

/** What the downloader hears. */
export type DownloadNews =
  | SourceNews
  | { kind: "disk-failed"; reason: string }
  /** Said for a worker, not by it: it failed in a way it should not have. */
  | { kind: "worker-died"; reason: string };

export type FromDownloadWorker =
  | DownloadNews
  | { kind: "on-disk"; first: number; right: boolean[] }
  | { kind: "stopped"; times: ThreadTimes }
  | { kind: "closed-all" };

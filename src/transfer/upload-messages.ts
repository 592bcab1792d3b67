/** What crosses between the uploader (one thread, knows the library) and its workers. Never bytes of a file. */
import type { ConnectionLimits } from "../net/connection-limits.ts";
import type { PostedGate } from "../trust/gate.ts";
import type { PostedMembership } from "../trust/membership.ts";
import type { ServedFileOptions } from "./served-file.ts";
import type { TurnLimits } from "./upload-turns.ts";

/** A content that this process is downloading: what is verified of it is served already. */
export interface PartialOffer {
  kind: "partial";
  root: string;
  sizeBytes: number;
  /** 32 bytes a chunk; empty for a content of at most 1 MiB. */
  chunkHashes: Uint8Array;
  /** Of the partial file. Its owner keeps it open until the uploader has forgotten the content. */
  fd: number;
  /** Bits of the verified chunks, the first in the highest bit of the first byte; set by the owner before it says so. */
  verified: SharedArrayBuffer;
}

export type Offer = ({ kind: "file" } & ServedFileOptions) | PartialOffer;

/** What the uploader knows of a root. */
export interface FoundContent {
  readonly root: string;
  /** Undefined: it is not shared here. */
  readonly content: { readonly offer: Offer; readonly board: SharedArrayBuffer | undefined } | undefined;
}

export type ToUploadWorker =
  | {
      kind: "listen";
      host: string;
      port: number;
      reusePort: boolean;
      /** This thread's share. */
      limits: ConnectionLimits;
      turnLimits: TurnLimits;
      openFiles: number;
      /** Of a `RateLimit`; undefined: none. */
      rateLimit: SharedArrayBuffer | undefined;
      sendFiles: boolean;
      /** Undefined: nothing is encrypted, and everybody is served. */
      membership: PostedMembership | undefined;
      gate: PostedGate | undefined;
    }
  /** The answer to `find`: the same roots in the same order. */
  | { kind: "contents"; found: readonly FoundContent[] }
  /** Chunks of the content have become ready, or were sent by another thread. */
  | { kind: "news"; root: string }
  /** Nothing of what was offered may be touched any more. `forgotten` answers. */
  | { kind: "forget"; root: string }
  /** These are banned now. */
  | { kind: "bans"; bans: readonly string[] }
  /** Who was let in by another token is cut off. */
  | { kind: "membership"; membership: PostedMembership }
  | { kind: "stop" };

export type FromUploadWorker =
  | { kind: "listening" }
  | { kind: "listen-failed"; code: string | undefined; reason: string }
  | { kind: "find"; roots: readonly string[] }
  /** Chunks of the content were sent, and connections of other threads want to hear of it. */
  | { kind: "news"; root: string }
  | { kind: "forgotten"; root: string }
  /** The file is not what it was when it was hashed. */
  | { kind: "changed"; path: string }
  /** Bytes handed to the kernel since the last report, of each content, and connections open now. */
  | { kind: "served"; bytes: ReadonlyMap<string, number>; connections: number }
  /** A connection was ended by a fault of ours. */
  | { kind: "bug"; reason: string }
  | { kind: "stopped" };

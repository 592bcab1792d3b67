/** What passes between `hash-pool.ts` and its workers. */
import type { FileIdentity } from "./file-identity.ts";

export type ToHashWorker =
  /** No link between `folder` and `path` is followed. */
  { type: "hash"; id: number; folder: string; path: string } | { type: "cancel"; id: number };

export type FromHashWorker =
  /** So many bytes of the file have been read; a few times a second for large files. */
  { type: "progress"; id: number; bytes: number } | { type: "done"; id: number; outcome: HashOutcome };

/** What is known of a file once it has been read from start to end. */
export interface FileHashes {
  /**
   * Of the file that was read, as it was before. Nothing was written to it meanwhile, as far as size and time tell;
   * a ctime that has moved since says that they may not tell it all.
   */
  identity: FileIdentity;
  /** In hex. */
  md5: string;
  /** In hex. */
  root: string;
  chunkHashes: Uint8Array;
}

export type HashOutcome =
  | { kind: "hashed"; hashes: FileHashes }
  /** It was written to, replaced or removed, or is no regular file (any more): look again. */
  | { kind: "changed" }
  /** The job was cancelled. */
  | { kind: "cancelled" }
  /** It cannot be read. `reason` is part of a sentence. */
  | { kind: "failed"; reason: string };

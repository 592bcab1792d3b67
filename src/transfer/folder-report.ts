/** What a folder download tells while it runs, and what came of it. Types only; how it is said is not their business. */

import type { P2pError } from "../errors.ts";
import type { CompleteSource, FilesAndBytes, Receipt } from "../output/events.ts";

export interface FolderListener {
  /**
   * What the pattern stands for; nothing is written yet. `problems` are names besides those `files`: they will fail
   * whatever happens.
   */
  matched(about: { files: number; bytes: number; problems: number }): void;
  /**
   * Looked at what is there already; the fetching begins. For --explain, and the progress. Called once, before
   * `progress`, also when nothing has to be fetched.
   */
  planned(plan: FolderFetchPlan): void;
  progress(progress: FolderProgress): void;
  /** The file is complete under its name; `alreadyThere`: it was before. */
  stored(file: StoredFile): void;
  /** This one will not be there; the others go on. */
  failed(failure: FileFailure): void;
  /** One line for a person, printable. */
  notice(line: string): void;
}

export interface FolderFetchPlan {
  toFetch: FilesAndBytes;
  alreadyThere: FilesAndBytes;
  /** Of `toFetch`: files of one chunk, fetched together. */
  small: number;
  sources: readonly { host: string; port: number }[];
  /** The folder they go to, as the user would write it. */
  path: string;
}

export interface FolderProgress {
  /** Those already there are not counted. */
  files: number;
  /** Verified ones; those already there are not counted. */
  bytes: number;
  bytesPerSecond: number;
  sources: number;
}

export interface StoredFile {
  name: string;
  path: string;
  sizeBytes: number;
  md5: string;
  root: string;
  alreadyThere: boolean;
  /** When they were verified just now, and are more than one. */
  chunkHashes?: Uint8Array | undefined;
}

export interface FileFailure {
  name: string;
  error: P2pError;
}

export interface FolderFetched {
  /** Complete now: with what an earlier run had left of them. */
  fetched: FilesAndBytes;
  alreadyThere: FilesAndBytes;
  failed: readonly FileFailure[];
  seconds: number;
  /** Of `fetched.bytes`: verified ones that an earlier run had left. */
  resumedBytes: number;
  sources: readonly CompleteSource[];
  /** Undefined when nothing was fetched. */
  receipt: Receipt | undefined;
}

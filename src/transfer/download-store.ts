/** Where a download keeps what it has verified: a partial file, or a stream (`stream-output.ts`). */
import type { PartialFile } from "../library/partial-file.ts";
import { printable } from "../printable.ts";
import { type ChunkMap, mapOfContent } from "./chunk-map.ts";
import type { ChunkSink } from "./chunk-sink.ts";
import type { DownloadJob } from "./download-messages.ts";
import type { StoreFailure } from "./drafts.ts";

export interface DownloadStore {
  /** For messages: what cannot be written to. */
  readonly name: string;
  readonly chunks: ChunkMap;
  /** Undefined: each chunk is a file of its own, which says where it goes. */
  readonly sink: ChunkSink | undefined;
  /** How many chunks beyond those handed on in order there is room for; undefined: for all. */
  readonly windowChunks: number | undefined;
  /** How many chunks an earlier run may have left: to be checked, not believed. */
  readonly chunksOnDisk: number;
  /** Of an earlier run; undefined when there are none or they do not add up to the root. */
  readChunkHashes(): Uint8Array | undefined;
  saveChunkHashes(hashes: Uint8Array): void;
  /**
   * A chunk has been verified and is where the sink says; `isNew`: it was fetched now, not by an earlier run, and by that
   * request.
   */
  keep(chunk: number, isNew: boolean, request?: number): void;
  /** Of files: one that had been kept already came once more. */
  keptTwice?(chunk: number, request: number): void;
  /** Of files: one came, was right, and cannot be stored. */
  notStored?(chunk: number, failure: StoreFailure): void;
  /** From then on `handedOn` hears how many chunks have left in order. */
  follow(handedOn: (count: number) => void): void;
  /** Resolves when nothing that was kept is still to be handed on; may reject at any time. */
  readonly finished: Promise<void>;
  /** A thread that cannot be ended may still write to it: lets go of everything but the file itself. */
  abandon(): void;
}

/** In any order, to be gone on with by a later run. */
export function storeOf(content: { root: string; sizeBytes: number }, partial: PartialFile): DownloadStore {
  return {
    chunks: mapOfContent(content),
    name: printable(partial.path),
    sink: { kind: "file", fd: partial.fd },
    windowChunks: undefined,
    chunksOnDisk: partial.chunksOnDisk,
    readChunkHashes: () => partial.readChunkHashes(),
    saveChunkHashes: (hashes) => partial.saveChunkHashes(hashes),
    keep: () => {},
    follow: () => {},
    finished: Promise.resolve(),
    abandon: () => partial.abandon(),
  };
}

/** What a worker must know of the one content, if it is one. */
export function contentOf({ chunks, sink }: DownloadStore): DownloadJob["content"] {
  const { root, sizeBytes } = chunks;
  return root === undefined || sink === undefined ? undefined : { root, sizeBytes, sink };
}

/** Where a download keeps what it has verified: a partial file, or a stream (`stream-output.ts`). */
import type { PartialFile } from "../library/partial-file.ts";
import { printable } from "../printable.ts";
import type { ChunkSink } from "./chunk-sink.ts";

export interface DownloadStore {
  /** For messages: what cannot be written to. */
  readonly name: string;
  readonly sink: ChunkSink;
  /** How many chunks beyond those handed on in order there is room for; undefined: for all. */
  readonly windowChunks: number | undefined;
  /** How many chunks an earlier run may have left: to be checked, not believed. */
  readonly chunksOnDisk: number;
  /** Of an earlier run; undefined when there are none or they do not add up to the root. */
  readChunkHashes(): Uint8Array | undefined;
  saveChunkHashes(hashes: Uint8Array): void;
  /** A chunk has been verified and is where the sink says; `isNew`: it was fetched now, not by an earlier run. */
  keep(chunk: number, isNew: boolean): void;
  /** From then on `handedOn` hears how many chunks have left in order. */
  follow(handedOn: (count: number) => void): void;
  /** Resolves when nothing that was kept is still to be handed on; may reject at any time. */
  readonly finished: Promise<void>;
  /** A thread that cannot be ended may still write to it: lets go of everything but the file itself. */
  abandon(): void;
}

/** In any order, to be gone on with by a later run. */
export function storeOf(partial: PartialFile): DownloadStore {
  return {
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

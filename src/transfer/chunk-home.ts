/**
 * What the chunks that arrive at a worker belong to: the one content of a download, or one of many files that are a
 * chunk each. Says what a chunk must be, and keeps it once it is.
 */
import { chunkCountOf, chunkLength } from "../content/chunks.ts";
import { hashBytes } from "../content/merkle.ts";
import { type ChunkSink, keepChunk } from "./chunk-sink.ts";
import { type StoreFailure, writeDraft } from "./drafts.ts";

/** A file that is a chunk. */
export interface FileToFetch {
  /** 64 hex digits. */
  root: string;
  sizeBytes: number;
  /** Where it goes until it gets its name (`drafts.ts`). */
  draft: string;
}

export interface ChunkHome {
  /** The chunk is all of its content: its hash is the root. */
  readonly isAlone: boolean;
  lengthOf(chunk: number): number;
  /** 32 bytes; undefined while they are not known. */
  hashOf(chunk: number): Uint8Array | undefined;
  /** Takes a verified chunk. Throws the system's error when nothing more can be kept. */
  keep(chunk: number, bytes: Uint8Array): StoreFailure | undefined;
}

export class ContentHome implements ChunkHome {
  readonly isAlone: boolean;
  readonly chunkCount: number;
  /** All of them, 32 bytes each; of a single chunk it is the root. */
  chunkHashes: Uint8Array | undefined;

  constructor(
    readonly root: string,
    readonly sizeBytes: number,
    readonly sink: ChunkSink,
  ) {
    this.chunkCount = chunkCountOf(sizeBytes);
    this.isAlone = this.chunkCount === 1;
    if (this.isAlone) this.chunkHashes = bytesOf(root);
  }

  lengthOf(chunk: number): number {
    return chunkLength(chunk, this.sizeBytes);
  }

  hashOf(chunk: number): Uint8Array | undefined {
    return this.chunkHashes?.subarray(chunk * hashBytes, (chunk + 1) * hashBytes);
  }

  keep(chunk: number, bytes: Uint8Array): undefined {
    keepChunk(this.sink, chunk, bytes);
  }
}

export class FileHome implements ChunkHome {
  readonly isAlone = true;

  constructor(readonly file: FileToFetch) {}

  lengthOf(): number {
    return this.file.sizeBytes;
  }

  hashOf(): Uint8Array {
    return bytesOf(this.file.root);
  }

  keep(_chunk: number, bytes: Uint8Array): StoreFailure | undefined {
    return writeDraft(this.file.draft, bytes);
  }
}

function bytesOf(root: string): Uint8Array {
  return Buffer.from(root, "hex");
}

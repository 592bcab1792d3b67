/** How long the chunks of a download are: those of one content, or many files of one chunk each. Pure. */
import { chunkLength } from "../content/chunks.ts";
import { chunkBytes } from "../wire/limits.ts";

export interface ChunkLengths {
  /** Of all chunks. */
  sizeBytes: number;
  /** Of each chunk, when each is a file of its own; undefined: those of one content. */
  chunkLengths?: Uint32Array | undefined;
}

export function lengthOfChunk(chunk: number, { sizeBytes, chunkLengths }: ChunkLengths): number {
  return chunkLengths === undefined ? chunkLength(chunk, sizeBytes) : chunkLengths[chunk]!;
}

/** What a chunk has as a rule. */
export function usualChunkBytes({ sizeBytes, chunkLengths }: ChunkLengths): number {
  return chunkLengths === undefined ? chunkBytes : Math.max(1, sizeBytes / chunkLengths.length);
}

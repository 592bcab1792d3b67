/** What a download consists of, chunk by chunk: one content, or many files of at most one chunk each. Pure. */
import { basename } from "node:path";
import { chunkCountOf } from "../content/chunks.ts";
import { printable } from "../printable.ts";
import type { FileToFetch } from "./chunk-home.ts";
import { type ChunkLengths, lengthOfChunk } from "./chunk-lengths.ts";
import { draftFor } from "./drafts.ts";

export interface ChunkMap extends ChunkLengths {
  readonly count: number;
  /** When the chunks are those of one content: its root. */
  readonly root: string | undefined;
  /** Beyond that another thread is not worth its start. */
  readonly worthThreads: number;
  lengthOf(chunk: number): number;
  /** For messages; printable. */
  nameOf(chunk: number): string;
  /** When each chunk is a file: which one, and where this request for it is to leave it. */
  fileOf(chunk: number, request: number): FileToFetch | undefined;
}

/** So many for each thread. With files, so small, it must first become fast itself: its code is compiled anew. */
const chunksPerThread = 4;
const filesPerThread = 4_096;

export function mapOfContent({ root, sizeBytes }: { root: string; sizeBytes: number }): ChunkMap {
  const count = chunkCountOf(sizeBytes);
  return {
    count,
    worthThreads: Math.max(1, Math.ceil(count / chunksPerThread)),
    sizeBytes,
    root,
    lengthOf: (chunk) => lengthOfChunk(chunk, { sizeBytes }),
    nameOf: (chunk) => `chunk ${chunk}`,
    fileOf: () => undefined,
  };
}

/** None of them empty, none of more than one chunk. */
export function mapOfFiles(files: readonly { root: string; sizeBytes: number; path: string }[]): ChunkMap {
  const chunkLengths = Uint32Array.from(files, ({ sizeBytes }) => sizeBytes);
  return {
    count: files.length,
    worthThreads: Math.max(1, Math.ceil(files.length / filesPerThread)),
    sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    chunkLengths,
    root: undefined,
    lengthOf: (chunk) => chunkLengths[chunk]!,
    nameOf: (chunk) => printable(basename(files[chunk]!.path)),
    fileOf: (chunk, request) => {
      const { root, sizeBytes, path } = files[chunk]!;
      return { root, sizeBytes, draft: draftFor(path, root, request) };
    },
  };
}

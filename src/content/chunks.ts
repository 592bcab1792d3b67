/** Arithmetic of chunks: 1 MiB of a content, aligned, the last one shorter. */
import { chunkBytes } from "../wire/limits.ts";

export function chunkCountOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / chunkBytes);
}

/** First byte of a chunk. */
export function chunkOffset(chunk: number): number {
  return chunk * chunkBytes;
}

/** Length of a chunk of a content of `sizeBytes`: 1 MiB, or less for the last one. */
export function chunkLength(chunk: number, sizeBytes: number): number {
  return Math.min(chunkBytes, sizeBytes - chunk * chunkBytes);
}

/** Chunks `first` to `first + count - 1` as a range of bytes. */
export function byteRange(
  first: number,
  count: number,
  sizeBytes: number,
): { offset: number; length: number } {
  const offset = first * chunkBytes;
  return { offset, length: Math.min(count * chunkBytes, sizeBytes - offset) };
}

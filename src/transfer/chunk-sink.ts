/**
 * Where the verified chunks of a download go, as a worker sees it: to their place in a file, or into a ring of memory
 * that is shared with whoever hands them on in order.
 */
import { writeSync } from "node:fs";
import { chunkOffset } from "../content/chunks.ts";
import { chunkBytes } from "../wire/limits.ts";

export type ChunkSink =
  /** Open for reading and writing; the owner closes it when the workers have ended. */
  | { kind: "file"; fd: number }
  /** Room for a whole number of chunks; chunk n lies in slot n modulo that number. */
  | { kind: "ring"; slots: SharedArrayBuffer };

/** Keeps all of a chunk, or throws the system's error. */
export function keepChunk(sink: ChunkSink, chunk: number, bytes: Uint8Array): void {
  if (sink.kind === "ring") slotOf(sink.slots, chunk, bytes.length).set(bytes);
  else writeAll(sink.fd, bytes, chunkOffset(chunk));
}

/** Where a chunk lies in a ring. */
export function slotOf(slots: SharedArrayBuffer, chunk: number, sizeBytes: number): Uint8Array {
  const slot = chunk % (slots.byteLength / chunkBytes);
  return new Uint8Array(slots, slot * chunkBytes, sizeBytes);
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  // More than once is rare: a signal, or a nearly full disk, of which the next call says that it is full.
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}

/**
 * The chunk that is arriving on one connection: where its bytes go, and its hash as they come. Nothing of it reaches
 * the disk before the hash is known, so all of it is kept, in one buffer that serves chunk after chunk.
 */
import { ChunkHasher } from "../content/merkle.ts";
import { hashPairsFor } from "../library/hash-pairs.ts";
import { chunkBytes, leafBytes } from "../wire/limits.ts";

/** Read at a time: small enough that hashing finds it in the second-level cache. */
const pieceBytes = 256 * 1024;
/** Kept for the next connection of this thread, so that no memory is touched for the first time again. */
const maxSpare = 16;
const spare: Uint8Array[] = [];

export class ChunkIntake {
  private buffer: Uint8Array | undefined;
  private readonly hasher = new ChunkHasher();
  private sizeBytes = 0;
  private filledBytes = 0;
  private hashedBytes = 0;

  /** Of at most 1 MiB. */
  start(sizeBytes: number): void {
    this.buffer ??= spare.pop() ?? new Uint8Array(chunkBytes);
    this.hasher.hashPairs = hashPairsFor(sizeBytes);
    this.sizeBytes = sizeBytes;
    this.filledBytes = 0;
    this.hashedBytes = 0;
  }

  get isWhole(): boolean {
    return this.filledBytes === this.sizeBytes;
  }

  /** For the next bytes; empty when the chunk is whole. */
  room(): Uint8Array {
    const end = Math.min(this.sizeBytes, this.filledBytes + pieceBytes);
    return this.buffer!.subarray(this.filledBytes, end);
  }

  /** So many bytes came. Leaves that are whole are hashed at once, while they are in the cache, two at a time. */
  filled(length: number): void {
    this.filledBytes += length;
    const end = this.isWhole ? this.sizeBytes : this.filledBytes - (this.filledBytes % (2 * leafBytes));
    if (end === this.hashedBytes) return;
    this.hasher.update(this.buffer!.subarray(this.hashedBytes, end));
    this.hashedBytes = end;
  }

  /** Of the whole chunk; `alone` when it is the whole content. */
  hash(alone: boolean): Uint8Array {
    return this.hasher.finish(alone);
  }

  /** The whole chunk; overwritten by the next one. */
  get bytes(): Uint8Array {
    return this.buffer!.subarray(0, this.sizeBytes);
  }

  /** Nothing more comes. */
  close(): void {
    if (this.buffer !== undefined && spare.length < maxSpare) spare.push(this.buffer);
    this.buffer = undefined;
  }
}

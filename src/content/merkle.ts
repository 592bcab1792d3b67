/**
 * The pieces root of BitTorrent v2 (BEP 52, "pieces root" and "piece layers"): SHA-256 leaves over blocks of
 * 16 KiB, a binary tree above them, missing leaves up to the next power of two being 32 zero bytes.
 *
 *     root
 *     ├── … ───────────────┐
 *     chunk hash (1 MiB)   chunk hash          the layer a downloader checks against
 *     ├── 6 levels ──┐
 *     leaf (16 KiB)  leaf … (64 of them)
 *
 * A content of at most 1 MiB has no such layer: its root is its only hash, over as many leaves as it has,
 * rounded up to a power of two. The root of the empty content is defined as 32 zero bytes.
 */
import { chunkBytes, leafBytes } from "../wire/limits.ts";

export const hashBytes = 32;
const leavesPerChunk = chunkBytes / leafBytes;

/**
 * SHA-256 of messages of one length, a multiple of 64, that lie one after the other, an even number of them. The digests
 * may lie over the beginning of the messages.
 */
export type HashPairs = (messages: Uint8Array, messageBytes: number, digests: Uint8Array) => void;

/** As `HashPairs`, of any number of messages; with its help as far as it goes. */
function hashEach(
  messages: Uint8Array,
  messageBytes: number,
  digests: Uint8Array,
  hashPairs: HashPairs | undefined,
): void {
  const count = messages.length / messageBytes;
  const paired = hashPairs === undefined ? 0 : count - (count % 2);
  hashPairs?.(messages.subarray(0, paired * messageBytes), messageBytes, digests);
  for (let i = paired; i < count; i++) {
    const message = messages.subarray(i * messageBytes, (i + 1) * messageBytes);
    Bun.SHA256.hash(message, digests.subarray(i * hashBytes, (i + 1) * hashBytes));
  }
}

/** `padding[n]`: the hash that stands for 2^n missing leaves. */
const padding: Uint8Array[] = [new Uint8Array(hashBytes)];
function paddingAt(level: number): Uint8Array {
  while (padding.length <= level) {
    const below = padding[padding.length - 1]!;
    const both = new Uint8Array(2 * hashBytes);
    both.set(below);
    both.set(below, hashBytes);
    padding.push(new Uint8Array(Bun.SHA256.hash(both) as Uint8Array));
  }
  return padding[level]!;
}

/**
 * Root over the first `count` hashes of `layer`, filled up to `width` (a power of two) with the hash of empty
 * subtrees of `level`. Overwrites `layer`, which must have room for one hash more than `count` when that is odd.
 */
function reduce(
  layer: Uint8Array,
  count: number,
  width: number,
  level: number,
  hashPairs?: HashPairs,
): Uint8Array {
  let filled = count;
  let span = width;
  let height = level;
  while (span > 1) {
    if (filled % 2 === 1) layer.set(paddingAt(height), filled++ * hashBytes);
    hashEach(layer.subarray(0, filled * hashBytes), 2 * hashBytes, layer, hashPairs);
    filled /= 2;
    span /= 2;
    height++;
  }
  return layer.slice(0, hashBytes);
}

function powerOfTwoFrom(count: number): number {
  let width = 1;
  while (width < count) width *= 2;
  return width;
}

/**
 * Hashes one chunk as its bytes arrive, in pieces of any size, without keeping them. Make one and use it again
 * and again: `finish` resets it.
 */
export class ChunkHasher {
  private readonly leaf = new Bun.CryptoHasher("sha256");
  /** `CryptoHasher.digest` insists on 64 bytes of room. */
  private readonly digest = new Uint8Array(64);
  private readonly leaves = new Uint8Array((leavesPerChunk + 1) * hashBytes);
  private leafCount = 0;
  private inLeaf = 0;

  /** Where there is one, hashing takes half the time. */
  hashPairs: HashPairs | undefined;

  /** Throws a RangeError beyond 1 MiB: that is a fault of the caller. */
  update(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.leafCount === leavesPerChunk) throw new RangeError("more than one chunk");
      const left = bytes.length - at;
      const areWhole = this.inLeaf === 0 && left >= leafBytes;
      const take = areWhole
        ? Math.min(left - (left % leafBytes), (leavesPerChunk - this.leafCount) * leafBytes)
        : Math.min(left, leafBytes - this.inLeaf);
      const part = bytes.subarray(at, at + take);
      if (areWhole) this.addLeaves(part);
      else this.addToLeaf(part);
      at += take;
    }
  }

  private addLeaves(leaves: Uint8Array): void {
    hashEach(leaves, leafBytes, this.leaves.subarray(this.leafCount * hashBytes), this.hashPairs);
    this.leafCount += leaves.length / leafBytes;
  }

  private addToLeaf(part: Uint8Array): void {
    this.leaf.update(part);
    this.inLeaf += part.length;
    if (this.inLeaf === leafBytes) this.endLeaf();
  }

  private endLeaf(): void {
    this.leaf.digest(this.digest);
    this.leaves.set(this.digest.subarray(0, hashBytes), this.leafCount * hashBytes);
    this.leafCount++;
    this.inLeaf = 0;
  }

  /**
   * The chunk's hash; `alone` when it is the whole content. (A chunk that has neighbours stands for 64 leaves
   * however short it is, one that is alone for as many as it has.)
   */
  finish(alone: boolean): Uint8Array {
    if (this.inLeaf > 0) this.endLeaf();
    const count = this.leafCount;
    this.leafCount = 0;
    if (count === 0) return new Uint8Array(hashBytes);
    return reduce(this.leaves, count, alone ? powerOfTwoFrom(count) : leavesPerChunk, 0, this.hashPairs);
  }
}

/** Root of a content of more than 1 MiB from its chunk hashes (32 bytes each, one after the other). */
export function rootOfChunkHashes(chunkHashes: Uint8Array): Uint8Array {
  const count = chunkHashes.length / hashBytes;
  const layer = new Uint8Array((count + 1) * hashBytes);
  layer.set(chunkHashes);
  return reduce(layer, count, powerOfTwoFrom(count), Math.log2(leavesPerChunk));
}

/** What identifies a content, and what its chunks are checked against. */
export interface ContentHashes {
  root: Uint8Array;
  /** 32 bytes a chunk; empty for a content of at most 1 MiB. */
  chunkHashes: Uint8Array;
}

/** Hashes a whole content as it is read, in pieces of any size. */
export class ContentHasher {
  private readonly chunk = new ChunkHasher();
  private inChunk = 0;
  private chunkHashes: Uint8Array;
  private chunks = 0;

  /** `expectedBytes` only spares growing; any content may follow. */
  constructor(expectedBytes: number, hashPairs?: HashPairs) {
    this.chunk.hashPairs = hashPairs;
    this.chunkHashes = new Uint8Array(Math.max(1, Math.ceil(expectedBytes / chunkBytes)) * hashBytes);
  }

  update(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.inChunk === chunkBytes) this.endChunk(false);
      const take = Math.min(chunkBytes - this.inChunk, bytes.length - at);
      this.chunk.update(bytes.subarray(at, at + take));
      this.inChunk += take;
      at += take;
    }
  }

  private endChunk(alone: boolean): void {
    if ((this.chunks + 1) * hashBytes > this.chunkHashes.length) {
      const larger = new Uint8Array(this.chunkHashes.length * 2);
      larger.set(this.chunkHashes);
      this.chunkHashes = larger;
    }
    this.chunkHashes.set(this.chunk.finish(alone), this.chunks * hashBytes);
    this.chunks++;
    this.inChunk = 0;
  }

  finish(): ContentHashes {
    const alone = this.chunks === 0;
    this.endChunk(alone);
    const hashes = this.chunkHashes.slice(0, this.chunks * hashBytes);
    if (alone) return { root: hashes, chunkHashes: new Uint8Array(0) };
    return { root: rootOfChunkHashes(hashes), chunkHashes: hashes };
  }
}

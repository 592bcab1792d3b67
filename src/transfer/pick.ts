/**
 * Which chunks come next. Owns the state of every chunk of one download; knows no source, connection or time.
 *
 * A chunk is *verified*, or it is missing; a missing one has a number of *claims*: requests that are under way
 * for it. 0 claims: anybody may be asked. More than 1: a race, the first to deliver wins (a source stalled, or
 * the end of the download is near).
 */
import type { Bitfield } from "../content/bitfield.ts";

export interface ChunkRange {
  first: number;
  count: number;
}

export class ChunkPicker {
  private readonly claims: Uint8Array;
  /** No chunk before this one is missing and unclaimed. */
  private cursor = 0;
  private unclaimed: number;

  /** `verified` becomes the picker's own. */
  constructor(private readonly verified: Bitfield) {
    this.claims = new Uint8Array(verified.size);
    this.unclaimed = verified.size - verified.count;
  }

  get size(): number {
    return this.verified.size;
  }

  get verifiedCount(): number {
    return this.verified.count;
  }

  get done(): boolean {
    return this.verified.isFull;
  }

  /** Missing chunks that nobody is asked for. */
  get unclaimedCount(): number {
    return this.unclaimed;
  }

  isVerified(chunk: number): boolean {
    return this.verified.has(chunk);
  }

  /** Whether `held` has a chunk that is missing. */
  lacksSomeOf(held: Bitfield): boolean {
    return held.bytes.some((byte, i) => (byte & ~this.verified.bytes[i]!) !== 0);
  }

  claimsOf(chunk: number): number {
    return this.claims[chunk] ?? 0;
  }

  /**
   * The first unclaimed chunks, at most `maxCount` neighbours, among those that `held` has (undefined: all), and
   * claims them. In order of the file, so that a source reads its disk forwards.
   */
  claimNext(maxCount: number, held: Bitfield | undefined): ChunkRange | undefined {
    if (this.unclaimed === 0) return undefined;
    while (this.cursor < this.size && !this.isFree(this.cursor)) this.cursor++;
    let first = this.cursor;
    while (first < this.size && !(this.isFree(first) && (held === undefined || held.has(first)))) first++;
    let end = first;
    while (
      end < this.size &&
      end - first < maxCount &&
      this.isFree(end) &&
      (held === undefined || held.has(end))
    ) {
      this.claim(end++);
    }
    return end > first ? { first, count: end - first } : undefined;
  }

  /** One request more is under way for a missing chunk. */
  claim(chunk: number): void {
    if (this.claims[chunk] === 0 && !this.verified.has(chunk)) this.unclaimed--;
    this.claims[chunk]!++;
  }

  /** A request that was under way for the chunk is not any more. */
  release(chunk: number): void {
    if (this.claims[chunk] === 0) return;
    this.claims[chunk]!--;
    if (this.claims[chunk] === 0 && !this.verified.has(chunk)) {
      this.unclaimed++;
      this.cursor = Math.min(this.cursor, chunk);
    }
  }

  /** The chunk's bytes are right and on disk. False when they had been before. Claims are released as before. */
  verify(chunk: number): boolean {
    if (this.claims[chunk] === 0 && !this.verified.has(chunk)) this.unclaimed--;
    return this.verified.add(chunk);
  }

  private isFree(chunk: number): boolean {
    return this.claims[chunk] === 0 && !this.verified.has(chunk);
  }
}

/**
 * Which chunks come next. Owns the state of every chunk of one download; knows no source, connection or time.
 *
 * A chunk is *verified*, or it is missing; a missing one has a number of *claims*: requests that are under way
 * for it. 0 claims: it is *free*, anybody may be asked. More than 1: a race, the first to deliver wins (a source
 * stalled, or the end of the download is near).
 *
 * Cost: a pick reads 1 bit a chunk from where the last one ended until it finds something, however many sources
 * there are; their holdings are counted as they become known.
 */
import type { Bitfield } from "../content/bitfield.ts";

export interface ChunkRange {
  first: number;
  count: number;
}

/** What may be asked of somebody: what they have (undefined: all) without what is to be left out. */
export interface Offer {
  held: Bitfield | undefined;
  except: Bitfield | undefined;
}

export interface PickOptions {
  /** From 0 to below 1. */
  random: () => number;
  /** In order, and no chunk that is so many after the first one that has not been handed on. Undefined: any order. */
  windowChunks?: number | undefined;
}

/** The rarest chunk is looked for in so many at once: all of them up to 4 GiB. */
const segmentBytes = 512;

export class ChunkPicker {
  private readonly claims: Uint8Array;
  /** Bits as in a Bitfield: free chunks. */
  private readonly free: Uint8Array;
  private unclaimed: number;
  /** Every chunk before this one is verified. */
  private firstMissing = 0;
  /** How many chunks have been handed on in order; undefined: all that could be. */
  private handedOn: number | undefined;
  /** Where the next pick in order begins: after the last one. */
  private cursor = 0;
  /** How many connected sources have each chunk, beside those that have all. Undefined: none has some. */
  private holders: Uint16Array | undefined;
  private freedCount = 0;

  /** `verified` becomes the picker's own. */
  constructor(
    private readonly verified: Bitfield,
    private readonly options: PickOptions,
  ) {
    this.claims = new Uint8Array(verified.size);
    this.free = verified.bytes.map((byte) => ~byte);
    const spare = this.free.length * 8 - verified.size;
    if (spare > 0) this.free[this.free.length - 1]! &= 0xff << spare;
    this.unclaimed = verified.size - verified.count;
    // Who begins at the same moment begins elsewhere, so that all together ask for different chunks.
    if (!this.isOrdered) this.cursor = Math.floor(options.random() * verified.size);
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

  /** Grows whenever a chunk becomes free: who had nothing to pick need not look again before. */
  get freed(): number {
    return this.freedCount;
  }

  /** Chunks are wanted in order. */
  get isOrdered(): boolean {
    return this.options.windowChunks !== undefined;
  }

  /** All is there that may be asked for before more has been handed on. */
  get isWaitingForReader(): boolean {
    return this.isOrdered && !this.done && this.windowEnd() <= this.firstMissing;
  }

  isVerified(chunk: number): boolean {
    return this.verified.has(chunk);
  }

  /** How many of `held` are missing here. */
  countLacking(held: Bitfield): number {
    let lacking = 0;
    for (let byte = 0; byte < held.bytes.length; byte++) {
      for (let bits = held.bytes[byte]! & ~this.verified.bytes[byte]!; bits !== 0; bits &= bits - 1)
        lacking++;
    }
    return lacking;
  }

  claimsOf(chunk: number): number {
    return this.claims[chunk] ?? 0;
  }

  /** Connected sources that have the chunk, beside those that have all. */
  holdersOf(chunk: number): number {
    return this.holders?.[chunk] ?? 0;
  }

  // --- picks: each claims what it returns ---

  /**
   * At most `maxCount` neighbours, the next ones in order of the file (round and round, or from the first missing one
   * when chunks are wanted in order): so a source reads its disk forwards. `from`: not where the last one of all ended.
   */
  claimInOrder(maxCount: number, offer: Offer, from = this.cursor): ChunkRange | undefined {
    if (this.unclaimed === 0) return undefined;
    const end = this.windowEnd();
    const start = this.isOrdered ? this.firstMissing : from;
    const first = this.firstFree(start, end, offer) ?? this.firstFree(0, Math.min(start, end), offer);
    return first === undefined ? undefined : this.claimRun(first, maxCount, end, offer, 0xffff);
  }

  /**
   * At most `maxCount` neighbours of a chunk that as few sources as possible have; which of these, is chance. With
   * `mostHolders`: only chunks that no more have.
   */
  claimRarest(maxCount: number, offer: Offer, mostHolders = 0xffff): ChunkRange | undefined {
    if (this.unclaimed === 0) return undefined;
    const bytes = this.free.length;
    const start = Math.floor(this.options.random() * bytes);
    for (let from = 0; from < bytes; from += segmentBytes) {
      const rarest = this.rarestOf(start + from, Math.min(segmentBytes, bytes - from), offer, mostHolders);
      if (rarest !== undefined)
        return this.claimRun(rarest, maxCount, this.size, offer, this.holdersOf(rarest));
    }
    return undefined;
  }

  // --- facts ---

  /** One request more is under way for a missing chunk. */
  claim(chunk: number): void {
    if (this.isFree(chunk)) this.setBusy(chunk);
    this.claims[chunk]!++;
  }

  /** A request that was under way for the chunk is not any more. */
  release(chunk: number): void {
    if (this.claims[chunk] === 0) return;
    const claims = --this.claims[chunk]!;
    if (claims > 0 || this.verified.has(chunk)) return;
    this.free[chunk >> 3]! |= 0x80 >> (chunk & 7);
    this.unclaimed++;
    this.freedCount++;
    this.cursor = Math.min(this.cursor, chunk);
  }

  /** The chunk's bytes are right and on disk. False when they had been before. Claims are released as before. */
  verify(chunk: number): boolean {
    if (this.isFree(chunk)) this.setBusy(chunk);
    if (this.isOrdered) this.freedCount++;
    return this.verified.add(chunk);
  }

  /** When chunks are wanted in order: the first `count` have been handed on, and make room for others. */
  handOn(count: number): void {
    this.handedOn = count;
    this.freedCount++;
  }

  /** A source with some of the chunks is connected, or is not any more. */
  countHolder(held: Bitfield, holders: 1 | -1): void {
    this.holders ??= new Uint16Array(this.size);
    for (let byte = 0; byte < held.bytes.length; byte++) {
      for (let bits = held.bytes[byte]!; bits !== 0; bits &= bits - 1) {
        this.holders[byte * 8 + 7 - trailingZeros(bits)]! += holders;
      }
    }
  }

  /** A connected source with some of the chunks has this one more. */
  countHolderOf(chunk: number): void {
    this.holders ??= new Uint16Array(this.size);
    this.holders[chunk]!++;
  }

  // --- internal ---

  /** Before which chunks may be asked for. */
  private windowEnd(): number {
    while (this.firstMissing < this.size && this.verified.has(this.firstMissing)) this.firstMissing++;
    const first = Math.min(this.firstMissing, this.handedOn ?? this.size);
    return Math.min(this.size, first + (this.options.windowChunks ?? this.size));
  }

  private isFree(chunk: number): boolean {
    return (this.free[chunk >> 3]! & (0x80 >> (chunk & 7))) !== 0;
  }

  private setBusy(chunk: number): void {
    this.free[chunk >> 3]! &= ~(0x80 >> (chunk & 7));
    this.unclaimed--;
  }

  /** Free chunks of a byte that may be asked for. */
  private bitsOf(byte: number, { held, except }: Offer): number {
    let bits = this.free[byte]!;
    if (held !== undefined) bits &= held.bytes[byte]!;
    if (except !== undefined) bits &= ~except.bytes[byte]!;
    return bits;
  }

  private firstFree(start: number, end: number, offer: Offer): number | undefined {
    for (let byte = start >> 3; byte * 8 < end; byte++) {
      let bits = this.bitsOf(byte, offer);
      if (byte === start >> 3) bits &= 0xff >> (start & 7);
      if (bits === 0) continue;
      const chunk = byte * 8 + Math.clz32(bits) - 24;
      return chunk < end ? chunk : undefined;
    }
    return undefined;
  }

  private rarestOf(start: number, bytes: number, offer: Offer, mostHolders: number): number | undefined {
    let rarest: number | undefined;
    let fewest = mostHolders;
    let equals = 0;
    for (let i = start; i < start + bytes; i++) {
      const byte = i % this.free.length;
      for (let bits = this.bitsOf(byte, offer); bits !== 0; bits &= bits - 1) {
        const chunk = byte * 8 + 7 - trailingZeros(bits);
        const holders = this.holders === undefined ? 0 : this.holders[chunk]!;
        if (holders > fewest) continue;
        if (holders < fewest) equals = 0;
        fewest = holders;
        // Each of the equals with the same chance.
        if (equals++ === 0 || this.options.random() * equals < 1) rarest = chunk;
      }
    }
    return rarest;
  }

  private claimRun(
    first: number,
    maxCount: number,
    end: number,
    offer: Offer,
    mostHolders: number,
  ): ChunkRange {
    let next = first;
    do this.claim(next++);
    while (
      next < end &&
      next - first < maxCount &&
      (this.bitsOf(next >> 3, offer) & (0x80 >> (next & 7))) !== 0 &&
      this.holdersOf(next) <= mostHolders
    );
    this.cursor = next < this.size ? next : 0;
    return { first, count: next - first };
  }
}

function trailingZeros(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/**
 * MD5 of several contents side by side: four at a time in the lanes of SIMD registers where WebAssembly has them,
 * which is two and a half times as fast as one after the other. Who reads puts bytes where they are hashed, so that
 * nothing is copied; where they come from is not known here.
 */
import { blockBytes, lanes, type Md5Functions, md5Module, ownBytes } from "./md5-wasm.ts";

export interface Md5Streams {
  /** Where the bytes of each stream are put. Theirs as long as the stream is not pending. */
  readonly areas: readonly Uint8Array[];
  /**
   * A new content, whatever became of the one before. One that is begun `alone`, with no other to be expected, takes
   * a little less time than otherwise; others may still join it.
   */
  begin(stream: number, alone?: boolean): void;
  /** The first `length` bytes of the area come next: all of it, or fewer when they are the last. */
  append(stream: number, length: number, isLast: boolean): void;
  /** Whether some of what was appended is not hashed yet. */
  isPending(stream: number): boolean;
  /** Hashes on, of up to four pending streams, until one of them is not pending any more. All get their turn. */
  advance(): void;
  /** In hex, once the last bytes are hashed. */
  digest(stream: number): string;
}

/** So many pending streams at once are the fastest. */
export const streamsAtOnce = lanes;

/** `areaBytes` is a multiple of 64. */
export function newMd5Streams(count: number, areaBytes: number): Md5Streams {
  const module = md5Module(WasmMd5Streams.memoryBytes(count, areaBytes));
  return WebAssembly.validate(module)
    ? new WasmMd5Streams(module, count, areaBytes)
    : new NativeMd5Streams(count, areaBytes);
}

// --- in WebAssembly ---

const stateBytes = 16;
const initialState = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
/** A bit, up to 63 bytes of zeros, and the length in bits. */
const maxPaddingBytes = 2 * blockBytes;
const lengthBytes = 8;

class Stream {
  /** Bytes of the whole content so far. */
  bytes = 0;
  /** Address of the next block. */
  next: number;
  pendingBlocks = 0;
  /** Hashes a content that was begun alone: the platform is faster than one lane (measured: by 5 to 10 %). */
  native: Bun.CryptoHasher | undefined;

  constructor(
    readonly state: number,
    readonly area: number,
  ) {
    this.next = area;
  }
}

/**
 * Memory: what belongs to the module, a state for the lanes that are not used, and for each stream its state, its
 * area and room for the padding.
 */
export class WasmMd5Streams implements Md5Streams {
  readonly areas: readonly Uint8Array[];
  private readonly streams: readonly Stream[];
  private readonly functions: Md5Functions;
  private readonly memory: DataView;
  private readonly spareState = ownBytes;
  /** Whose turn comes first. */
  private turn = 0;

  static memoryBytes(count: number, areaBytes: number): number {
    return blockBytes + count * (blockBytes + areaBytes + maxPaddingBytes);
  }

  constructor(module: Uint8Array<ArrayBuffer>, count: number, areaBytes: number) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module));
    this.functions = instance.exports as unknown as Md5Functions;
    const { buffer } = this.functions.memory;
    this.memory = new DataView(buffer);
    this.streams = Array.from({ length: count }, (_, index) => {
      const state = ownBytes + WasmMd5Streams.memoryBytes(index, areaBytes);
      return new Stream(state, state + blockBytes);
    });
    this.areas = this.streams.map(({ area }) => new Uint8Array(buffer, area, areaBytes));
  }

  begin(stream: number, alone = false): void {
    const begun = this.streams[stream]!;
    begun.bytes = begun.pendingBlocks = 0;
    begun.native = alone ? new Bun.CryptoHasher("md5") : undefined;
    for (const [i, word] of initialState.entries()) this.memory.setUint32(begun.state + i * 4, word, true);
  }

  append(stream: number, length: number, isLast: boolean): void {
    const appended = this.streams[stream]!;
    if (appended.native !== undefined) {
      appended.native.update(this.areas[stream]!.subarray(0, length));
      return;
    }
    appended.bytes += length;
    appended.next = appended.area;
    appended.pendingBlocks = (length + (isLast ? this.pad(appended, length) : 0)) / blockBytes;
  }

  isPending(stream: number): boolean {
    return this.streams[stream]!.pendingBlocks > 0;
  }

  advance(): void {
    const chosen: Stream[] = [];
    for (let passed = 0; passed < this.streams.length && chosen.length < lanes; passed++) {
      const stream = this.streams[this.turn]!;
      this.turn = (this.turn + 1) % this.streams.length;
      if (stream.pendingBlocks > 0) chosen.push(stream);
    }
    const [one, two, three, four] = chosen;
    if (one === undefined) return;
    const blocks = chosen.reduce((least, { pendingBlocks }) => Math.min(least, pendingBlocks), Infinity);
    if (two === undefined) {
      this.functions.advanceOne(one.state, one.next, blocks);
    } else {
      const spare = this.spareState;
      this.functions.advanceFour(
        one.state,
        two.state,
        three?.state ?? spare,
        four?.state ?? spare,
        one.next,
        two.next,
        // As many blocks are there as anywhere, and what they give is thrown away.
        three?.next ?? one.next,
        four?.next ?? one.next,
        blocks,
      );
    }
    for (const stream of chosen) {
      stream.next += blocks * blockBytes;
      stream.pendingBlocks -= blocks;
    }
  }

  digest(stream: number): string {
    const { state, native } = this.streams[stream]!;
    if (native !== undefined) return native.digest("hex");
    return new Uint8Array(this.memory.buffer, state, stateBytes).toHex();
  }

  /** Pads what is in the area up to a whole block (RFC 1321, 3.1 and 3.2); returns how many bytes that takes. */
  private pad({ area, bytes }: Stream, length: number): number {
    const padded = Math.ceil((length + 1 + lengthBytes) / blockBytes) * blockBytes;
    new Uint8Array(this.memory.buffer, area + length, padded - length).fill(0);
    this.memory.setUint8(area + length, 0x80);
    this.memory.setBigUint64(area + padded - lengthBytes, BigInt(bytes) * 8n, true);
    return padded - length;
  }
}

// --- without it ---

/** One after the other, for processors without AVX and wherever else there is no SIMD. */
export class NativeMd5Streams implements Md5Streams {
  readonly areas: readonly Uint8Array[];
  private readonly hashers: Bun.CryptoHasher[];

  constructor(count: number, areaBytes: number) {
    this.areas = Array.from({ length: count }, () => new Uint8Array(areaBytes));
    this.hashers = this.areas.map(() => new Bun.CryptoHasher("md5"));
  }

  begin(stream: number): void {
    this.hashers[stream] = new Bun.CryptoHasher("md5");
  }

  append(stream: number, length: number): void {
    this.hashers[stream]!.update(this.areas[stream]!.subarray(0, length));
  }

  isPending(): boolean {
    return false;
  }

  advance(): void {}

  digest(stream: number): string {
    return this.hashers[stream]!.digest("hex");
  }
}

/** Chance that can be had again: everything a test "rolls" follows from one whole number, its seed. */

/** Mulberry32: 32 bits of state, good enough for tests and the same on every machine. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next = (): number => {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number, both ends included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** As many small ones as large ones: rates and sizes. */
  betweenByFactor(from: number, to: number): number {
    return from * (to / from) ** this.next();
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.whole(0, items.length - 1)]!;
  }

  bytes(length: number): Uint8Array {
    const all = new Uint8Array(length);
    const words = new Uint32Array(all.buffer, 0, Math.floor(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.next() * 2 ** 32;
    for (let i = words.length * 4; i < length; i++) all[i] = this.next() * 256;
    return all;
  }
}

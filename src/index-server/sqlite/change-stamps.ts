/**
 * What tells a thread that something has changed since it looked: a counter for each name and each root (those that
 * share a counter by chance seem to change together), in memory that the writing thread and the answering one share.
 *
 * Whoever keeps something that it has read notes `sequence` before, and the stamps after reading; when `sequence` is
 * still the same and even, no change came between the two, and what it keeps is true as long as its stamps are.
 */

const counters = 1 << 18;
const sequenceAt = counters;

export class ChangeStamps {
  private readonly stamps: Int32Array;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4 * (counters + 1))) {
    this.stamps = new Int32Array(shared);
  }

  /** Where the stamp of a name is: of a whole one, or of the last part of one. */
  static ofName(name: string): number {
    return Bun.hash.xxHash32(name) & (counters - 1);
  }

  static ofRoot(root: Uint8Array): number {
    return (root[0]! | (root[1]! << 8) | (root[2]! << 16)) & (counters - 1);
  }

  /** Odd while a change is becoming visible. */
  get sequence(): number {
    return Atomics.load(this.stamps, sequenceAt);
  }

  at(place: number): number {
    return Atomics.load(this.stamps, place);
  }

  // --- for the one who writes ---

  /** Changes become visible from now on. */
  begin(): void {
    Atomics.add(this.stamps, sequenceAt, 1);
  }

  /** All of them are, or none ever will be. */
  end(changed: Iterable<number>): void {
    for (const place of changed) Atomics.add(this.stamps, place, 1);
    Atomics.add(this.stamps, sequenceAt, 1);
  }
}

/**
 * Which chunks of a content somebody has. The first chunk is the highest bit of the first byte, as on the wire;
 * spare bits are 0.
 */
export class Bitfield {
  readonly bytes: Uint8Array;
  private set = 0;

  constructor(readonly size: number) {
    this.bytes = new Uint8Array(Math.ceil(size / 8));
  }

  /** A bitfield with every bit set. */
  static full(size: number): Bitfield {
    const all = new Bitfield(size);
    all.bytes.fill(0xff);
    const spare = all.bytes.length * 8 - size;
    if (spare > 0) all.bytes[all.bytes.length - 1] = (0xff << spare) & 0xff;
    all.set = size;
    return all;
  }

  /** From the wire: undefined when the length is wrong or a spare bit is set. */
  static from(bytes: Uint8Array, size: number): Bitfield | undefined {
    if (bytes.length !== Math.ceil(size / 8)) return undefined;
    const spare = bytes.length * 8 - size;
    if (spare > 0 && (bytes[bytes.length - 1]! & ((1 << spare) - 1)) !== 0) return undefined;
    const field = new Bitfield(size);
    field.bytes.set(bytes);
    for (const byte of bytes) field.set += bitsIn(byte);
    return field;
  }

  has(index: number): boolean {
    return (this.bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  }

  /** False when it was there before. */
  add(index: number): boolean {
    if (index < 0 || index >= this.size || this.has(index)) return false;
    this.bytes[index >> 3]! |= 0x80 >> (index & 7);
    this.set++;
    return true;
  }

  remove(index: number): void {
    if (!this.has(index)) return;
    this.bytes[index >> 3]! &= ~(0x80 >> (index & 7));
    this.set--;
  }

  get count(): number {
    return this.set;
  }

  get isFull(): boolean {
    return this.set === this.size;
  }
}

function bitsIn(byte: number): number {
  let bits = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}

/**
 * Which of many hashes were seen, in 4 MB however many they are: what is not known for certain was not. That saves a look
 * into the tables for most of what is new: of a million 1 % are looked up in vain, of 10 million 20 %.
 *
 * A Bloom filter of words: each hash has two bits in one of them, so that it costs one look at memory.
 */
const words = 1 << 20;

export class KnownKeys {
  private readonly bits = new Int32Array(words);
  /** All that there is has been added: until then any hash may be among it. */
  isComplete = false;

  /** `hash`: 32 bits. */
  add(hash: number): void {
    this.bits[placeOf(hash)]! |= bitsOf(hash);
  }

  /** False: it was never added. */
  mayHave(hash: number): boolean {
    const bits = bitsOf(hash);
    return !this.isComplete || (this.bits[placeOf(hash)]! & bits) === bits;
  }
}

function placeOf(hash: number): number {
  return hash & (words - 1);
}

/** From the bits that say nothing of the place. */
function bitsOf(hash: number): number {
  return (1 << (hash >>> 20)) | (1 << (hash >>> 25));
}

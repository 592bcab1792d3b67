/** A short number that stands for a name in the index's tables. */

const digest = new Uint8Array(32);
const view = new DataView(digest.buffer);

/**
 * 48 bits of SHA-256: few enough for a number of JavaScript, and nobody makes names that share one in any quantity.
 * Whoever looks something up by it compares the name as well.
 */
export function nameKey(name: string): number {
  Bun.SHA256.hash(name, digest);
  return view.getUint32(0) * 0x10000 + view.getUint16(4);
}

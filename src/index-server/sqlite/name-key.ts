/** A short number that stands for a name or a root in the index's tables. */

const digest = new Uint8Array(32);
const view = new DataView(digest.buffer);

/**
 * 48 bits of SHA-256: few enough for a number of JavaScript, and nobody makes texts that share one in any quantity.
 * Whoever looks something up by it compares the thing itself as well.
 */
export function shortKey(of: string | Uint8Array): number {
  Bun.SHA256.hash(of as Bun.StringOrBuffer, digest);
  return view.getUint32(0) * 0x10000 + view.getUint16(4);
}

/** Of what follows the last `/` of a name; null where there is none: such a name is found by itself. */
export function lastKey(name: string): number | null {
  const slash = name.lastIndexOf("/");
  return slash === -1 ? null : shortKey(name.slice(slash + 1));
}

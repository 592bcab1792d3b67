/** An input that fails, made as short as a few hundred tries make it: without halves, quarters … of it. */

const maxTries = 400;

export async function shrunk(
  input: Uint8Array,
  stillFails: (smaller: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let smallest = input;
  let tries = 0;
  for (let piece = Math.ceil(input.length / 2); piece >= 1 && tries < maxTries; ) {
    let hasShrunk = false;
    for (let at = 0; at < smallest.length && tries < maxTries; ) {
      const smaller = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + piece)]);
      tries++;
      if (await stillFails(smaller)) {
        smallest = smaller;
        hasShrunk = true;
      } else {
        at += piece;
      }
    }
    if (piece === 1 && !hasShrunk) break;
    piece = hasShrunk && piece === 1 ? 1 : Math.floor(piece / 2);
  }
  return new Uint8Array(smallest);
}

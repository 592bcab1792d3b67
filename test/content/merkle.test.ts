/** The Merkle tree against a slow one written from BEP 52 alone, at the sizes where something changes. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { ChunkHasher, ContentHasher, type HashPairs, rootOfChunkHashes } from "../../src/content/merkle.ts";

const leaf = 16 * 1024;
const chunk = 1024 * 1024;

/** Around a leaf and a chunk, and with counts of leaves and chunks that are no power of two. */
const interestingSizes = [
  0,
  1,
  leaf - 1,
  leaf,
  leaf + 1,
  2 * leaf - 1,
  2 * leaf,
  2 * leaf + 1,
  3 * leaf,
  4 * leaf - 1,
  5 * leaf,
  chunk - leaf,
  chunk - leaf + 1,
  chunk - 1,
  chunk,
  chunk + 1,
  chunk + leaf,
  chunk + 2 * leaf,
  chunk + 3 * leaf + 1,
  2 * chunk,
  3 * chunk + 5,
  4 * chunk + 1,
  5 * chunk - leaf,
];

/** Counter mode of a small generator: no two leaves are alike. */
function made(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = size + 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

// --- the slow one: whole layers of hex texts ---

const sha256 = (...parts: string[]) =>
  createHash("sha256")
    .update(Buffer.from(parts.join(""), "hex"))
    .digest("hex");

function slowLeaves(bytes: Uint8Array): string[] {
  const leaves: string[] = [];
  for (let at = 0; at < bytes.length; at += leaf) {
    leaves.push(
      createHash("sha256")
        .update(bytes.subarray(at, at + leaf))
        .digest("hex"),
    );
  }
  return leaves;
}

function slowTree(leaves: string[], width: number): string {
  let layer = [...leaves, ...Array<string>(width - leaves.length).fill("00".repeat(32))];
  while (layer.length > 1) {
    layer = Array.from({ length: layer.length / 2 }, (_, i) => sha256(layer[2 * i]!, layer[2 * i + 1]!));
  }
  return layer[0]!;
}

function slowRoot(bytes: Uint8Array): string {
  const leaves = slowLeaves(bytes);
  if (leaves.length === 0) return "00".repeat(32);
  return slowTree(leaves, 2 ** Math.ceil(Math.log2(leaves.length)));
}

function slowChunkHashes(bytes: Uint8Array): string {
  if (bytes.length <= chunk) return "";
  const hashes: string[] = [];
  for (let at = 0; at < bytes.length; at += chunk) {
    hashes.push(slowTree(slowLeaves(bytes.subarray(at, at + chunk)), 64));
  }
  return hashes.join("");
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** One after the other, and always an even number. */
const pairsInTurn: HashPairs = (messages, messageBytes, digests) => {
  expect(messages.length % (2 * messageBytes)).toBe(0);
  for (let i = 0; i < messages.length / messageBytes; i++) {
    const message = messages.subarray(i * messageBytes, (i + 1) * messageBytes);
    digests.set(createHash("sha256").update(message).digest(), 32 * i);
  }
};

function hashed(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  expectedBytes = bytes.length,
  hashPairs?: HashPairs,
) {
  const hasher = new ContentHasher(expectedBytes, hashPairs);
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    hasher.update(bytes.subarray(at, end));
    at = end;
  }
  const { root, chunkHashes } = hasher.finish();
  return { root: hex(root), chunkHashes: hex(chunkHashes) };
}

describe("root and chunk hashes", () => {
  test.each(interestingSizes)("of %i bytes", (size) => {
    const bytes = made(size);
    const expected = { root: slowRoot(bytes), chunkHashes: slowChunkHashes(bytes) };
    expect(hashed(bytes)).toEqual(expected);
    // Whatever was said about its size, and in whatever pieces it comes.
    expect(
      hashed(
        bytes,
        [1, leaf - 1, leaf, chunk - 1, chunk + 1].filter((cut) => cut < size),
        0,
      ),
    ).toEqual(expected);
  });

  test("are the same in pieces of any size", () => {
    const bytes = made(2 * chunk + 3 * leaf + 7);
    const whole = hashed(bytes);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        expect(hashed(bytes, cuts)).toEqual(whole);
        expect(hashed(bytes, cuts, bytes.length, pairsInTurn)).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  test("are the same when two leaves are hashed at a time", () => {
    for (const size of interestingSizes) {
      const bytes = made(size);
      const cuts = [1, leaf, 3 * leaf, 3 * leaf + 1, chunk + leaf].filter((cut) => cut < size);
      expect(hashed(bytes, cuts, size, pairsInTurn)).toEqual(hashed(bytes));
    }
  });

  test("fit together: the chunk hashes make the root", () => {
    for (const size of interestingSizes.filter((each) => each > chunk)) {
      const hasher = new ContentHasher(size);
      hasher.update(made(size));
      const { root, chunkHashes } = hasher.finish();
      expect(hex(rootOfChunkHashes(chunkHashes))).toBe(hex(root));
      const wrong = chunkHashes.slice();
      wrong[40]! ^= 1;
      expect(hex(rootOfChunkHashes(wrong))).not.toBe(hex(root));
    }
  });

  test("of a known file, as libtorrent and others have it", () => {
    // "hello, world": one leaf, whose hash is the root.
    expect(hashed(Buffer.from("hello, world")).root).toBe(
      "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b",
    );
  });
});

describe("one chunk", () => {
  test("can be hashed again and again with one hasher, whatever came before", () => {
    const hasher = new ChunkHasher();
    const bytes = made(3 * chunk + 5);
    hasher.update(bytes.subarray(0, 12_345));
    expect(hex(hasher.finish(true))).toBe(slowRoot(bytes.subarray(0, 12_345)));
    const hashes: string[] = [];
    for (let at = 0; at < bytes.length; at += chunk) {
      hasher.update(bytes.subarray(at, at + chunk));
      hashes.push(hex(hasher.finish(false)));
    }
    expect(hashes.join("")).toBe(slowChunkHashes(bytes));
  });

  test("that is the whole content has its root", () => {
    const hasher = new ChunkHasher();
    for (const size of interestingSizes.filter((each) => each <= chunk)) {
      hasher.update(made(size));
      expect(hex(hasher.finish(true))).toBe(slowRoot(made(size)));
    }
  });

  test("is no longer than 1 MiB", () => {
    const hasher = new ChunkHasher();
    hasher.update(made(chunk));
    expect(() => hasher.update(new Uint8Array(1))).toThrow(RangeError);
  });
});

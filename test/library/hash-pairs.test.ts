/** The code that hashes two messages at a time, against Bun's SHA-256. Nothing to test where there is none. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expectHashPairs, freeHashPairs, hashPairsFor } from "../../src/library/hash-pairs.ts";
import { canHashPairs } from "../helpers/can-hash-pairs.ts";

beforeEach(freeHashPairs);
afterAll(freeHashPairs);

const mib = 2 ** 20;
const leaf = 2 ** 14;
const digestBytes = 32;

/** Enough is to be hashed for it to pay. */
const hashPairs = () => hashPairsFor(17 * mib)!;

function digestsOf(messages: Uint8Array, messageBytes: number): string {
  let digests = "";
  for (let at = 0; at < messages.length; at += messageBytes)
    digests += new Bun.CryptoHasher("sha256").update(messages.subarray(at, at + messageBytes)).digest("hex");
  return digests;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("there is one where the processor has the instructions", () => {
  expect(hashPairsFor(17 * mib) !== undefined).toBe(canHashPairs);
});

test("it is looked for once more than 16 MiB are to be hashed in all, and anew after it was freed", () => {
  for (let round = 0; round < 2; round++) {
    expect(hashPairsFor(10 * mib)).toBeUndefined();
    expect(hashPairsFor(6 * mib)).toBeUndefined();
    expect(hashPairsFor(1) !== undefined).toBe(canHashPairs);
    expect(hashPairsFor(0) !== undefined).toBe(canHashPairs);
    freeHashPairs();
  }
});

test("where much is expected it is there from the first byte on", () => {
  expectHashPairs();
  expect(hashPairsFor(1) !== undefined).toBe(canHashPairs);
});

describe.if(canHashPairs)("pairs of messages", () => {
  /** Lie anywhere, not only where a vector may. */
  const cases = fc.record({
    blocks: fc.integer({ min: 1, max: 9 }),
    pairs: fc.integer({ min: 1, max: 5 }),
    shift: fc.nat(17),
    seed: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  });

  test("have the digests of SHA-256", () => {
    const hash = hashPairs();
    const check = fc.property(cases, ({ blocks, pairs, shift, seed }) => {
      const bytes = 2 * pairs * blocks * 64;
      const messages = Uint8Array.from(
        { length: shift + bytes },
        (_, i) => seed[i % seed.length]! + (i >> 6),
      );
      const shifted = messages.subarray(shift);
      const digests = new Uint8Array(shift + 2 * pairs * digestBytes + 7).fill(0xee);
      hash(shifted, blocks * 64, digests.subarray(shift));
      const end = shift + 2 * pairs * digestBytes;
      expect(hex(digests.subarray(shift, end))).toBe(digestsOf(shifted, blocks * 64));
      expect([...digests.subarray(0, shift), ...digests.subarray(end)].every((each) => each === 0xee)).toBe(
        true,
      );
    });
    fc.assert(check, { numRuns: 200 });
  });

  test.each<[string, (index: number) => number]>([
    ["of leaves", (i) => (i * 31) ^ (i >> 8) ^ (i >> 14)],
    ["of leaves with all bits set", () => 0xff],
    ["of leaves with none", () => 0],
  ])("have the digests of SHA-256: %s", (_, byteAt) => {
    const messages = Uint8Array.from({ length: 4 * leaf }, (_, i) => byteAt(i));
    const digests = new Uint8Array(4 * digestBytes);
    hashPairs()(messages, leaf, digests);
    expect(hex(digests)).toBe(digestsOf(messages, leaf));
  });

  test("may have their digests over themselves", () => {
    const messages = Uint8Array.from({ length: 32 * 64 }, (_, i) => (i * i) >> 5);
    const expected = digestsOf(messages, 64);
    hashPairs()(messages, 64, messages);
    expect(hex(messages.subarray(0, 32 * digestBytes))).toBe(expected);
  });

  test("are nothing at all", () => {
    const digests = new Uint8Array(digestBytes);
    hashPairs()(new Uint8Array(0), 64, digests);
    expect(digests).toEqual(new Uint8Array(digestBytes));
  });

  test.each([
    ["an odd number", 3 * 64, 64, 200],
    ["no whole blocks", 2 * 63, 63, 200],
    ["no messages of that length", 200, 64, 200],
    ["a length of nothing", 128, 0, 200],
    ["no room for the digests", 128, 64, 63],
  ])("are refused: %s", (_, bytes, messageBytes, room) => {
    const hash = hashPairs();
    expect(() => hash(new Uint8Array(bytes), messageBytes, new Uint8Array(room))).toThrow(RangeError);
  });

  test("are hashed by who still has the code from before it was freed, too", () => {
    const before = hashPairs();
    freeHashPairs();
    const digests = new Uint8Array(64);
    before(new Uint8Array(128), 64, digests);
    expect(hex(digests)).toBe(digestsOf(new Uint8Array(128), 64));
  });

  test("leave no memory behind that can be executed, however often the code is freed", () => {
    // In bytes: neighbours are shown as one.
    const mappedBytes = () => {
      const found = readFileSync("/proc/self/maps", "utf8").matchAll(
        /^(\w+)-(\w+) r-xp 00000000 00:00 0 *$/gm,
      );
      return [...found].reduce((sum, [, from, to]) => sum + Number(`0x${to}`) - Number(`0x${from}`), 0);
    };
    hashPairs();
    freeHashPairs();
    const before = mappedBytes();
    hashPairs();
    expect(mappedBytes()).toBeGreaterThan(before);
    for (let i = 0; i < 20; i++) {
      freeHashPairs();
      freeHashPairs();
      hashPairs();
    }
    freeHashPairs();
    expect(mappedBytes()).toBe(before);
  });
});

describe.if(canHashPairs)("threads", () => {
  const module = new URL("../../src/library/hash-pairs.ts", import.meta.url).href;
  /** Answers with the digest of all the digests of many leaves, hashed in as many calls. */
  const source = `
    import { freeHashPairs, hashPairsFor } from ${JSON.stringify(module)};
    self.onmessage = ({ data: { seed, calls } }) => {
      const hash = hashPairsFor(2 ** 25);
      const messages = new Uint8Array(2 * ${leaf});
      const digests = new Uint8Array(64);
      const all = new Bun.CryptoHasher("sha256");
      for (let call = 0; call < calls; call++) {
        messages.fill(seed + call);
        hash(messages, ${leaf}, digests);
        all.update(digests);
      }
      freeHashPairs();
      self.postMessage(all.digest("hex"));
    };`;

  function expectedOf(seed: number, calls: number): string {
    const all = new Bun.CryptoHasher("sha256");
    for (let call = 0; call < calls; call++) {
      const digest = digestsOf(new Uint8Array(leaf).fill(seed + call), leaf);
      all.update(Buffer.from(digest + digest, "hex"));
    }
    return all.digest("hex");
  }

  test("do not disturb each other", async () => {
    const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
    const calls = 1_000;
    const workers = [1, 2].map(() => new Worker(url));
    try {
      const digests = workers.map((worker, seed) => {
        const { promise, resolve, reject } = Promise.withResolvers<string>();
        worker.onmessage = ({ data }: MessageEvent<string>) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage({ seed, calls });
        return promise;
      });
      expect(await Promise.all(digests)).toEqual([expectedOf(0, calls), expectedOf(1, calls)]);
    } finally {
      for (const worker of workers) worker.terminate();
      URL.revokeObjectURL(url);
    }
  }, 20_000);
});

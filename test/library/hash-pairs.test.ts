/** The code that hashes two messages at a time, against Bun's SHA-256. Nothing to test where there is none. */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { freeHashPairs, hashPairs } from "../../src/library/hash-pairs.ts";

afterAll(freeHashPairs);

const digestBytes = 32;
const isExpected =
  process.platform === "linux" &&
  process.arch === "x64" &&
  /\bsha_ni\b/.test(readFileSync("/proc/cpuinfo", "utf8"));

function digestsOf(messages: Uint8Array, messageBytes: number): string {
  let digests = "";
  for (let at = 0; at < messages.length; at += messageBytes)
    digests += new Bun.CryptoHasher("sha256").update(messages.subarray(at, at + messageBytes)).digest("hex");
  return digests;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("there is one where the processor has the instructions", () => {
  expect(hashPairs() !== undefined).toBe(isExpected);
});

describe.if(isExpected)("pairs of messages", () => {
  /** Lie anywhere, not only where a vector may. */
  const cases = fc.record({
    blocks: fc.integer({ min: 1, max: 9 }),
    pairs: fc.integer({ min: 1, max: 5 }),
    shift: fc.nat(17),
    seed: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  });

  test("have the digests of SHA-256", () => {
    const check = fc.property(cases, ({ blocks, pairs, shift, seed }) => {
      const bytes = 2 * pairs * blocks * 64;
      const messages = Uint8Array.from(
        { length: shift + bytes },
        (_, i) => seed[i % seed.length]! + (i >> 6),
      );
      const shifted = messages.subarray(shift);
      const digests = new Uint8Array(shift + 2 * pairs * digestBytes + 7).fill(0xee);
      hashPairs()!(shifted, blocks * 64, digests.subarray(shift));
      const end = shift + 2 * pairs * digestBytes;
      expect(hex(digests.subarray(shift, end))).toBe(digestsOf(shifted, blocks * 64));
      expect([...digests.subarray(0, shift), ...digests.subarray(end)].every((each) => each === 0xee)).toBe(
        true,
      );
    });
    fc.assert(check, { numRuns: 200 });
  });

  test("may have their digests over themselves", () => {
    const messages = Uint8Array.from({ length: 32 * 64 }, (_, i) => (i * i) >> 5);
    const expected = digestsOf(messages, 64);
    hashPairs()!(messages, 64, messages);
    expect(hex(messages.subarray(0, 32 * digestBytes))).toBe(expected);
  });

  test("are nothing at all", () => {
    const digests = new Uint8Array(digestBytes);
    hashPairs()!(new Uint8Array(0), 64, digests);
    expect(digests).toEqual(new Uint8Array(digestBytes));
  });

  test.each([
    ["an odd number", 3 * 64, 64, 200],
    ["no whole blocks", 2 * 63, 63, 200],
    ["no messages of that length", 200, 64, 200],
    ["a length of nothing", 128, 0, 200],
    ["no room for the digests", 128, 64, 63],
  ])("are refused: %s", (_, bytes, messageBytes, room) => {
    const hash = hashPairs()!;
    expect(() => hash(new Uint8Array(bytes), messageBytes, new Uint8Array(room))).toThrow(RangeError);
  });

  test("are refused once the code has been freed, and hashed by who looks for it again", () => {
    const before = hashPairs()!;
    freeHashPairs();
    expect(() => before(new Uint8Array(128), 64, new Uint8Array(64))).toThrow("freed");
    const digests = new Uint8Array(64);
    hashPairs()!(new Uint8Array(128), 64, digests);
    expect(hex(digests)).toBe(digestsOf(new Uint8Array(128), 64));
  });
});

/** Chunks as they arrive in pieces, also once so many have come that two leaves are hashed at a time. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChunkHasher, ContentHasher } from "../../src/content/merkle.ts";
import { freeHashPairs } from "../../src/library/hash-pairs.ts";
import { ChunkIntake } from "../../src/transfer/chunk-intake.ts";
import { canHashPairs } from "../helpers/can-hash-pairs.ts";
import { Random } from "../helpers/random.ts";

// Bytes of other tests are not to be counted.
beforeAll(freeHashPairs);
afterAll(freeHashPairs);

const chunkBytes = 2 ** 20;

/** Private, and the only thing that tells whether two leaves are hashed at a time: the hashes are the same. */
const hasherOf = (intake: ChunkIntake) => (intake as unknown as { hasher: ChunkHasher }).hasher;

test("has the hash of every chunk, and its bytes, however they come", () => {
  const random = new Random(3);
  const content = random.bytes(20 * chunkBytes + 5 * 2 ** 14 + 7);
  const hasher = new ContentHasher(content.length);
  hasher.update(content);
  const { chunkHashes } = hasher.finish();
  const intake = new ChunkIntake();
  for (let chunk = 0; chunk * chunkBytes < content.length; chunk++) {
    const bytes = content.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
    intake.start(bytes.length);
    expect(hasherOf(intake).hashPairs !== undefined).toBe(canHashPairs && chunk >= 16);
    for (let at = 0; at < bytes.length; ) {
      const room = intake.room();
      const length = Math.min(room.length, random.whole(1, 200_000));
      room.set(bytes.subarray(at, at + length));
      intake.filled(length);
      at += length;
    }
    expect(intake.isWhole).toBe(true);
    expect(intake.room().length).toBe(0);
    expect(Buffer.compare(intake.bytes, bytes)).toBe(0);
    expect(Buffer.compare(intake.hash(false), chunkHashes.subarray(32 * chunk, 32 * (chunk + 1)))).toBe(0);
  }
  intake.close();
});

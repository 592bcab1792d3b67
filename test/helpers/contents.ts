/** Contents with their hashes, made on the spot from a seed. */
import { ContentHasher } from "../../src/content/merkle.ts";
import { Random } from "./random.ts";

export interface TestContent {
  bytes: Uint8Array;
  sizeBytes: number;
  /** In hex. */
  root: string;
  /** 32 bytes a chunk; empty for at most one chunk. */
  chunkHashes: Uint8Array;
}

export function contentOf(bytes: Uint8Array): TestContent {
  const hasher = new ContentHasher(bytes.length);
  hasher.update(bytes);
  const { root, chunkHashes } = hasher.finish();
  return { bytes, sizeBytes: bytes.length, root: root.toHex(), chunkHashes };
}

export function testContent(sizeBytes: number, seed = 1): TestContent {
  return contentOf(new Random(seed).bytes(sizeBytes));
}

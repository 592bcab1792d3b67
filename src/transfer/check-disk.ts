/** What an earlier run left of a content, inside a download worker: which of these chunks on disk are right. */
import { readSync } from "node:fs";
import { chunkOffset } from "../content/chunks.ts";
import { ChunkHasher } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { hashPairsFor } from "../library/hash-pairs.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { ContentHome } from "./chunk-home.ts";
import type { FromDownloadWorker } from "./download-messages.ts";

/** Chunks checked between two looks at the messages. */
const checkedPerTurn = 8;

/** Tells `on-disk` or `disk-failed`, a few chunks at a time, while it `isWanted`. */
export function checkDisk(
  content: ContentHome,
  first: number,
  count: number,
  isWanted: () => boolean,
  tell: (message: FromDownloadWorker) => void,
): void {
  const block = new Uint8Array(chunkBytes);
  const hasher = new ChunkHasher();
  const { sink } = content;
  const isRight = (chunk: number): boolean => {
    const length = content.lengthOf(chunk);
    const wanted = content.hashOf(chunk);
    if (sink.kind !== "file" || wanted === undefined) return false;
    if (!readAll(sink.fd, block, length, chunkOffset(chunk))) return false;
    hasher.hashPairs = hashPairsFor(length);
    hasher.update(block.subarray(0, length));
    return Buffer.compare(hasher.finish(content.isAlone), wanted) === 0;
  };
  const turn = (from: number) => {
    if (!isWanted()) return;
    const end = Math.min(from + checkedPerTurn, first + count);
    const right: boolean[] = [];
    try {
      for (let chunk = from; chunk < end; chunk++) right.push(isRight(chunk));
    } catch (error) {
      tell({ kind: "disk-failed", reason: reasonOf(error) });
      return;
    }
    tell({ kind: "on-disk", first: from, right });
    if (end < first + count) setImmediate(() => turn(end));
  };
  turn(first);
}

/** False when the file ends before. */
function readAll(fd: number, block: Uint8Array, length: number, position: number): boolean {
  let filled = 0;
  while (filled < length) {
    const read = readSync(fd, block, filled, length - filled, position + filled);
    if (read === 0) return false;
    filled += read;
  }
  return true;
}

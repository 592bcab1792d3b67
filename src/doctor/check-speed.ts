/** How fast this machine's disk and its hashing are: what a download can be held up by, besides the network. */
import { closeSync, constants, fsyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "../clock.ts";
import { ContentHasher } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { freeHashPairs, hashPairsFor } from "../library/hash-pairs.ts";
import { formatBytes, formatRate } from "../output/format.ts";
import { printable } from "../printable.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { Finding } from "./finding.ts";

const diskBytes = 128 * chunkBytes;
const hashedBytes = 256 * chunkBytes;
/** A line of a gigabit brings 118 MB/s; below a quarter of that the disk is what one notices. */
const slowBytesPerSecond = 30e6;
const fewFreeBytes = 1024 * chunkBytes;

/** Writes and syncs a file in `folder`, and removes it. */
export async function checkDisk(folder: string): Promise<Finding> {
  const check = "disk";
  const path = join(folder, `.p2p-doctor-${crypto.randomUUID()}`);
  const shown = printable(folder, 200);
  let fd: number | undefined;
  try {
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const piece = crypto.getRandomValues(new Uint8Array(64 * 1024));
    const block = Buffer.concat(Array.from({ length: chunkBytes / piece.length }, () => piece));
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    const startMs = monotonicMs();
    for (let written = 0; written < Math.min(diskBytes, free / 2); written += block.length) {
      writeSync(fd, block);
      // A signal ends it between two of them.
      await setImmediate();
    }
    fsyncSync(fd);
    const rate = diskBytes / ((monotonicMs() - startMs) / 1000);
    const detail = `${shown}: written at ${formatRate(rate)}, ${formatBytes(free)} free`;
    if (free < fewFreeBytes)
      return { check, status: "warn", detail, mend: "make room, or choose another folder" };
    if (rate >= slowBytesPerSecond) return { check, status: "ok", detail };
    return { check, status: "warn", detail, mend: "download to a faster disk with -o" };
  } catch (error) {
    const detail = `cannot write to ${shown}: ${reasonOf(error)}`;
    return { check, status: "fail", detail, mend: "choose a folder that this user may write to" };
  } finally {
    if (fd !== undefined) closeSync(fd);
    rmSync(path, { force: true });
  }
}

/** One thread's worth, as downloads and the first scan of a folder do it. */
export async function checkHashing(threads: number): Promise<Finding> {
  const block = new Uint8Array(chunkBytes).fill(7);
  const hasher = new ContentHasher(hashedBytes, hashPairsFor(hashedBytes));
  const startMs = monotonicMs();
  for (let hashed = 0; hashed < hashedBytes; hashed += block.length) {
    hasher.update(block);
    await setImmediate();
  }
  hasher.finish();
  freeHashPairs();
  const rate = hashedBytes / ((monotonicMs() - startMs) / 1000);
  const detail = `${formatRate(rate)} with one thread of ${threads}: no transfer is verified faster than that`;
  return { check: "hashing", status: "ok", detail };
}

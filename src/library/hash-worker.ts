/**
 * Worker entry point: reads whole files and hashes them. A large file is interrupted every now and then, so that
 * small ones that arrive meanwhile are done in between and a cancelled one is given up. Which files, in which
 * order, and what becomes of the hashes is the business of `hash-pool.ts`.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "../clock.ts";
import { ContentHasher } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { identityOf, sameContentIdentity } from "./file-identity.ts";
import type { FromHashWorker, HashOutcome, ToHashWorker } from "./hash-messages.ts";
import { openInside } from "./open-inside.ts";

declare const self: Worker;

/**
 * Small enough for the second-level cache, so that MD5 and the tree read what `read` just put there. From 32 KiB
 * to 1 MiB there is little difference (measured: 0.42 to 0.45 GiB/s a core, of which MD5 takes two thirds).
 */
const block = Buffer.allocUnsafeSlow(256 * 1024);
/** How long messages wait while a file is read (in fact up to one block longer). */
const sliceMs = 50;
const progressIntervalMs = 250;

const cancelled = new Set<number>();
const running = new Set<number>();

self.onmessage = ({ data }: MessageEvent<ToHashWorker>) => {
  if (data.type === "hash") {
    void answer(data.id, data.folder, data.path);
  } else if (running.has(data.id)) {
    cancelled.add(data.id);
  }
};

/** Never rejects. */
async function answer(id: number, folder: string, path: string): Promise<void> {
  running.add(id);
  const outcome = await hashFile(id, folder, path);
  running.delete(id);
  cancelled.delete(id);
  const transfer = outcome.kind === "hashed" ? [outcome.hashes.chunkHashes.buffer as ArrayBuffer] : [];
  self.postMessage({ type: "done", id, outcome } satisfies FromHashWorker, transfer);
}

async function hashFile(id: number, folder: string, path: string): Promise<HashOutcome> {
  let file: number | undefined;
  try {
    file = openInside(folder, path);
    return file === undefined ? { kind: "changed" } : await hashOpen(id, file);
  } catch (error) {
    return { kind: "failed", reason: reasonOf(error) };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

async function hashOpen(id: number, file: number): Promise<HashOutcome> {
  const stats = fstatSync(file, { bigint: true });
  if (!stats.isFile()) return { kind: "changed" };
  const identity = identityOf(stats);
  const md5 = new Bun.CryptoHasher("md5");
  const tree = new ContentHasher(identity.sizeBytes);
  let bytes = 0;
  let toldMs = monotonicMs();
  let sliceEndsMs = toldMs + sliceMs;
  for (;;) {
    const length = readSync(file, block, 0, block.length, null);
    if (length === 0) break;
    const part = length === block.length ? block : block.subarray(0, length);
    md5.update(part);
    tree.update(part);
    bytes += length;
    if (bytes > identity.sizeBytes) return { kind: "changed" };
    const nowMs = monotonicMs();
    if (nowMs < sliceEndsMs) continue;
    await setImmediate();
    if (cancelled.has(id)) return { kind: "cancelled" };
    sliceEndsMs = monotonicMs() + sliceMs;
    if (nowMs < toldMs + progressIntervalMs) continue;
    toldMs = nowMs;
    self.postMessage({ type: "progress", id, bytes } satisfies FromHashWorker);
  }
  const after = identityOf(fstatSync(file, { bigint: true }));
  if (bytes !== identity.sizeBytes || !sameContentIdentity(identity, after)) return { kind: "changed" };
  const { root, chunkHashes } = tree.finish();
  return { kind: "hashed", hashes: { identity, md5: md5.digest("hex"), root: root.toHex(), chunkHashes } };
}

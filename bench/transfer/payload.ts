/** What is moved: a file or a folder of small files, random so that nothing can be packed or taken twice. */
import { closeSync, existsSync, mkdirSync, openSync, rmSync, utimesSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gib, mib } from "../measure.ts";

export interface Payload {
  /** Holds nothing but the payload: what a server serves. */
  folder: string;
  /** Of the file or folder, inside `folder`. */
  name: string;
  bytes: number;
  /** Paths of the files below `name`; undefined for a single file. */
  files: readonly string[] | undefined;
}

export function pathOf({ folder, name }: Payload): string {
  return join(folder, name);
}

export function makeFilePayload(parent: string, bytes: number): Payload {
  const folder = join(parent, `file-${bytes}`);
  const payload = { folder, name: `payload-${bytes}.bin`, bytes, files: undefined };
  if (!existsSync(folder)) {
    mkdirSync(folder);
    writeRandom(pathOf(payload), bytes);
  }
  return payload;
}

export function makeFolderPayload(parent: string, count: number, fileBytes: number): Payload {
  const folder = join(parent, `folder-${count}x${fileBytes}`);
  const name = "dataset";
  const files = Array.from({ length: count }, (_, at) => `f${String(at).padStart(5, "0")}.bin`);
  if (!existsSync(folder)) {
    mkdirSync(join(folder, name), { recursive: true });
    for (const file of files) writeRandom(join(folder, name, file), fileBytes);
  }
  return { folder, name, bytes: count * fileBytes, files };
}

export function removePayload({ folder }: Payload): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Last changed an hour ago, so that it counts as settled. */
function writeRandom(path: string, bytes: number): void {
  const block = new Uint8Array(Math.min(mib, bytes));
  const descriptor = openSync(path, "w");
  try {
    for (let done = 0; done < bytes; ) {
      for (let at = 0; at < block.length; at += randomBytesAtOnce)
        crypto.getRandomValues(block.subarray(at, at + randomBytesAtOnce));
      done += writeSync(descriptor, block, 0, Math.min(block.length, bytes - done));
    }
  } finally {
    closeSync(descriptor);
  }
  const anHourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(path, anHourAgo, anHourAgo);
}

/** The Web Crypto API gives no more in one call. */
const randomBytesAtOnce = 65_536;

/** `2 GiB`, `64 KiB`: for titles. */
export function sizeText(bytes: number): string {
  if (bytes >= gib) return `${trimmed(bytes / gib)} GiB`;
  if (bytes >= mib) return `${trimmed(bytes / mib)} MiB`;
  return bytes >= 1024 ? `${trimmed(bytes / 1024)} KiB` : `${bytes} B`;
}

function trimmed(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Of `2G`, `256M`, `64K` or a number of bytes. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)([KMG]?)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * ({ K: 1024, M: mib, G: gib }[unit ?? ""] ?? 1);
}

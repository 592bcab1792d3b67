/**
 * Opens a file of the shared folder for reading, so that no link below the folder is followed, whoever swaps what
 * for what meanwhile: what is hashed and served is never outside. What is read is the business of others; who asks
 * what was opened asks the descriptor, not the path.
 */
import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../errors.ts";
import { nameBelow } from "./names-below.ts";

/** A pipe that took the file's place is opened without waiting for its writer. */
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Nothing there, a folder above it gone, a link, a socket, a device, a folder: not what was found before. */
const replaced = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "ENODEV", "EISDIR"]);

const descriptors = "/proc/self/fd";

/**
 * How to be sure: `stepwise` opens each folder through the descriptor of the one above. Without such paths the
 * folders are compared before and after, which only one who hits several moments in turn can deceive.
 */
export type Way = "stepwise" | "comparing";
const safestWay: Way = process.platform === "linux" && existsSync(descriptors) ? "stepwise" : "comparing";

/**
 * The folder that was walked to last, kept open for the next file in it: so many small files cost one walk. A file
 * opened through it lies where the walk led, whatever stands at that path by now: whoever keeps one closes it as soon
 * as others may have had the time to change something.
 */
export class WalkedFolder {
  private key = "";
  private fd: number | undefined;

  /** The descriptor of the folder, which `walk` opens if it is not the one that is open already. */
  at(key: string, walk: () => number): number {
    if (this.fd !== undefined && this.key === key) return this.fd;
    this.close();
    this.key = key;
    this.fd = walk();
    return this.fd;
  }

  /** Idempotent. */
  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

/**
 * The descriptor of the file at `path`, which is below `folder`; links in `folder` itself are followed. Undefined
 * when there is no file (any more). Throws when there may be one that cannot be opened. `walked` is the caller's to
 * close, and not used where there is no stepwise way.
 */
export function openInside(
  folder: string,
  path: string,
  { way = safestWay, walked }: { way?: Way; walked?: WalkedFolder } = {},
): number | undefined {
  const parts = nameBelow(folder, path).split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return undefined;
  const ownWalk = walked ?? new WalkedFolder();
  try {
    return way === "stepwise" ? openStepwise(folder, parts, ownWalk) : openComparing(folder, parts);
  } catch (error) {
    if (replaced.has(systemCode(error) ?? "")) return undefined;
    throw error;
  } finally {
    if (walked === undefined) ownWalk.close();
  }
}

function openStepwise(folder: string, parts: string[], walked: WalkedFolder): number {
  const [first, ...below] = parts.slice(0, -1);
  const file = parts.at(-1);
  if (first === undefined) return openSync(`${folder}/${file}`, fileFlags);
  // Also by `folder`: links in it are followed, links below are not.
  const above = walked.at([folder, first, ...below].join("\0"), () => walk(`${folder}/${first}`, below));
  return openSync(`${descriptors}/${above}/${file}`, fileFlags);
}

function walk(first: string, below: readonly string[]): number {
  let fd = openSync(first, folderFlags);
  for (const part of below) {
    const above = fd;
    try {
      fd = openSync(`${descriptors}/${above}/${part}`, folderFlags);
    } finally {
      closeSync(above);
    }
  }
  return fd;
}

function openComparing(folder: string, parts: string[]): number | undefined {
  const before = wayTo(folder, parts);
  const fd = openSync(join(folder, ...parts), fileFlags);
  let isInside = false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const after = wayTo(folder, parts);
    isInside = before !== undefined && before === after && before.endsWith(` ${dev}:${ino}`);
  } finally {
    if (!isInside) closeSync(fd);
  }
  return isInside ? fd : undefined;
}

/** Which folders and which file are on the way; undefined when it leads through something that is no folder. */
function wayTo(folder: string, parts: string[]): string | undefined {
  let path = folder;
  let way = "";
  for (const [at, part] of parts.entries()) {
    path = join(path, part);
    const stats = lstatSync(path, { bigint: true });
    if (at < parts.length - 1 && !stats.isDirectory()) return undefined;
    way += ` ${stats.dev}:${stats.ino}`;
  }
  return way;
}

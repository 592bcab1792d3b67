/**
 * The way to a folder on which no link is followed, whoever swaps what for what meanwhile: each folder is opened through
 * the descriptor of the one above, and what is done in the last one is done through its own. So nothing outside is read
 * or written because something on the way has become a link between a look and the deed.
 */
import { closeSync, constants, existsSync, lstatSync, openSync, realpathSync } from "node:fs";
import { basename, dirname, join, parse, sep } from "node:path";
import { type FolderCalls, folderCalls } from "./folder-calls.ts";

const descriptors = "/proc/self/fd";

/** Where there are no such paths, all that can be done is to look at each folder before. */
export const canWalk = process.platform === "linux" && existsSync(descriptors);

/**
 * To pass through a folder one need not be allowed to read it. (Bun does not have the name; it is this number on every
 * processor for which there is a Bun.)
 */
const O_PATH = 0o10000000;
const folderFlags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Keeps the folders open that were walked to last, for the next file in them: so many small files cost one walk. What is
 * done through them happens where the walk led, whatever stands at that path by now: whoever keeps one closes it as soon
 * as others may have had the time to change something.
 */
export class WalkedFolder {
  private readonly top = new OpenFolder();
  private readonly last = new OpenFolder();
  private closing: NodeJS.Immediate | undefined;

  /** `calls`: other ones for tests. */
  constructor(private readonly calls: () => FolderCalls | undefined = folderCalls) {}

  /**
   * A path by which the folder can be used until the next call, or `close`. `top` is absolute, without `.` and `..`, as
   * `realpath` gives it, and `parts` lead on from there. Throws the system's error: ENOTDIR when a link is on the way.
   */
  to(top: string, parts: readonly string[] = []): string {
    return canWalk ? `${descriptors}/${this.descriptorOf(top, parts)}` : looked(top, parts);
  }

  /** The same for a file or folder, which need not be there: links in its own place are the caller's to refuse. */
  placeOf(path: string): string {
    return `${this.to(dirname(path))}/${basename(path)}`;
  }

  /** Opens what has that name in the folder, or makes it, as `openSync` does. Throws the system's error. */
  open(top: string, parts: readonly string[], name: string, flags: number, mode = 0): number {
    const calls = canWalk ? this.calls() : undefined;
    const fd = calls?.open(this.descriptorOf(top, parts), name, flags, mode) ?? -1;
    // Once more, where it says what is the matter.
    return fd >= 0 ? fd : openSync(`${this.to(top, parts)}/${name}`, flags, mode);
  }

  /**
   * Gives a file another name in its folder, unless something has it. False: nothing has happened, whatever the reason;
   * `giveName` works everywhere.
   */
  renameNew(path: string, name: string): boolean {
    const calls = canWalk ? this.calls() : undefined;
    return calls?.renameNew(this.descriptorOf(dirname(path), []), basename(path), name) ?? false;
  }

  /** At the end of this turn of the event loop. */
  closeSoon(): void {
    this.closing ??= setImmediate(() => this.close());
  }

  /** Idempotent. */
  close(): void {
    clearImmediate(this.closing);
    this.closing = undefined;
    this.last.close();
    this.top.close();
  }

  private descriptorOf(top: string, parts: readonly string[]): number {
    const above = this.top.at(top, () => walk(openSync("/", folderFlags), partsOf(top)));
    if (parts.length === 0) return above;
    const key = [top, ...parts].join("\0");
    return this.last.at(key, () => walk(above, parts, above));
  }
}

/** For a path that the user chose, links on the way and all: that place, by a way without links. Throws the system's error. */
export function realPlaceOf(path: string): string {
  return join(realpathSync(dirname(path)), basename(path));
}

class OpenFolder {
  private key = "";
  private fd: number | undefined;

  at(key: string, open: () => number): number {
    if (this.fd !== undefined && this.key === key) return this.fd;
    this.close();
    this.key = key;
    this.fd = open();
    return this.fd;
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

/** Closes what it opens on the way, and `from` unless that is `kept`. */
function walk(from: number, parts: readonly string[], kept?: number): number {
  let fd = from;
  for (const part of parts) {
    const above = fd;
    try {
      fd = openSync(`${descriptors}/${above}/${part}`, folderFlags);
    } finally {
      if (above !== kept) closeSync(above);
    }
  }
  return fd;
}

/** What follows the root of the file system. */
function partsOf(folder: string): string[] {
  return folder
    .slice(parse(folder).root.length)
    .split(sep)
    .filter((part) => part !== "");
}

/** All folders on the way are folders, at this moment. */
function looked(top: string, parts: readonly string[]): string {
  let path = parse(top).root;
  for (const part of [...partsOf(top), ...parts]) {
    path = join(path, part);
    if (lstatSync(path).isDirectory()) continue;
    throw Object.assign(new Error(`${path} is no folder`), { code: "ENOTDIR" });
  }
  return join(top, ...parts);
}

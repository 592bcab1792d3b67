/**
 * A download on disk that is not complete yet: `.p2p-<first 16 of root>.part` in the target's folder, with its
 * chunk hashes beside it, and how it becomes the target. What is in it is not believed: the chunk hashes are
 * checked against the root and the chunks against the hashes whenever a download goes on, so there is no state
 * that could lie.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { chunkCountOf } from "../content/chunks.ts";
import { hashBytes, rootOfChunkHashes } from "../content/merkle.ts";
import { LocalIoError, reasonOf, systemCode, WouldOverwriteError } from "../errors.ts";
import { formatBytes } from "../output/format.ts";
import { printable } from "../printable.ts";
import { partialPrefix } from "../wire/file-name.ts";
import { chunkBytes } from "../wire/limits.ts";
import { ProcessLock } from "./process-lock.ts";

/** Not executable, and whatever the user's umask leaves: a download is no program. */
const fileMode = 0o666;

export interface PartialFileOptions {
  /** Where the complete file goes; its folder exists. */
  target: string;
  /** 64 hex digits. */
  root: string;
  sizeBytes: number;
  /** Refuse at once what cannot fit. */
  checkSpace: boolean;
}

export class PartialFile {
  readonly path: string;
  private readonly hashesPath: string;
  private closed = false;

  private constructor(
    private readonly options: PartialFileOptions,
    /** Open for reading and writing. */
    readonly fd: number,
    private readonly lock: ProcessLock,
    base: string,
  ) {
    this.path = `${base}.part`;
    this.hashesPath = `${base}.hashes`;
  }

  /** Throws LocalIoError: no permission, no room, or another process downloads the same content there. */
  static open(options: PartialFileOptions): PartialFile {
    const folder = dirname(options.target);
    const base = join(folder, `${partialPrefix}${options.root.slice(0, 16)}`);
    const lock = ProcessLock.acquire(`${base}.lock`, `the partial file of ${printable(options.target)}`);
    try {
      const fd = openPart(`${base}.part`);
      const partial = new PartialFile(options, fd, lock, base);
      try {
        partial.prepare(folder);
        return partial;
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** How many chunks may be on disk already: to be checked, not believed. */
  get chunksOnDisk(): number {
    return chunkCountOf(Math.min(fstatSync(this.fd).size, this.options.sizeBytes));
  }

  /** The chunk hashes of an earlier run, or undefined when there are none or they do not add up to the root. */
  readChunkHashes(): Uint8Array | undefined {
    let hashes: Uint8Array;
    try {
      const stats = lstatSync(this.hashesPath, { throwIfNoEntry: false });
      // Neither a pipe that would hang us nor a file of any size is read.
      if (!stats?.isFile() || stats.size !== chunkCountOf(this.options.sizeBytes) * hashBytes)
        return undefined;
      hashes = readFileSync(this.hashesPath);
    } catch (error) {
      throw this.failed("read", this.hashesPath, error);
    }
    const root = Buffer.from(rootOfChunkHashes(hashes)).toString("hex");
    return root === this.options.root ? hashes : undefined;
  }

  saveChunkHashes(hashes: Uint8Array): void {
    try {
      // Over what may lie there, not into it: a link must not lead the bytes elsewhere.
      removeIfThere(this.hashesPath);
      writeFileSync(this.hashesPath, hashes, { flag: "wx", mode: 0o600 });
    } catch (error) {
      throw this.failed("write", this.hashesPath, error);
    }
  }

  /**
   * Makes the complete partial file the target: on disk before it has the name, and in place of another file
   * only with `replace`. Throws WouldOverwriteError, or LocalIoError; the partial file is kept then.
   */
  complete(replace: boolean): void {
    const { target } = this.options;
    try {
      fsyncSync(this.fd);
      if (replace) renameSync(this.path, target);
      else this.renameWithoutReplacing();
      syncFolder(dirname(target));
    } catch (error) {
      if (error instanceof WouldOverwriteError) throw error;
      throw this.failed("complete", target, error);
    }
    // The last name of the content must not be taken for an empty partial file by `close`.
    this.closed = true;
    closeSync(this.fd);
    removeIfThere(this.path);
    removeIfThere(this.hashesPath);
    this.lock.release();
  }

  /** Lets go of the file and keeps it for the next run, unless there is nothing in it. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { size } = fstatSync(this.fd);
    closeSync(this.fd);
    try {
      if (size > 0) return;
      removeIfThere(this.path);
      removeIfThere(this.hashesPath);
    } catch {
      // Why the download ends is what the user is to hear; the next one stumbles over what is left and says so.
    } finally {
      this.lock.release();
    }
  }

  private prepare(folder: string): void {
    const { sizeBytes, checkSpace } = this.options;
    const { size, blocks } = fstatSync(this.fd);
    if (size > sizeBytes) ftruncateSync(this.fd, sizeBytes);
    if (!checkSpace) return;
    const { bavail, bsize } = statfsSync(folder);
    // What is there already has its room. (Windows does not count blocks.)
    const neededBytes = sizeBytes - Math.min(sizeBytes, blocks * 512 || 0);
    const freeBytes = bavail * bsize;
    // File systems round up and keep books: a chunk's worth is not worth a refusal.
    if (neededBytes <= freeBytes || neededBytes < chunkBytes) return;
    if (size === 0) removeIfThere(this.path);
    throw new LocalIoError(
      `needs ${formatBytes(neededBytes)}, but only ${formatBytes(freeBytes)} are free in ${printable(folder)}`,
    );
  }

  /** A hard link fails where a name exists already; a rename would replace it. */
  private renameWithoutReplacing(): void {
    const { target } = this.options;
    try {
      linkSync(this.path, target);
      return;
    } catch (error) {
      const code = systemCode(error);
      if (code === "EEXIST") throw wouldOverwrite(target);
      if (!["EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK"].includes(code ?? "")) throw error;
    }
    // A file system without hard links (FAT, some network shares): look first. Somebody who makes the file in
    // this very moment loses it; there is nothing better to be had there.
    if (exists(target)) throw wouldOverwrite(target);
    renameSync(this.path, target);
  }

  private failed(verb: string, path: string, error: unknown): LocalIoError {
    return new LocalIoError(`cannot ${verb} ${printable(path)}: ${reasonOf(error)}`, { cause: error });
  }
}

export function wouldOverwrite(target: string): WouldOverwriteError {
  return new WouldOverwriteError(
    `${printable(target)} is there already and is a different file; --force replaces it, -o writes elsewhere`,
  );
}

function openPart(path: string): number {
  // O_NOFOLLOW and O_NONBLOCK: a link or a pipe somebody put there is refused instead of followed or waited for.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    const fd = openSync(path, flags, fileMode);
    const stats = fstatSync(fd);
    if (stats.isFile() && stats.nlink === 1) return fd;
    closeSync(fd);
    if (stats.isFile()) {
      // Another name of some file: what we write must not end up in that one.
      unlinkSync(path);
      return openSync(path, flags | constants.O_EXCL, fileMode);
    }
  } catch (error) {
    throw new LocalIoError(`cannot write ${printable(path)}: ${reasonOf(error)}`, { cause: error });
  }
  throw new LocalIoError(`cannot write ${printable(path)}: it is no regular file`);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

/** A new name is on disk only when its folder is. Not every system lets a folder be opened: then it is its own. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A download on disk that is not complete yet: `.p2p-<first 16 of root>.part` in the target's folder, with its
 * chunk hashes beside it, and how it becomes the target. What is in it is not believed: the chunk hashes are
 * checked against the root and the chunks against the hashes whenever a download goes on, so there is no state
 * that could lie.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { chunkCountOf } from "../content/chunks.ts";
import { hashBytes, rootOfChunkHashes } from "../content/merkle.ts";
import { LocalIoError, reasonOf, systemCode, WouldOverwriteError } from "../errors.ts";
import { printable } from "../printable.ts";
import { readRegularFile, writeNewFile } from "../private-file.ts";
import { ProcessLock } from "../process-lock.ts";
import { partialPrefix } from "../wire/file-name.ts";
import { checkRoom, syncFolder } from "./disk.ts";
import { giveName } from "./give-name.ts";
import { openPart, partMode } from "./open-part.ts";
import { WalkedFolder } from "./walked-folder.ts";

/** Of the complete file, less the umask. Not executable: a download is no program. */
const completeMode = 0o666;

export interface PartialFileOptions {
  /** Where the complete file goes; its folder exists, and no link is followed on the way to it. */
  target: string;
  /** 64 hex digits. */
  root: string;
  sizeBytes: number;
  /** Refuse at once what cannot fit. */
  checkSpace: boolean;
}

export class PartialFile {
  /** For people. */
  readonly path: string;
  private readonly partPlace: string;
  private readonly hashesPlace: string;
  private closed = false;
  private isComplete = false;

  private constructor(
    private readonly options: PartialFileOptions,
    /** Open for reading and writing. */
    readonly fd: number,
    private readonly lock: ProcessLock,
    /** The folder, for as long as something is to be done in it. */
    private readonly walked: WalkedFolder,
  ) {
    this.path = `${baseOf(options.target, options.root)}.part`;
    this.partPlace = walked.placeOf(this.path);
    this.hashesPlace = walked.placeOf(this.hashesPath);
  }

  /** Throws LocalIoError: no permission, no room, or another process downloads the same content there. */
  static open(options: PartialFileOptions): PartialFile {
    const walked = new WalkedFolder();
    try {
      return PartialFile.openIn(walked, options);
    } catch (error) {
      walked.close();
      throw error;
    }
  }

  private static openIn(walked: WalkedFolder, options: PartialFileOptions): PartialFile {
    const folder = dirname(options.target);
    const base = baseOf(options.target, options.root);
    const lock = ProcessLock.acquire(
      placeIn(walked, `${base}.lock`),
      `downloading this content to ${printable(folder)}`,
      { shown: `${base}.lock` },
    );
    try {
      const fd = openPart(walked.placeOf(`${base}.part`), `${base}.part`);
      const partial = new PartialFile(options, fd, lock, walked);
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

  private get hashesPath(): string {
    return `${baseOf(this.options.target, this.options.root)}.hashes`;
  }

  /** How many chunks may be on disk already: to be checked, not believed. */
  get chunksOnDisk(): number {
    return chunkCountOf(Math.min(fstatSync(this.fd).size, this.options.sizeBytes));
  }

  /** The chunk hashes of an earlier run, or undefined when there are none or they do not add up to the root. */
  readChunkHashes(): Uint8Array | undefined {
    const expectedBytes = chunkCountOf(this.options.sizeBytes) * hashBytes;
    let hashes: Uint8Array | undefined;
    try {
      hashes = readRegularFile(this.hashesPlace, expectedBytes);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw this.failed("read", this.hashesPath, error);
    }
    if (hashes?.length !== expectedBytes) return undefined;
    const root = Buffer.from(rootOfChunkHashes(hashes)).toString("hex");
    return root === this.options.root ? hashes : undefined;
  }

  saveChunkHashes(hashes: Uint8Array): void {
    // Whole or not at all, over what may lie there and not into it. Of a run that was cut short one is left at most.
    const draft = `${this.hashesPlace}.new`;
    removeQuietly(draft);
    try {
      writeNewFile(draft, hashes);
      renameSync(draft, this.hashesPlace);
    } catch (error) {
      removeQuietly(draft);
      throw this.failed("write", this.hashesPath, error);
    }
  }

  /**
   * Makes the complete partial file the target: on disk before it has the name, and in place of another file
   * only with `replace`. Throws WouldOverwriteError, or LocalIoError; the partial file is kept then. The file stays
   * open until `close`.
   */
  complete(replace: boolean): void {
    const { target } = this.options;
    try {
      const place = this.walked.placeOf(target);
      fsyncSync(this.fd);
      fchmodSync(this.fd, completeMode & ~process.umask());
      if (replace) renameSync(this.partPlace, place);
      else if (!giveName(this.partPlace, place)) throw wouldOverwrite(target);
      syncFolder(dirname(place));
    } catch (error) {
      fchmodSync(this.fd, partMode);
      if (error instanceof WouldOverwriteError) throw error;
      throw this.failed("complete", target, error);
    }
    this.isComplete = true;
    removeIfThere(this.partPlace);
    removeIfThere(this.hashesPlace);
    this.lock.release();
  }

  /** Of an earlier run, unchecked. */
  static bytesOnDisk(target: string, root: string): number {
    try {
      return lstatSync(`${baseOf(target, root)}.part`).size;
    } catch {
      // None, or it cannot be looked at: then it cannot be gone on with either.
      return 0;
    }
  }

  /**
   * Removes what an earlier run left that was killed between giving the file its name and tidying up. Not while
   * somebody is downloading that content into that folder.
   */
  static tidyUp(target: string, root: string): void {
    const base = baseOf(target, root);
    if (exists(`${base}.lock`)) return;
    removeQuietly(`${base}.part`);
    removeQuietly(`${base}.hashes`);
  }

  /** Lets go of the lock and not of the file, which a thread that cannot be ended may still write to. */
  abandon(): void {
    if (this.closed) return;
    this.closed = true;
    this.lock.release();
    this.walked.close();
  }

  /** Lets go of the file and keeps it for the next run, unless there is nothing in it. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { size } = fstatSync(this.fd);
    closeSync(this.fd);
    try {
      // What has its name now is nobody's partial file any more, empty or not.
      if (this.isComplete || size > 0) return;
      removeIfThere(this.partPlace);
      removeIfThere(this.hashesPlace);
    } catch {
      // Why the download ends is what the user is to hear; the next one stumbles over what is left and says so.
    } finally {
      this.lock.release();
      this.walked.close();
    }
  }

  private prepare(folder: string): void {
    const { sizeBytes, checkSpace } = this.options;
    const { size, blocks } = fstatSync(this.fd);
    if (size > sizeBytes) ftruncateSync(this.fd, sizeBytes);
    if (!checkSpace) return;
    // What is there already has its room. (Windows does not count blocks.)
    try {
      checkRoom(dirname(this.partPlace), sizeBytes - Math.min(sizeBytes, blocks * 512 || 0), folder);
    } catch (error) {
      if (size === 0) removeIfThere(this.partPlace);
      throw error;
    }
  }

  private failed(verb: string, path: string, error: unknown): LocalIoError {
    return new LocalIoError(`cannot ${verb} ${printable(path)}: ${reasonOf(error)}`, { cause: error });
  }
}

function baseOf(target: string, root: string): string {
  return join(dirname(target), `${partialPrefix}${root.slice(0, 16)}`);
}

export function wouldOverwrite(target: string): WouldOverwriteError {
  return new WouldOverwriteError(
    `${printable(target)} is there already and is a different file; --force replaces it, -o writes elsewhere`,
  );
}

/** The first that is done in the folder. */
function placeIn(walked: WalkedFolder, path: string): string {
  try {
    return walked.placeOf(path);
  } catch (error) {
    throw new LocalIoError(`cannot write to the folder ${printable(dirname(path))}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** For what is of no use any more: the failure that matters is another one. */
function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there, or stays.
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

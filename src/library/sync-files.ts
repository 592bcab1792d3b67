/**
 * Brings what was written to many files to the disk: all of a file system at once where Linux can be relied on for it
 * (`syncfs`), with one wait for the disk instead of one a file; elsewhere, and for a few files, one after the other.
 */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, constants, fstatSync, fsyncSync, openSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";

/** For fewer files it is not worth waiting for what others have written. */
const worthAll = 8;

/** The call and where it may be used, in one thread; for tests, something else in its place. */
export interface SyncAll {
  /** `syncfs(2)`: 0, or -1 when anything of the file system was lost since the last time. */
  call(fd: number): number;
  /** Whether it tells what was lost on the file system of this folder. */
  isReliable(folder: string): boolean;
  /**
   * Devices on which it has failed. A loss is told once: it may have been one of files that are asked for later, and
   * from then on only they still know. (Of one that was told to another program just before, they alone would know too;
   * that is not noticed.)
   */
  readonly failed: Set<number>;
}

/** Throws the system's error of the first that cannot be synced. */
export function syncFiles(paths: readonly string[], syncAll?: SyncAll): void {
  const all = paths.length < worthAll ? undefined : (syncAll ?? ofThisThread());
  const left = all === undefined ? paths : pathsLeft(paths, all);
  for (const path of left) withOpen(path, constants.O_RDONLY, fsyncSync);
}

/** Syncs file systems; returns the paths on those where that cannot be done, or has failed. */
function pathsLeft(paths: readonly string[], all: SyncAll): string[] {
  const devices = new Map<number, boolean>();
  const folders = new Map<string, boolean>();
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    folders.set(folder, isFolderSynced(folder, devices, all));
  }
  return paths.filter((path) => folders.get(dirname(path)) !== true);
}

/** `devices`: which of those seen so far are synced. */
function isFolderSynced(folder: string, devices: Map<number, boolean>, all: SyncAll): boolean {
  try {
    return withOpen(folder, constants.O_RDONLY | constants.O_DIRECTORY, (fd) => {
      const { dev } = fstatSync(fd);
      const isSynced = devices.get(dev) ?? syncDevice(fd, dev, folder, all);
      devices.set(dev, isSynced);
      return isSynced;
    });
  } catch {
    // A folder that cannot be opened: what that means for its files, they tell.
    return false;
  }
}

function syncDevice(fd: number, dev: number, folder: string, all: SyncAll): boolean {
  if (all.failed.has(dev) || !all.isReliable(folder)) return false;
  if (all.call(fd) === 0) return true;
  all.failed.add(dev);
  return false;
}

function withOpen<Result>(path: string, flags: number, use: (fd: number) => Result): Result {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

// --- the call of the system ---

/**
 * By the numbers of statfs(2). Those that write to a disk of this machine by themselves, and note for the whole file
 * system what was lost; of tmpfs nothing can be. Missing on purpose: FUSE, where the call may do nothing and return 0;
 * what is on another machine; overlayfs, which does not hear what the file system below it has lost.
 */
const reliable: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
]);

/** Any doubt is a no. */
export function isReliable(folder: string): boolean {
  try {
    return reliable.has(statfsSync(folder).type);
  } catch {
    // Whatever the reason, nothing is known of the file system, which is what the caller asks.
    return false;
  }
}

/** Linux before 5.8 returned 0 whatever had been lost (syncfs(2), "Versions"). */
export function tellsLosses(release: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release)?.map(Number) ?? [];
  return major !== undefined && minor !== undefined && (major > 5 || (major === 5 && minor >= 8));
}

/** Undefined where there is none; null before it is looked for. */
let found: SyncAll | undefined | null = null;

function ofThisThread(): SyncAll | undefined {
  if (found === null) found = lookUp();
  return found;
}

function lookUp(): SyncAll | undefined {
  if (process.platform !== "linux" || !tellsLosses(release())) return undefined;
  try {
    const { symbols } = dlopen("libc.so.6", {
      syncfs: { args: [FFIType.i32], returns: FFIType.i32 },
    });
    return { call: (fd) => Number(symbols.syncfs(fd)), isReliable, failed: new Set() };
  } catch {
    // Nothing opens by that name, or memory may not be made executable.
    return undefined;
  }
}

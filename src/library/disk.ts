/** What a folder's disk has room for, which names it takes, and names that are on it for good. */
import { closeSync, constants, fsyncSync, openSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import { formatBytes } from "../output/format.ts";
import { printable } from "../printable.ts";
import { chunkBytes } from "../wire/limits.ts";

/**
 * Throws LocalIoError when the disk seems to have no room for so much more, or the folder has gone. `shown`: what people
 * know it by.
 */
export function checkRoom(folder: string, neededBytes: number, shown = folder): void {
  const freeBytes = freeBytesOf(folder, shown);
  // File systems round up and keep books: a chunk's worth is not worth a refusal.
  if (neededBytes <= freeBytes || neededBytes < chunkBytes) return;
  throw new LocalIoError(
    `needs ${formatBytes(neededBytes)}, but only ${formatBytes(freeBytes)} are free in ${printable(shown)}`,
  );
}

function freeBytesOf(folder: string, shown: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch (error) {
    throw new LocalIoError(`cannot write to the folder ${printable(shown)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** By the numbers of statfs(2): FAT, exFAT, NTFS, and what another machine shares as Windows does. */
const windowsDisks: ReadonlySet<number> = new Set([
  0x4d44, 0x2011bab0, 0x5346544e, 0x7366746e, 0x517b, 0xff534d42, 0xfe534d42,
]);

/**
 * Whose rules names have to keep below `folder`, which need not be there yet: on a disk of Windows those of Windows,
 * whatever runs here. Who has it next, or the disk itself, takes `CON` for a device and `a.` for `a`.
 */
export function rulesOfNames(folder: string, diskOf = diskTypeOf): NodeJS.Platform {
  const type = diskOf(folder);
  return type !== undefined && windowsDisks.has(type) ? "win32" : process.platform;
}

/** Undefined when it cannot be told. */
function diskTypeOf(folder: string): number | undefined {
  for (let path = resolve(folder); ; path = dirname(path)) {
    try {
      return statfsSync(path).type >>> 0;
    } catch (error) {
      // Still to be made, as the folders above it may be.
      if (systemCode(error) !== "ENOENT" || dirname(path) === path) return undefined;
    }
  }
}

/**
 * A new name is on disk only when its folder is. Where a folder cannot be opened (Windows; one that may be written but
 * not read) or synced, the name is there all the same, and when it reaches the disk is up to the system.
 */
export function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY);
  } catch {
    return;
  }
  try {
    fsyncSync(fd);
  } catch (error) {
    if (systemCode(error) === "EIO") throw error;
  } finally {
    closeSync(fd);
  }
}

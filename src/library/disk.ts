/** What a folder's disk has room for, and names that are on it for good. */
import { closeSync, constants, fsyncSync, openSync, statfsSync } from "node:fs";
import { LocalIoError, systemCode } from "../errors.ts";
import { formatBytes } from "../output/format.ts";
import { printable } from "../printable.ts";
import { chunkBytes } from "../wire/limits.ts";

/** Throws LocalIoError when the disk seems to have no room for so much more. `folder` exists. */
export function checkRoom(folder: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  // File systems round up and keep books: a chunk's worth is not worth a refusal.
  if (neededBytes <= freeBytes || neededBytes < chunkBytes) return;
  throw new LocalIoError(
    `needs ${formatBytes(neededBytes)}, but only ${formatBytes(freeBytes)} are free in ${printable(folder)}`,
  );
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

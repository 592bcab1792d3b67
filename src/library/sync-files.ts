/**
 * Brings what was written to many files to the disk. On Linux with glibc all of a file system at once (`syncfs`): one
 * wait for the disk instead of one a file. Elsewhere, and for a few files, one after the other.
 */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, constants, fstatSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** For fewer files it is not worth waiting for what others have written. */
const worthAll = 8;

type SyncAll = (fd: number) => number;

let call: SyncAll | undefined | null = null;

/** Throws the system's error of the first that cannot be synced. */
export function syncFiles(paths: readonly string[]): void {
  if (call === null) call = lookUp();
  if (call === undefined || paths.length < worthAll) {
    for (const path of paths) withOpen(path, constants.O_RDONLY, fsyncSync);
    return;
  }
  const folders = new Map(paths.map((path) => [dirname(path), path]));
  const synced = new Set<number>();
  for (const [folder, path] of folders) {
    withOpen(folder, constants.O_RDONLY | constants.O_DIRECTORY, (fd) => {
      const { dev } = fstatSync(fd);
      if (synced.has(dev)) return;
      synced.add(dev);
      // Which error it was is said by a file of those.
      if (call?.(fd) !== 0) withOpen(path, constants.O_RDONLY, fsyncSync);
    });
  }
}

function withOpen(path: string, flags: number, use: (fd: number) => void): void {
  const fd = openSync(path, flags);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function lookUp(): SyncAll | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const { symbols } = dlopen("libc.so.6", {
      syncfs: { args: [FFIType.i32], returns: FFIType.i32 },
    });
    return (fd) => Number(symbols.syncfs(fd));
  } catch {
    // Another C library, or memory may not be made executable.
    return undefined;
  }
}

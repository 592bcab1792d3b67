/**
 * When a ctime that is still the same proves that nobody wrote to a file, also while no peer was running. Comparing
 * the times is the business of others.
 *
 * The kernel sets ctime from its clock at every write, and at every other change of the file, also when the mtime is
 * set back; no system call sets it to anything else. So it stays only when a write hides in the same tick of that clock
 * (`ctimeShowsWritesAfter`), or when the file system does not keep to this (`keepsCtime`). Another file that comes to
 * the same numbers, on a tmpfs after a restart of the machine say, has a ctime of its own. What is left:
 *
 * - Writes through a shared mapping move it when they make a clean page dirty: not again until the page has been
 *   written to the disk, about 30 s. On tmpfs, which has no disk, only a page's first access through a mapping that
 *   can write may move it, and what is written there later goes unnoticed.
 * - After a power cut the writes of the last seconds may be on the disk without their times (those of the last day,
 *   when it was mounted with `lazytime`).
 * - The clock of the machine is set back, and a write hits the very nanosecond of the earlier ctime.
 * - What changes on a failing disk has no time.
 *
 * All but the power cut is hidden from a running peer just as well. It is accepted because nobody gets a wrong file by
 * it: a downloader checks every chunk, drops who sent a wrong one, and fetches it from others or fails. Changing the
 * mode of the file is enough to have it checked here again.
 */
import { statfsSync } from "node:fs";
import type { FileIdentity } from "./file-identity.ts";

/**
 * The clock that ctime is taken from stands still for a tick: up to 10 ms, and longer in a virtual machine that is not
 * let run. Less than files are left in peace before they are hashed (`--settle`), or none of those would be trusted.
 */
const tickMs = 500;
/** What ext2 and ext3 keep of it, and ext4 in small inodes. */
const wholeSecondNs = 1_000_000_000n;

/**
 * Whether whatever is written after `wallClockMs`, when the file had this identity, shows in its ctime. A time in the
 * future proves nothing.
 */
export function ctimeShowsWritesAfter(wallClockMs: number, { ctimeNs }: FileIdentity): boolean {
  const isCoarse = ctimeNs % wholeSecondNs === 0n;
  const passedNs = BigInt(Math.floor(wallClockMs - tickMs)) * 1_000_000n - ctimeNs;
  return passedNs >= (isCoarse ? wholeSecondNs : 0n);
}

/**
 * By the numbers of statfs(2), which Linux alone has. Each was seen to move ctime with every kind of write but those
 * above. Missing on purpose: what is on another machine, which has its own clock and writers (NFS, SMB, 9p, virtiofs);
 * FUSE, where ctime is whatever a program makes it; FAT and exFAT, which have none; and those nobody has tried.
 */
const linuxFileSystems: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs: has the times of the file below, and a new one once that has been copied up
]);

/** Whether `path` is on a file system where every write moves ctime. Any doubt is a no. */
export function keepsCtime(path: string): boolean {
  if (process.platform !== "linux") return false;
  try {
    return linuxFileSystems.has(statfsSync(path).type);
  } catch {
    // Whatever the reason, nothing is known of the file system, which is what the caller asks.
    return false;
  }
}

/**
 * Small files of ours in a folder that others may write to as well: never written through what somebody put in their
 * place, never waited for. What is in them is not believed either; that is the business of who reads them.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  read,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { UsageError } from "./errors.ts";
import { printable } from "./printable.ts";

const ownerOnly = 0o600;
const othersBits = 0o077;
const othersWriteBits = 0o022;
/** For one that is to be new. */
export const newFileFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Makes a new file and throws EEXIST when anything, also a link that leads nowhere, has the name. On disk when it
 * returns.
 */
export function writeNewFile(path: string, bytes: Uint8Array): void {
  writeAndClose(openSync(path, newFileFlags, ownerOnly), bytes, { sync: true });
}

/** All of a new file, which is closed in any case. Throws the system's error. */
export function writeAndClose(fd: number, bytes: Uint8Array, { sync }: { sync: boolean }): void {
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
    if (sync) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * The bytes of a regular file of at most `maxBytes`, or undefined for anything else: a link, a pipe, a larger file.
 * Throws the system's error when it is not there or cannot be read.
 */
export function readRegularFile(path: string, maxBytes: number): Uint8Array | undefined {
  return readChecked(path, maxBytes, () => {});
}

/**
 * As `readRegularFile`, for what nobody else may know: throws a UsageError that names the file when it is another
 * user's, or when others may read or change it.
 */
export function readSecretFile(path: string, maxBytes: number): Uint8Array | undefined {
  return readChecked(path, maxBytes, ({ mode, uid }) => {
    // Windows has neither.
    const user = process.getuid?.();
    if (user === undefined) return;
    const shown = printable(path, 500);
    if (uid !== user) throw new UsageError(`${shown} holds a secret and belongs to another user`);
    if ((mode & othersBits) !== 0) {
      const bits = (mode & 0o777).toString(8).padStart(4, "0");
      throw new UsageError(`${shown} holds a secret that others may read (mode ${bits}): chmod 600 it`);
    }
  });
}

/** A descriptor that this process was started with, as shells name it (`<(command)`, `/dev/fd/3`, `/dev/stdin`). */
const descriptorPath = /^\/(?:dev|proc\/self)\/fd\/(\d{1,6})$/;

/** Undefined when the path names none. */
export function descriptorOf(path: string): number | undefined {
  const [, number] = descriptorPath.exec(path === "/dev/stdin" ? "/dev/fd/0" : path) ?? [];
  return number === undefined ? undefined : Number(number);
}

/**
 * All that can be read from a descriptor, which may be a pipe that others write to when they please: who may read it is
 * the business of whoever opened it. Undefined when there is more than `maxBytes`. Rejects with the system's error.
 */
export async function readDescriptor(fd: number, maxBytes: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(maxBytes + 1);
  let filled = 0;
  while (filled < bytes.length) {
    // Not `readSync`: a signal would not be heard before the other side has written.
    const { bytesRead } = await readSome(fd, bytes, filled, bytes.length - filled, null);
    if (bytesRead === 0) return bytes.subarray(0, filled);
    filled += bytesRead;
  }
  return undefined;
}

const readSome = promisify(read);

/**
 * Throws a UsageError when others may put files of their own in the place of those in the folder, if it is there: who
 * this machine is, and whom it believes, would be theirs to say.
 */
export function refuseSharedFolder(path: string): void {
  if (!isWrittenByOthers(path)) return;
  throw new UsageError(
    `others may write to ${printable(path, 500)}, which holds secrets of private networks: chmod go-w it, as its owner`,
  );
}

/** False for what is not there. */
export function isWrittenByOthers(path: string): boolean {
  const user = process.getuid?.();
  const stats = statSync(path, { throwIfNoEntry: false });
  if (user === undefined || stats === undefined) return false;
  return (stats.mode & othersWriteBits) !== 0 || (stats.uid !== user && stats.uid !== 0);
}

function readChecked(path: string, maxBytes: number, check: (stats: Stats) => void): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // ELOOP: a link.
    if (error instanceof Error && "code" in error && error.code === "ELOOP") return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return undefined;
    check(stats);
    if (stats.size > maxBytes) return undefined;
    const bytes = new Uint8Array(stats.size);
    let filled = 0;
    while (filled < bytes.length) {
      const read = readSync(fd, bytes, filled, bytes.length - filled, filled);
      if (read === 0) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(fd);
  }
}

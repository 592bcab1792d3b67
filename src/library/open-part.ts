/** The file into which a download goes, opened so that nobody else can write to it. */
import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from "node:fs";
import { LocalIoError, reasonOf } from "../errors.ts";
import { printable } from "../printable.ts";

/** While it is not complete nobody else may write to what has been verified. */
export const partMode = 0o600;

/**
 * Opens the part of an earlier run, or makes one. What is there is gone on with only when nobody else can write to
 * it: a regular file of ours, under this one name, that neither group nor others may write to. `shown`: what people know
 * the place by. Throws LocalIoError.
 */
export function openPart(place: string, shown: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (stats !== undefined && !stats.isFile()) throw new Error("it is no regular file");
    if (stats !== undefined) {
      const fd = openSync(place, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
      if (isOurs(fd)) return fd;
      closeSync(fd);
      unlinkSync(place);
    }
    return openSync(place, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, partMode);
  } catch (error) {
    throw new LocalIoError(`cannot write ${printable(shown)}: ${reasonOf(error)}`, { cause: error });
  }
}

function isOurs(fd: number): boolean {
  const { uid, mode, nlink } = fstatSync(fd);
  // Windows has neither owners nor modes of this kind.
  if (process.getuid === undefined) return nlink === 1;
  return nlink === 1 && uid === process.getuid() && (mode & 0o022) === 0;
}

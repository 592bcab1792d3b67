/**
 * The folder DIR itself and those in it: opening it, telling whether it is still the same one, and whether files
 * that are missing were deleted or are on a disk that is not there.
 */
import {
  accessSync,
  type BigIntStats,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { LocalIoError, reasonOf } from "../errors.ts";
import { printable } from "../printable.ts";
import { isAbsence } from "./inspect.ts";

/** The real path of the folder, which is made when missing: a watcher does not look through a link. */
export function openFolder(folder: string): string {
  try {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(folder, { recursive: true });
    else if (!found.isDirectory()) throw new Error("it is no folder");
    const root = realpathSync(folder);
    readdirSync(root);
    return root;
  } catch (error) {
    throw new LocalIoError(`cannot share ${printable(folder)}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Throws when the way to the folder, which `openFolder` returned, leads through a link now: what is there is another one. */
export function refuseLinkTo(root: string): void {
  if (realpathSync(root) !== root) throw new Error("a symbolic link has taken its place");
}

/** Tells one folder from another of the same name (or of another disk); undefined when there is none. */
export function folderIdentity(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/**
 * Whether `name`, which was on the device `dev` and is missing, has been deleted: the folder it was in (or the one
 * that was in) is there, can be read, and is on that device.
 */
export function isGoneFrom(root: string, name: string, dev: bigint): boolean {
  return isSoOfFolderAbove(root, name, (path, stats) => {
    accessSync(path, constants.R_OK | constants.X_OK);
    return stats.dev === dev;
  });
}

/**
 * Whether a name has been deleted of which the device is not known: a folder that can be read and is not empty has
 * lost it. An empty one may be where a disk belongs. Each folder is looked at once.
 */
export function goneFiles(root: string): (name: string) => boolean {
  const answers = new Map<string, boolean>();
  return (name) => {
    // What is there and not ours may be that of another peer, which shares a dot-folder in here.
    if (existsSync(join(root, name))) return false;
    const folder = folderOf(name);
    let answer = answers.get(folder);
    if (answer === undefined) {
      answer = isSoOfFolderAbove(root, name, (path) => readdirSync(path).length > 0);
      answers.set(folder, answer);
    }
    return answer;
  };
}

/** Asks about the lowest folder above `name` that is there; false when there is none or it cannot be looked at. */
function isSoOfFolderAbove(
  root: string,
  name: string,
  isSo: (path: string, stats: BigIntStats) => boolean,
): boolean {
  let folder = name;
  do {
    folder = folderOf(folder);
    const path = join(root, folder);
    try {
      const stats = lstatSync(path, { bigint: true });
      if (stats.isDirectory()) return isSo(path, stats);
    } catch (error) {
      if (!isAbsence(error)) return false;
    }
  } while (folder !== "");
  return false;
}

function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

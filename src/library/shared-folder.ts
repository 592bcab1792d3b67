/** The folder DIR itself: opening it, and telling whether it is still the same one. */
import { mkdirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { LocalIoError, reasonOf } from "../errors.ts";
import { printable } from "../printable.ts";

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

/** Tells one folder from another of the same name; undefined when there is none. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** A finished file gets its name, unless something else has it. */
import { linkSync, lstatSync, renameSync } from "node:fs";
import { systemCode } from "../errors.ts";

/** What a file system without hard links says of one. */
const noLinks = new Set(["EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK"]);

/**
 * False when something has the name: a hard link fails then, where a rename would replace it. The name that the file had
 * before may stay, and is the caller's to remove. Throws the system's error.
 */
export function giveName(path: string, name: string): boolean {
  try {
    linkSync(path, name);
    return true;
  } catch (error) {
    const code = systemCode(error) ?? "";
    if (code === "EEXIST") return false;
    if (!noLinks.has(code)) throw error;
  }
  // A file system without hard links (FAT, some network shares): look first. Somebody who makes the file in this very
  // moment loses it; there is nothing better to be had there.
  if (lstatSync(name, { throwIfNoEntry: false }) !== undefined) return false;
  renameSync(path, name);
  return true;
}

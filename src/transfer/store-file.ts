/**
 * A whole file of at most one chunk, verified and in memory, to its place: on disk before it has its name, and nothing
 * else replaced. There is no partial file: what is not there as a whole is fetched again.
 */
import { linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { reasonOf, systemCode } from "../errors.ts";
import { readRegularFile, writeNewFile } from "../library/private-file.ts";
import { partialPrefix } from "../wire/file-name.ts";

export interface FileToStore {
  /** 64 hex digits. */
  root: string;
  sizeBytes: number;
  /** Absolute; its folder exists. */
  path: string;
  /** Another file there is replaced. */
  replace: boolean;
}

/** Why one file could not be stored while others may. */
export type StoreFailure = { kind: "different" } | { kind: "failed"; reason: string };

/** Nothing more can be stored: no sense in fetching the others. */
const hopeless = new Set(["ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE"]);
/** What a file system without hard links says of one. */
const noLinks = new Set(["EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK"]);
/** Less the umask. Not executable: a download is no program. */
const fileMode = 0o666;

/** Drafts end in `draftSuffix`; this in between tells those of one thread from all others. */
const thread = crypto.randomUUID().slice(0, 8);
export const draftSuffix = ".draft";

/** Throws the system's error when nothing more can be stored. */
export function storeFile(file: FileToStore, bytes: Uint8Array): StoreFailure | undefined {
  const draft = join(dirname(file.path), `${partialPrefix}${file.root.slice(0, 16)}-${thread}${draftSuffix}`);
  try {
    writeNewFile(draft, bytes, fileMode);
    const isNamed = file.replace ? rename(draft, file.path) : link(draft, file.path);
    // Somebody else may have fetched it in the meantime.
    return isNamed || holds(file.path, bytes) ? undefined : { kind: "different" };
  } catch (error) {
    if (hopeless.has(systemCode(error) ?? "")) throw error;
    return { kind: "failed", reason: reasonOf(error) };
  } finally {
    removeQuietly(draft);
  }
}

function rename(draft: string, path: string): boolean {
  renameSync(draft, path);
  return true;
}

/** False when something has the name: a hard link fails then, where a rename would replace it. */
function link(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    const code = systemCode(error) ?? "";
    if (code === "EEXIST") return false;
    if (!noLinks.has(code)) throw error;
    // Look first: there is nothing better to be had there (see PartialFile).
    return lstatSync(path, { throwIfNoEntry: false }) === undefined && rename(draft, path);
  }
}

function holds(path: string, bytes: Uint8Array): boolean {
  const there = readRegularFile(path, bytes.length);
  return there !== undefined && Buffer.compare(there, bytes) === 0;
}

/** Named or not: the draft is of no use any more. */
function removeQuietly(draft: string): void {
  try {
    unlinkSync(draft);
  } catch {
    // Renamed, or never made.
  }
}

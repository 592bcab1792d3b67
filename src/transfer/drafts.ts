/**
 * Small files between being fetched and being there: a draft is a whole, verified file under a name of our own, in the
 * folder where it belongs. It gets its name when it is on the disk, and nothing else is replaced by that. There is no
 * partial file: what is not there as a whole is fetched again.
 */
import { renameSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { reasonOf, systemCode } from "../errors.ts";
import { giveName } from "../library/give-name.ts";
import { WalkedFolder } from "../library/walked-folder.ts";
import { newFileFlags, readRegularFile, writeAndClose } from "../private-file.ts";
import { partialPrefix } from "../wire/file-name.ts";
import { chunkBytes } from "../wire/limits.ts";

/** Why one file could not be stored while others may. */
export type StoreFailure = { kind: "different" } | { kind: "failed"; reason: string };

export interface Draft {
  /** Absolute. */
  draft: string;
  /** Absolute, in the same folder. */
  path: string;
  /** Another file there is replaced. */
  replace: boolean;
}

/** Nothing more can be stored: no sense in fetching the others. */
const hopeless = new Set(["ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE"]);
/** Less the umask. Not executable: a download is no program. */
const fileMode = 0o666;

export const draftSuffix = ".draft";
/** What drafts of this run have in their names: nobody else writes to them. */
const run = crypto.randomUUID().slice(0, 8);
/** Requests are counted upwards from 1. */
let emptyFiles = 0;
/** What this thread has just written to: the next draft may belong there as well. */
const walked = new WalkedFolder();

/** `id`: no two drafts of a run have the same. */
export function draftFor(path: string, root: string, id: number): string {
  return join(dirname(path), `${partialPrefix}${root.slice(0, 16)}-${run}-${id}${draftSuffix}`);
}

/** Throws the system's error when nothing more can be stored. */
export function writeDraft(draft: string, bytes: Uint8Array): StoreFailure | undefined {
  try {
    walked.closeSoon();
    const fd = walked.open(dirname(draft), [], basename(draft), newFileFlags, fileMode);
    writeAndClose(fd, bytes, { sync: false });
    return undefined;
  } catch (error) {
    // Else it is somebody else's.
    if (systemCode(error) !== "EEXIST") removeDraft(draft);
    return failureOf(error);
  }
}

/**
 * The draft is on the disk and gets its name; it is gone afterwards, named or not. Throws as `writeDraft` does. `folder`:
 * another one for tests.
 */
export function nameDraft({ draft, path, replace }: Draft, folder = walked): StoreFailure | undefined {
  let isRenamed = false;
  try {
    folder.closeSoon();
    isRenamed = !replace && folder.renameNew(draft, basename(path));
    return isRenamed || nameByPath(folder.placeOf(draft), path, replace) ? undefined : { kind: "different" };
  } catch (error) {
    return failureOf(error);
  } finally {
    if (!isRenamed) removeDraft(draft);
  }
}

/** False when something different has the name. Throws the system's error. */
function nameByPath(from: string, path: string, replace: boolean): boolean {
  // Both are in one folder, and this is the one that the draft was found in.
  const to = `${dirname(from)}/${basename(path)}`;
  if (replace) renameSync(from, to);
  // Somebody else may have fetched it in the meantime.
  return replace || giveName(from, to) || isSame(from, to);
}

/** An empty file has nothing to be fetched or synced. */
export function makeEmptyFile(path: string, root: string, replace: boolean): StoreFailure | undefined {
  const draft = draftFor(path, root, ++emptyFiles);
  try {
    return writeDraft(draft, new Uint8Array(0)) ?? nameDraft({ draft, path, replace });
  } catch (error) {
    return { kind: "failed", reason: reasonOf(error) };
  }
}

export function removeDraft(draft: string): void {
  try {
    unlinkSync(draft);
  } catch {
    // Renamed, or never made.
  }
}

/** The folders that this thread keeps open for the next draft: for one that may be ended before its turn is over. */
export function closeFolders(): void {
  walked.close();
}

function isSame(draft: string, path: string): boolean {
  const ours = readRegularFile(draft, chunkBytes);
  const there = readRegularFile(path, chunkBytes);
  return ours !== undefined && there !== undefined && Buffer.compare(ours, there) === 0;
}

/** Throws the error again when it says that nothing more can be stored. */
export function failureOf(error: unknown): StoreFailure {
  if (hopeless.has(systemCode(error) ?? "")) throw error;
  return { kind: "failed", reason: reasonOf(error) };
}

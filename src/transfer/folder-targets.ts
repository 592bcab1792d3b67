/**
 * Where the files of a folder download go, and which of them are there already. Makes the folders; the names that
 * decide have passed the `FolderPlanner`.
 */
import { lstatSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { LocalIoError, type P2pError, reasonOf } from "../errors.ts";
import { syncFolder } from "../library/disk.ts";
import { HashPool } from "../library/hash-pool.ts";
import { wouldOverwrite } from "../library/partial-file.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import { partialPrefix } from "../wire/file-name.ts";
import type { ListedFile } from "../wire/messages.ts";
import { draftSuffix } from "./drafts.ts";
import { statOf } from "./target.ts";

export interface FolderTarget {
  file: ListedFile;
  /** Absolute. */
  path: string;
  /** As the user would write it. */
  shown: string;
}

/** What the paths in a folder begin with, and what the folder is. */
interface FolderPlace {
  path: string;
  shown: string;
  state: "made" | "there" | P2pError;
}

/** A draft that nobody has touched for so long was left by a process that was killed. */
const abandonedMs = 600_000;

export class FolderTargets {
  /** Absolute path of each folder to the reason why nothing can be written there, or whether it was made now. */
  private readonly folders = new Map<string, "made" | "there" | P2pError>();

  private readonly top: string;
  /** By what a name has before its last part. */
  private readonly places = new Map<string, FolderPlace>();

  /** `output` as the user wrote it. */
  constructor(private readonly output: string) {
    this.top = resolve(output);
  }

  /** Makes the folder of the file. */
  place(file: ListedFile): FolderTarget | P2pError {
    const end = file.name.lastIndexOf("/") + 1;
    const place = this.placeOf(file.name.slice(0, end));
    if (typeof place.state !== "string") return place.state;
    const last = file.name.slice(end);
    return { file, path: place.path + last, shown: place.shown + last };
  }

  private placeOf(folderName: string): FolderPlace {
    const known = this.places.get(folderName);
    if (known !== undefined) return known;
    // With a file in it, of which only the name is taken away again: so there is one way to end a folder, also `.` and `/`.
    const shown = join(this.output, ...folderName.split("/"), "x");
    const path = resolve(shown);
    const place = { path: path.slice(0, -1), shown: shown.slice(0, -1), state: this.stateOf(dirname(path)) };
    this.places.set(folderName, place);
    return place;
  }

  private stateOf(folder: string): "made" | "there" | P2pError {
    const known = this.folders.get(folder);
    if (known !== undefined) return known;
    const above = folder === this.top ? "there" : this.stateOf(dirname(folder));
    const state = typeof above === "string" ? makeFolder(folder, folder === this.top) : above;
    this.folders.set(folder, state);
    if (state === "there") removeAbandoned(folder);
    return state;
  }

  /** What is at the target, without reading it: of the right size it may be the file. */
  look({ file, path }: FolderTarget): "nothing" | "candidate" | "different" | LocalIoError {
    if (this.folders.get(dirname(path)) === "made") return "nothing";
    try {
      const stats = statOf(path);
      if (stats === undefined) return "nothing";
      return stats.isFile() && stats.size === file.sizeBytes ? "candidate" : "different";
    } catch (error) {
      if (error instanceof LocalIoError) return error;
      throw error;
    }
  }

  /** On disk is a name only when its folder is: all those of these files, up to the one that was asked for. */
  sync(stored: Iterable<FolderTarget>): void {
    const { top } = this;
    const folders = new Set([dirname(top)]);
    for (const { path } of stored) {
      for (let folder = dirname(path); !folders.has(folder); folder = dirname(folder)) {
        folders.add(folder);
        if (folder === top) break;
      }
    }
    for (const folder of folders) syncOrSay(folder);
  }
}

/** Which of the candidates hold what they should. Rejects with the signal's reason alone. */
export async function checkContents(
  candidates: readonly FolderTarget[],
  threads: number,
  checked: (target: FolderTarget, found: "same" | "different" | LocalIoError) => void,
  signal: AbortSignal,
): Promise<void> {
  if (candidates.length === 0) return;
  const pool = new HashPool({ threads });
  const all = Promise.withResolvers<void>();
  let left = candidates.length;
  for (const target of candidates) {
    const { path, file, shown } = target;
    pool.add({
      folder: dirname(path),
      path,
      sizeBytes: file.sizeBytes,
      done: (outcome) => {
        if (outcome.kind === "hashed")
          checked(target, outcome.hashes.root === file.root ? "same" : "different");
        else if (outcome.kind === "failed")
          checked(target, new LocalIoError(`cannot read ${printable(shown)}: ${outcome.reason}`));
        else checked(target, "different");
        if (--left === 0) all.resolve();
      },
    });
  }
  try {
    await unlessAborted(all.promise, signal);
  } finally {
    await pool.stop();
  }
}

/** Why a target that holds something else is left alone, or undefined when it is to be replaced. */
export function whyNotReplaced({ path, shown }: FolderTarget, force: boolean): P2pError | undefined {
  try {
    if (statOf(path)?.isDirectory() === true)
      return new LocalIoError(`cannot write ${printable(shown)}: it is a folder`);
  } catch (error) {
    if (error instanceof LocalIoError) return error;
    throw error;
  }
  return force ? undefined : wouldOverwrite(shown);
}

function syncOrSay(folder: string): void {
  try {
    syncFolder(folder);
  } catch (error) {
    throw new LocalIoError(`cannot write to the folder ${printable(folder)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Links above what the user named are theirs; below it strangers choose the names, which must lead nowhere else. */
function makeFolder(folder: string, mayBeLink: boolean): "made" | "there" | P2pError {
  try {
    if (!mayBeLink && lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true)
      return new LocalIoError(`cannot write to ${printable(folder)}: it is a link`);
    return mkdirSync(folder, { recursive: true }) === undefined ? "there" : "made";
  } catch (error) {
    return new LocalIoError(`cannot make the folder ${printable(folder)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function removeAbandoned(folder: string): void {
  let names: string[] = [];
  // What is left does no harm: nobody shares it, and nobody takes it for a file.
  const quietly = (remove: () => void) => {
    try {
      remove();
    } catch {}
  };
  quietly(() => {
    names = readdirSync(folder);
  });
  for (const name of names) {
    if (!name.startsWith(partialPrefix) || !name.endsWith(draftSuffix)) continue;
    const path = join(folder, name);
    quietly(() => {
      if (Date.now() - lstatSync(path).mtimeMs > abandonedMs) unlinkSync(path);
    });
  }
}

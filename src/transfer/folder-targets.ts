/**
 * Where the files of a folder download go, and which of them are there already. Makes the folders; the names that
 * decide have passed the `FolderPlanner`.
 */
import { dirname } from "node:path";
import { LocalIoError, type P2pError, reasonOf } from "../errors.ts";
import { syncFolder } from "../library/disk.ts";
import { HashPool } from "../library/hash-pool.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import type { ListedFile } from "../wire/messages.ts";
import { type Place, PlacesBelow } from "./places-below.ts";
import { statOf } from "./target.ts";

export interface FolderTarget extends Place {
  file: ListedFile;
}

export class FolderTargets {
  private readonly places: PlacesBelow;

  /** `output` as the user wrote it. */
  constructor(output: string) {
    this.places = new PlacesBelow(output);
  }

  /** Makes the folder of the file. */
  place(file: ListedFile): FolderTarget | P2pError {
    const place = this.places.place(file.name);
    return place instanceof Error ? place : { file, ...place };
  }

  /** What is at the target, without reading it: of the right size it may be the file. */
  look({ file, path }: FolderTarget): "nothing" | "candidate" | "different" | LocalIoError {
    if (this.places.isNew(file.name.slice(0, Math.max(0, file.name.lastIndexOf("/"))))) return "nothing";
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
    const { top } = this.places;
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

function syncOrSay(folder: string): void {
  try {
    syncFolder(folder);
  } catch (error) {
    throw new LocalIoError(`cannot write to the folder ${printable(folder)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

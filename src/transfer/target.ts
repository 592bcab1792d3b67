/**
 * Where a download goes, and what is there already. The name that decides is what the user typed, never what
 * the index or a source says.
 */
import { lstatSync, mkdirSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { LocalIoError, type P2pError, reasonOf, systemCode } from "../errors.ts";
import { rulesOfNames } from "../library/disk.ts";
import { hashOneFile } from "../library/hash-one-file.ts";
import { wouldOverwrite } from "../library/partial-file.ts";
import { realPlaceOf } from "../library/walked-folder.ts";
import { printable } from "../printable.ts";
import { lastPart, type SafeName, safeName, safeNameProblem } from "../wire/file-name.ts";
import { type Place, PlacesBelow } from "./places-below.ts";

/**
 * For `p2p query`: the last part of the name in the working folder, or what `-o` says, a file, or a folder when it
 * exists or ends in a slash. Makes missing folders; throws LocalIoError.
 */
export function targetOfQuery(name: string, output: string | undefined): Place {
  if (output === undefined) return checked(nameFor(name, "."));
  const isMeantAsFolder = output.endsWith("/") || output.endsWith(sep) || isFolder(output);
  return checked(isMeantAsFolder ? join(output, nameFor(name, output)) : output);
}

/**
 * For QUERY in the prompt: into the shared folder, under the last part of the name, or under the whole name when
 * the user gave one with a slash. Links in the folder are not followed.
 */
export function targetInFolder(folder: string, name: string): Place {
  const parts = name.split("/").map((part) => nameFor(part, folder));
  const place = new PlacesBelow(folder).place(parts.join("/"));
  if (place instanceof Error) throw place;
  refuseFolder(place);
  return place;
}

/** The last part of `name`, which must be one that can be stored in that folder as it is. */
function nameFor(name: string, folder: string): SafeName {
  const part = lastPart(name);
  const rules = rulesOfNames(folder);
  const safe = safeName(part, rules);
  if (safe === undefined) {
    const problem = safeNameProblem(part, rules);
    throw new LocalIoError(
      `cannot store a file as "${printable(part)}": ${problem}; choose another name with -o`,
    );
  }
  return safe;
}

function checked(shown: string): Place {
  const path = resolve(shown);
  refuseFolder({ shown, path });
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true });
    return { shown, path: realPlaceOf(path) };
  } catch (error) {
    throw new LocalIoError(`cannot make the folder ${printable(folder)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function refuseFolder({ shown, path }: Place): void {
  if (isFolder(path)) throw new LocalIoError(`cannot write ${printable(shown)}: it is a folder`);
}

function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() === true;
}

/** Follows links: what is meant is what the user would open. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw new LocalIoError(`cannot look at ${printable(path)}: ${reasonOf(error)}`, { cause: error });
  }
}

/** What is at the target before the download: nothing, the very content, or something else. */
export async function whatIsThere(
  { path, shown }: Place,
  content: { root: string; sizeBytes: number },
  signal: AbortSignal,
): Promise<"nothing" | "same" | "different"> {
  const stats = statOf(path);
  if (stats === undefined) return "nothing";
  if (!stats.isFile() || stats.size !== content.sizeBytes) return "different";
  const outcome = await hashOneFile(path, stats.size, signal);
  if (outcome.kind === "hashed") return outcome.hashes.root === content.root ? "same" : "different";
  if (outcome.kind !== "failed") return "different";
  throw new LocalIoError(`cannot read ${printable(shown)}, which is there already: ${outcome.reason}`);
}

/** Why a target that holds something else is left alone, or undefined when it is to be replaced. */
export function whyNotReplaced(target: Place, force: boolean): P2pError | undefined {
  const { path, shown } = target;
  try {
    refuseFolder(target);
    if (!force) return wouldOverwrite(shown);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    const isDevice = stats?.isCharacterDevice() === true || stats?.isBlockDevice() === true;
    return isDevice ? new LocalIoError(`cannot write ${printable(shown)}: it is a device`) : undefined;
  } catch (error) {
    if (error instanceof LocalIoError) return error;
    return new LocalIoError(`cannot look at ${printable(shown)}: ${reasonOf(error)}`, { cause: error });
  }
}

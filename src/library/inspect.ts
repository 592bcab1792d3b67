/**
 * What one path of the shared folder is right now: a file to share, a folder, nothing, or something that is not
 * shared and why. The rules of what is shared are here; walking the folder is `scan.ts`.
 */
import { type BigIntStats, lstatSync } from "node:fs";
import { join } from "node:path";
import { reasonOf, systemCode } from "../errors.ts";
import { type FileName, fileName, nameProblem, partialPrefix } from "../wire/file-name.ts";
import { maxContentBytes } from "../wire/limits.ts";
import { type FileIdentity, identityOf } from "./file-identity.ts";

export type Inspected =
  | { kind: "file"; name: FileName; identity: FileIdentity }
  | { kind: "folder" }
  | { kind: "absent" }
  | { kind: "partial" }
  /** `reason` is part of a sentence for the user, and printable. */
  | { kind: "skipped"; reason: string };

const absent: Inspected = { kind: "absent" };
const folder: Inspected = { kind: "folder" };
const partial: Inspected = { kind: "partial" };
const hidden: Inspected = { kind: "skipped", reason: "its name begins with a dot" };

/**
 * The part of the rules that needs the last part of a name only; undefined when there is nothing against it.
 */
export function inspectPart(part: string): Inspected | undefined {
  if (part.startsWith(partialPrefix)) return partial;
  return part.startsWith(".") ? hidden : undefined;
}

/**
 * The path `root/name` itself, links not followed. Trusts that `root/<folder of name>` is a folder inside `root`
 * and that its last part passed `inspectPart`.
 */
export function inspectEntry(root: string, name: string): Inspected {
  let stats: BigIntStats;
  try {
    stats = lstatSync(join(root, name), { bigint: true });
  } catch (error) {
    if (isAbsence(error)) return absent;
    return { kind: "skipped", reason: reasonOf(error) };
  }
  if (stats.isSymbolicLink()) return { kind: "skipped", reason: "it is a symbolic link" };
  if (stats.isDirectory()) {
    // What matters are the names of the files in it.
    return fileName(`${name}/x`) === undefined ? badName(`${name}/x`) : folder;
  }
  if (!stats.isFile()) return { kind: "skipped", reason: `it is ${kindOf(stats)}, not a regular file` };
  const legal = fileName(name);
  if (legal === undefined) return badName(name);
  if (stats.size > maxContentBytes) return { kind: "skipped", reason: "it is larger than 1 TiB" };
  return { kind: "file", name: legal, identity: identityOf(stats) };
}

/** As `inspectEntry`, trusting nothing: a folder above may have become a link, or begin with a dot. */
export function inspectPath(root: string, name: string): Inspected {
  const parts = name.split("/");
  let above = "";
  for (const [at, part] of parts.entries()) {
    const problem = inspectPart(part);
    if (problem !== undefined) return problem;
    const here = above === "" ? part : `${above}/${part}`;
    const found = inspectEntry(root, here);
    if (at === parts.length - 1) return found;
    if (found.kind !== "folder") return absent;
    above = here;
  }
  return absent;
}

export function isAbsence(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function badName(name: string): Inspected {
  return { kind: "skipped", reason: `its name is not allowed: ${nameProblem(name)}` };
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

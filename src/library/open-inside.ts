/**
 * Opens a file of the shared folder for reading, so that no link is followed, whoever swaps what for what meanwhile:
 * what is hashed and served is never outside. What is read is the business of others; who asks what was opened asks the
 * descriptor, not the path.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { join, parse } from "node:path";
import { systemCode } from "../errors.ts";
import { nameBelow } from "./names-below.ts";
import { canWalk, WalkedFolder } from "./walked-folder.ts";

/** A pipe that took the file's place is opened without waiting for its writer. */
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Nothing there, a folder above it gone, a link, a socket, a device, a folder: not what was found before. */
const replaced = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "ENODEV", "EISDIR"]);

/**
 * How to be sure: `stepwise` opens each folder through the descriptor of the one above. Without such paths the
 * folders are compared before and after, which only one who hits several moments in turn can deceive.
 */
export type Way = "stepwise" | "comparing";
const safestWay: Way = canWalk ? "stepwise" : "comparing";

/**
 * The descriptor of the file at `path`, which is below `folder`, a path as `realpath` gives it. Undefined when there is
 * no file (any more), or a link is on the way. Throws when there may be one that cannot be opened. `walked` is the
 * caller's to close, and not used where there is no stepwise way.
 */
export function openInside(
  folder: string,
  path: string,
  { way = safestWay, walked }: { way?: Way; walked?: WalkedFolder } = {},
): number | undefined {
  const parts = nameBelow(folder, path).split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return undefined;
  const ownWalk = walked ?? new WalkedFolder();
  try {
    return way === "stepwise" ? openStepwise(folder, parts, ownWalk) : openComparing(folder, parts);
  } catch (error) {
    if (replaced.has(systemCode(error) ?? "")) return undefined;
    throw error;
  } finally {
    if (walked === undefined) ownWalk.close();
  }
}

function openStepwise(folder: string, parts: string[], walked: WalkedFolder): number {
  return walked.open(folder, parts.slice(0, -1), parts.at(-1)!, fileFlags);
}

function openComparing(folder: string, parts: string[]): number | undefined {
  const before = wayTo(folder, parts);
  const fd = openSync(join(folder, ...parts), fileFlags);
  let isInside = false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const after = wayTo(folder, parts);
    isInside = before !== undefined && before === after && before.endsWith(` ${dev}:${ino}`);
  } finally {
    if (!isInside) closeSync(fd);
  }
  return isInside ? fd : undefined;
}

/** Which folders and which file are on the way; undefined when it leads through something that is no folder. */
function wayTo(folder: string, parts: string[]): string | undefined {
  let path = parse(folder).root;
  let way = "";
  const all = [...nameBelow(path, folder).split("/"), ...parts].filter((part) => part !== "");
  for (const [at, part] of all.entries()) {
    path = join(path, part);
    const stats = lstatSync(path, { bigint: true });
    if (at < all.length - 1 && !stats.isDirectory()) return undefined;
    way += ` ${stats.dev}:${stats.ino}`;
  }
  return way;
}

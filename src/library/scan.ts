/**
 * Walks the shared folder, or a part of it, and tells what it finds. What becomes of the files, and which ones
 * are gone, is decided elsewhere.
 */
import { isUtf8 } from "node:buffer";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { FileName } from "../wire/file-name.ts";
import type { FileIdentity } from "./file-identity.ts";
import { type Inspected, inspectEntry, inspectPart, inspectPath, isAbsence } from "./inspect.ts";

/** The walk is synchronous (3 times the speed) in slices of this length, so that nobody else waits longer. */
const sliceMs = 8;

export interface ScanVisitor {
  file(name: FileName, identity: FileIdentity): void;
  /** `name` is for showing only: it may be anything. The reason is part of a sentence. */
  skipped(name: string, reason: string): void;
  partialFile(name: string): void;
}

/**
 * Walks the folders `from` (names relative to `root`, `""` for all of it) until done or `signal` is aborted. What
 * is inside a folder that is skipped is not looked at. Fails only when `root` itself cannot be read.
 */
export async function scanFolder(
  root: string,
  from: readonly string[],
  visitor: ScanVisitor,
  signal: AbortSignal,
): Promise<void> {
  // What is no folder any more, or only reached through a link, is not walked.
  const folders = from.filter((folder) => folder === "" || inspectPath(root, folder).kind === "folder");
  let sliceEnds = monotonicMs() + sliceMs;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of entriesOf(root, folder, visitor)) {
      visit(root, folder, entry, folders, visitor);
      if (monotonicMs() < sliceEnds) continue;
      await setImmediate();
      if (signal.aborted) return;
      sliceEnds = monotonicMs() + sliceMs;
    }
  }
}

/** As bytes: names that are not UTF-8 would come back as others, which do not exist. */
function entriesOf(root: string, folder: string, visitor: ScanVisitor): Buffer[] {
  try {
    return readdirSync(join(root, folder), { encoding: "buffer" });
  } catch (error) {
    if (folder === "") throw error;
    if (!isAbsence(error)) visitor.skipped(folder, `it cannot be read: ${reasonOf(error)}`);
    return [];
  }
}

const notUtf8: Inspected = { kind: "skipped", reason: "its name is not UTF-8" };

function visit(root: string, folder: string, entry: Buffer, folders: string[], visitor: ScanVisitor): void {
  const part = entry.toString();
  const name = folder === "" ? part : `${folder}/${part}`;
  const found = isUtf8(entry) ? (inspectPart(part) ?? inspectEntry(root, name)) : notUtf8;
  if (found.kind === "file") visitor.file(found.name, found.identity);
  else if (found.kind === "folder") folders.push(name);
  else if (found.kind === "skipped") visitor.skipped(name, found.reason);
  else if (found.kind === "partial") visitor.partialFile(name);
}

/** One of the files that a REGISTER or UPDATE announces, by chance, without decoding the others. Pure. */
import { isWhole } from "../wire/json.ts";
import { maxContentBytes } from "../wire/limits.ts";

export interface AnnouncedEntry {
  readonly name: string;
  readonly root: string;
  readonly sizeBytes: number;
}

const openBrace = 0x7b;
const closeBrace = 0x7d;
/** Longer than an entry is with the longest name. */
const maxEntryBytes = 8 * 1024;
const root = /^[0-9a-f]{64}$/;

/**
 * Undefined when there is none where it is looked: a line without files, a file that is still being downloaded or empty,
 * a name with braces in it. `chance`: from 0 to 1, 1 excluded. What comes of it is asked of a peer and no more.
 */
export function entryByChance(line: Uint8Array, chance: number): AnnouncedEntry | undefined {
  // Entries are the innermost objects; the first byte belongs to the message.
  const begin = line.lastIndexOf(openBrace, 1 + Math.floor(chance * line.length));
  const end = begin < 1 ? -1 : line.indexOf(closeBrace, begin);
  if (end < 0 || end - begin > maxEntryBytes) return undefined;
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(Buffer.from(line.subarray(begin, end + 1)).toString()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { name, size, root: itsRoot, partial } = entry;
  if (typeof name !== "string" || typeof itsRoot !== "string" || !root.test(itsRoot)) return undefined;
  if (!isWhole(size) || size === 0 || size > maxContentBytes || partial === true) return undefined;
  return { name, root: itsRoot, sizeBytes: size };
}

/** Whether what an index says is about what it was asked. Pure; what is well-formed was checked by the decoder. */
import { lastPart } from "../wire/file-name.ts";
import type { FoundContent, Names } from "../wire/messages.ts";
import type { NamePattern } from "../wire/name-pattern.ts";
import type { Folder } from "../wire/view-messages.ts";

/** For RESULT and SOURCES. */
export function areNamed(contents: readonly FoundContent[], name: string): boolean {
  const matches = (found: string) => (name.includes("/") ? found === name : lastPart(found) === name);
  return contents.every(({ names }) => names.length > 0 && names.every(matches));
}

/** In order, and behind `after`: a page that does not lead on would be asked for again and again. */
export function isPageOf({ files, next }: Names, pattern: NamePattern, after: string): boolean {
  if (next !== undefined && !isBefore(after, next)) return false;
  let before = after;
  for (const { name } of files) {
    if (!pattern.matches(name) || isBefore(name, before) || name === after) return false;
    before = name;
  }
  return true;
}

/** In order, behind `after`, the folder of a name before its files, and `next` not before what is there already. */
export function isFolderPageOf({ entries, next }: Folder, after: string): boolean {
  let before = Buffer.from(after);
  let isAfterEntry = false;
  for (const { name, folder } of entries) {
    const bytes = Buffer.from(name);
    const order = Buffer.compare(bytes, before);
    if (order < 0 || (order === 0 && (folder || !isAfterEntry))) return false;
    isAfterEntry = true;
    before = bytes;
  }
  if (next === undefined) return true;
  const order = Buffer.compare(Buffer.from(next), before);
  return entries.length === 0 ? order > 0 : order >= 0;
}

/** Where UTF-16 has another order than UTF-8: a surrogate against what comes behind them. */
const beyond = /[\ud800-\uffff]/;

/** In the order of their bytes. */
function isBefore(a: string, b: string): boolean {
  if (beyond.test(a) && beyond.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  return a < b;
}

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
  const first = Buffer.from(after);
  if (next !== undefined && Buffer.compare(Buffer.from(next), first) <= 0) return false;
  let before = first;
  for (const { name } of files) {
    const bytes = Buffer.from(name);
    if (!pattern.matches(name) || Buffer.compare(bytes, before) < 0 || bytes.equals(first)) return false;
    before = bytes;
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

/**
 * Where the next page of a search begins, as the opaque text that clients send back. Pure.
 */
import { ProtocolError } from "../../wire/protocol-error.ts";

/** Candidates come group of words by group of words (search-candidates.ts), in each in the order of entry ids. */
export interface Place {
  group: number;
  entry: number;
}

/** The group behind those of words: entries that were not in the full text when the walk began. */
export const newestGroup = Number.MAX_SAFE_INTEGER;

/**
 * A search walks through stages, each in the order of places, window by window; what is in a window comes in the
 * order of its rank. (search-run.ts says what the stages are.)
 */
export interface Cursor {
  stage: number;
  /**
   * Up to here entries were in the full text when the walk began. Those that come into it later stay the newest ones, as
   * many as are looked for without it.
   */
  indexedTo: number;
  /** The window begins behind this place … */
  after: Place;
  /** … and ends with this one; undefined: it has not been begun. */
  upTo: Place | undefined;
  /** How many of the window's candidates have been looked at. */
  position: number;
}

export function isBehind(a: Place, b: Place): boolean {
  return a.group === b.group ? a.entry > b.entry : a.group > b.group;
}

const form = /^([0-9])((?:\.[0-9a-z]{1,11}){5})\.([0-9a-z]{1,4})\.([0-9a-z]{1,7})$/;
const noPlace: Place = { group: 0, entry: 0 };

export function encodeCursor(
  { stage, indexedTo, after, upTo = noPlace, position }: Cursor,
  text: string,
): string {
  const numbers = [
    stage,
    indexedTo,
    after.group,
    after.entry,
    upTo.group,
    upTo.entry,
    position,
    hashOf(text),
  ];
  return numbers.map((number) => number.toString(36)).join(".");
}

/** Throws ProtocolError BAD_SEARCH when it is none of a search with this text. */
export function decodeCursor(cursor: string, text: string): Cursor {
  const isOne = form.test(cursor);
  const numbers = cursor.split(".").map((part) => Number.parseInt(part, 36));
  const [stage = 0, indexedTo = 0, afterGroup = 0, afterEntry = 0, group = 0, entry = 0, position = 0, hash] =
    numbers;
  if (!isOne || hash !== hashOf(text) || !numbers.every(Number.isSafeInteger))
    throw new ProtocolError("BAD_SEARCH", null, "after: not the next of an answer to this search");
  const upTo = group === 0 && entry === 0 ? undefined : { group, entry };
  return { stage, indexedTo, after: { group: afterGroup, entry: afterEntry }, upTo, position };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

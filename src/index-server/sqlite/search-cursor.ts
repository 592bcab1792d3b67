/**
 * Where the next page of a search begins, as the opaque text that clients send back. Pure.
 */
import { ProtocolError } from "../../wire/protocol-error.ts";

/**
 * A search walks through stages, each in the order of entry ids, window by window; what is in a window comes in the
 * order of its rank. (search-run.ts says what the stages are.)
 */
export interface Cursor {
  stage: number;
  /** The window begins behind this id … */
  after: number;
  /** … and ends with this one; 0: it has not been begun. */
  upTo: number;
  /** How many of the window's candidates have been looked at. */
  position: number;
}

const form = /^([0-9])\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,4})\.([0-9a-z]{1,7})$/;

export function encodeCursor({ stage, after, upTo, position }: Cursor, text: string): string {
  return [stage, after, upTo, position, hashOf(text)].map((number) => number.toString(36)).join(".");
}

/** Throws ProtocolError BAD_SEARCH when it is none of a search with this text. */
export function decodeCursor(cursor: string, text: string): Cursor {
  const parts = form
    .exec(cursor)
    ?.slice(1)
    .map((part) => Number.parseInt(part, 36));
  const [stage = 0, after = 0, upTo = 0, position = 0, hash] = parts ?? [];
  if (hash !== hashOf(text) || !Number.isSafeInteger(after) || !Number.isSafeInteger(upTo))
    throw new ProtocolError("BAD_SEARCH", null, "after: not the next of an answer to this search");
  return { stage, after, upTo, position };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

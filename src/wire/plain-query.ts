/**
 * The shape that nearly every QUERY has: as any client writes it that writes JSON without spaces, in this order, and for
 * a name of printable ASCII without escapes. Reading it needs no parser and no view or copy of each line; every other
 * line goes the way of all messages (decode-index-request.ts), with the same result.
 */
import { maxNameBytes } from "./limits.ts";
import type { Query } from "./messages.ts";

const beginning = '{"type":"QUERY","id":';
const beforeName = ',"name":"';
const ending = '"}\n';
/** An id of more digits may be beyond 2^53. */
const untilName = /\{"type":"QUERY","id":(?:0|[1-9]\d{0,14}),"name":"/y;
const nameAndEnd = /[ !#-[\]-~]*"\}\n/y;

const typeAt = '{"type":"'.length;
const firstOfType = "Q".charCodeAt(0);
/** Looked at together: one conversion for many lines, and as text they still lie in the nearest cache. */
const pieceBytes = 16 * 1024;

/** Those that lie one behind the other in `bytes` from `from` on. */
export class PlainQueries {
  private text = "";
  /** Of the text, in `bytes`. */
  private readonly base: number;
  private at = 0;

  constructor(bytes: Uint8Array, from: number) {
    this.base = from;
    if (bytes[from + typeAt] !== firstOfType) return;
    const length = Math.min(pieceBytes, bytes.length - from);
    this.text = Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString("latin1");
  }

  /** Where the first line begins that has not been read. */
  get end(): number {
    return this.base + this.at;
  }

  /** Undefined: what follows is no such line, or not the whole of it is there. */
  next(): Query | undefined {
    const { text, at } = this;
    untilName.lastIndex = at;
    if (!untilName.test(text)) return undefined;
    const nameAt = untilName.lastIndex;
    nameAndEnd.lastIndex = nameAt;
    if (!nameAndEnd.test(text)) return undefined;
    const nameEnd = nameAndEnd.lastIndex - ending.length;
    if (nameEnd - nameAt > maxNameBytes) return undefined;
    this.at = nameAndEnd.lastIndex;
    const id = Number(text.slice(at + beginning.length, nameAt - beforeName.length));
    return { type: "QUERY", id, name: text.slice(nameAt, nameEnd) };
  }
}

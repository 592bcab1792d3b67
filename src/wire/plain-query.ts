/**
 * The shape that nearly every QUERY has: as any client writes it that writes JSON without spaces, in this order, and for
 * a name of printable ASCII without escapes. It is read where it lies, each byte once, and nothing is made of it but
 * numbers; every other line goes the way of all messages (decode-index-request.ts), with the same result.
 */
import { maxNameBytes } from "./limits.ts";
import type { Query } from "./messages.ts";

/** Bytes of a name, and where they lie. */
export interface NameBytes {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** `hashOfName` of them. */
  readonly hash: number;
}

const seed = 0x2545f491;
/** An odd number with its bits well mixed, so that each byte moves all bits above it. */
const factor = 0x5bd1e995;

/** Names can be made to share it: whoever uses it must be as well off then. */
export function hashOfName(bytes: Uint8Array, from: number, to: number): number {
  let hash = seed;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, factor);
  return hash ^ (hash >>> 15);
}

/** As they are in a line: a plain name has no other bytes. */
export function nameBytes(name: string): NameBytes {
  const bytes = Buffer.from(name);
  return { bytes, from: 0, to: bytes.length, hash: hashOfName(bytes, 0, bytes.length) };
}

const resultStart = '{"type":"RESULT","id":';
const beforeContents = Buffer.from(',"contents":');
const beginning = Buffer.from('{"type":"QUERY","id":');
const beforeName = Buffer.from(',"name":"');
/** An id of more digits may be beyond 2^53. */
const maxIdDigits = 15;
const zero = 0x30;
const nine = 0x39;
const quote = 0x22;
const backslash = 0x5c;
const brace = 0x7d;
const newline = 0x0a;
const firstPrintable = 0x20;
const lastPrintable = 0x7e;

/** The start of a RESULT line for the id of a plain QUERY: what `encodeResultStart` makes, without a text. */
export class PlainResultStart {
  readonly bytes = Buffer.from(resultStart.padEnd(resultStart.length + maxIdDigits + beforeContents.length));

  /** Makes it; returns where it ends. */
  put({ bytes, idFrom, idTo }: PlainQueries): number {
    let to = resultStart.length;
    for (let at = idFrom; at < idTo; at++) this.bytes[to++] = bytes[at]!;
    for (let at = 0; at < beforeContents.length; at++) this.bytes[to++] = beforeContents[at]!;
    return to;
  }
}

/** Those that lie one behind the other in `bytes` from `from` on. Of the last one that was read: its id, its name. */
export class PlainQueries implements NameBytes {
  /** Of the id, in decimal digits. */
  idFrom = 0;
  idTo = 0;
  from = 0;
  to = 0;
  hash = 0;

  /** `end`: where the first line begins that has not been read. */
  constructor(
    readonly bytes: Uint8Array,
    public end: number,
  ) {}

  /** False: what follows is no such line, or not the whole of it is there. */
  next(): boolean {
    const idFrom = this.after(beginning, this.end);
    if (idFrom === -1) return false;
    const idTo = this.endOfId(idFrom);
    if (idTo === -1) return false;
    const from = this.after(beforeName, idTo);
    if (from === -1 || !this.readName(from)) return false;
    this.idFrom = idFrom;
    this.idTo = idTo;
    this.end = this.to + 3;
    return true;
  }

  get message(): Query {
    const { bytes, idFrom, idTo, from, to } = this;
    const text = (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString("latin1");
    return { type: "QUERY", id: Number(text(idFrom, idTo)), name: text(from, to) };
  }

  // --- internal ---

  /** Where it ends if it lies at `at`, -1 otherwise. */
  private after(part: Uint8Array, at: number): number {
    const { bytes } = this;
    if (at + part.length > bytes.length) return -1;
    for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return -1;
    return at + part.length;
  }

  private endOfId(from: number): number {
    const { bytes } = this;
    const most = Math.min(bytes.length, from + maxIdDigits);
    let at = from;
    while (at < most && bytes[at]! >= zero && bytes[at]! <= nine) at++;
    const isNumber = at === from + 1 || (at > from && bytes[from] !== zero);
    return isNumber ? at : -1;
  }

  /** The name that begins there, as far as the line's end, is then what `from`, `to` and `hash` tell. */
  private readName(from: number): boolean {
    const { bytes } = this;
    const most = Math.min(bytes.length - 2, from + maxNameBytes + 1);
    let at = from;
    let hash = seed;
    // Negative once a byte was no printable one: told by its sign, without a branch for each.
    let others = 0;
    for (; at < most; at++) {
      const byte = bytes[at]!;
      if (byte === quote) break;
      others |= (byte - firstPrintable) | (lastPrintable - byte) | ((byte ^ backslash) - 1);
      hash = Math.imul(hash ^ byte, factor);
    }
    if (at >= most || others < 0 || bytes[at + 1] !== brace || bytes[at + 2] !== newline) return false;
    this.from = from;
    this.to = at;
    this.hash = hash ^ (hash >>> 15);
    return true;
  }
}

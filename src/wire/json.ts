/**
 * One line to a plain object, and the checks of single fields that every decoder shares. Objects of the wire are
 * never copied whole or merged into ours: decoders take field by field what they know.
 */
import { maxJsonDepth, maxKeysPerObject } from "./limits.ts";
import { type ErrorCode, ProtocolError } from "./protocol-error.ts";

export type Fields = Record<string, unknown>;

/** `ignoreBOM` keeps a byte order mark in the text, where JSON.parse refuses it. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const colon = 0x3a;
const comma = 0x2c;

/**
 * Throws when the line nests more deeply than allowed, or an object has more keys. Looked at before parsing:
 * JSON.parse itself takes a million levels, and whatever walks the result afterwards overflows the stack; and 100,000
 * different keys in 1 MiB take it 40 ms (everything else at most half of that, measured).
 */
function checkShape(line: Uint8Array): void {
  const keys = new Uint32Array(maxJsonDepth + 1);
  let depth = 0;
  let inString = false;
  for (let i = 0; i < line.length; i++) {
    const byte = line[i]!;
    if (inString) {
      if (byte === backslash) i++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) {
      inString = true;
    } else if (byte === openBrace || byte === openBracket) {
      if (++depth > maxJsonDepth) throw new ProtocolError("TOO_DEEP");
      keys[depth] = 0;
    } else if (byte === closeBrace || byte === closeBracket) {
      // Below zero it is no JSON.
      depth = Math.max(0, depth - 1);
    } else if (byte === colon && ++keys[depth]! > maxKeysPerObject) {
      throw new ProtocolError("TOO_MANY", null, "too many fields");
    }
  }
}

const typeKey = Buffer.from("type");
const quotedTypeKey = Buffer.from('"type"');
/** Longer than any type there is. */
const maxTypeBytes = 32;

/**
 * What a line says its type is, found without parsing it: to parse a long one that is of no use takes longer than others
 * should wait. It may be contradicted later in the line. Undefined: it does not say, or is no JSON.
 */
export function claimedType(line: Uint8Array): string | undefined {
  // Most that is no message has none, and this is many times as fast.
  if (!Buffer.from(line.buffer, line.byteOffset, line.length).includes(quotedTypeKey)) return undefined;
  let depth = 0;
  /** Where the last string of the outermost object stands. */
  let from = 0;
  let to = 0;
  let isTypeNext = false;
  for (let i = 0; i < line.length; i++) {
    const byte = line[i]!;
    if (byte === quote) {
      from = i + 1;
      for (i++; i < line.length && line[i] !== quote; i++) if (line[i] === backslash) i++;
      to = i;
      if (isTypeNext) return String.fromCharCode(...line.subarray(from, Math.min(to, from + maxTypeBytes)));
    } else if (byte === colon) {
      isTypeNext = depth === 1 && typeKey.equals(line.subarray(from, to));
    } else if (byte === comma) {
      isTypeNext = false;
    } else if (byte === openBrace || byte === openBracket) {
      depth++;
      isTypeNext = false;
    } else if (byte === closeBrace || byte === closeBracket) {
      depth--;
    }
  }
  return undefined;
}

/** Keys that nothing else is as short as: more than `maxKeysPerObject` of them are longer than a line of this length. */
const maxPlainBytes = 5 * maxKeysPerObject;

/** It is short and nothing is in anything else: what `checkShape` looks for cannot be there. As most lines are. */
function isPlain(line: Uint8Array): boolean {
  return (
    line.length <= maxPlainBytes && line.indexOf(openBrace, 1) === -1 && line.indexOf(openBracket) === -1
  );
}

/** Throws ProtocolError TOO_DEEP or BAD_JSON (after which the stream is not to be trusted), TOO_MANY or BAD_MESSAGE. */
export function parseLine(line: Uint8Array): Fields {
  if (!isPlain(line)) checkShape(line);
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(line));
  } catch {
    throw new ProtocolError("BAD_JSON");
  }
  return fieldsOf(value, null);
}

/** `value` as an object with a bounded number of keys. */
export function fieldsOf(value: unknown, id: number | null): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ProtocolError("BAD_MESSAGE", id);
  if (Object.keys(value).length > maxKeysPerObject)
    throw new ProtocolError("TOO_MANY", id, "too many fields");
  return value as Fields;
}

/** The request's id where one can be read, else null: for the ERROR that answers a wrong message. */
export function readableId(fields: Fields): number | null {
  return isWhole(fields.id) ? fields.id : null;
}

/** A whole number from 0 to 2^53 - 1. (-0 would be written as 0: refused.) */
export function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}

export function wholeField(
  fields: Fields,
  key: string,
  id: number | null,
  code: ErrorCode = "BAD_MESSAGE",
): number {
  const value = fields[key];
  if (!isWhole(value)) throw new ProtocolError(code, id);
  return value;
}

/** True or false; absent is false. */
export function flagField(fields: Fields, key: string, id: number | null): boolean {
  const value = fields[key];
  if (value !== undefined && typeof value !== "boolean") throw new ProtocolError("BAD_MESSAGE", id);
  return value === true;
}

/** From 1 to `most`, which is also what a larger one is lowered to; `otherwise` when it is absent. */
export function limitField(fields: Fields, id: number | null, most: number, otherwise: number): number {
  const limit = fields.limit === undefined ? otherwise : wholeField(fields, "limit", id);
  if (limit < 1) throw new ProtocolError("BAD_MESSAGE", id);
  return Math.min(limit, most);
}

/** Well-formed text of at most `maxBytes` of UTF-8. */
export function textField(fields: Fields, key: string, maxBytes: number, id: number | null): string {
  const value = fields[key];
  if (typeof value !== "string" || !value.isWellFormed()) throw new ProtocolError("BAD_MESSAGE", id);
  if (value.length > maxBytes || Buffer.byteLength(value) > maxBytes)
    throw new ProtocolError("BAD_MESSAGE", id);
  return value;
}

export function listField(fields: Fields, key: string, maxLength: number, id: number | null): unknown[] {
  const value = fields[key];
  if (!Array.isArray(value)) throw new ProtocolError("BAD_MESSAGE", id);
  if (value.length > maxLength) throw new ProtocolError("TOO_MANY", id);
  return value;
}

const md5Text = /^[0-9a-f]{32}$/;
const digestText = /^[0-9a-f]{32}$/;
const rootText = /^[0-9a-f]{64}$/;

export function md5Field(fields: Fields, id: number | null): string {
  const value = fields.md5;
  if (typeof value !== "string" || !md5Text.test(value)) throw new ProtocolError("BAD_HASH", id);
  return value;
}

/** Of a library. */
export function digestField(fields: Fields, id: number | null): string {
  const value = fields.digest;
  if (typeof value !== "string" || !digestText.test(value)) throw new ProtocolError("BAD_HASH", id);
  return value;
}

export function rootField(fields: Fields, id: number | null): string {
  const value = fields.root;
  if (typeof value !== "string" || !rootText.test(value)) throw new ProtocolError("BAD_HASH", id);
  return value;
}

export function portField(fields: Fields, id: number | null): number {
  const value = fields.port;
  if (!isWhole(value) || value < 1 || value > 65_535) throw new ProtocolError("BAD_PORT", id);
  return value;
}

/** Four numbers, or hex digits with colons: no name that means something else elsewhere, no `127.1`, no `0x7f000001`. */
const ipAddress = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f.]*:[0-9a-f:.]*)$/i;

/** The index names what it has seen: an address. */
export function addressField(fields: Fields, id: number | null): string {
  const host = textField(fields, "host", 45, id);
  if (!ipAddress.test(host)) throw new ProtocolError("BAD_MESSAGE", id);
  return host;
}

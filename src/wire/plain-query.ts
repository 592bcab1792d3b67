/**
 * The shape that nearly every QUERY has: as any client writes it that writes JSON without spaces, in this order, and for
 * a name of printable ASCII without escapes. Decoding it needs no parser and a third of the time; every other line goes
 * the way of all messages (decode-index-request.ts), with the same result.
 */
import { maxNameBytes } from "./limits.ts";
import type { Query } from "./messages.ts";

/** An id of more digits may be beyond 2^53. */
const shape = /^\{"type":"QUERY","id":(0|[1-9]\d{0,14}),"name":"([ !#-[\]-~]*)"\}$/;
const typeAt = '{"type":"'.length;
const firstOfType = "Q".charCodeAt(0);
/** With the longest name and the longest id. */
const mostBytes = '{"type":"QUERY","id":,"name":""}'.length + 15 + maxNameBytes;

/** Undefined: it is no such line. */
export function decodePlainQuery(line: Uint8Array): Query | undefined {
  if (line[typeAt] !== firstOfType || line.length > mostBytes) return undefined;
  const bytes = line instanceof Buffer ? line : Buffer.from(line.buffer, line.byteOffset, line.length);
  const [, id, name] = shape.exec(bytes.toString("latin1")) ?? [];
  if (id === undefined || name === undefined || name.length > maxNameBytes) return undefined;
  return { type: "QUERY", id: Number(id), name };
}

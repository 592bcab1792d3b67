/**
 * Where a peer says that it is reached, read from a REGISTER without decoding its files. What the whole line says is
 * the same: as any client of ours begins it, unless something further on could mean another port.
 */
import { addressField, parseLine, portField, readableId } from "./json.ts";

export interface RegisterHead {
  readonly port: number;
  /** Undefined: where the index sees it. */
  readonly host: string | undefined;
}

/** As `encode.ts` begins it. */
const start = /^\{"type":"REGISTER","id":\d{1,15},"port":([1-9]\d{0,4})[,}]/;
const maxPort = 65_535;
const startBytes = 64;
/** Keys, or names of files; a key may also be written with escapes. */
const telling = ['"port"', '"host"', "\\u"].map((text) => Buffer.from(text));

/** Throws ProtocolError as decoding the whole line would, for what is wrong with these two. */
export function registerHead(line: Uint8Array): RegisterHead {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const [head = "", port] = start.exec(bytes.toString("latin1", 0, startBytes)) ?? [];
  const isPlain = !telling.some((text) => bytes.includes(text, head.length));
  if (isPlain && Number(port) <= maxPort) return { port: Number(port), host: undefined };
  const fields = parseLine(line);
  const host = fields.host === undefined ? undefined : addressField(fields, readableId(fields));
  return { port: portField(fields, readableId(fields)), host };
}

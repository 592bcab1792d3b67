/**
 * What the decoders of both protocols share: the first line of each side, errors, and the parts that several
 * messages are made of. Fields of no meaning of their own are in json.ts.
 */
import type { FileName } from "./file-name.ts";
import { fileName } from "./file-name.ts";
import { type Fields, isWhole, parseLine, readableId, rootField, textField, wholeField } from "./json.ts";
import { maxAgentBytes, maxContentBytes, maxRetryMs, maxSessionBytes, protocolVersion } from "./limits.ts";
import type { ErrorMessage, Hello, Welcome } from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";

const emptyRoot = "0".repeat(64);

/** The first line of every connection. */
export function decodeHello(line: Uint8Array): Hello {
  const fields = parseLine(line);
  if (fields.type !== "HELLO") throw new ProtocolError("BAD_STATE", readableId(fields), "HELLO comes first");
  if (fields.version !== protocolVersion) throw new ProtocolError("BAD_VERSION", readableId(fields));
  const agent = textField(fields, "agent", maxAgentBytes, null);
  if (fields.session === undefined) return { type: "HELLO", version: protocolVersion, agent };
  const session = textField(fields, "session", maxSessionBytes, null);
  return { type: "HELLO", version: protocolVersion, agent, session };
}

export function welcome(fields: Fields): Welcome {
  if (fields.version !== protocolVersion) throw new ProtocolError("BAD_VERSION");
  const agent = textField(fields, "agent", maxAgentBytes, null);
  if (fields.epoch === undefined) return { type: "WELCOME", version: protocolVersion, agent };
  return { type: "WELCOME", version: protocolVersion, agent, epoch: textField(fields, "epoch", 64, null) };
}

export function errorMessage(fields: Fields): ErrorMessage {
  const message: ErrorMessage = {
    type: "ERROR",
    id: readableId(fields),
    code: textField(fields, "code", 64, null),
    message: textField(fields, "message", 1024, null),
  };
  if (fields.retryMs === undefined) return message;
  return { ...message, retryMs: Math.min(wholeField(fields, "retryMs", null), maxRetryMs) };
}

export function typeField(fields: Fields): string {
  if (typeof fields.type !== "string") throw new ProtocolError("BAD_MESSAGE", readableId(fields));
  return fields.type;
}

/** Of a request after HELLO, which has none. */
export function requestHead(fields: Fields): { type: string; id: number } {
  const type = typeField(fields);
  // It has no id, so this comes before one is asked for.
  if (type === "HELLO") throw new ProtocolError("BAD_STATE", readableId(fields), "HELLO comes once");
  return { type, id: requestId(fields) };
}

export function requestId(fields: Fields): number {
  if (!isWhole(fields.id)) throw new ProtocolError("BAD_MESSAGE", null, "id is not a whole number");
  return fields.id;
}

export function legalName(value: unknown, id: number | null): FileName {
  const name = typeof value === "string" ? fileName(value) : undefined;
  if (name === undefined) throw new ProtocolError("BAD_NAME", id);
  return name;
}

/**
 * What identifies a content. An empty one has the root of zeros: with any other root it would be complete without
 * a byte to check, and an empty file would pass for the content of that root.
 */
export function contentFields(fields: Fields, id: number | null): { sizeBytes: number; root: string } {
  const sizeBytes = wholeField(fields, "size", id, "BAD_SIZE");
  if (sizeBytes > maxContentBytes) throw new ProtocolError("BAD_SIZE", id);
  const root = rootField(fields, id);
  if (sizeBytes === 0 && root !== emptyRoot)
    throw new ProtocolError("BAD_HASH", id, "size 0 with another root");
  return { sizeBytes, root };
}

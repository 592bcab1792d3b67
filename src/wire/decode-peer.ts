/**
 * Lines of the peer protocol to messages: what a peer accepts (`decodePeerRequest`) and what whoever downloads from
 * it accepts as an answer (`decodePeerAnswer`). Unknown fields are ignored; anything else that does not fit throws a
 * ProtocolError that says what.
 */
import { errorMessage, requestHead, requestId, typeField, welcome } from "./decode-parts.ts";
import { type Fields, flagField, parseLine, readableId, rootField, wholeField } from "./json.ts";
import { maxChunksPerContent, maxContentBytes, maxGetBytes } from "./limits.ts";
import type { HaveAnswer, PeerAnswer, PeerRequest } from "./peer-messages.ts";
import { ProtocolError } from "./protocol-error.ts";

export function decodePeerRequest(line: Uint8Array): PeerRequest {
  const fields = parseLine(line);
  const { type, id } = requestHead(fields);
  switch (type) {
    case "HASHES":
      return { type, id, root: rootField(fields, id) };
    case "HAVE": {
      const root = rootField(fields, id);
      return flagField(fields, "sent", id) ? { type, id, root, sent: true } : { type, id, root };
    }
    case "GET": {
      const offset = wholeField(fields, "offset", id, "BAD_RANGE");
      const length = wholeField(fields, "length", id, "BAD_RANGE");
      if (length < 1 || length > maxGetBytes) throw new ProtocolError("BAD_RANGE", id);
      if (offset + length > maxContentBytes) throw new ProtocolError("BAD_RANGE", id);
      return { type, id, root: rootField(fields, id), offset, length };
    }
    default:
      throw new ProtocolError("UNKNOWN_TYPE", id);
  }
}

export function decodePeerAnswer(line: Uint8Array): PeerAnswer {
  const fields = parseLine(line);
  const type = typeField(fields);
  switch (type) {
    case "WELCOME":
      return welcome(fields);
    case "ERROR":
      return errorMessage(fields);
    case "HASHES": {
      const id = requestId(fields);
      return { type, id, length: wholeField(fields, "length", id) };
    }
    case "DATA": {
      const id = requestId(fields);
      return { type, id, offset: wholeField(fields, "offset", id), length: wholeField(fields, "length", id) };
    }
    case "HAVE":
      return fields.chunk === undefined ? haveAnswer(fields) : { type: "HAVE_NEWS", ...chunkNews(fields) };
    case "SENT":
      return { type, ...chunkNews(fields) };
    default:
      throw new ProtocolError("UNKNOWN_TYPE", readableId(fields));
  }
}

function haveAnswer(fields: Fields): HaveAnswer {
  const root = rootField(fields, readableId(fields));
  const id = requestId(fields);
  const answer: HaveAnswer = { type: "HAVE", id, root, chunks: bitfieldField(fields, "chunks", id) };
  return fields.sent === undefined ? answer : { ...answer, sent: bitfieldField(fields, "sent", id) };
}

const base64Text = /^[A-Za-z0-9+/]*={0,2}$/;

/** Bounded by the line that it stands in. */
function bitfieldField(fields: Fields, key: string, id: number): Uint8Array {
  const value = fields[key];
  if (typeof value !== "string" || !base64Text.test(value)) throw new ProtocolError("BAD_MESSAGE", id);
  return new Uint8Array(Buffer.from(value, "base64"));
}

function chunkNews(fields: Fields): { root: string; chunk: number } {
  const root = rootField(fields, readableId(fields));
  const chunk = wholeField(fields, "chunk", null);
  if (chunk >= maxChunksPerContent) throw new ProtocolError("BAD_MESSAGE");
  return { root, chunk };
}

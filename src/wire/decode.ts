/**
 * Lines to messages: what a server of either protocol accepts (`decodeHello`, `decodeIndexRequest`,
 * `decodePeerRequest`) and what a client accepts as an answer (`decodeIndexAnswer`, `decodePeerAnswer`).
 * Unknown fields are ignored; anything else that does not fit throws a ProtocolError that says what.
 */
import type { FileName } from "./file-name.ts";
import { fileName } from "./file-name.ts";
import {
  type Fields,
  fieldsOf,
  isWhole,
  listField,
  md5Field,
  parseLine,
  portField,
  readableId,
  rootField,
  textField,
  wholeField,
} from "./json.ts";
import {
  defaultMatchesPerSearch,
  maxAgentBytes,
  maxChunksPerContent,
  maxContentBytes,
  maxContentsPerResult,
  maxFilesPerMessage,
  maxGetBytes,
  maxMatchesPerSearch,
  maxNameBytes,
  maxNamesPerContent,
  maxSearchTextBytes,
  maxSourcesPerContent,
  protocolVersion,
} from "./limits.ts";
import type {
  ErrorMessage,
  FileEntry,
  FoundContent,
  Hello,
  IndexAnswer,
  IndexRequest,
  Match,
  PeerAnswer,
  PeerRequest,
  Source,
  Welcome,
} from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";

const emptyRoot = "0".repeat(64);

// --- what servers accept ---

/** The first line of every connection. */
export function decodeHello(line: Uint8Array): Hello {
  const fields = parseLine(line);
  if (fields.type !== "HELLO") throw new ProtocolError("BAD_STATE", readableId(fields), "HELLO comes first");
  if (fields.version !== protocolVersion) throw new ProtocolError("BAD_VERSION", readableId(fields));
  return { type: "HELLO", version: protocolVersion, agent: textField(fields, "agent", maxAgentBytes, null) };
}

export function decodeIndexRequest(line: Uint8Array): IndexRequest {
  const fields = parseLine(line);
  const type = typeField(fields);
  // It has no id, so this comes before one is asked for.
  if (type === "HELLO") throw new ProtocolError("BAD_STATE", readableId(fields), "HELLO comes once");
  const id = requestId(fields);
  switch (type) {
    case "REGISTER": {
      const files = listField(fields, "files", maxFilesPerMessage, id);
      return { type, id, port: portField(fields, id), files: files.map((file) => fileEntry(file, id)) };
    }
    case "UPDATE": {
      const add = fields.add === undefined ? [] : listField(fields, "add", maxFilesPerMessage, id);
      const remove = fields.remove === undefined ? [] : listField(fields, "remove", maxFilesPerMessage, id);
      if (add.length + remove.length > maxFilesPerMessage) throw new ProtocolError("TOO_MANY", id);
      return {
        type,
        id,
        add: add.map((file) => fileEntry(file, id)),
        remove: remove.map((name) => legalName(name, id)),
      };
    }
    case "QUERY":
      return { type, id, name: textField(fields, "name", maxNameBytes, id) };
    case "SEARCH": {
      const limit = fields.limit === undefined ? defaultMatchesPerSearch : wholeField(fields, "limit", id);
      if (limit < 1) throw new ProtocolError("BAD_MESSAGE", id);
      return {
        type,
        id,
        text: textField(fields, "text", maxSearchTextBytes, id),
        limit: Math.min(limit, maxMatchesPerSearch),
      };
    }
    case "PING":
      return { type, id };
    default:
      throw new ProtocolError("UNKNOWN_TYPE", id);
  }
}

export function decodePeerRequest(line: Uint8Array): PeerRequest {
  const fields = parseLine(line);
  const type = typeField(fields);
  // It has no id, so this comes before one is asked for.
  if (type === "HELLO") throw new ProtocolError("BAD_STATE", readableId(fields), "HELLO comes once");
  const id = requestId(fields);
  switch (type) {
    case "HASHES":
    case "HAVE":
      return { type, id, root: rootField(fields, id) };
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

// --- what clients accept ---

export function decodeIndexAnswer(line: Uint8Array): IndexAnswer {
  const fields = parseLine(line);
  const type = typeField(fields);
  switch (type) {
    case "WELCOME":
      return welcome(fields);
    case "ERROR":
      return errorMessage(fields);
    case "OK":
      return { type, id: requestId(fields) };
    case "RESULT": {
      const id = requestId(fields);
      const contents = listField(fields, "contents", maxContentsPerResult, id);
      return { type, id, contents: contents.map((content) => foundContent(content, id)) };
    }
    case "MATCHES": {
      const id = requestId(fields);
      const matches = listField(fields, "matches", maxMatchesPerSearch, id);
      if (typeof fields.more !== "boolean") throw new ProtocolError("BAD_MESSAGE", id);
      return { type, id, matches: matches.map((found) => match(found, id)), more: fields.more };
    }
    default:
      throw new ProtocolError("UNKNOWN_TYPE", readableId(fields));
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
      return have(fields);
    default:
      throw new ProtocolError("UNKNOWN_TYPE", readableId(fields));
  }
}

// --- parts ---

function typeField(fields: Fields): string {
  if (typeof fields.type !== "string") throw new ProtocolError("BAD_MESSAGE", readableId(fields));
  return fields.type;
}

function requestId(fields: Fields): number {
  if (!isWhole(fields.id)) throw new ProtocolError("BAD_MESSAGE", null, "id is not a whole number");
  return fields.id;
}

function legalName(value: unknown, id: number | null): FileName {
  const name = typeof value === "string" ? fileName(value) : undefined;
  if (name === undefined) throw new ProtocolError("BAD_NAME", id);
  return name;
}

function sizeField(fields: Fields, id: number | null): number {
  const size = wholeField(fields, "size", id, "BAD_SIZE");
  if (size > maxContentBytes) throw new ProtocolError("BAD_SIZE", id);
  return size;
}

/**
 * What identifies a content. An empty one has the root of zeros: with any other root it would be complete without
 * a byte to check, and an empty file would pass for the content of that root.
 */
function contentFields(fields: Fields, id: number | null): { sizeBytes: number; root: string } {
  const sizeBytes = sizeField(fields, id);
  const root = rootField(fields, id);
  if (sizeBytes === 0 && root !== emptyRoot)
    throw new ProtocolError("BAD_HASH", id, "size 0 with another root");
  return { sizeBytes, root };
}

function fileEntry(value: unknown, id: number | null): FileEntry {
  const fields = fieldsOf(value, id);
  return {
    name: legalName(fields.name, id),
    md5: md5Field(fields, id),
    ...contentFields(fields, id),
  };
}

function welcome(fields: Fields): Welcome {
  if (fields.version !== protocolVersion) throw new ProtocolError("BAD_VERSION");
  const agent = textField(fields, "agent", maxAgentBytes, null);
  if (fields.epoch === undefined) return { type: "WELCOME", version: protocolVersion, agent };
  return { type: "WELCOME", version: protocolVersion, agent, epoch: textField(fields, "epoch", 64, null) };
}

function errorMessage(fields: Fields): ErrorMessage {
  return {
    type: "ERROR",
    id: readableId(fields),
    code: textField(fields, "code", 64, null),
    message: textField(fields, "message", 1024, null),
  };
}

function foundContent(value: unknown, id: number): FoundContent {
  const fields = fieldsOf(value, id);
  return {
    ...contentFields(fields, id),
    md5: md5Field(fields, id),
    names: listField(fields, "names", maxNamesPerContent, id).map((name) => legalName(name, id)),
    total: wholeField(fields, "total", id),
    sources: listField(fields, "sources", maxSourcesPerContent, id).map((source) => sourceOf(source, id)),
  };
}

function sourceOf(value: unknown, id: number): Source {
  const fields = fieldsOf(value, id);
  return {
    peer: textField(fields, "peer", 128, id),
    host: addressField(fields, id),
    port: portField(fields, id),
    partial: fields.partial === true,
  };
}

/** Four numbers, or hex digits with colons: no name that means something else elsewhere, no `127.1`, no `0x7f000001`. */
const ipAddress = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f.]*:[0-9a-f:.]*)$/i;

/** The index names what it has seen: an address. */
function addressField(fields: Fields, id: number): string {
  const host = textField(fields, "host", 45, id);
  if (!ipAddress.test(host)) throw new ProtocolError("BAD_MESSAGE", id);
  return host;
}

function match(value: unknown, id: number): Match {
  const fields = fieldsOf(value, id);
  return {
    name: legalName(fields.name, id),
    ...contentFields(fields, id),
    sources: wholeField(fields, "sources", id),
  };
}

const base64Text = /^[A-Za-z0-9+/]*={0,2}$/;

function have(fields: Fields): PeerAnswer {
  const root = rootField(fields, readableId(fields));
  if (fields.chunk !== undefined) {
    const chunk = wholeField(fields, "chunk", null);
    if (chunk >= maxChunksPerContent) throw new ProtocolError("BAD_MESSAGE");
    return { type: "HAVE_NEWS", root, chunk };
  }
  const id = requestId(fields);
  if (typeof fields.chunks !== "string" || !base64Text.test(fields.chunks))
    throw new ProtocolError("BAD_MESSAGE", id);
  return { type: "HAVE", id, root, chunks: new Uint8Array(Buffer.from(fields.chunks, "base64")) };
}

/**
 * Lines of the index protocol to messages: what an index accepts (`decodeIndexRequest`) and what its clients accept
 * as an answer (`decodeIndexAnswer`). Unknown fields are ignored; anything else that does not fit throws a
 * ProtocolError that says what.
 */
import {
  contentFields,
  errorMessage,
  legalName,
  requestHead,
  requestId,
  typeField,
  welcome,
} from "./decode-parts.ts";
import {
  type Fields,
  fieldsOf,
  flagField,
  isWhole,
  limitField,
  listField,
  md5Field,
  parseLine,
  portField,
  readableId,
  textField,
  wholeField,
} from "./json.ts";
import {
  defaultMatchesPerSearch,
  maxContentsPerResult,
  maxFilesPerList,
  maxFilesPerMessage,
  maxMatchesPerSearch,
  maxNameBytes,
  maxNamesPerContent,
  maxPatternBytes,
  maxSearchTextBytes,
  maxSourcesPerContent,
  maxSourcesPerListedFile,
} from "./limits.ts";
import type {
  FileEntry,
  FoundContent,
  IndexAnswer,
  IndexRequest,
  ListedFile,
  Match,
  Names,
  Source,
} from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";

// --- what an index accepts ---

export function decodeIndexRequest(line: Uint8Array): IndexRequest {
  const fields = parseLine(line);
  const { type, id } = requestHead(fields);
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
    case "QUERY": {
      const name = textField(fields, "name", maxNameBytes, id);
      return flagField(fields, "subscribe", id) ? { type, id, name, subscribe: true } : { type, id, name };
    }
    case "UNSUBSCRIBE":
      return { type, id, query: wholeField(fields, "query", id) };
    case "SEARCH":
      return {
        type,
        id,
        text: textField(fields, "text", maxSearchTextBytes, id),
        limit: limitField(fields, id, maxMatchesPerSearch, defaultMatchesPerSearch),
      };
    case "LIST":
      return {
        type,
        id,
        pattern: textField(fields, "pattern", maxPatternBytes, id),
        after: fields.after === undefined ? "" : textField(fields, "after", maxNameBytes, id),
        limit: limitField(fields, id, maxFilesPerList, maxFilesPerList),
      };
    case "PING":
      return { type, id };
    default:
      throw new ProtocolError("UNKNOWN_TYPE", id);
  }
}

function fileEntry(value: unknown, id: number): FileEntry {
  const fields = fieldsOf(value, id);
  const name = legalName(fields.name, id);
  const entry: FileEntry = { name, md5: md5Field(fields, id), ...contentFields(fields, id) };
  return flagField(fields, "partial", id) ? { ...entry, partial: true } : entry;
}

// --- what its clients accept ---

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
    case "RESULT":
    case "SOURCES": {
      const id = requestId(fields);
      const contents = listField(fields, "contents", maxContentsPerResult, id);
      return { type, id, contents: contents.map((content) => foundContent(content, id)) };
    }
    case "MATCHES": {
      const id = requestId(fields);
      const matches = listField(fields, "matches", maxMatchesPerSearch, id);
      return { type, id, matches: matches.map((found) => match(found, id)), more: moreField(fields, id) };
    }
    case "NAMES":
      return names(fields);
    default:
      throw new ProtocolError("UNKNOWN_TYPE", readableId(fields));
  }
}

function moreField(fields: Fields, id: number): boolean {
  if (typeof fields.more !== "boolean") throw new ProtocolError("BAD_MESSAGE", id);
  return fields.more;
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
    partial: flagField(fields, "partial", id),
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

function names(fields: Fields): Names {
  const id = requestId(fields);
  const files = listField(fields, "files", maxFilesPerList, id);
  const peers = listField(fields, "peers", maxFilesPerList * maxSourcesPerListedFile, id).map((peer) =>
    sourceOf(peer, id),
  );
  const listed = files.map((file) => listedFile(file, peers, id));
  const next = moreField(fields, id) ? legalName(fields.next, id) : undefined;
  return { type: "NAMES", id, files: listed, next };
}

function listedFile(value: unknown, peers: readonly Source[], id: number): ListedFile {
  const fields = fieldsOf(value, id);
  const places = listField(fields, "sources", maxSourcesPerListedFile, id);
  return {
    name: legalName(fields.name, id),
    ...contentFields(fields, id),
    md5: md5Field(fields, id),
    total: wholeField(fields, "total", id),
    sources: places.map((place) => {
      const source = isWhole(place) ? peers[place] : undefined;
      if (source === undefined) throw new ProtocolError("BAD_MESSAGE", id);
      return source;
    }),
  };
}

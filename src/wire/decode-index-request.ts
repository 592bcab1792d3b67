/**
 * Lines that clients send to an index, to messages. Unknown fields are ignored; anything else that does not fit throws
 * a ProtocolError that says what.
 */
import { contentFields, legalName, requestHead } from "./decode-parts.ts";
import {
  digestField,
  type Fields,
  fieldsOf,
  flagField,
  limitField,
  listField,
  md5Field,
  parseLine,
  portField,
  textField,
  wholeField,
} from "./json.ts";
import {
  defaultMatchesPerSearch,
  maxEntriesPerFolder,
  maxFilesPerList,
  maxFilesPerMessage,
  maxMatchesPerSearch,
  maxNameBytes,
  maxPageMarkBytes,
  maxPatternBytes,
  maxPeersPerPage,
  maxSearchTextBytes,
} from "./limits.ts";
import type { FileEntry, IndexRequest, LibraryClaim, Register } from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";

export function decodeIndexRequest(line: Uint8Array): IndexRequest {
  const fields = parseLine(line);
  const { type, id } = requestHead(fields);
  switch (type) {
    case "REGISTER":
      return register(fields, id);
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
        after: afterField(fields, maxPageMarkBytes, id),
        limit: limitField(fields, id, maxMatchesPerSearch, defaultMatchesPerSearch),
      };
    case "LIST":
      return {
        type,
        id,
        pattern: textField(fields, "pattern", maxPatternBytes, id),
        after: afterField(fields, maxNameBytes, id),
        limit: limitField(fields, id, maxFilesPerList, maxFilesPerList),
      };
    case "WATCH":
      return { type, id, text: textField(fields, "text", maxSearchTextBytes, id) };
    case "BROWSE":
      return {
        type,
        id,
        folder: fields.folder === undefined ? "" : textField(fields, "folder", maxNameBytes, id),
        after: afterField(fields, maxNameBytes, id),
        limit: limitField(fields, id, maxEntriesPerFolder, maxEntriesPerFolder),
      };
    case "PEERS":
      return {
        type,
        id,
        after: afterField(fields, maxPageMarkBytes, id),
        limit: limitField(fields, id, maxPeersPerPage, maxPeersPerPage),
      };
    case "STATS":
    case "PING":
      return { type, id };
    default:
      throw new ProtocolError("UNKNOWN_TYPE", id);
  }
}

function register(fields: Fields, id: number): Register {
  const port = portField(fields, id);
  const library = fields.library === undefined ? undefined : libraryClaim(fields.library, id);
  if (library === undefined || fields.files !== undefined) {
    const files = listField(fields, "files", maxFilesPerMessage, id).map((file) => fileEntry(file, id));
    if (library === undefined) return { type: "REGISTER", id, port, files };
    if (files.length > 0) throw new ProtocolError("BAD_MESSAGE", id, "files beside a library");
  }
  return { type: "REGISTER", id, port, files: [], library };
}

function libraryClaim(value: unknown, id: number): LibraryClaim {
  const fields = fieldsOf(value, id);
  return { digest: digestField(fields, id), files: wholeField(fields, "files", id) };
}

/** Where a page begins; absent: at the beginning. */
function afterField(fields: Fields, maxBytes: number, id: number): string {
  return fields.after === undefined ? "" : textField(fields, "after", maxBytes, id);
}

function fileEntry(value: unknown, id: number): FileEntry {
  const fields = fieldsOf(value, id);
  const name = legalName(fields.name, id);
  const entry: FileEntry = { name, md5: md5Field(fields, id), ...contentFields(fields, id) };
  return flagField(fields, "partial", id) ? { ...entry, partial: true } : entry;
}

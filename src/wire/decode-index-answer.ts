/**
 * Lines that an index sends to its clients, to messages. Unknown fields are ignored; anything else that does not fit
 * throws a ProtocolError that says what.
 */
import { contentFields, errorMessage, legalName, requestId, typeField, welcome } from "./decode-parts.ts";
import type { FileName } from "./file-name.ts";
import { type Fingerprint, fingerprint } from "./fingerprint.ts";
import {
  addressField,
  type Fields,
  fieldsOf,
  flagField,
  isWhole,
  listField,
  md5Field,
  parseLine,
  portField,
  readableId,
  textField,
  wholeField,
} from "./json.ts";
import {
  maxContentsPerResult,
  maxEntriesPerFolder,
  maxFilesPerList,
  maxMatchesPerSearch,
  maxNamesPerContent,
  maxPageMarkBytes,
  maxPeerIdBytes,
  maxPeersPerPage,
  maxSourcesPerContent,
  maxSourcesPerListedFile,
  maxStorageNameBytes,
} from "./limits.ts";
import type { FoundContent, IndexAnswer, ListedFile, Match, Matches, Names, Ok, Source } from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { Folder, FolderEntry, PeersAnswer, RegisteredPeer, StatsAnswer } from "./view-messages.ts";

export function decodeIndexAnswer(line: Uint8Array): IndexAnswer {
  const fields = parseLine(line);
  const type = typeField(fields);
  switch (type) {
    case "WELCOME":
      return welcome(fields);
    case "ERROR":
      return errorMessage(fields);
    case "OK":
      return ok(fields);
    case "RESULT":
    case "SOURCES": {
      const id = requestId(fields);
      const contents = listField(fields, "contents", maxContentsPerResult, id);
      return { type, id, contents: contents.map((content) => foundContent(content, id)) };
    }
    case "MATCHES":
      return matches(fields);
    case "FOUND": {
      const id = requestId(fields);
      return { type, id, matches: matchesField(fields, id) };
    }
    case "NAMES":
      return names(fields);
    case "FOLDER":
      return folder(fields);
    case "PEERS":
      return peers(fields);
    case "STATS":
      return stats(fields);
    default:
      throw new ProtocolError("UNKNOWN_TYPE", readableId(fields));
  }
}

function ok(fields: Fields): Ok {
  const answer: Ok = { type: "OK", id: requestId(fields) };
  if (fields.held !== undefined) answer.held = flagField(fields, "held", answer.id);
  if (fields.host !== undefined) answer.host = addressField(fields, answer.id);
  return answer;
}

function moreField(fields: Fields, id: number): boolean {
  if (typeof fields.more !== "boolean") throw new ProtocolError("BAD_MESSAGE", id);
  return fields.more;
}

/** Where the next page begins; an empty one would be the first page again. */
function nextField(fields: Fields, id: number): string | undefined {
  if (fields.next === undefined) return undefined;
  const next = textField(fields, "next", maxPageMarkBytes, id);
  if (next === "") throw new ProtocolError("BAD_MESSAGE", id);
  return next;
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
  return { ...whereField(fields, id), partial: flagField(fields, "partial", id) };
}

/** A peer, where it is, and in a private network who. */
function whereField(fields: Fields, id: number): Omit<Source, "partial"> {
  const where = {
    peer: textField(fields, "peer", maxPeerIdBytes, id),
    host: addressField(fields, id),
    port: portField(fields, id),
  };
  return fields.fingerprint === undefined ? where : { ...where, fingerprint: fingerprintField(fields, id) };
}

function fingerprintField(fields: Fields, id: number): Fingerprint {
  const value = fields.fingerprint;
  const known = typeof value === "string" ? fingerprint(value) : undefined;
  if (known === undefined) throw new ProtocolError("BAD_HASH", id);
  return known;
}

function matches(fields: Fields): Matches {
  const id = requestId(fields);
  const more = moreField(fields, id);
  const next = more ? nextField(fields, id) : undefined;
  return { type: "MATCHES", id, matches: matchesField(fields, id), more, next };
}

function matchesField(fields: Fields, id: number): Match[] {
  return listField(fields, "matches", maxMatchesPerSearch, id).map((found) => match(found, id));
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

function folder(fields: Fields): Folder {
  const id = requestId(fields);
  const entries = listField(fields, "entries", maxEntriesPerFolder, id).map((entry) =>
    folderEntry(entry, id),
  );
  const next = fields.next === undefined ? undefined : partOfName(fields.next, id);
  return { type: "FOLDER", id, entries, next };
}

function folderEntry(value: unknown, id: number): FolderEntry {
  const fields = fieldsOf(value, id);
  const name = partOfName(fields.name, id);
  if (flagField(fields, "folder", id)) return { folder: true, name };
  const content = { ...contentFields(fields, id), md5: md5Field(fields, id) };
  return { folder: false, name, ...content, sources: wholeField(fields, "sources", id) };
}

function partOfName(value: unknown, id: number): FileName {
  const name = legalName(value, id);
  if (name.includes("/")) throw new ProtocolError("BAD_NAME", id);
  return name;
}

function peers(fields: Fields): PeersAnswer {
  const id = requestId(fields);
  const all = listField(fields, "peers", maxPeersPerPage, id).map((peer) => registeredPeer(peer, id));
  return { type: "PEERS", id, peers: all, next: nextField(fields, id) };
}

function registeredPeer(value: unknown, id: number): RegisteredPeer {
  const fields = fieldsOf(value, id);
  return {
    ...whereField(fields, id),
    files: wholeField(fields, "files", id),
    seconds: wholeField(fields, "seconds", id),
  };
}

function stats(fields: Fields): StatsAnswer {
  const id = requestId(fields);
  const answer: StatsAnswer = {
    type: "STATS",
    id,
    peers: wholeField(fields, "peers", id),
    files: wholeField(fields, "files", id),
    names: wholeField(fields, "names", id),
    connections: wholeField(fields, "connections", id),
    queries: wholeField(fields, "queries", id),
    seconds: wholeField(fields, "seconds", id),
    memoryBytes: wholeField(fields, "memory", id),
    storage: textField(fields, "storage", maxStorageNameBytes, id),
  };
  return fields.time === undefined ? answer : { ...answer, timeMs: wholeField(fields, "time", id) };
}

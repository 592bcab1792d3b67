/** Messages to lines: the inverse of `decode-*.ts`. Each function returns the whole line, newline included. */
import type { FileName } from "./file-name.ts";
import { protocolVersion } from "./limits.ts";
import type { FileEntry, FoundContent, IndexRequest, ListedFile, Match, Source } from "./messages.ts";
import type { Get, HashesRequest, HaveAnswer, HaveNews, HaveRequest, SentNews } from "./peer-messages.ts";
import type { ProtocolError } from "./protocol-error.ts";
import type { FolderEntry, RegisteredPeer, StatsAnswer } from "./view-messages.ts";

function line(message: object): string {
  return `${JSON.stringify(message)}\n`;
}

export function encodeHello(agent: string, session?: string): string {
  return line({ type: "HELLO", version: protocolVersion, agent, session });
}

/** `epoch` is the index's; a peer has none. */
export function encodeWelcome(agent: string, epoch?: string): string {
  return line({ type: "WELCOME", version: protocolVersion, agent, epoch });
}

/** Strangers get the code and its fixed words, never the cause. */
export function encodeError(error: ProtocolError): string {
  const { id, code, message, retryMs } = error;
  return line({ type: "ERROR", id, code, message, retryMs });
}

/** `held`: only as the answer to a REGISTER with `library`; `host`: to one in a private network. */
export function encodeOk(id: number, held?: boolean, host?: string): string {
  return line({ type: "OK", id, held, host });
}

// --- to and from the index ---

export function encodeIndexRequest(request: IndexRequest): string {
  switch (request.type) {
    case "REGISTER": {
      const { type, id, port, host, files, library } = request;
      // `files` also beside a library: an index that does not know of those wants to see it.
      return line({ type, id, port, host, library, files: files.map(wireEntry) });
    }
    case "UPDATE": {
      const { type, id, add, remove } = request;
      return line({ type, id, add: add.map(wireEntry), remove });
    }
    case "QUERY":
      return line({
        type: "QUERY",
        id: request.id,
        name: request.name,
        subscribe: request.subscribe || undefined,
      });
    case "UNSUBSCRIBE":
      return line({ type: "UNSUBSCRIBE", id: request.id, query: request.query });
    case "SEARCH": {
      const { type, id, text, after, limit } = request;
      return line({ type, id, text, after: after === "" ? undefined : after, limit });
    }
    case "WATCH":
      return line({ type: "WATCH", id: request.id, text: request.text });
    case "LIST": {
      const { type, id, pattern, after, limit } = request;
      return line({ type, id, pattern, after: after === "" ? undefined : after, limit });
    }
    case "BROWSE": {
      const { type, id, folder, after, limit } = request;
      return line({ type, id, folder, after: after === "" ? undefined : after, limit });
    }
    case "PEERS": {
      const { type, id, after, limit } = request;
      return line({ type, id, after: after === "" ? undefined : after, limit });
    }
    case "STATS":
    case "PING":
      return line({ type: request.type, id: request.id });
  }
}

/** Bytes that one entry takes in a REGISTER or UPDATE, its comma included. */
export function encodedEntryBytes(entry: FileEntry): number {
  return Buffer.byteLength(JSON.stringify(wireEntry(entry))) + 1;
}

function wireEntry(entry: FileEntry): object {
  const { name, sizeBytes, md5, root, partial } = entry;
  return { name, size: sizeBytes, md5, root, partial: partial || undefined };
}

/** The answer to QUERY, before its end. */
export function encodeResultStart(id: number): string {
  return `{"type":"RESULT","id":${id},"contents":`;
}

/** What is the same for whoever asks the same. Not to be changed. */
export function encodeResultEnd(contents: readonly FoundContent[]): Uint8Array {
  return Buffer.from(`${JSON.stringify(contents.map(wireContent))}}\n`);
}

/** `id` is that of the QUERY which subscribed. */
export function encodeNewSources(id: number, contents: readonly FoundContent[]): string {
  return line({ type: "SOURCES", id, contents: contents.map(wireContent) });
}

function wireContent(content: FoundContent): object {
  const { root, sizeBytes, md5, names, total, sources } = content;
  return { root, size: sizeBytes, md5, names, total, sources: sources.map(wireSource) };
}

function wireSource({ peer, host, port, partial, fingerprint }: Source): object {
  return { peer, host, port, partial: partial || undefined, fingerprint };
}

/** `next` only where there is `more`. */
export function encodeMatches(id: number, matches: readonly Match[], more: boolean, next?: string): string {
  return line({ type: "MATCHES", id, matches: matches.map(wireMatch), more, next });
}

/** `id` is that of the WATCH. */
export function encodeFound(id: number, matches: readonly Match[]): string {
  return line({ type: "FOUND", id, matches: matches.map(wireMatch) });
}

function wireMatch({ name, sizeBytes, root, sources }: Match): object {
  return { name, size: sizeBytes, root, sources };
}

/** A peer stands in the line once, whatever it has. */
export function encodeNames(id: number, files: readonly ListedFile[], next: FileName | undefined): string {
  const places = new Map<string, number>();
  const peers: object[] = [];
  const placeOf = (source: Source): number => {
    const known = places.get(source.peer);
    if (known !== undefined) return known;
    places.set(source.peer, peers.length);
    return peers.push(wireSource(source)) - 1;
  };
  const listed = files.map(({ name, sizeBytes, md5, root, total, sources }) => ({
    name,
    size: sizeBytes,
    md5,
    root,
    total,
    sources: sources.map(placeOf),
  }));
  return line({ type: "NAMES", id, files: listed, peers, more: next !== undefined, next });
}

export function encodeFolder(id: number, entries: readonly FolderEntry[], next: string | undefined): string {
  return line({ type: "FOLDER", id, entries: entries.map(wireFolderEntry), next });
}

function wireFolderEntry(entry: FolderEntry): object {
  if (entry.folder) return { name: entry.name, folder: true };
  const { name, sizeBytes, md5, root, sources } = entry;
  return { name, size: sizeBytes, md5, root, sources };
}

export function encodePeers(id: number, peers: readonly RegisteredPeer[], next: string | undefined): string {
  const listed = peers.map(({ peer, host, port, fingerprint, files, seconds }) => {
    return { peer, host, port, fingerprint, files, seconds };
  });
  return line({ type: "PEERS", id, peers: listed, next });
}

export function encodeStats(stats: StatsAnswer): string {
  const { memoryBytes, timeMs, storage, ...counts } = stats;
  return line({ ...counts, memory: memoryBytes, time: timeMs, storage });
}

// --- to and from a peer ---

export function encodePeerRequest(request: HashesRequest | Get | HaveRequest): string {
  const { type, id, root } = request;
  switch (request.type) {
    case "HASHES":
      return line({ type, id, root });
    case "HAVE":
      return line({ type, id, root, sent: request.sent || undefined });
    case "GET":
      return line({ type, id, root, offset: request.offset, length: request.length });
  }
}

/** `length` raw bytes must follow. */
export function encodeHashesHeader(id: number, length: number): string {
  return line({ type: "HASHES", id, length });
}

/** `length` raw bytes must follow. */
export function encodeDataHeader(id: number, offset: number, length: number): string {
  return line({ type: "DATA", id, offset, length });
}

export function encodeHave(have: HaveAnswer): string {
  const { type, id, root, chunks, sent } = have;
  return line({ type, id, root, chunks: base64(chunks), sent: sent && base64(sent) });
}

export function encodeHaveNews(news: HaveNews): string {
  return line({ type: "HAVE", root: news.root, chunk: news.chunk });
}

export function encodeSentNews({ type, root, chunk }: SentNews): string {
  return line({ type, root, chunk });
}

function base64(bits: Uint8Array): string {
  return Buffer.from(bits).toString("base64");
}

/** Messages to lines: the inverse of `decode-*.ts`. Each function returns the whole line, newline included. */
import type { FileName } from "./file-name.ts";
import { protocolVersion } from "./limits.ts";
import type {
  FileEntry,
  FoundContent,
  Get,
  HashesRequest,
  HaveAnswer,
  HaveNews,
  HaveRequest,
  IndexRequest,
  ListedFile,
  Match,
  SentNews,
  Source,
} from "./messages.ts";
import type { ProtocolError } from "./protocol-error.ts";

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

export function encodeOk(id: number): string {
  return line({ type: "OK", id });
}

// --- to and from the index ---

export function encodeIndexRequest(request: IndexRequest): string {
  switch (request.type) {
    case "REGISTER": {
      const { type, id, port, files } = request;
      return line({ type, id, port, files: files.map(wireEntry) });
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
    case "SEARCH":
      return line({ type: "SEARCH", id: request.id, text: request.text, limit: request.limit });
    case "LIST": {
      const { type, id, pattern, after, limit } = request;
      return line({ type, id, pattern, after: after === "" ? undefined : after, limit });
    }
    case "PING":
      return line({ type: "PING", id: request.id });
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

export function encodeResult(id: number, contents: readonly FoundContent[]): string {
  return line({ type: "RESULT", id, contents: contents.map(wireContent) });
}

/** `id` is that of the QUERY which subscribed. */
export function encodeNewSources(id: number, contents: readonly FoundContent[]): string {
  return line({ type: "SOURCES", id, contents: contents.map(wireContent) });
}

function wireContent(content: FoundContent): object {
  const { root, sizeBytes, md5, names, total, sources } = content;
  return { root, size: sizeBytes, md5, names, total, sources: sources.map(wireSource) };
}

function wireSource({ peer, host, port, partial }: Source): object {
  return { peer, host, port, partial: partial || undefined };
}

export function encodeMatches(id: number, matches: readonly Match[], more: boolean): string {
  return line({
    type: "MATCHES",
    id,
    matches: matches.map(({ name, sizeBytes, root, sources }) => ({ name, size: sizeBytes, root, sources })),
    more,
  });
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

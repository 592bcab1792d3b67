/** Messages to lines: the inverse of `decode.ts`. Each function returns the whole line, newline included. */
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
  Match,
  Source,
} from "./messages.ts";
import type { ProtocolError } from "./protocol-error.ts";

function line(message: object): string {
  return `${JSON.stringify(message)}\n`;
}

export function encodeHello(agent: string): string {
  return line({ type: "HELLO", version: protocolVersion, agent });
}

/** `epoch` is the index's; a peer has none. */
export function encodeWelcome(agent: string, epoch?: string): string {
  return line({ type: "WELCOME", version: protocolVersion, agent, epoch });
}

/** Strangers get the code and its fixed words, never the cause. */
export function encodeError(error: ProtocolError): string {
  return line({ type: "ERROR", id: error.id, code: error.code, message: error.message });
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
      return line({ type: "QUERY", id: request.id, name: request.name });
    case "SEARCH":
      return line({ type: "SEARCH", id: request.id, text: request.text, limit: request.limit });
    case "PING":
      return line({ type: "PING", id: request.id });
  }
}

/** Bytes that one entry takes in a REGISTER or UPDATE, its comma included. */
export function encodedEntryBytes(entry: FileEntry): number {
  return Buffer.byteLength(JSON.stringify(wireEntry(entry))) + 1;
}

function wireEntry(entry: FileEntry): object {
  return { name: entry.name, size: entry.sizeBytes, md5: entry.md5, root: entry.root };
}

export function encodeResult(id: number, contents: readonly FoundContent[]): string {
  return line({ type: "RESULT", id, contents: contents.map(wireContent) });
}

function wireContent(content: FoundContent): object {
  const { root, sizeBytes, md5, names, total, sources } = content;
  return { root, size: sizeBytes, md5, names, total, sources: sources.map(wireSource) };
}

function wireSource({ peer, host, port, partial }: Source): object {
  return partial ? { peer, host, port, partial } : { peer, host, port };
}

export function encodeMatches(id: number, matches: readonly Match[], more: boolean): string {
  return line({
    type: "MATCHES",
    id,
    matches: matches.map(({ name, sizeBytes, root, sources }) => ({ name, size: sizeBytes, root, sources })),
    more,
  });
}

// --- to and from a peer ---

export function encodePeerRequest(request: HashesRequest | Get | HaveRequest): string {
  const { type, id, root } = request;
  if (type !== "GET") return line({ type, id, root });
  return line({ type, id, root, offset: request.offset, length: request.length });
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
  const { type, id, root, chunks } = have;
  return line({ type, id, root, chunks: Buffer.from(chunks).toString("base64") });
}

export function encodeHaveNews(news: HaveNews): string {
  return line({ type: "HAVE", root: news.root, chunk: news.chunk });
}

/** What decoders refuse, with which code, and that whatever was encoded comes back as it was. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeIndexAnswer } from "../../src/wire/decode-index-answer.ts";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { decodeHello } from "../../src/wire/decode-parts.ts";
import { decodePeerAnswer, decodePeerRequest } from "../../src/wire/decode-peer.ts";
import {
  encodeDataHeader,
  encodedEntryBytes,
  encodeError,
  encodeFolder,
  encodeFound,
  encodeHashesHeader,
  encodeHave,
  encodeHaveNews,
  encodeHello,
  encodeIndexRequest,
  encodeMatches,
  encodeNames,
  encodeNewSources,
  encodeOk,
  encodePeerRequest,
  encodePeers,
  encodeSentNews,
  encodeStats,
  encodeWelcome,
} from "../../src/wire/encode.ts";
import { type FileName, nameProblem } from "../../src/wire/file-name.ts";
import { fingerprint } from "../../src/wire/fingerprint.ts";
import {
  maxChunksPerContent,
  maxContentBytes,
  maxIndexAnswerLineBytes,
  maxPeerAnswerLineBytes,
  maxRetryMs,
} from "../../src/wire/limits.ts";
import type {
  FileEntry,
  FoundContent,
  IndexRequest,
  ListedFile,
  Match,
  Source,
} from "../../src/wire/messages.ts";
import { type ErrorCode, errorCodes, ProtocolError } from "../../src/wire/protocol-error.ts";
import type { FolderEntry, RegisteredPeer, StatsAnswer } from "../../src/wire/view-messages.ts";
import { fileEntry, rootOf, wireEntry } from "../helpers/file-entries.ts";
import { resultLine } from "../helpers/result-line.ts";

const emptyRoot = "0".repeat(64);

type Decoder = (line: Uint8Array) => unknown;

/** `CODE id`, or `fine`. */
function verdict(decode: Decoder, line: string | Uint8Array | object): string {
  const isText = typeof line === "string";
  const bytes = isText
    ? Buffer.from(line)
    : line instanceof Uint8Array
      ? line
      : Buffer.from(JSON.stringify(line));
  try {
    decode(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return `${error.code} ${error.id}`;
    throw error;
  }
  return "fine";
}

describe("A03 A09 A14 a line that is no message", () => {
  const table: [what: string, line: string | Uint8Array, verdict: string][] = [
    ["no JSON", "hello", "BAD_JSON null"],
    ["empty", "", "BAD_JSON null"],
    ["half an object", '{"type":"PING","id":1', "BAD_JSON null"],
    ["two objects", "{}{}", "BAD_JSON null"],
    ["a byte order mark", '\ufeff{"type":"PING","id":1}', "BAD_JSON null"],
    ["invalid UTF-8", Buffer.from('{"type":"PING","id":1,"x":"\xff\xfe"}', "latin1"), "BAD_JSON null"],
    ["500,000 open brackets", "[".repeat(500_000), "TOO_DEEP null"],
    ["150,000 nested objects", '{"a":'.repeat(150_000), "TOO_DEEP null"],
    ["nine levels", `${"[".repeat(9)}${"]".repeat(9)}`, "TOO_DEEP null"],
    ["a list", "[]", "BAD_MESSAGE null"],
    ["a text", '"QUERY"', "BAD_MESSAGE null"],
    ["a number", "1", "BAD_MESSAGE null"],
    ["null", "null", "BAD_MESSAGE null"],
    ["no type", "{}", "BAD_MESSAGE null"],
    ["a type that is none", '{"type":{"x":1}}', "BAD_MESSAGE null"],
  ];
  for (const decode of [decodeIndexRequest, decodePeerRequest, decodeIndexAnswer, decodePeerAnswer]) {
    test.each(table)(`${decode.name}: %s`, (_, line, expected) =>
      expect(verdict(decode, line)).toBe(expected),
    );
  }

  test("brackets inside of texts are no levels", () => {
    const name = `${"[".repeat(50)}\\"${"{".repeat(50)}`;
    expect(verdict(decodeIndexRequest, { type: "QUERY", id: 1, name })).toBe("fine");
  });

  test("too many fields", () => {
    const fields = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, i]));
    expect(verdict(decodeIndexRequest, { type: "PING", id: 1, ...fields })).toBe("TOO_MANY null");
  });

  test("A04: a prototype in it changes nobody's", () => {
    const line = '{"type":"PING","id":1,"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}';
    expect(decodeIndexRequest(Buffer.from(line))).toEqual({ type: "PING", id: 1 });
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
  });
});

describe("HELLO", () => {
  const hello = { type: "HELLO", version: 1, agent: "x" };
  const table: [object, string][] = [
    [hello, "fine"],
    [{ ...hello, id: 7, more: [1] }, "fine"],
    [{ ...hello, version: 2 }, "BAD_VERSION null"],
    [{ ...hello, version: "1" }, "BAD_VERSION null"],
    [{ ...hello, agent: "x".repeat(129) }, "BAD_MESSAGE null"],
    [{ ...hello, agent: 1 }, "BAD_MESSAGE null"],
    [{ type: "PING", id: 3 }, "BAD_STATE 3"],
  ];
  test.each(table)("%j: %s", (message, expected) => expect(verdict(decodeHello, message)).toBe(expected));
  test("comes once", () => {
    expect(verdict(decodeIndexRequest, hello)).toBe("BAD_STATE null");
    expect(verdict(decodePeerRequest, hello)).toBe("BAD_STATE null");
  });
});

describe("A07 A10 A14 to the index", () => {
  const register = { type: "REGISTER", id: 1, port: 7767, files: [wireEntry("a")] };
  const withEntry = (changes: object) => ({
    ...register,
    files: [wireEntry("ok"), { ...wireEntry("a"), ...changes }],
  });
  const library = { digest: "0123456789abcdef".repeat(2), files: 3 };
  const update = { type: "UPDATE", id: 1, add: [wireEntry("a")], remove: ["b"] };
  const table: [object | string, string][] = [
    [register, "fine"],
    [{ ...register, files: [] }, "fine"],
    [{ ...register, id: -1 }, "BAD_MESSAGE null"],
    [{ ...register, id: "1" }, "BAD_MESSAGE null"],
    [{ ...register, id: 1.5 }, "BAD_MESSAGE null"],
    [{ ...register, files: {} }, "BAD_MESSAGE 1"],
    [{ ...register, files: [7] }, "BAD_MESSAGE 1"],
    [{ ...register, files: Array(2_001).fill(wireEntry("a")) }, "TOO_MANY 1"],
    ...[0, 65_536, -1, 1.5, "7767", null].map((port): [object, string] => [
      { ...register, port },
      "BAD_PORT 1",
    ]),
    ...[
      "-1",
      "9007199254740993",
      "1e400",
      "1.5",
      '"5"',
      "null",
      "18446744073709551616",
      `${maxContentBytes + 1}`,
    ].map((size): [string, string] => [
      JSON.stringify(withEntry({ size: "SIZE" })).replace('"SIZE"', size),
      "BAD_SIZE 1",
    ]),
    [JSON.stringify(withEntry({ size: "SIZE", root: emptyRoot })).replace('"SIZE"', "-0"), "BAD_SIZE 1"],
    [withEntry({ size: 0, root: emptyRoot }), "fine"],
    [withEntry({ size: 0 }), "BAD_HASH 1"],
    [withEntry({ size: maxContentBytes }), "fine"],
    [withEntry({ size: undefined }), "BAD_SIZE 1"],
    [withEntry({ name: "../x" }), "BAD_NAME 1"],
    [withEntry({ name: 7 }), "BAD_NAME 1"],
    [withEntry({ name: undefined }), "BAD_NAME 1"],
    [JSON.stringify(withEntry({ name: "NAME" })).replace("NAME", "\\ud800"), "BAD_NAME 1"],
    [JSON.stringify(withEntry({ name: "NAME" })).replace("NAME", "\\u0000"), "BAD_NAME 1"],
    [withEntry({ md5: "A".repeat(32) }), "BAD_HASH 1"],
    [withEntry({ md5: "a".repeat(31) }), "BAD_HASH 1"],
    [withEntry({ md5: null }), "BAD_HASH 1"],
    [withEntry({ root: `${"a".repeat(63)}g` }), "BAD_HASH 1"],
    [withEntry({ root: `${"a".repeat(64)}\n` }), "BAD_HASH 1"],
    [withEntry({ partial: true }), "fine"],
    [withEntry({ partial: false }), "fine"],
    [withEntry({ partial: 1 }), "BAD_MESSAGE 1"],
    [withEntry({ partial: null }), "BAD_MESSAGE 1"],
    [update, "fine"],
    [{ ...update, add: [{ ...wireEntry("a"), partial: "true" }] }, "BAD_MESSAGE 1"],
    [{ type: "UPDATE", id: 1 }, "fine"],
    [{ ...update, remove: ["a/../b"] }, "BAD_NAME 1"],
    [{ ...update, remove: "b" }, "BAD_MESSAGE 1"],
    [{ ...update, add: Array(1_000).fill(wireEntry("a")), remove: Array(1_001).fill("b") }, "TOO_MANY 1"],
    [{ type: "QUERY", id: 1, name: "" }, "fine"],
    [{ type: "QUERY", id: 1, name: "../../etc/passwd" }, "fine"],
    [{ type: "QUERY", id: 1, name: "é".repeat(513) }, "BAD_MESSAGE 1"],
    [{ type: "QUERY", id: 1 }, "BAD_MESSAGE 1"],
    ['{"type":"QUERY","id":1,"name":"\\udc00"}', "BAD_MESSAGE 1"],
    [{ type: "SEARCH", id: 1, text: "x" }, "fine"],
    [{ type: "SEARCH", id: 1, text: "x", limit: 0 }, "BAD_MESSAGE 1"],
    [{ type: "SEARCH", id: 1, text: "x", limit: "5" }, "BAD_MESSAGE 1"],
    [{ type: "SEARCH", id: 1, text: "x".repeat(1_025) }, "BAD_MESSAGE 1"],
    [{ type: "QUERY", id: 1, name: "a", subscribe: true }, "fine"],
    [{ type: "QUERY", id: 1, name: "a", subscribe: "yes" }, "BAD_MESSAGE 1"],
    [{ type: "QUERY", id: 1, name: "a", subscribe: null }, "BAD_MESSAGE 1"],
    [{ type: "UNSUBSCRIBE", id: 1, query: 7 }, "fine"],
    [{ type: "UNSUBSCRIBE", id: 1 }, "BAD_MESSAGE 1"],
    [{ type: "UNSUBSCRIBE", id: 1, query: "7" }, "BAD_MESSAGE 1"],
    [{ type: "UNSUBSCRIBE", id: 1, query: -1 }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "" }, "fine"],
    [{ type: "LIST", id: 1, pattern: "../**/\u0000", after: "no/../name" }, "fine"],
    [{ type: "LIST", id: 1 }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: ["a"] }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "*".repeat(1_025) }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "é".repeat(513) }, "BAD_MESSAGE 1"],
    ['{"type":"LIST","id":1,"pattern":"\\udc00"}', "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "a", after: 7 }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "a", after: "x".repeat(1_025) }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "a", limit: 0 }, "BAD_MESSAGE 1"],
    [{ type: "LIST", id: 1, pattern: "a", limit: 1.5 }, "BAD_MESSAGE 1"],
    [{ ...register, library }, "BAD_MESSAGE 1"],
    [{ ...register, library, files: [] }, "fine"],
    [{ ...register, library, files: undefined }, "fine"],
    [{ ...register, library, files: {} }, "BAD_MESSAGE 1"],
    [{ ...register, library: null }, "BAD_MESSAGE 1"],
    [{ ...register, library: [library] }, "BAD_MESSAGE 1"],
    [{ ...register, files: undefined }, "BAD_MESSAGE 1"],
    ...["", "a".repeat(31), "a".repeat(33), "A".repeat(32), `${"a".repeat(32)}\n`, 0, undefined].map(
      (digest): [object, string] => [
        { ...register, files: [], library: { ...library, digest } },
        "BAD_HASH 1",
      ],
    ),
    ...[-1, 1.5, "1", null, undefined].map((files): [object, string] => [
      { ...register, files: [], library: { ...library, files } },
      "BAD_MESSAGE 1",
    ]),
    [{ ...register, files: [], library, port: 0 }, "BAD_PORT 1"],
    [{ type: "SEARCH", id: 1, text: "x", after: "é".repeat(128) }, "fine"],
    [{ type: "SEARCH", id: 1, text: "x", after: "é".repeat(129) }, "BAD_MESSAGE 1"],
    [{ type: "SEARCH", id: 1, text: "x", after: null }, "BAD_MESSAGE 1"],
    [{ type: "WATCH", id: 1, text: "x" }, "fine"],
    [{ type: "WATCH", id: 1 }, "BAD_MESSAGE 1"],
    [{ type: "WATCH", text: "x" }, "BAD_MESSAGE null"],
    [{ type: "WATCH", id: 1, text: "x".repeat(1_025) }, "BAD_MESSAGE 1"],
    ['{"type":"WATCH","id":1,"text":"\\ud800"}', "BAD_MESSAGE 1"],
    [{ type: "BROWSE", id: 1 }, "fine"],
    [{ type: "BROWSE", id: 1, folder: "../..", after: "no/child" }, "fine"],
    [{ type: "BROWSE", id: 1, folder: 7 }, "BAD_MESSAGE 1"],
    [{ type: "BROWSE", id: 1, folder: "x".repeat(1_025) }, "BAD_MESSAGE 1"],
    [{ type: "BROWSE", id: 1, folder: "", after: [] }, "BAD_MESSAGE 1"],
    [{ type: "BROWSE", id: 1, folder: "", limit: 0 }, "BAD_MESSAGE 1"],
    [{ type: "PEERS", id: 1 }, "fine"],
    [{ type: "PEERS", id: 1, after: 12 }, "BAD_MESSAGE 1"],
    [{ type: "PEERS", id: 1, after: "x".repeat(257) }, "BAD_MESSAGE 1"],
    [{ type: "PEERS", id: 1, limit: "all" }, "BAD_MESSAGE 1"],
    [{ type: "STATS", id: 1 }, "fine"],
    [{ type: "STATS" }, "BAD_MESSAGE null"],
    [{ type: "FOUND", id: 4 }, "UNKNOWN_TYPE 4"],
    [{ type: "GET", id: 4 }, "UNKNOWN_TYPE 4"],
    [{ type: "toString", id: 4 }, "UNKNOWN_TYPE 4"],
  ];
  test.each(table.map(([message, expected]) => [JSON.stringify(message).slice(0, 150), message, expected]))(
    "%s",
    (_, message, expected) => expect(verdict(decodeIndexRequest, message)).toBe(expected as string),
  );

  test("the limit of a SEARCH has a default and a ceiling", () => {
    const limit = (given?: number) =>
      decodeIndexRequest(Buffer.from(JSON.stringify({ type: "SEARCH", id: 1, text: "", limit: given })));
    expect(limit()).toMatchObject({ limit: 50 });
    expect(limit(7)).toMatchObject({ limit: 7 });
    expect(limit(5_000)).toMatchObject({ limit: 1_000 });
  });

  test("so has the limit of a LIST, which begins with the first name", () => {
    const list = (limit?: number) =>
      decodeIndexRequest(Buffer.from(JSON.stringify({ type: "LIST", id: 1, pattern: "a/", limit })));
    expect(list()).toEqual({ type: "LIST", id: 1, pattern: "a/", after: "", limit: 1_000 });
    expect(list(7)).toMatchObject({ limit: 7 });
    expect(list(5_000)).toMatchObject({ limit: 1_000 });
  });

  test("what is not asked for is not in the request", () => {
    const decoded = (request: object) =>
      Object.keys(decodeIndexRequest(Buffer.from(JSON.stringify(request))));
    expect(decoded({ type: "QUERY", id: 1, name: "a", subscribe: false })).toEqual(["type", "id", "name"]);
  });
});

describe("A25 to a peer", () => {
  const get = { type: "GET", id: 1, root: rootOf(1), offset: 0, length: 1 };
  const table: [object, string][] = [
    [get, "fine"],
    [{ ...get, length: 16 * 1024 * 1024 }, "fine"],
    [{ ...get, length: 16 * 1024 * 1024 + 1 }, "BAD_RANGE 1"],
    [{ ...get, length: 0 }, "BAD_RANGE 1"],
    [{ ...get, length: 2 ** 31 }, "BAD_RANGE 1"],
    [{ ...get, offset: -1 }, "BAD_RANGE 1"],
    [{ ...get, offset: 2 ** 53 }, "BAD_RANGE 1"],
    [{ ...get, offset: 2 ** 53 - 1 }, "BAD_RANGE 1"],
    [{ ...get, offset: 1.5 }, "BAD_RANGE 1"],
    [{ ...get, offset: "0" }, "BAD_RANGE 1"],
    [{ ...get, offset: maxContentBytes }, "BAD_RANGE 1"],
    [{ ...get, root: "../../etc/passwd" }, "BAD_HASH 1"],
    [{ type: "HASHES", id: 1, root: rootOf(1) }, "fine"],
    [{ type: "HAVE", id: 1, root: rootOf(1).toUpperCase() }, "BAD_HASH 1"],
    [{ type: "HAVE", id: 1, root: rootOf(1), sent: true }, "fine"],
    [{ type: "HAVE", id: 1, root: rootOf(1), sent: "" }, "BAD_MESSAGE 1"],
    [{ type: "SENT", id: 1, root: rootOf(1), chunk: 1 }, "UNKNOWN_TYPE 1"],
    [{ type: "QUERY", id: 4, name: "a" }, "UNKNOWN_TYPE 4"],
  ];
  test.each(table)("%j: %s", (message, expected) =>
    expect(verdict(decodePeerRequest, message)).toBe(expected),
  );
});

describe("A31 A32 A34 answers of a hostile index or source", () => {
  const content = {
    root: rootOf(1),
    size: 5,
    md5: "0".repeat(32),
    names: ["a"],
    total: 1,
    sources: [] as object[],
  };
  const result = (changes: object) => ({ type: "RESULT", id: 1, contents: [{ ...content, ...changes }] });
  const source = { peer: "1", host: "10.0.0.1", port: 1 };
  const names = (changes: object) => ({
    type: "NAMES",
    id: 1,
    files: [{ ...wireEntry("a"), total: 1, sources: [0], ...changes }],
    peers: [source, { ...source, peer: "2" }],
    more: false,
  });
  const found = (changes: object) => ({
    type: "FOUND",
    id: 1,
    matches: [{ ...wireEntry("a"), sources: 1, ...changes }],
  });
  const folder = (changes: object) => ({
    type: "FOLDER",
    id: 1,
    entries: [
      { name: "a", folder: true },
      { ...wireEntry("a"), sources: 1, ...changes },
    ],
  });
  const peers = (changes: object) => ({
    type: "PEERS",
    id: 1,
    peers: [{ ...source, files: 0, seconds: 0, ...changes }],
  });
  const stats = {
    type: "STATS",
    id: 1,
    peers: 1,
    files: 1,
    names: 1,
    connections: 1,
    queries: 1,
    seconds: 1,
    memory: 1,
    storage: "sqlite",
  };
  const fromIndex: [object, string][] = [
    [result({}), "fine"],
    [result({ sources: [source] }), "fine"],
    [result({ size: 2 ** 63 }), "BAD_SIZE 1"],
    [result({ size: 0 }), "BAD_HASH 1"],
    [result({ size: maxContentBytes + 1 }), "BAD_SIZE 1"],
    [result({ names: ["../../.bashrc"] }), "BAD_NAME 1"],
    [result({ names: Array(17).fill("a") }), "TOO_MANY 1"],
    [result({ sources: Array(65).fill(source) }), "TOO_MANY 1"],
    [result({ sources: [{ ...source, port: 0 }] }), "BAD_PORT 1"],
    [result({ sources: [{ ...source, host: 7 }] }), "BAD_MESSAGE 1"],
    [result({ sources: [{ ...source, host: "example.org" }] }), "BAD_MESSAGE 1"],
    [result({ sources: [{ ...source, host: "127.1" }] }), "BAD_MESSAGE 1"],
    [result({ sources: [{ ...source, host: "0x7f000001" }] }), "BAD_MESSAGE 1"],
    [result({ sources: [{ ...source, host: "fe80::1" }] }), "fine"],
    [result({ sources: [{ ...source, partial: true }] }), "fine"],
    [result({ sources: [{ ...source, partial: 1 }] }), "BAD_MESSAGE 1"],
    [{ type: "RESULT", id: 1, contents: Array(101).fill(content) }, "TOO_MANY 1"],
    [{ ...result({ sources: [source] }), type: "SOURCES" }, "fine"],
    [{ ...result({ sources: [{ ...source, host: "example.org" }] }), type: "SOURCES" }, "BAD_MESSAGE 1"],
    [{ type: "SOURCES", contents: [] }, "BAD_MESSAGE null"],
    [names({}), "fine"],
    [names({ sources: [0, 1, 0] }), "fine"],
    [names({ sources: [2] }), "BAD_MESSAGE 1"],
    [names({ sources: [-1] }), "BAD_MESSAGE 1"],
    [names({ sources: ["0"] }), "BAD_MESSAGE 1"],
    [names({ sources: ["length"] }), "BAD_MESSAGE 1"],
    [names({ sources: Array(9).fill(0) }), "TOO_MANY 1"],
    [names({ name: "../../.bashrc" }), "BAD_NAME 1"],
    [names({ size: 0 }), "BAD_HASH 1"],
    [names({ md5: "" }), "BAD_HASH 1"],
    [names({ total: -1 }), "BAD_MESSAGE 1"],
    [{ ...names({}), peers: [{ ...source, port: 0 }, source] }, "BAD_PORT 1"],
    [{ ...names({}), peers: Array(8_001).fill(source) }, "TOO_MANY 1"],
    [{ ...names({}), files: Array(1_001).fill({}) }, "TOO_MANY 1"],
    [{ ...names({}), more: undefined }, "BAD_MESSAGE 1"],
    [{ ...names({}), more: true, next: "b" }, "fine"],
    [{ ...names({}), more: true }, "BAD_NAME 1"],
    [{ ...names({}), more: true, next: "../b" }, "BAD_NAME 1"],
    [{ ...names({}), more: false, next: "../b" }, "fine"],
    [{ ...names({}), id: undefined }, "BAD_MESSAGE null"],
    [{ type: "RESULT", contents: [] }, "BAD_MESSAGE null"],
    [{ type: "OK", id: 1, held: 1 }, "BAD_MESSAGE 1"],
    [{ type: "OK", id: 1, held: null }, "BAD_MESSAGE 1"],
    [found({}), "fine"],
    [found({ name: "../x" }), "BAD_NAME 1"],
    [found({ sources: -1 }), "BAD_MESSAGE 1"],
    [found({ size: 0 }), "BAD_HASH 1"],
    [{ ...found({}), id: null }, "BAD_MESSAGE null"],
    [{ ...found({}), matches: Array(1_001).fill({}) }, "TOO_MANY 1"],
    [{ ...found({}), type: "MATCHES", more: true }, "fine"],
    [{ ...found({}), type: "MATCHES", more: true, next: "x" }, "fine"],
    [{ ...found({}), type: "MATCHES", more: true, next: "" }, "BAD_MESSAGE 1"],
    [{ ...found({}), type: "MATCHES", more: true, next: "x".repeat(257) }, "BAD_MESSAGE 1"],
    [{ ...found({}), type: "MATCHES", more: true, next: 7 }, "BAD_MESSAGE 1"],
    [{ ...found({}), type: "MATCHES", more: false, next: 7 }, "fine"],
    [folder({}), "fine"],
    [folder({ folder: false }), "fine"],
    [folder({ folder: true, size: "whatever" }), "fine"],
    [folder({ folder: 1 }), "BAD_MESSAGE 1"],
    [folder({ name: "a/b" }), "BAD_NAME 1"],
    [folder({ name: ".." }), "BAD_NAME 1"],
    [folder({ folder: true, name: "" }), "BAD_NAME 1"],
    [folder({ md5: "" }), "BAD_HASH 1"],
    [folder({ size: undefined }), "BAD_SIZE 1"],
    [folder({ sources: undefined }), "BAD_MESSAGE 1"],
    [{ ...folder({}), next: "b" }, "fine"],
    [{ ...folder({}), next: "a/b" }, "BAD_NAME 1"],
    [{ ...folder({}), next: "" }, "BAD_NAME 1"],
    [{ ...folder({}), entries: Array(1_001).fill({}) }, "TOO_MANY 1"],
    [peers({}), "fine"],
    [peers({ host: "example.org" }), "BAD_MESSAGE 1"],
    [peers({ port: 0 }), "BAD_PORT 1"],
    [peers({ peer: "x".repeat(129) }), "BAD_MESSAGE 1"],
    [peers({ files: -1 }), "BAD_MESSAGE 1"],
    [peers({ fingerprint: "ab".repeat(32) }), "fine"],
    [peers({ fingerprint: "ab" }), "BAD_HASH 1"],
    [peers({ seconds: 1.5 }), "BAD_MESSAGE 1"],
    [{ ...peers({}), next: "12" }, "fine"],
    [{ ...peers({}), next: "" }, "BAD_MESSAGE 1"],
    [{ ...peers({}), peers: Array(1_001).fill({}) }, "TOO_MANY 1"],
    [stats, "fine"],
    [{ ...stats, more: [1] }, "fine"],
    ...Object.keys(stats)
      .filter((key) => key !== "type" && key !== "id")
      .map((key): [object, string] => [{ ...stats, [key]: -1 }, "BAD_MESSAGE 1"]),
    [{ ...stats, storage: "x".repeat(65) }, "BAD_MESSAGE 1"],
    [{ type: "MATCHES", id: 1, matches: [], more: 1 }, "BAD_MESSAGE 1"],
    [{ type: "WELCOME", version: 2, agent: "x" }, "BAD_VERSION null"],
    [{ type: "ERROR", id: 1, code: 7, message: "" }, "BAD_MESSAGE null"],
    [{ type: "ERROR", id: 1, code: "BUSY", message: "", retryMs: 800 }, "fine"],
    [{ type: "ERROR", id: 1, code: "BUSY", message: "", retryMs: "800" }, "BAD_MESSAGE null"],
    [{ type: "ERROR", id: 1, code: "BUSY", message: "", retryMs: -1 }, "BAD_MESSAGE null"],
    [{ type: "DATA", id: 1, offset: 0, length: 1 }, "UNKNOWN_TYPE 1"],
  ];
  test.each(fromIndex)("index: %j: %s", (message, expected) =>
    expect(verdict(decodeIndexAnswer, message)).toBe(expected),
  );

  const fromPeer: [object, string][] = [
    [{ type: "DATA", id: 1, offset: 0, length: 1e18 }, "BAD_MESSAGE 1"],
    [{ type: "DATA", id: 1, offset: -1, length: 1 }, "BAD_MESSAGE 1"],
    [{ type: "HASHES", id: 1 }, "BAD_MESSAGE 1"],
    [{ type: "HAVE", id: 1, root: rootOf(1), chunks: "+A=" }, "fine"],
    [{ type: "HAVE", id: 1, root: rootOf(1), chunks: "no base64!" }, "BAD_MESSAGE 1"],
    [{ type: "HAVE", root: rootOf(1), chunk: maxChunksPerContent }, "BAD_MESSAGE null"],
    [{ type: "HAVE", root: rootOf(1), chunk: 5 }, "fine"],
    [{ type: "HAVE", id: 1, root: rootOf(1), chunks: "+A==", sent: "gA==" }, "fine"],
    [{ type: "HAVE", id: 1, root: rootOf(1), chunks: "+A==", sent: true }, "BAD_MESSAGE 1"],
    [{ type: "HAVE", root: rootOf(1), sent: "gA==" }, "BAD_MESSAGE null"],
    [{ type: "SENT", root: rootOf(1), chunk: 5 }, "fine"],
    [{ type: "SENT", root: rootOf(1), chunk: maxChunksPerContent }, "BAD_MESSAGE null"],
    [{ type: "SENT", root: rootOf(1) }, "BAD_MESSAGE null"],
    [{ type: "SENT", root: "x", chunk: 5 }, "BAD_HASH null"],
    [{ type: "ERROR", id: 1, code: "BUSY", message: "", retryMs: 0.5 }, "BAD_MESSAGE null"],
  ];
  test.each(fromPeer)("peer: %j: %s", (message, expected) =>
    expect(verdict(decodePeerAnswer, message)).toBe(expected),
  );
});

// --- round trips ---

const idArbitrary = fc.maxSafeNat();
const rootArbitrary = fc.integer().map(rootOf);
const nameArbitrary = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .filter((name) => nameProblem(name) === undefined) as fc.Arbitrary<FileName>;
const sizeArbitrary = fc.maxSafeNat().map((size) => (size % maxContentBytes) + 1);
const entryArbitrary: fc.Arbitrary<FileEntry> = fc
  .record({
    name: nameArbitrary,
    sizeBytes: sizeArbitrary,
    md5: fc.integer().map((seed) => fileEntry("x", seed).md5),
    root: rootArbitrary,
    isPartial: fc.boolean(),
  })
  .map(({ isPartial, ...entry }) => (isPartial ? { ...entry, partial: true } : entry));
const portArbitrary = fc.integer({ min: 1, max: 65_535 });
const textArbitrary = fc.string({ unit: "grapheme", maxLength: 60 });
const digestArbitrary = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const markArbitrary = fc.string({ minLength: 1, maxLength: 80 });
const requestArbitrary: fc.Arbitrary<IndexRequest> = fc.oneof(
  fc.record({
    type: fc.constant("REGISTER" as const),
    id: idArbitrary,
    port: portArbitrary,
    files: fc.array(entryArbitrary, { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant("REGISTER" as const),
    id: idArbitrary,
    port: portArbitrary,
    files: fc.constant<FileEntry[]>([]),
    library: fc.record({ digest: digestArbitrary, files: fc.nat() }),
  }),
  fc.record({
    type: fc.constant("UPDATE" as const),
    id: idArbitrary,
    add: fc.array(entryArbitrary, { maxLength: 5 }),
    remove: fc.array(nameArbitrary, { maxLength: 5 }),
  }),
  fc.record({ type: fc.constant("QUERY" as const), id: idArbitrary, name: textArbitrary }),
  fc.record({
    type: fc.constant("QUERY" as const),
    id: idArbitrary,
    name: textArbitrary,
    subscribe: fc.constant(true),
  }),
  fc.record({ type: fc.constant("UNSUBSCRIBE" as const), id: idArbitrary, query: idArbitrary }),
  fc.record({
    type: fc.constant("LIST" as const),
    id: idArbitrary,
    pattern: textArbitrary,
    after: fc.oneof(fc.constant(""), nameArbitrary),
    limit: fc.integer({ min: 1, max: 1_000 }),
  }),
  fc.record({
    type: fc.constant("SEARCH" as const),
    id: idArbitrary,
    text: textArbitrary,
    after: textArbitrary,
    limit: fc.integer({ min: 1, max: 1_000 }),
  }),
  fc.record({ type: fc.constant("WATCH" as const), id: idArbitrary, text: textArbitrary }),
  fc.record({
    type: fc.constant("BROWSE" as const),
    id: idArbitrary,
    folder: textArbitrary,
    after: textArbitrary,
    limit: fc.integer({ min: 1, max: 1_000 }),
  }),
  fc.record({
    type: fc.constant("PEERS" as const),
    id: idArbitrary,
    after: textArbitrary,
    limit: fc.integer({ min: 1, max: 1_000 }),
  }),
  fc.record({ type: fc.constantFrom("STATS" as const, "PING"), id: idArbitrary }),
);
const sourceArbitrary: fc.Arbitrary<Source> = fc.record({
  peer: fc.string({ maxLength: 20 }),
  host: fc.constantFrom("10.0.0.1", "::1"),
  port: portArbitrary,
  partial: fc.boolean(),
});
const contentArbitrary: fc.Arbitrary<FoundContent> = fc
  .tuple(
    entryArbitrary,
    fc.array(nameArbitrary, { maxLength: 3 }),
    fc.array(sourceArbitrary, { maxLength: 3 }),
    fc.nat(),
  )
  .map(([{ sizeBytes, md5, root }, names, sources, total]) => ({
    root,
    sizeBytes,
    md5,
    names,
    total,
    sources,
  }));
const matchArbitrary: fc.Arbitrary<Match> = fc
  .tuple(entryArbitrary, fc.nat())
  .map(([{ name, sizeBytes, root }, sources]) => ({ name, sizeBytes, root, sources }));
const partArbitrary = nameArbitrary.filter((name) => !name.includes("/"));
const folderEntryArbitrary: fc.Arbitrary<FolderEntry> = fc
  .tuple(entryArbitrary, partArbitrary, fc.boolean(), fc.nat())
  .map(([{ sizeBytes, md5, root }, name, folder, sources]) =>
    folder ? { folder, name } : { folder, name, sizeBytes, md5, root, sources },
  );
const registeredArbitrary: fc.Arbitrary<RegisteredPeer> = fc.record(
  {
    peer: fc.string({ maxLength: 20 }),
    host: fc.constantFrom("10.0.0.1", "::1"),
    port: portArbitrary,
    fingerprint: fc.constant(fingerprint("ab".repeat(32))),
    files: fc.nat(),
    seconds: fc.nat(),
  },
  { requiredKeys: ["peer", "host", "port", "files", "seconds"] },
);
const statsArbitrary: fc.Arbitrary<StatsAnswer> = fc.record({
  type: fc.constant("STATS" as const),
  id: idArbitrary,
  peers: fc.nat(),
  files: fc.maxSafeNat(),
  names: fc.nat(),
  connections: fc.nat(),
  queries: fc.maxSafeNat(),
  seconds: fc.nat(),
  memoryBytes: fc.maxSafeNat(),
  storage: fc.constantFrom("memory", "sqlite", "postgresql", "another"),
});
/** A few peers that have some of many files: the same ones stand in many places. */
const listedArbitrary: fc.Arbitrary<ListedFile[]> = fc
  .uniqueArray(sourceArbitrary, { selector: ({ peer }) => peer, maxLength: 5 })
  .chain((peers) =>
    fc.array(
      fc
        .tuple(entryArbitrary, fc.subarray(peers), fc.nat())
        .map(([{ name, sizeBytes, md5, root }, sources, total]) => ({
          name,
          sizeBytes,
          md5,
          root,
          total,
          sources,
        })),
      { maxLength: 6 },
    ),
  );

/** The one line, without its newline. */
function line(text: string): Buffer {
  expect(text.indexOf("\n")).toBe(text.length - 1);
  return Buffer.from(text.slice(0, -1));
}

describe("what was encoded comes back", () => {
  test("HELLO and WELCOME", () => {
    expect(decodeHello(line(encodeHello("p2p/1")))).toEqual({ type: "HELLO", version: 1, agent: "p2p/1" });
    const welcome = { type: "WELCOME", version: 1, agent: "a" } as const;
    expect(decodePeerAnswer(line(encodeWelcome("a")))).toEqual(welcome);
    expect(decodeIndexAnswer(line(encodeWelcome("a", "e")))).toEqual({ ...welcome, epoch: "e" });
  });

  test("requests to the index", () => {
    fc.assert(
      fc.property(requestArbitrary, (request) => {
        expect(decodeIndexRequest(line(encodeIndexRequest(request)))).toEqual(request);
      }),
    );
  });

  test("answers of the index", () => {
    fc.assert(
      fc.property(idArbitrary, fc.array(contentArbitrary, { maxLength: 4 }), (id, contents) => {
        expect(decodeIndexAnswer(line(resultLine(id, contents)))).toEqual({
          type: "RESULT",
          id,
          contents,
        });
        const news = decodeIndexAnswer(line(encodeNewSources(id, contents)));
        expect(news).toEqual({ type: "SOURCES", id, contents });
      }),
    );
    fc.assert(
      fc.property(
        idArbitrary,
        fc.array(matchArbitrary, { maxLength: 4 }),
        fc.boolean(),
        fc.option(markArbitrary, { nil: undefined }),
        (id, matches, more, mark) => {
          const next = more ? mark : undefined;
          const answer = decodeIndexAnswer(line(encodeMatches(id, matches, more, next)));
          expect(answer).toEqual({ type: "MATCHES", id, matches, more, next });
        },
      ),
    );
    fc.assert(
      fc.property(
        idArbitrary,
        listedArbitrary,
        fc.option(nameArbitrary, { nil: undefined }),
        (id, files, next) => {
          const text = encodeNames(id, files, next);
          expect(decodeIndexAnswer(line(text))).toEqual({ type: "NAMES", id, files, next });
          const used = new Set(files.flatMap(({ sources }) => sources.map(({ peer }) => peer)));
          expect((JSON.parse(text) as { peers: unknown[] }).peers).toHaveLength(used.size);
        },
      ),
    );
    expect(Object.keys(decodeIndexAnswer(line(encodeOk(3))))).toEqual(["type", "id"]);
    for (const held of [true, false])
      expect(decodeIndexAnswer(line(encodeOk(3, held)))).toEqual({ type: "OK", id: 3, held });
  });

  test("answers that show what an index has", () => {
    const next = fc.option(markArbitrary, { nil: undefined });
    fc.assert(
      fc.property(idArbitrary, fc.array(matchArbitrary, { maxLength: 4 }), (id, matches) => {
        expect(decodeIndexAnswer(line(encodeFound(id, matches)))).toEqual({ type: "FOUND", id, matches });
      }),
    );
    fc.assert(
      fc.property(
        idArbitrary,
        fc.array(folderEntryArbitrary, { maxLength: 6 }),
        fc.option(partArbitrary, { nil: undefined }),
        (id, entries, last) => {
          const answer = decodeIndexAnswer(line(encodeFolder(id, entries, last)));
          expect(answer).toEqual({ type: "FOLDER", id, entries, next: last });
        },
      ),
    );
    fc.assert(
      fc.property(idArbitrary, fc.array(registeredArbitrary, { maxLength: 4 }), next, (id, peers, last) => {
        const answer = decodeIndexAnswer(line(encodePeers(id, peers, last)));
        expect(answer).toEqual({ type: "PEERS", id, peers, next: last });
      }),
    );
    fc.assert(
      fc.property(statsArbitrary, (stats) => {
        expect(decodeIndexAnswer(line(encodeStats(stats)))).toEqual(stats);
      }),
    );
  });

  test("errors, on both protocols", () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      for (const id of [null, 0, 7]) {
        const text = line(encodeError(new ProtocolError(code, id)));
        const message = { type: "ERROR", id, code, message: errorCodes[code] } as const;
        expect(decodeIndexAnswer(text)).toEqual(message);
        expect(decodePeerAnswer(text)).toEqual(message);
      }
    }
  });

  test("when to come back, at most a minute later", () => {
    const busy = (retryMs?: number) => line(encodeError(new ProtocolError("BUSY", 7, "queue", retryMs)));
    const message = { type: "ERROR", id: 7, code: "BUSY", message: "queue" } as const;
    expect(decodePeerAnswer(busy(800))).toEqual({ ...message, retryMs: 800 });
    expect(decodePeerAnswer(busy(maxRetryMs + 1))).toEqual({ ...message, retryMs: maxRetryMs });
    expect(Object.keys(decodePeerAnswer(busy()))).not.toContain("retryMs");
  });

  test("requests to and answers of a peer", () => {
    fc.assert(
      fc.property(
        idArbitrary,
        rootArbitrary,
        fc.nat(2 ** 30),
        fc.integer({ min: 1, max: 2 ** 24 }),
        (id, root, offset, length) => {
          for (const request of [
            { type: "HASHES", id, root },
            { type: "HAVE", id, root },
            { type: "HAVE", id, root, sent: true },
            { type: "GET", id, root, offset, length },
          ] as const) {
            expect(decodePeerRequest(line(encodePeerRequest(request)))).toEqual(request);
          }
          expect(decodePeerAnswer(line(encodeDataHeader(id, offset, length)))).toEqual({
            type: "DATA",
            id,
            offset,
            length,
          });
          expect(decodePeerAnswer(line(encodeHashesHeader(id, length)))).toEqual({
            type: "HASHES",
            id,
            length,
          });
          const news = { type: "HAVE_NEWS", root, chunk: offset % maxChunksPerContent } as const;
          expect(decodePeerAnswer(line(encodeHaveNews(news)))).toEqual(news);
          const sent = { ...news, type: "SENT" } as const;
          expect(decodePeerAnswer(line(encodeSentNews(sent)))).toEqual(sent);
        },
      ),
    );
    fc.assert(
      fc.property(idArbitrary, rootArbitrary, fc.uint8Array({ maxLength: 50 }), (id, root, chunks) => {
        const have = { type: "HAVE", id, root, chunks } as const;
        expect(decodePeerAnswer(line(encodeHave(have)))).toEqual(have);
        const withSent = { ...have, sent: chunks.map((byte) => byte & 0x55) };
        expect(decodePeerAnswer(line(encodeHave(withSent)))).toEqual(withSent);
      }),
    );
  });
});

test("no line of any bytes makes a decoder throw anything but a ProtocolError", () => {
  const mutated = fc
    .tuple(requestArbitrary, fc.nat(), fc.uint8Array({ maxLength: 4 }))
    .map(([request, at, bytes]) => {
      const whole = Buffer.from(encodeIndexRequest(request));
      whole.set(bytes.subarray(0, whole.length), Math.max(0, (at % whole.length) - bytes.length));
      return whole;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (bytes) => {
      for (const decode of [
        decodeHello,
        decodeIndexRequest,
        decodePeerRequest,
        decodeIndexAnswer,
        decodePeerAnswer,
      ]) {
        verdict(decode, bytes);
      }
    }),
    { numRuns: 500 },
  );
});

test("the bytes of an entry are counted exactly", () => {
  fc.assert(
    fc.property(fc.array(entryArbitrary, { minLength: 1, maxLength: 6 }), (files) => {
      const empty = encodeIndexRequest({ type: "REGISTER", id: 1, port: 1, files: [] });
      const whole = encodeIndexRequest({ type: "REGISTER", id: 1, port: 1, files });
      const counted = files.reduce((bytes, file) => bytes + encodedEntryBytes(file), 0);
      // One comma less than entries.
      expect(Buffer.byteLength(whole)).toBe(Buffer.byteLength(empty) + counted - 1);
    }),
  );
});

describe("the largest answers fit into a line", () => {
  // Quotation marks take two bytes each in JSON, and nothing takes more.
  const name = Array(4).fill('"'.repeat(255)).join("/") as FileName;
  test("RESULT, MATCHES, NAMES and FOLDER", () => {
    const host = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
    const source = { peer: "9007199254740991", host, port: 65_535, partial: false };
    const content = {
      ...fileEntry("x", 1),
      sizeBytes: maxContentBytes,
      names: Array<string>(16).fill(name),
      total: 10_000,
      sources: Array<Source>(64).fill(source),
    };
    const result = resultLine(Number.MAX_SAFE_INTEGER, Array<FoundContent>(100).fill(content));
    expect(Buffer.byteLength(result)).toBeLessThanOrEqual(maxIndexAnswerLineBytes);
    const match = { name, sizeBytes: maxContentBytes, root: rootOf(1), sources: 10_000 };
    const matches = encodeMatches(Number.MAX_SAFE_INTEGER, Array<Match>(1_000).fill(match), true);
    expect(Buffer.byteLength(matches)).toBeLessThanOrEqual(maxIndexAnswerLineBytes);
    const files = Array.from({ length: 1_000 }, (_, i) => ({
      ...fileEntry(name, 1),
      sizeBytes: maxContentBytes,
      total: 10_000,
      sources: Array.from({ length: 8 }, (_, j) => ({ ...source, peer: String(1e15 + 8 * i + j) })),
    }));
    const names = encodeNames(Number.MAX_SAFE_INTEGER, files, name);
    expect(Buffer.byteLength(names)).toBeLessThanOrEqual(maxIndexAnswerLineBytes);
    expect(verdict(decodeIndexAnswer, names.trimEnd())).toBe("fine");
    const part = '"'.repeat(255) as FileName;
    const child = { ...match, folder: false as const, name: part, md5: "0".repeat(32) };
    const folder = encodeFolder(Number.MAX_SAFE_INTEGER, Array<FolderEntry>(1_000).fill(child), part);
    expect(Buffer.byteLength(folder)).toBeLessThanOrEqual(maxIndexAnswerLineBytes);
    expect(verdict(decodeIndexAnswer, folder.trimEnd())).toBe("fine");
  });

  test("HAVE", () => {
    const chunks = new Uint8Array(maxChunksPerContent / 8).fill(255);
    const id = Number.MAX_SAFE_INTEGER;
    const have = encodeHave({ type: "HAVE", id, root: rootOf(1), chunks, sent: chunks });
    expect(Buffer.byteLength(have)).toBeLessThanOrEqual(maxPeerAnswerLineBytes);
  });
});

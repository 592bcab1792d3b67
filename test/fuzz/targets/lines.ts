/** Decoders of single lines: what they accept is legal, and comes back as it was when it is encoded. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeIndexAnswer } from "../../../src/wire/decode-index-answer.ts";
import { decodeIndexRequest } from "../../../src/wire/decode-index-request.ts";
import { decodeHello } from "../../../src/wire/decode-parts.ts";
import { decodePeerAnswer, decodePeerRequest } from "../../../src/wire/decode-peer.ts";
import {
  encodeDataHeader,
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
} from "../../../src/wire/encode.ts";
import { fileName } from "../../../src/wire/file-name.ts";
import { LibraryDigest } from "../../../src/wire/library-digest.ts";
import {
  maxContentBytes,
  maxIndexAnswerLineBytes,
  maxIndexLineBytes,
  maxJsonDepth,
  maxKeysPerObject,
  maxPeerAnswerLineBytes,
  maxShortLineBytes,
} from "../../../src/wire/limits.ts";
import type { IndexAnswer, IndexRequest, ListedFile } from "../../../src/wire/messages.ts";
import type { PeerAnswer } from "../../../src/wire/peer-messages.ts";
import {
  decodeAuth,
  decodeClientProof,
  decodeServerProof,
  encodeAuth,
  encodeClientProof,
  encodeServerProof,
} from "../../../src/wire/proof-messages.ts";
import { resultLine } from "../../helpers/result-line.ts";
import { decoded, must, mustBeSame, pure, shapeOf, type Target } from "../target.ts";

/** Every message that PROTOCOL.md shows. */
export const protocolLines: readonly string[] = [
  ...new Set(
    [
      ...readFileSync(join(import.meta.dir, "../../../src/wire/PROTOCOL.md"), "utf8").matchAll(
        /^\w?[<>] (\{.*\})$/gm,
      ),
    ].map(([, line = ""]) => line.replaceAll("…", "17")),
  ),
];

/** `encode`: undefined for what only others say. */
function lines<Message>(
  name: string,
  maxBytes: number,
  decode: (line: Uint8Array) => Message,
  encode: (message: Message) => string | undefined,
  check: (message: Message) => void = () => {},
): Target {
  return {
    name,
    maxBytes,
    seeds: () => protocolLines.filter((line) => "message" in decoded(() => decode(Buffer.from(line)))),
    inCheck: 1_000,
    begin: pure((input) => {
      const result = decoded(() => decode(input));
      must(({} as { isAdmin?: unknown }).isAdmin === undefined, "a prototype was changed");
      if ("refusal" in result) return result.refusal;
      const { message } = result;
      return () => {
        mustBeSimple(input);
        mustBeLegal(message);
        check(message);
        const text = encode(message);
        if (text === undefined) return shapeOf(message);
        must(text.indexOf("\n") === text.length - 1, "what is encoded is not one line");
        mustBeSame("it comes back as another one", decode(Buffer.from(text.slice(0, -1))), message);
        return shapeOf(message);
      };
    }),
  };
}

/** How many of them a list of that name has at most. */
const lengths: Readonly<Record<string, number>> = {
  ...{ files: 2_000, add: 2_000, remove: 2_000, contents: 100, sources: 64, names: 16 },
  ...{ matches: 1_000, entries: 1_000, peers: 1_000 },
};

/** Said once more, in other words than the decoders': what holds for every field of that name or kind. */
function mustBeLegal(value: unknown, key = ""): void {
  if (typeof value === "number")
    must(Number.isSafeInteger(value) && Object.is(Math.abs(value), value), `${value}`);
  if (typeof value === "string") must(value.isWellFormed() && value.length <= 1_024, `the text ${key}`);
  if (key === "sizeBytes") must((value as number) <= maxContentBytes, `a size of ${value}`);
  if (key === "root") must(/^[0-9a-f]{64}$/.test(value as string), `the root ${value}`);
  if (key === "nonce" || key === "proof")
    must((value as Uint8Array).length === 32, `a ${key} of another length`);
  if (key === "port") must((value as number) > 0 && (value as number) < 65_536, `the port ${value}`);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  if (Array.isArray(value)) must(value.length <= (lengths[key] ?? 0), `${value.length} ${key}`);
  // The one of a QUERY is a question, and may be any text.
  if ("name" in value && ("root" in value || "folder" in value))
    must(fileName(value.name as string) !== undefined, `the name ${value.name}`);
  for (const [inner, field] of Object.entries(value)) mustBeLegal(field, Array.isArray(value) ? "" : inner);
}

function mustBeSimple(line: Uint8Array): void {
  must(line[0] !== 0xef, "a byte order mark");
  must(depthOf(JSON.parse(Buffer.from(line).toString())) <= maxJsonDepth, "deeper than it may be");
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  must(Array.isArray(value) || inner.length <= maxKeysPerObject, "more fields than there may be");
  return 1 + inner.reduce<number>((deepest, each) => Math.max(deepest, depthOf(each)), 0);
}

// --- to and from an index ---

function encodeIndexAnswer(answer: IndexAnswer): string | undefined {
  switch (answer.type) {
    case "WELCOME":
      return encodeWelcome(answer.agent, answer.epoch);
    case "OK":
      return encodeOk(answer.id, answer.held, answer.host);
    case "RESULT":
      return resultLine(answer.id, answer.contents);
    case "SOURCES":
      return encodeNewSources(answer.id, answer.contents);
    case "MATCHES":
      return encodeMatches(answer.id, answer.matches, answer.more, answer.next);
    case "FOUND":
      return encodeFound(answer.id, answer.matches);
    case "NAMES":
      return hasPeersOnce(answer.files) ? encodeNames(answer.id, answer.files, answer.next) : undefined;
    case "FOLDER":
      return encodeFolder(answer.id, answer.entries, answer.next);
    case "PEERS":
      return encodePeers(answer.id, answer.peers, answer.next);
    case "STATS":
      return encodeStats(answer);
    case "ERROR":
      return undefined;
  }
}

/** An index of ours never gives one peer two addresses. */
function hasPeersOnce(files: readonly ListedFile[]): boolean {
  const sources = files.flatMap(({ sources }) => sources);
  const addresses = new Set(sources.map((source) => JSON.stringify(source)));
  return addresses.size === new Set(sources.map(({ peer }) => peer)).size;
}

/** What comes and goes leaves the digest as it was, in whatever order. */
function checkDigest(request: IndexRequest): void {
  if (request.type !== "REGISTER") return;
  const digest = new LibraryDigest();
  for (const file of request.files) digest.add(file);
  const backwards = new LibraryDigest();
  for (const file of request.files.toReversed()) backwards.add(file);
  must(digest.is(backwards.claim), "the digest depends on the order");
  if (request.library !== undefined)
    must(!digest.is(request.library) || request.library.files === 0, "a claim of nothing");
  for (const file of request.files) digest.remove(file);
  must(digest.count === 0 && /^0{32}$/.test(digest.hex), "the digest keeps what has gone");
}

// --- to and from a peer ---

function encodePeerAnswer(answer: PeerAnswer): string | undefined {
  switch (answer.type) {
    case "WELCOME":
      return encodeWelcome(answer.agent, answer.epoch);
    case "HASHES":
      return encodeHashesHeader(answer.id, answer.length);
    case "DATA":
      return encodeDataHeader(answer.id, answer.offset, answer.length);
    case "HAVE":
      return encodeHave(answer);
    case "HAVE_NEWS":
      return encodeHaveNews(answer);
    case "SENT":
      return encodeSentNews(answer);
    case "ERROR":
      return undefined;
  }
}

export const lineTargets: readonly Target[] = [
  lines("hello", maxShortLineBytes, decodeHello, ({ agent, session }) => encodeHello(agent, session)),
  lines("index-request", maxIndexLineBytes, decodeIndexRequest, encodeIndexRequest, checkDigest),
  lines("index-answer", maxIndexAnswerLineBytes, decodeIndexAnswer, encodeIndexAnswer),
  lines("peer-request", maxShortLineBytes, decodePeerRequest, encodePeerRequest),
  lines("peer-answer", maxPeerAnswerLineBytes, decodePeerAnswer, encodePeerAnswer),
  lines("proof-auth", maxShortLineBytes, decodeAuth, ({ nonce }) => encodeAuth(nonce)),
  lines("proof-server", maxShortLineBytes, decodeServerProof, ({ nonce, proof }) =>
    encodeServerProof(nonce, proof),
  ),
  lines("proof-client", maxShortLineBytes, decodeClientProof, ({ proof }) => encodeClientProof(proof)),
];

/** Whole conversations: what one connection says, line after line, to a peer, to the protocol of an index, and to an index. */
import { IndexServer } from "../../../src/index-server/server.ts";
import { IndexSession } from "../../../src/index-server/session.ts";
import { ContentBoard } from "../../../src/transfer/content-board.ts";
import { type OfferedContent, UploadSession } from "../../../src/transfer/upload-session.ts";
import { decodeIndexAnswer } from "../../../src/wire/decode-index-answer.ts";
import { decodePeerAnswer } from "../../../src/wire/decode-peer.ts";
import { encodePeerRequest } from "../../../src/wire/encode.ts";
import { maxIndexLineBytes, maxShortLineBytes } from "../../../src/wire/limits.ts";
import { ProtocolError } from "../../../src/wire/protocol-error.ts";
import { LineClient } from "../../helpers/line-client.ts";
import { must, pure, type Running, type Target } from "../target.ts";
import { protocolLines } from "./lines.ts";

const hello = '{"type":"HELLO","version":1,"agent":"x"}';

function linesOf(input: Uint8Array, maxBytes: number): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < input.length && lines.length < 200; ) {
    const end = input.indexOf(0x0a, at);
    lines.push(input.subarray(at, end === -1 ? input.length : end));
    at = end === -1 ? input.length : end + 1;
  }
  return lines.filter(({ length }) => length <= maxBytes);
}

/** Requests with these in them are of this protocol. */
function conversation(types: RegExp): string[] {
  const requests = protocolLines.filter((line) => types.test(line));
  return [[hello, ...requests].join("\n"), ...requests.map((line) => `${hello}\n${line}`), requests[0] ?? ""];
}

// --- to a peer ---

const chunkCount = 3;
const content: OfferedContent = {
  root: `${"0".repeat(63)}1`,
  sizeBytes: 2_137_152,
  chunkCount,
  chunkHashes: new Uint8Array(32 * chunkCount),
  verified: Uint8Array.of(0b10100000),
  board: ContentBoard.make(chunkCount),
};
const maxSteps = 5_000;

function tryUpload(input: Uint8Array): string {
  const session = new UploadSession("p2p/test", { ask: () => undefined, mayServe: true, done: () => {} });
  const words: string[] = [];
  for (const line of linesOf(input, maxShortLineBytes)) {
    if (session.full) break;
    session.onLine(line);
    if (!serve(session, words)) break;
  }
  session.news.endAll();
  return words.join().slice(0, 100);
}

/** False at the end of the connection. */
function serve(session: UploadSession, words: string[]): boolean {
  for (let steps = 0; ; steps++) {
    must(steps < maxSteps, "it never comes to rest");
    const step = session.next();
    if (step === undefined) return true;
    if (step.do === "close") return false;
    if (step.do === "find") {
      if (step.root === content.root) session.onFound(content);
      else session.onMissing();
    } else if (step.do === "send") {
      for (const line of step.text.trimEnd().split("\n"))
        words.push(decodePeerAnswer(Buffer.from(line)).type);
    } else {
      const { offset, length } = step;
      must(
        offset >= 0 && length > 0 && offset + length <= content.sizeBytes,
        `${offset} and ${length} of the file`,
      );
      must(Math.floor(offset / 2 ** 20) === Math.floor((offset + length - 1) / 2 ** 20), "more than a chunk");
      must((content.verified![0]! & (0x80 >> Math.floor(offset / 2 ** 20))) !== 0, "what is not verified");
      session.onSent(length);
      if (step.header !== undefined) words.push(decodePeerAnswer(Buffer.from(step.header.trimEnd())).type);
    }
  }
}

/** At the ends of chunks and of the content. */
const ranges: readonly (readonly [offset: number, length: number])[] = [
  [0, 1],
  [0, 1_048_577],
  [content.sizeBytes - 1, 1],
  [content.sizeBytes - 1, 2],
  [content.sizeBytes, 1],
  [2_097_151, 40_001],
];

function getOf([offset, length]: readonly [number, number], id: number): string {
  return encodePeerRequest({ type: "GET", id, root: content.root, offset, length }).trimEnd();
}

const uploadTarget: Target = {
  name: "upload-session",
  maxBytes: 16 * 1024,
  seeds: () => [
    ...conversation(/"type":"(GET|HASHES|HAVE)","id":.*"root"/),
    `${hello}\n${ranges.map(getOf).join("\n")}`,
  ],
  inCheck: 800,
  begin: pure(tryUpload),
};

// --- to the protocol of an index ---

const indexRequests =
  /"type":"(REGISTER|UPDATE|QUERY|UNSUBSCRIBE|SEARCH|WATCH|LIST|BROWSE|PEERS|STATS|PING)","id":/;

function tryIndexSession(input: Uint8Array): string {
  const session = new IndexSession({ agent: "p2p/test", epoch: "e" });
  const words: string[] = [];
  for (const line of linesOf(input, maxIndexLineBytes)) {
    try {
      const step = session.onLine(line);
      words.push(step.do);
      if (step.do === "answer") decodeIndexAnswer(Buffer.from(step.line.trimEnd()));
      must(session.greeted, "served before HELLO");
      if (step.do !== "work") continue;
      must(session.registered || step.request.type !== "UPDATE", "UPDATE before REGISTER");
      if (line.length % 2 === 0) session.onDone(step.request);
      else session.onFailed(step.request, line.length % 3 === 0);
      must(session.unanswered === 0, "it miscounts");
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      words.push(error.code);
      if (error.fatal) break;
    }
  }
  return words.join().slice(0, 100);
}

const indexSessionTarget: Target = {
  name: "index-session",
  maxBytes: maxIndexLineBytes,
  seeds: () => conversation(indexRequests),
  inCheck: 500,
  begin: pure(tryIndexSession),
};

// --- to an index with its threads and tables ---

class RunningIndex implements Running {
  private readonly said: string[];
  private id = 0;

  private constructor(
    private readonly server: IndexServer,
    private readonly other: LineClient,
    said: string[],
  ) {
    this.said = said;
  }

  static async begin(): Promise<RunningIndex> {
    const said: string[] = [];
    const log = {
      info() {},
      warn: (line: string) => said.push(line),
      error: (line: string) => said.push(line),
    };
    const server = await IndexServer.start({ host: "127.0.0.1", port: 0, databasePath: ":memory:", log });
    return new RunningIndex(server, await LineClient.greeted(server.port), said);
  }

  /** What comes back is of the protocol, and another client is served as before. */
  async run(input: Uint8Array): Promise<string> {
    const client = await LineClient.open(this.server.port);
    const last = Number.MAX_SAFE_INTEGER;
    client.sendRaw(Buffer.concat([input, Buffer.from(`\n{"type":"PING","id":${last}}\n`)]));
    // An input may have asked for that itself, and then the connection is closed sooner.
    await client.until(
      () => client.isClosed || client.answers.some(({ id }) => id === last),
      "an answer or the end",
    );
    client.close();
    for (const answer of client.answers) decodeIndexAnswer(Buffer.from(JSON.stringify(answer)));
    await this.other.request({ type: "PING", id: ++this.id });
    this.other.answers.length = 0;
    must(this.said.length === 0, `the log has: ${this.said[0]}`);
    return client.answers
      .map(({ type, code }) => code ?? type)
      .join()
      .slice(0, 100);
  }

  async end(): Promise<void> {
    this.other.close();
    await this.server.stop();
  }
}

const indexTarget: Target = {
  name: "index",
  maxBytes: 128 * 1024,
  seeds: () => conversation(indexRequests),
  inCheck: 60,
  leastMs: 200,
  begin: RunningIndex.begin,
};

export const sessionTargets: readonly Target[] = [uploadTarget, indexSessionTarget, indexTarget];

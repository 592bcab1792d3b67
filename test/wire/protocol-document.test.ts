/** PROTOCOL.md against the code: its tables, every message it shows, and its example exchanges, replayed. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ContentHasher } from "../../src/content/merkle.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { ContentBoard } from "../../src/transfer/content-board.ts";
import { type OfferedContent, UploadSession } from "../../src/transfer/upload-session.ts";
import { parseJoinLink } from "../../src/trust/join-link.ts";
import { Secret } from "../../src/trust/secret.ts";
import { clientProof, proofKey, serverProof } from "../../src/trust/token-proof.ts";
import { decodeIndexAnswer } from "../../src/wire/decode-index-answer.ts";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { decodeHello } from "../../src/wire/decode-parts.ts";
import { decodePeerAnswer, decodePeerRequest } from "../../src/wire/decode-peer.ts";
import { fingerprint } from "../../src/wire/fingerprint.ts";
import { LibraryDigest } from "../../src/wire/library-digest.ts";
import * as limits from "../../src/wire/limits.ts";
import {
  decodeAuth,
  decodeClientProof,
  decodeServerProof,
  encodeAuth,
} from "../../src/wire/proof-messages.ts";
import { type ErrorCode, errorCodes, ProtocolError } from "../../src/wire/protocol-error.ts";
import { LineClient } from "../helpers/line-client.ts";

const text = readFileSync(join(import.meta.dir, "../../src/wire/PROTOCOL.md"), "utf8");

/** Rows of a table whose first column is code: name to the other columns. */
function rows(pattern: RegExp): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, first, ...rest] = line.split("|").map((cell) => cell.trim());
    const name = /^`(\w+)`$/.exec(first ?? "")?.[1];
    if (name !== undefined && pattern.test(name)) found.set(name, rest);
  }
  return found;
}

test("its limits are those of limits.ts, all of them", () => {
  const written = [...rows(/^[a-z]/)].map(([name, [value]]) => [name, Number(value)]);
  expect(Object.fromEntries(written)).toEqual({ ...limits });
});

test("its error codes are those of protocol-error.ts, all of them", () => {
  const written = [...rows(/^[A-Z_]+$/)].map(([code, [means, afterwards]]) => [code, means, afterwards]);
  const known = Object.entries(errorCodes).map(([code, means]) => {
    // A listener says it to a connection that it does not take in, a peer to a GET.
    if (code === "BUSY") return [code, means, "see above"];
    return [code, means, new ProtocolError(code as ErrorCode).fatal ? "closed" : "lives"];
  });
  expect(written).toEqual(known);
});

describe("every message it shows", () => {
  const peerSection = text.indexOf("## 5. To a peer");
  const shown = [...text.slice(0, text.indexOf("## 8.")).matchAll(/^([<>]) (\{.*\})$/gm)];

  test("is legal", () => {
    expect(shown.length).toBeGreaterThanOrEqual(20);
    for (const match of shown) {
      const [, direction, json = ""] = match;
      const line = Buffer.from(json);
      const toPeer = match.index > peerSection;
      if (json.includes('"HELLO"')) decodeHello(line);
      else if (direction === ">") (toPeer ? decodePeerRequest : decodeIndexRequest)(line);
      else (toPeer ? decodePeerAnswer : decodeIndexAnswer)(line);
    }
  });

  test("is one of each kind", () => {
    const types = new Set(shown.map(([, direction, json = "{}"]) => `${direction}${JSON.parse(json).type}`));
    expect([...types].sort()).toEqual(
      [
        ..."HELLO REGISTER UPDATE QUERY UNSUBSCRIBE SEARCH WATCH LIST BROWSE PEERS STATS PING"
          .split(" ")
          .map((type) => `>${type}`),
        ..."HASHES GET HAVE".split(" ").map((type) => `>${type}`),
        ..."WELCOME OK RESULT SOURCES MATCHES FOUND NAMES FOLDER PEERS STATS ERROR"
          .split(" ")
          .map((type) => `<${type}`),
        ..."HASHES DATA HAVE SENT".split(" ").map((type) => `<${type}`),
      ].sort(),
    );
  });
});

test("its link is one of the code", () => {
  const link = /```link\n(.*)\n```/.exec(text)?.[1] ?? "";
  const { addresses, token, fingerprint: index } = parseJoinLink(link);
  expect(addresses).toEqual([
    { host: "10.0.0.5", port: 7766 },
    { host: "fd00::5", port: 7766 },
  ]);
  expect(token.reveal()).toBe("example-token-0123456789");
  expect(index as string).toBe("d".repeat(64));
});

test("its proofs are those of the code", () => {
  const block = /```proof\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  const [auth = "", server = "", client = ""] = block.split("\n").map((line) => line.slice(2));
  const key = proofKey(new Secret("example-token-0123456789"), "index");
  const answer = decodeServerProof(Buffer.from(server));
  const transcript = {
    exported: new Uint8Array(32).fill(3),
    clientFingerprint: fingerprint("c".repeat(64))!,
    serverFingerprint: fingerprint("d".repeat(64))!,
    clientLine: Buffer.from(auth),
    serverNonce: answer.nonce,
  };
  expect(encodeAuth(decodeAuth(Buffer.from(auth)).nonce)).toBe(`${auth}\n`);
  expect(answer.proof).toEqual(serverProof(key, transcript));
  expect(decodeClientProof(Buffer.from(client)).proof).toEqual(clientProof(key, transcript));
});

test("its hash tree is that of the code", () => {
  const vectors: { sizeBytes: number; root: string; chunkHashes: string[] }[] = [];
  for (const line of blockOf("tree")) {
    const [first = "", second] = line.trim().split(/ +/);
    if (second === undefined) vectors.at(-1)?.chunkHashes.push(first);
    else vectors.push({ sizeBytes: Number(first), root: second, chunkHashes: [] });
  }
  expect(vectors.map(({ chunkHashes }) => chunkHashes.length)).toEqual([0, 0, 0, 3]);
  for (const { sizeBytes, root, chunkHashes } of vectors) {
    const hasher = new ContentHasher(sizeBytes);
    hasher.update(Uint8Array.from({ length: sizeBytes }, (_, i) => i % 251));
    const found = hasher.finish();
    expect(Buffer.from(found.root).toString("hex"), String(sizeBytes)).toBe(root);
    expect(Buffer.from(found.chunkHashes).toString("hex")).toBe(chunkHashes.join(""));
  }
});

test("its digest of a library is that of the code", () => {
  const registers = exchange("index").filter(({ line }) => line.includes('"REGISTER"'));
  const request = decodeIndexRequest(Buffer.from(registers[0]?.line ?? ""));
  const digest = new LibraryDigest();
  for (const file of request.type === "REGISTER" ? request.files : []) digest.add(file);
  expect(digest.count).toBe(1);
  expect(text).toContain(JSON.stringify({ library: digest.claim }).slice(1, -1));
});

interface Said {
  by: "client" | "server";
  /** Which client, where there are several. */
  client: string;
  line: string;
}

/** Lines of the code block that is called so. */
function blockOf(name: string): string[] {
  const start = text.indexOf(`\`\`\`${name}\n`);
  expect(start).toBeGreaterThan(0);
  return text.slice(text.indexOf("\n", start) + 1, text.indexOf("\n```\n", start)).split("\n");
}

function exchange(name: string): Said[] {
  return blockOf(`exchange ${name}`).map((shown) => {
    const [, client = "", direction, line = ""] = /^(\w?)([<>]) (.*)$/.exec(shown) ?? [];
    return { by: direction === ">" ? "client" : "server", client, line };
  });
}

/** `…` as a whole value stands for any text. */
function matcher(line: string): unknown {
  const open = (value: unknown): unknown => {
    if (value === "…") return expect.any(String);
    if (Array.isArray(value)) return value.map(open);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, open(inner)]));
  };
  return open(JSON.parse(line));
}

test("its exchange of two clients with an index happens like that", async () => {
  const log = { info() {}, warn() {}, error() {} };
  const server = await IndexServer.start({ host: "127.0.0.1", port: 0, databasePath: ":memory:", log });
  const clients = new Map<string, { connection: LineClient; answered: number }>();
  try {
    for (const { by, client, line } of exchange("two")) {
      const known = clients.get(client) ?? { connection: await LineClient.open(server.port), answered: 0 };
      clients.set(client, known);
      const { connection } = known;
      if (by === "client") {
        connection.sendRaw(`${line}\n`);
        continue;
      }
      await connection.until(() => connection.answers.length > known.answered, `the answer ${line}`);
      expect(connection.answers[known.answered++]).toEqual(matcher(line) as Record<string, unknown>);
    }
    for (const { connection, answered } of clients.values())
      expect(connection.answers).toHaveLength(answered);
  } finally {
    for (const { connection } of clients.values()) connection.close();
    await server.stop();
  }
});

test("its exchange with an index happens like that", async () => {
  const log = { info() {}, warn() {}, error() {} };
  const server = await IndexServer.start({ host: "127.0.0.1", port: 0, databasePath: ":memory:", log });
  try {
    await using client = await LineClient.open(server.port);
    let answered = 0;
    for (const { by, line } of exchange("index")) {
      if (by === "client") {
        client.sendRaw(`${line}\n`);
        continue;
      }
      await client.until(() => client.answers.length > answered, `the answer ${line}`);
      expect(client.answers[answered++]).toEqual(matcher(line) as Record<string, unknown>);
    }
    await client.closed();
    expect(client.answers).toHaveLength(answered);
  } finally {
    await server.stop();
  }
});

test("its exchange with a peer happens like that", () => {
  const content = Buffer.from("hello, world");
  const root = new Bun.CryptoHasher("sha256").update(content).digest("hex");
  const session = new UploadSession("p2p/test", { ask: () => undefined, mayServe: true, done: () => {} });
  const said: Buffer[] = [];
  for (const { by, line } of exchange("peer")) {
    if (by === "client") {
      session.onLine(Buffer.from(line));
      serve(session, root, content, said);
      continue;
    }
    const all = Buffer.concat(said.splice(0));
    if (line.startsWith("{")) {
      const end = all.indexOf("\n");
      expect(JSON.parse(all.subarray(0, end).toString())).toEqual(matcher(line));
      said.push(all.subarray(end + 1));
    } else {
      expect(all.subarray(0, line.length).toString()).toBe(line);
      said.push(all.subarray(line.length));
    }
  }
  expect(Buffer.concat(said).toString()).toBe("");
});

/** Does what the session says until it has nothing more to do. */
function serve(session: UploadSession, root: string, content: Buffer, said: Buffer[]): void {
  for (let step = session.next(); step !== undefined; step = session.next()) {
    switch (step.do) {
      case "send":
        said.push(Buffer.from(step.text), Buffer.from(step.body ?? []));
        break;
      case "find":
        if (step.root === root) session.onFound(offered(root, content));
        else session.onMissing();
        break;
      case "send-range":
        if (step.header !== undefined) said.push(Buffer.from(step.header));
        said.push(content.subarray(step.offset, step.offset + step.length));
        session.onSent(step.length);
        break;
      case "close":
        return;
    }
  }
}

function offered(root: string, content: Buffer): OfferedContent {
  const chunkHashes = new Uint8Array(0);
  const board = ContentBoard.make(1);
  return { root, sizeBytes: content.length, chunkCount: 1, chunkHashes, verified: undefined, board };
}

import { describe, expect, test } from "bun:test";
import { ContentBoard } from "../../src/transfer/content-board.ts";
import {
  maxWaitingRequests,
  type OfferedContent,
  type OwnTurns,
  UploadSession,
  type UploadStep,
} from "../../src/transfer/upload-session.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

const root = "ab".repeat(32);
const mebibyte = 1024 * 1024;
const sizeBytes = 3 * mebibyte + 10;
const content: OfferedContent = {
  root,
  sizeBytes,
  chunkCount: 4,
  chunkHashes: new Uint8Array(4 * 32).fill(7),
  verified: undefined,
  board: ContentBoard.make(4),
};
/** Nobody has to wait. */
const freeTurns: OwnTurns = { ask: () => undefined, mayServe: true, done: () => {} };

function session(greeted = true, turns = freeTurns): UploadSession {
  const made = new UploadSession("test/1", turns);
  if (!greeted) return made;
  tell(made, { type: "HELLO", version: 1, agent: "t" });
  made.next();
  return made;
}

function tell(to: UploadSession, message: object | string): void {
  to.onLine(Buffer.from(typeof message === "string" ? message : JSON.stringify(message)));
}

/** Does every step as a right driver would, until there is none; what was said and sent, in order. */
function drive(driven: UploadSession, has = true, shared = content): (object | string)[] {
  const said: (object | string)[] = [];
  for (let step = driven.next(); step !== undefined; step = driven.next()) {
    if (step.do === "find") {
      if (has) driven.onFound(shared);
      else driven.onMissing();
      continue;
    }
    said.push(...outcomeOf(step));
    if (step.do === "send-range") driven.onSent(step.length);
    if (step.do === "close") break;
  }
  return said;
}

function outcomeOf(step: UploadStep): (object | string)[] {
  if (step.do === "close") return ["close"];
  if (step.do === "send") {
    const text = JSON.parse(step.text) as object;
    return step.body === undefined ? [text] : [text, `${step.body.length} bytes of hashes`];
  }
  if (step.do !== "send-range") return [];
  const header = step.header === undefined ? [] : [JSON.parse(step.header) as object];
  return [...header, `${step.offset}+${step.length}`];
}

function errorCode(message: object | string | undefined): unknown {
  return typeof message === "object" && "code" in message ? message.code : undefined;
}

describe("an upload session", () => {
  test("greets", () => {
    const greeting = session(false);
    expect(greeting.greeted).toBe(false);
    tell(greeting, { type: "HELLO", version: 1, agent: "t" });
    expect(greeting.greeted).toBe(true);
    expect(drive(greeting)).toEqual([{ type: "WELCOME", version: 1, agent: "test/1" }]);
  });

  test("answers after WELCOME what came with HELLO", () => {
    const hasty = session(false);
    tell(hasty, { type: "HELLO", version: 1, agent: "t" });
    tell(hasty, { type: "HASHES", id: 1, root });
    tell(hasty, { type: "GET", id: 2, root, offset: 0, length: 5 });
    expect(drive(hasty)).toMatchObject([
      { type: "WELCOME" },
      { type: "HASHES", id: 1, length: 128 },
      "128 bytes of hashes",
      { type: "DATA", id: 2 },
      "0+5",
    ]);
  });

  test.each([
    ["a request before HELLO", { type: "GET", id: 1, root, offset: 0, length: 1 }, "BAD_STATE", false],
    ["another version", { type: "HELLO", version: 2, agent: "t" }, "BAD_VERSION", true],
    ["no version", { type: "HELLO", agent: "t" }, "BAD_VERSION", true],
    ["no JSON", "hello", "BAD_JSON", true],
  ])("%s instead of HELLO", (_, message, code, closes) => {
    const ungreeted = session(false);
    tell(ungreeted, message);
    const said = drive(ungreeted);
    expect(errorCode(said[0])).toBe(code);
    expect(said.includes("close")).toBe(closes);
    expect(ungreeted.greeted).toBe(false);
  });

  test("answers in order, each with its id", () => {
    const served = session();
    tell(served, { type: "GET", id: 5, root, offset: 10, length: 20 });
    tell(served, { type: "HASHES", id: 6, root });
    tell(served, { type: "NONSENSE", id: 7 });
    tell(served, { type: "HAVE", id: 8, root });
    tell(served, { type: "GET", id: 9, root, offset: sizeBytes - 1, length: 1 });
    expect(drive(served)).toMatchObject([
      { type: "DATA", id: 5, offset: 10, length: 20 },
      "10+20",
      { type: "HASHES", id: 6, length: 128 },
      "128 bytes of hashes",
      { type: "ERROR", id: 7, code: "UNKNOWN_TYPE" },
      { type: "HAVE", id: 8, root, chunks: "8A==" },
      { type: "DATA", id: 9, offset: sizeBytes - 1, length: 1 },
      `${sizeBytes - 1}+1`,
    ]);
  });

  test("sends chunk by chunk, the header before the first bytes", () => {
    const served = session();
    const length = 2 * mebibyte + 5;
    tell(served, { type: "GET", id: 1, root, offset: 100, length });
    expect(drive(served)).toMatchObject([
      { type: "DATA", id: 1, offset: 100, length },
      `100+${mebibyte - 100}`,
      `${mebibyte}+${mebibyte}`,
      `${2 * mebibyte}+105`,
    ]);
  });

  test("goes on where the kernel had no more room, without a second header", () => {
    const served = session();
    tell(served, { type: "GET", id: 1, root, offset: 0, length: mebibyte });
    served.next();
    served.onFound(content);
    expect(served.next()).toMatchObject({ offset: 0, length: mebibyte, header: expect.any(String) });
    served.onSent(0);
    expect(served.next()).toMatchObject({ offset: 0, length: mebibyte, header: undefined });
    served.onSent(1_000);
    expect(drive(served)).toEqual([`1000+${mebibyte - 1_000}`]);
  });

  test("waits for what it asked for", () => {
    const served = session();
    tell(served, { type: "GET", id: 1, root, offset: 0, length: 9 });
    expect(served.next()).toEqual({ do: "find", root });
    expect(served.next()).toBeUndefined();
    served.onFound(content);
    expect(served.next()).toMatchObject({ do: "send-range" });
    expect(served.next()).toBeUndefined();
    served.onSent(9);
    expect(served.next()).toBeUndefined();
  });

  test("is full with too many waiting requests, and not full later", () => {
    const served = session();
    for (let id = 0; id < maxWaitingRequests; id++) {
      expect(served.full).toBe(false);
      tell(served, { type: "HASHES", id, root });
    }
    expect(served.full).toBe(true);
    drive(served);
    expect(served.full).toBe(false);
  });

  test("is full until half of what waited is served, so that lines are not read one by one", () => {
    const served = session();
    for (let id = 0; id < maxWaitingRequests; id++) tell(served, { type: "HASHES", id, root });
    for (let left = maxWaitingRequests; left > maxWaitingRequests / 2; left--) {
      expect(served.hasRoom).toBe(false);
      expect(served.next()).toEqual({ do: "find", root });
      served.onFound(content);
      expect(served.next()).toMatchObject({ do: "send" });
    }
    expect(served.hasRoom).toBe(true);
  });

  // A path cannot even be said in this protocol.
  const ranges: [string, Record<string, unknown>, string][] = [
    ["a path", { root: "../../etc/passwd" }, "BAD_HASH"],
    ["a root in capitals", { root: "AB".repeat(32) }, "BAD_HASH"],
    ["no root", { root: undefined }, "BAD_HASH"],
    ["a negative offset", { offset: -1 }, "BAD_RANGE"],
    ["offset 2^53", { offset: 2 ** 53 }, "BAD_RANGE"],
    ["half a byte", { offset: 1.5 }, "BAD_RANGE"],
    ["an offset in text", { offset: "0" }, "BAD_RANGE"],
    ["nothing", { length: 0 }, "BAD_RANGE"],
    ["2^31 bytes", { length: 2 ** 31 }, "BAD_RANGE"],
    ["more than 16 MiB", { length: 16 * mebibyte + 1 }, "BAD_RANGE"],
    ["an overflow", { offset: 2 ** 53 - 1, length: 2 ** 53 - 1 }, "BAD_RANGE"],
    ["one byte beyond", { offset: sizeBytes, length: 1 }, "BAD_RANGE"],
    ["half beyond", { offset: sizeBytes - 1, length: 2 }, "BAD_RANGE"],
    ["an id in text", { id: "1" }, "BAD_MESSAGE"],
  ];
  test.each(ranges)("GET of %s is refused, and the connection lives", (_, wrong, code) => {
    const served = session();
    tell(served, { type: "GET", id: 1, root, offset: 0, length: 1, ...wrong });
    tell(served, { type: "GET", id: 2, root, offset: 0, length: 1 });
    const said = drive(served);
    expect(errorCode(said[0])).toBe(code);
    expect(said.slice(1)).toMatchObject([{ type: "DATA", id: 2 }, "0+1"]);
  });

  test("what is not here is NOT_FOUND, whatever is asked of it", () => {
    const served = session();
    for (const type of ["GET", "HASHES", "HAVE"]) tell(served, { type, id: 3, root, offset: 0, length: 1 });
    expect(drive(served, false).map(errorCode)).toEqual(["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]);
  });

  test("what changed before the first byte is GONE, and the connection lives", () => {
    const served = session();
    tell(served, { type: "GET", id: 4, root, offset: 0, length: 9 });
    served.next();
    served.onFound(content);
    served.next();
    served.onGone();
    tell(served, { type: "HASHES", id: 5, root });
    expect(drive(served)).toMatchObject([
      { type: "ERROR", id: 4, code: "GONE" },
      { type: "HASHES", id: 5 },
      "128 bytes of hashes",
    ]);
  });

  test("what changed after the header ends the connection, also when nothing else was sent", () => {
    const served = session();
    tell(served, { type: "GET", id: 4, root, offset: 0, length: mebibyte });
    served.next();
    served.onFound(content);
    served.next();
    served.onSent(0);
    served.next();
    served.onGone();
    expect(drive(served)).toEqual(["close"]);
  });

  test("what changed in the middle of a body ends the connection: nothing else may be sent there", () => {
    const served = session();
    tell(served, { type: "GET", id: 4, root, offset: 0, length: 2 * mebibyte });
    tell(served, { type: "HASHES", id: 5, root });
    served.next();
    served.onFound(content);
    served.next();
    served.onSent(mebibyte);
    served.next();
    served.onGone();
    expect(drive(served)).toEqual(["close"]);
  });

  test("what was closed meanwhile is looked for again, and the body goes on without a second header", () => {
    const served = session();
    tell(served, { type: "GET", id: 4, root, offset: 0, length: 2 * mebibyte });
    served.next();
    served.onFound(content);
    served.next();
    served.onSent(mebibyte);
    served.next();
    served.onForgotten();
    expect(served.next()).toEqual({ do: "find", root });
    served.onFound(content);
    expect(drive(served)).toEqual([`${mebibyte}+${mebibyte}`]);
  });

  test("what was closed in the middle of a body and is not found again ends the connection", () => {
    const served = session();
    tell(served, { type: "GET", id: 4, root, offset: 0, length: 2 * mebibyte });
    served.next();
    served.onFound(content);
    served.next();
    served.onSent(mebibyte);
    served.next();
    served.onForgotten();
    expect(drive(served, false)).toEqual(["close"]);
  });

  test.each([
    ["no JSON", "{"],
    ["no UTF-8", "\xff\xfe"],
    ["a BOM", '\ufeff{"type":"HASHES"}'],
    ["too deep", "[".repeat(5_000)],
  ])("after a line that is no message (%s) comes an ERROR and the end", (_, text) => {
    const served = session();
    tell(served, { type: "HASHES", id: 1, root });
    tell(served, text);
    expect(served.full).toBe(true);
    const said = drive(served);
    expect(said[0]).toMatchObject({ type: "HASHES", id: 1 });
    expect(errorCode(said[2])).toBeString();
    expect(said.at(-1)).toBe("close");
  });

  test.each([
    ["an array", "[]", "BAD_MESSAGE"],
    ["null", "null", "BAD_MESSAGE"],
    ["a type that is no text", '{"type":{"x":1},"id":1}', "BAD_MESSAGE"],
    ["HELLO again", '{"type":"HELLO","version":1,"agent":"t"}', "BAD_STATE"],
    ["an unknown type", '{"type":"GRAB","id":1}', "UNKNOWN_TYPE"],
  ])("a well-formed wrong message (%s) is answered, and the connection lives", (_, text, code) => {
    const served = session();
    tell(served, text);
    tell(served, { type: "HASHES", id: 2, root });
    const said = drive(served);
    expect(errorCode(said[0])).toBe(code);
    expect(said[1]).toMatchObject({ type: "HASHES", id: 2 });
  });

  test("a line that was too long is answered in its turn", () => {
    const served = session();
    tell(served, { type: "HASHES", id: 1, root });
    served.onProtocolError(new ProtocolError("LINE_TOO_LONG"));
    const said = drive(served);
    expect(said[0]).toMatchObject({ type: "HASHES" });
    expect(errorCode(said[2])).toBe("LINE_TOO_LONG");
    expect(said.at(-1)).toBe("close");
  });

  test("a GET waits for its turn, and what comes behind it waits as well", () => {
    const turns = { mayServe: false, asked: 0, over: 0 };
    const served = session(true, {
      ask: ({ length }) => {
        turns.asked += length;
        return undefined;
      },
      get mayServe() {
        return turns.mayServe;
      },
      done: () => turns.over++,
    });
    tell(served, { type: "GET", id: 1, root, offset: 0, length: 9 });
    tell(served, { type: "HASHES", id: 2, root });
    expect(drive(served)).toEqual([]);
    expect(turns).toMatchObject({ asked: 9, over: 0 });
    turns.mayServe = true;
    expect(drive(served)).toMatchObject([{ type: "DATA" }, "0+9", { type: "HASHES" }, "128 bytes of hashes"]);
    expect(turns.over).toBe(1);
  });

  test.each([
    ["not here", { root: "cd".repeat(32) }, "NOT_FOUND", false],
    ["beyond the end", { offset: sizeBytes }, "BAD_RANGE", true],
  ])("a GET that is refused because it is %s is over without its turn", (_, wrong, code, has) => {
    let over = 0;
    const served = session(true, { ask: () => undefined, mayServe: false, done: () => over++ });
    tell(served, { type: "GET", id: 1, root, offset: 0, length: 9, ...wrong });
    expect(drive(served, has).map(errorCode)).toEqual([code]);
    expect(over).toBe(1);
  });

  test("a GET that would wait for too long is told when to come back, in its place among the answers", () => {
    let over = 0;
    const served = session(true, {
      ask: ({ id }) => (id === 2 ? 800 : undefined),
      mayServe: true,
      done: () => over++,
    });
    tell(served, { type: "GET", id: 1, root, offset: 0, length: 9 });
    tell(served, { type: "GET", id: 2, root, offset: 9, length: 9 });
    tell(served, { type: "GET", id: 3, root, offset: 18, length: 9 });
    expect(drive(served)).toMatchObject([
      { type: "DATA", id: 1 },
      "0+9",
      { type: "ERROR", id: 2, code: "BUSY", retryMs: 800 },
      { type: "DATA", id: 3 },
      "18+9",
    ]);
    expect(over).toBe(2);
  });

  test("what is held back by a limit of ours is asked for again, header and all", () => {
    const served = session();
    tell(served, { type: "GET", id: 1, root, offset: 0, length: 9 });
    served.next();
    served.onFound(content);
    const step = served.next();
    served.onHeld();
    expect(served.next()).toEqual(step!);
  });
});

describe("of a content that is still being downloaded", () => {
  function partial(...chunks: number[]): OfferedContent & { verified: Uint8Array } {
    const verified = new Uint8Array(1);
    for (const chunk of chunks) verified[0]! |= 0x80 >> chunk;
    return { ...content, verified, board: ContentBoard.make(4) };
  }

  test("a GET gets what is verified, and for the rest is told to try again", () => {
    const served = session();
    tell(served, { type: "GET", id: 1, root, offset: mebibyte, length: mebibyte + 5 });
    tell(served, { type: "GET", id: 2, root, offset: mebibyte, length: 2 * mebibyte + 1 });
    tell(served, { type: "GET", id: 3, root, offset: mebibyte - 1, length: 2 });
    tell(served, { type: "HASHES", id: 4, root });
    expect(drive(served, true, partial(1, 2))).toMatchObject([
      { type: "DATA", id: 1 },
      `${mebibyte}+${mebibyte}`,
      `${2 * mebibyte}+5`,
      { type: "ERROR", id: 2, code: "RETRY" },
      { type: "ERROR", id: 3, code: "RETRY" },
      { type: "HASHES", id: 4 },
      "128 bytes of hashes",
    ]);
  });

  test("HAVE is answered with what is verified, and news follow until it is whole", () => {
    const served = session();
    const shared = partial(1);
    tell(served, { type: "HAVE", id: 1, root });
    expect(drive(served, true, shared)).toMatchObject([{ type: "HAVE", id: 1, chunks: "QA==" }]);
    expect(shared.board.watchers).toBe(1);
    shared.verified[0]! |= 0x80;
    expect(served.next()).toBeUndefined();
    served.news.stir(root);
    expect(drive(served)).toEqual([{ type: "HAVE", root, chunk: 0 }]);
    shared.verified[0] = 0xf0;
    served.news.stir(root);
    const { text } = served.next() as UploadStep & { do: "send" };
    const said = text.trim().split("\n");
    expect(said.map((line) => JSON.parse(line))).toEqual([
      { type: "HAVE", root, chunk: 2 },
      { type: "HAVE", root, chunk: 3 },
    ]);
    expect(shared.board.watchers).toBe(0);
    expect(served.news.stir(root)).toBe(false);
  });

  test("news never come into the middle of a body", () => {
    const served = session();
    const shared = partial(0);
    tell(served, { type: "HAVE", id: 1, root });
    drive(served, true, shared);
    tell(served, { type: "GET", id: 2, root, offset: 0, length: mebibyte });
    served.next();
    served.onFound(shared);
    served.next();
    served.onSent(5);
    shared.verified[0]! |= 0x40;
    served.news.stir(root);
    expect(drive(served)).toEqual([`5+${mebibyte - 5}`, { type: "HAVE", root, chunk: 1 }]);
  });
});

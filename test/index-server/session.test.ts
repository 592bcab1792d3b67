/** Which message is legal when, and what is to be done about it. */
import { describe, expect, test } from "bun:test";
import { type Change, IndexSession } from "../../src/index-server/session.ts";
import { maxIndexQuestionLineBytes } from "../../src/wire/limits.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { wireEntry } from "../helpers/file-entries.ts";
import { hello } from "../helpers/line-client.ts";

function open(): IndexSession {
  return new IndexSession({ agent: "p2p/test", epoch: "e1" });
}

function greeted(): IndexSession {
  const session = open();
  say(session, hello);
  return session;
}

function say(session: IndexSession, message: unknown) {
  return session.onLine(lineOf(message));
}

function lineOf(message: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

function problem(session: IndexSession, message: unknown): string {
  return problemOf(() => say(session, message));
}

function problemOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return `${error.code} ${error.id} ${error.fatal ? "fatal" : "lives"}`;
    throw error;
  }
  return "none";
}

const register = { type: "REGISTER", id: 1, port: 7767, files: [wireEntry("a")] };
const update = { type: "UPDATE", id: 2, add: [wireEntry("b")], remove: ["a"] };
const asRegister: Change = { type: "REGISTER", id: 1, line: lineOf(register) };
const asUpdate: Change = { type: "UPDATE", id: 2, line: lineOf(update) };

/** A REGISTER that does not begin as those of our clients do. */
function unusual(fields: object): object {
  const { type, ...others } = register;
  return { ...others, type, ...fields };
}

test("HELLO is answered with WELCOME and the epoch", () => {
  const session = open();
  expect(session.greeted).toBe(false);
  const step = say(session, { ...hello, future: [1] });
  expect(session.greeted).toBe(true);
  expect(step).toEqual({
    do: "answer",
    line: '{"type":"WELCOME","version":1,"agent":"p2p/test","epoch":"e1"}\n',
  });
});

describe("refuses", () => {
  const before: [string, unknown, string][] = [
    ["QUERY before HELLO", { type: "QUERY", id: 3, name: "a" }, "BAD_STATE 3 lives"],
    ["another version", { ...hello, version: 2 }, "BAD_VERSION null fatal"],
    ["HELLO without an agent", { type: "HELLO", version: 1 }, "BAD_MESSAGE null lives"],
    ["a list", [], "BAD_MESSAGE null lives"],
  ];
  test.each(before)("%s", (_, message, expected) => {
    const session = open();
    expect(problem(session, message)).toBe(expected);
    expect(session.greeted).toBe(false);
  });

  const after: [string, unknown, string][] = [
    ["a second HELLO", hello, "BAD_STATE null lives"],
    ["UPDATE before REGISTER", update, "BAD_STATE 2 lives"],
    ["an unknown type", { type: "FROBNICATE", id: 5 }, "UNKNOWN_TYPE 5 lives"],
    ["a type that is no text", { type: { x: 1 }, id: 5 }, "BAD_MESSAGE 5 lives"],
    ["no id", { type: "PING" }, "BAD_MESSAGE null lives"],
    ["one illegal entry", unusual({ files: [wireEntry("a"), wireEntry("../x")] }), "BAD_NAME 1 lives"],
    ["port 0", unusual({ port: 0 }), "BAD_PORT 1 lives"],
  ];
  test.each(after)("%s", (_, message, expected) => {
    const session = greeted();
    expect(problem(session, message)).toBe(expected);
    expect(session.registered).toBe(false);
    expect(session.unanswered).toBe(0);
    expect(say(session, { type: "PING", id: 9 })).toEqual({ do: "answer", line: '{"type":"OK","id":9}\n' });
  });
});

test("LIST is long work like SEARCH, UNSUBSCRIBE is done at once; neither needs a REGISTER", () => {
  const session = greeted();
  const list = { type: "LIST", id: 1, pattern: "a/", after: "", limit: 1_000 };
  expect(say(session, list)).toEqual({ do: "work", request: list } as never);
  expect(session.unanswered).toBe(1);
  session.onDone(list as never);
  const unsubscribe = { type: "UNSUBSCRIBE", id: 2, query: 1 };
  expect(say(session, unsubscribe)).toEqual({ do: "unsubscribe", request: unsubscribe } as never);
  const query = { type: "QUERY", id: 3, name: "a", subscribe: true };
  expect(say(session, query)).toEqual({ do: "find", query } as never);
  expect(session.unanswered).toBe(0);
  expect(session.registered).toBe(false);
});

test("is full with more than seven long requests unanswered; QUERY is not one", () => {
  const session = greeted();
  expect(say(session, register)).toMatchObject({ do: "work", request: { type: "REGISTER", id: 1 } });
  say(session, { type: "QUERY", id: 7, name: "a" });
  for (let i = 0; i < 6; i++) say(session, update);
  expect(session.full).toBe(false);
  say(session, { type: "SEARCH", id: 3, text: "x" });
  expect(session.full).toBe(true);
  expect(session.unanswered).toBe(8);
  session.onDone(asRegister);
  expect(session.full).toBe(false);
});

describe("A05: a line of more than 16 KiB", () => {
  const long = "y".repeat(maxIndexQuestionLineBytes);
  /** So that the whole of it has exactly so many bytes. */
  const padded = (message: object, bytes: number) => {
    const { length } = lineOf({ ...message, x: "" });
    return { ...message, x: "y".repeat(bytes - length) };
  };

  test("is a REGISTER or an UPDATE, wherever it says so", () => {
    for (const message of [
      { x: long, ...register },
      unusual({ x: long }),
      { x: long, id: 1, port: 1, files: [], type: "REGISTER" },
    ])
      expect(say(greeted(), message)).toMatchObject({ do: "work", request: { type: "REGISTER", id: 1 } });
  });

  test("is refused when it is anything else, and as long as that it is not", () => {
    const ping = { type: "PING", id: 1 };
    expect(say(greeted(), padded(ping, maxIndexQuestionLineBytes))).toMatchObject({ do: "answer" });
    expect(problem(greeted(), padded(ping, maxIndexQuestionLineBytes + 1))).toBe("LINE_TOO_LONG null fatal");
    expect(problem(greeted(), { x: long, ...ping })).toBe("LINE_TOO_LONG null fatal");
    expect(problem(greeted(), { x: long })).toBe("LINE_TOO_LONG null fatal");
    expect(problemOf(() => greeted().onLine(Buffer.from(`${long}y`)))).toBe("LINE_TOO_LONG null fatal");
  });

  test("is refused when it says that it is a REGISTER and then something else", () => {
    const line = Buffer.from(`{"x":1,"type":"REGISTER","y":"${long}","type":"PING","id":1}`);
    expect(problemOf(() => greeted().onLine(line))).toBe("LINE_TOO_LONG null fatal");
  });

  test("is longer than any question need be", () => {
    const escaped = "\\u0061".repeat(1024);
    const list = `{"type":"LIST","id":${2 ** 53 - 1},"pattern":"${escaped}","after":"${escaped}","limit":1000}`;
    expect(list.length).toBeLessThan(maxIndexQuestionLineBytes);
    expect(greeted().onLine(Buffer.from(list))).toMatchObject({ do: "work", request: { type: "LIST" } });
  });
});

describe("when a long request fails", () => {
  test("half a REGISTER calls for another one", () => {
    const session = greeted();
    say(session, register);
    session.onFailed(asRegister, false);
    expect(problem(session, update)).toBe("BAD_STATE 2 lives");
    say(session, register);
    expect(session.registered).toBe(true);
  });

  test("an UPDATE is for the REGISTER before it, whatever has been taken on behind it", () => {
    const session = greeted();
    say(session, register);
    say(session, update);
    session.onFailed(asRegister, true);
    say(session, register);
    expect([session.registered, session.mayUpdate]).toEqual([true, false]);
    session.onFailed(asUpdate, true);
    session.onDone(asRegister);
    expect([session.registered, session.mayUpdate]).toEqual([true, true]);
  });

  test("of two REGISTERs the one that is done counts", () => {
    const session = greeted();
    say(session, register);
    say(session, register);
    session.onFailed(asRegister, false);
    session.onDone(asRegister);
    expect(say(session, update)).toMatchObject({ do: "work" });
    expect(session.mayUpdate).toBe(true);
    session.onDone(asUpdate);
    say(session, register);
    session.onFailed(asRegister, false);
    expect(session.mayUpdate).toBe(false);
  });

  test("a REGISTER refused whole leaves things as they were", () => {
    const session = greeted();
    say(session, register);
    session.onFailed(asRegister, true);
    expect(session.registered).toBe(false);
    say(session, register);
    session.onDone(asRegister);
    say(session, register);
    session.onFailed(asRegister, true);
    expect(session.registered).toBe(true);
  });

  test("an UPDATE may be said again", () => {
    const session = greeted();
    say(session, register);
    session.onDone(asRegister);
    say(session, update);
    session.onFailed(asUpdate, false);
    expect(problem(session, update)).toBe("none");
  });
});

describe("a REGISTER or UPDATE", () => {
  const starts: [string, string, object][] = [
    ["REGISTER", '{"type":"REGISTER","id":12,"port":0,"files":[', { type: "REGISTER", id: 12 }],
    ["UPDATE", '{"type":"UPDATE","id":0,"add":[nonsense', { type: "UPDATE", id: 0 }],
    ["nothing but an id", '{"type":"UPDATE","id":3}', { type: "UPDATE", id: 3 }],
    ["a large id", '{"type":"UPDATE","id":999999999999999,', { type: "UPDATE", id: 999_999_999_999_999 }],
  ];
  test.each(starts)("is known by its start, and not looked at further: %s", (_, text, expected) => {
    const session = greeted();
    say(session, register);
    const line = Buffer.from(text);
    expect(session.onLine(line)).toEqual({
      do: "work",
      request: { ...expected, line: new Uint8Array(line) },
    } as never);
    expect(session.unanswered).toBe(2);
  });

  test("that begins in another way is decoded to see what it is, and goes on as it came", () => {
    const entry = JSON.stringify(wireEntry("a"));
    for (const text of [
      `{"id":5,"type":"REGISTER","port":1,"files":[${entry}]}`,
      `{ "type": "REGISTER", "id": 5, "port": 1, "files": [] }`,
      `{"type":"REGISTER","port":1,"files":[],"id":5}`,
      `{"type":"REGISTER","x":"${"y".repeat(1_000)}","id":5,"port":1,"files":[]}`,
    ]) {
      const line = Buffer.from(text);
      const request = { type: "REGISTER", id: 5, line: new Uint8Array(line) };
      expect(greeted().onLine(line)).toEqual({ do: "work", request } as never);
    }
  });

  const wrong: [string, string, string][] = [
    ["an id that is none", '{"type":"UPDATE","id":-1,"add":[]}', "BAD_MESSAGE null lives"],
    ["an id with a leading 0", '{"type":"UPDATE","id":01,"add":[]}', "BAD_JSON null fatal"],
    ["too large an id", '{"type":"UPDATE","id":99999999999999999999,"add":[]}', "BAD_MESSAGE null lives"],
    ["no JSON", '{"id":1,"type":"UPDATE","add":[', "BAD_JSON null fatal"],
  ];
  test.each(wrong)("is refused at once when what begins in another way is wrong: %s", (_, text, expected) => {
    const session = greeted();
    say(session, register);
    expect(problemOf(() => session.onLine(Buffer.from(text)))).toBe(expected);
    expect(session.unanswered).toBe(1);
  });

  test("is the session's own afterwards: what the bytes came in is used again", () => {
    const packet = Buffer.from(JSON.stringify(register));
    const step = greeted().onLine(packet.subarray(0));
    packet.fill(0);
    expect(step).toMatchObject({ do: "work", request: { line: new Uint8Array(lineOf(register)) } });
    const { line } = (step as { request: Change }).request;
    // It is going to be handed to another thread, and with it all that is in its buffer.
    expect(line.buffer.byteLength).toBe(line.byteLength);
  });
});

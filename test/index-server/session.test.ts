/** Which message is legal when, and what is to be done about it. */
import { describe, expect, test } from "bun:test";
import { IndexSession } from "../../src/index-server/session.ts";
import type { Register, Update } from "../../src/wire/messages.ts";
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
  return session.onLine(Buffer.from(JSON.stringify(message)));
}

function problem(session: IndexSession, message: unknown): string {
  try {
    say(session, message);
  } catch (error) {
    if (error instanceof ProtocolError) return `${error.code} ${error.id} ${error.fatal ? "fatal" : "lives"}`;
    throw error;
  }
  return "none";
}

const register = { type: "REGISTER", id: 1, port: 7767, files: [wireEntry("a")] };
const update = { type: "UPDATE", id: 2, add: [wireEntry("b")], remove: ["a"] };

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
    ["one illegal entry", { ...register, files: [wireEntry("a"), wireEntry("../x")] }, "BAD_NAME 1 lives"],
    ["port 0", { ...register, port: 0 }, "BAD_PORT 1 lives"],
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

test("is full with more than two long requests unanswered; QUERY is not one", () => {
  const session = greeted();
  expect(say(session, register)).toMatchObject({ do: "work", request: { type: "REGISTER", id: 1 } });
  say(session, { type: "QUERY", id: 7, name: "a" });
  say(session, update);
  expect(session.full).toBe(false);
  say(session, { type: "SEARCH", id: 3, text: "x" });
  expect(session.full).toBe(true);
  expect(session.unanswered).toBe(3);
  session.onDone({ ...register, type: "REGISTER" } as unknown as Register);
  expect(session.full).toBe(false);
});

describe("when a long request fails", () => {
  const asRegister = { type: "REGISTER", id: 1, port: 1, files: [] } satisfies Register;
  const asUpdate = { type: "UPDATE", id: 2, add: [], remove: [] } satisfies Update;

  test("half a REGISTER calls for another one", () => {
    const session = greeted();
    say(session, register);
    session.onFailed(asRegister, false);
    expect(problem(session, update)).toBe("BAD_STATE 2 lives");
    say(session, register);
    expect(session.registered).toBe(true);
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

/** What an upload connection does when somebody floods it. */
import { expect, test } from "bun:test";
import type { Connection } from "../../src/net/connection.ts";
import type { OpenContents } from "../../src/transfer/open-contents.ts";
import { UploadConnection } from "../../src/transfer/upload-connection.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

/** Writes down what it is asked to do. */
function recorded(): { calls: string[]; connection: Connection } {
  const calls: string[] = [];
  const connection = {
    send: () => calls.push("send"),
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
    end: () => calls.push("end"),
    write: () => 0,
  };
  return { calls, connection: connection as unknown as Connection };
}

function fail(error: Error): void {
  throw error;
}

const line = (message: object) => Buffer.from(JSON.stringify(message));
const hello = line({ type: "HELLO", version: 1, agent: "test" });

test("after a line that is none nothing is read any more, also while a request before it is being served", () => {
  const { calls, connection } = recorded();
  const contents = { find() {} } as unknown as OpenContents;
  const upload = new UploadConnection(connection, contents, () => {}, fail);
  upload.onLine(hello);
  upload.onLine(line({ type: "HAVE", id: 1, root: "1".repeat(64) }));
  upload.onProtocolError(new ProtocolError("LINE_TOO_LONG"));
  expect(calls.at(-1)).toBe("pause");
});

test("requests that need no range have turns as well", async () => {
  const { calls, connection } = recorded();
  const waiting: ((file: undefined) => void)[] = [];
  const contents = {
    find: (_root: string, _nowMs: number, found: (file: undefined) => void) => {
      if (waiting.length === 0) waiting.push(found);
      else found(undefined);
    },
  } as unknown as OpenContents;
  const upload = new UploadConnection(connection, contents, () => {}, fail);
  upload.onLine(hello);
  for (let id = 1; id <= 60; id++) upload.onLine(line({ type: "HAVE", id, root: "1".repeat(64) }));
  const sent = () => calls.filter((call) => call === "send").length;
  expect(sent()).toBe(1);
  waiting[0]!(undefined);
  const inFirstTurn = sent();
  expect(inFirstTurn).toBeLessThan(20);
  for (let i = 0; i < 50 && sent() < 61; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(sent()).toBe(61);
});

test("a connection that breaks is nothing special, a fault of ours is told", () => {
  const { connection } = recorded();
  const bugs: Error[] = [];
  const contents = { find() {} } as unknown as OpenContents;
  const upload = new UploadConnection(
    connection,
    contents,
    () => {},
    (error) => bugs.push(error),
  );
  upload.onClose(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
  upload.onClose(undefined);
  expect(bugs).toEqual([]);
  const bug = new TypeError("undefined is not a function");
  upload.onClose(bug);
  expect(bugs).toEqual([bug]);
});

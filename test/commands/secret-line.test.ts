import { describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { readSecretLine, SecretLine } from "../../src/commands/secret-line.ts";
import { InterruptedError, UsageError } from "../../src/errors.ts";
import { Terminal } from "../../src/output/terminal.ts";
import { FakeScreen } from "../helpers/fake-screen.ts";

/** Of `process.stdin` what is used of it. */
class FakeInput extends EventEmitter {
  readonly modes: boolean[] = [];

  constructor(readonly isTTY: boolean) {
    super();
  }

  setRawMode(mode: boolean) {
    this.modes.push(mode);
  }

  setEncoding() {
    return this;
  }

  pause() {}
}

function read(input: FakeInput, signal = new AbortController().signal) {
  const screen = new FakeScreen(input.isTTY);
  const line = readSecretLine(input as never, "link: ", new Terminal(screen, {}), signal);
  return { line, screen };
}

describe("at a terminal", () => {
  test("what is typed is not shown", async () => {
    const input = new FakeInput(true);
    const { line, screen } = read(input);
    for (const keys of ["p2p://", "abd", "\u007f", "c", "\r"]) input.emit("data", keys);
    expect(await line).toBe("p2p://abc");
    expect(screen.written).toBe("link: \n");
    expect(input.modes).toEqual([true, false]);
    expect(input.listenerCount("data")).toBe(0);
  });

  test("Ctrl-C ends the command, and the terminal is as it was", async () => {
    const input = new FakeInput(true);
    const { line } = read(input);
    input.emit("data", "abc\u0003");
    expect(line).rejects.toThrow(InterruptedError);
    await line.catch(() => {});
    expect(input.modes).toEqual([true, false]);
  });

  test("so does a signal", async () => {
    const input = new FakeInput(true);
    const controller = new AbortController();
    const { line } = read(input, controller.signal);
    controller.abort(new InterruptedError("interrupted by SIGTERM", 143));
    expect(line).rejects.toThrow("SIGTERM");
    await line.catch(() => {});
    expect(input.modes).toEqual([true, false]);
  });
});

describe("from a pipe", () => {
  test("the first line is read, in whatever pieces it comes", async () => {
    const input = new FakeInput(false);
    const { line, screen } = read(input);
    for (const piece of ["p2p:", "//a", "bc\nmore"]) input.emit("data", piece);
    expect(await line).toBe("p2p://abc");
    expect([screen.written, input.modes]).toEqual(["", []]);
  });

  test("the end is an end of line", async () => {
    const input = new FakeInput(false);
    const { line } = read(input);
    input.emit("data", "abc");
    input.emit("end");
    expect(await line).toBe("abc");
  });

  test("what does not end is not kept", async () => {
    const input = new FakeInput(false);
    const { line } = read(input);
    for (let i = 0; i < 3; i++) input.emit("data", "a".repeat(10_000));
    expect(line).rejects.toThrow(UsageError);
    await line.catch(() => {});
  });
});

test.each([
  ["\u001b[200~p2p://x\u001b[201~\r", "p2p://x"],
  ["ab\b\b\b\bc\n", "c"],
  ["ab\u0004", "ab"],
])("keys %j", (keys, expected) => {
  const line = new SecretLine(true);
  expect([line.isEndedBy(keys), line.text]).toEqual([true, expected]);
});

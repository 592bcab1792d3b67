import { expect, test } from "bun:test";
import { InterruptedError, NotFoundError } from "../../src/errors.ts";
import { reportFailure } from "../../src/output/failure.ts";
import { Output } from "../../src/output/output.ts";
import { Terminal } from "../../src/output/terminal.ts";
import { FakeScreen, FakeStdout } from "../helpers/fake-screen.ts";

async function report(error: unknown, json: boolean) {
  const stdout = new FakeStdout();
  const screen = new FakeScreen(false);
  const terminal = new Terminal(screen, {});
  const output = new Output({ stream: stdout, terminal });
  output.json = json;
  const exit = reportFailure(error, output, terminal);
  await output.flush();
  return { exit, stdout: stdout.written, stderr: screen.written };
}

test("what can happen is one line", async () => {
  const error = new NotFoundError("no peer has x\u001b[2J\nagain");
  expect(await report(error, false)).toEqual({
    exit: 3,
    stdout: "",
    stderr: "p2p: no peer has x\\u{1b}[2J\\u{a}again\n",
  });
  expect(await report(error, true)).toEqual({
    exit: 3,
    stdout:
      '{"event":"error","code":"NOT_FOUND","exit":3,"message":"no peer has x\\\\u{1b}[2J\\\\u{a}again"}\n',
    stderr: "",
  });
  expect((await report(new InterruptedError("interrupted by SIGTERM", 143), true)).exit).toBe(143);
});

test.each([new TypeError("x is not a function"), "a string", undefined])("%p is a bug", async (error) => {
  const { exit, stdout, stderr } = await report(error, true);
  expect(exit).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ event: "error", code: "INTERNAL", exit: 1 });
  expect(stderr).toContain("p2p: this is a bug");
  if (error instanceof Error) expect(stderr).toMatch(/\n {4}at /);
});

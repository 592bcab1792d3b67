/**
 * The prompt on pipes and on a pretended terminal, with actions that only note that they were called.
 */
import { describe, expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { InterruptedError, NotFoundError } from "../../src/errors.ts";
import { createLog } from "../../src/output/log.ts";
import { Output } from "../../src/output/output.ts";
import { Terminal } from "../../src/output/terminal.ts";
import { runPrompt } from "../../src/prompt/prompt.ts";
import { FakeScreen, FakeStdout } from "../helpers/fake-screen.ts";

interface Session {
  input: PassThrough;
  screen: FakeScreen;
  terminal: Terminal;
  stdout: FakeStdout;
  stop: AbortController;
  calls: string[];
  ended: Promise<"exit" | "headless">;
}

/** `query slow` runs until it is cancelled, `query deaf` for ever, `query missing` fails. */
function start(options: { isTTY?: boolean; json?: boolean } = {}): Session {
  const { isTTY = false, json = false } = options;
  const input = new PassThrough();
  const screen = new FakeScreen(isTTY);
  const stdout = new FakeStdout(isTTY);
  const stop = new AbortController();
  const calls: string[] = [];
  const terminal = new Terminal(screen, { NO_COLOR: "1" });
  const output = new Output({ stream: stdout, terminal });
  output.json = json;
  const stdin = Object.assign(input, {
    isTTY,
    isRaw: false,
    setRawMode: () => stdin,
  }) as unknown as NodeJS.ReadStream;
  const ended = runPrompt({
    input: stdin,
    terminal,
    output,
    log: createLog({ terminal }),
    signal: stop.signal,
    actions: {
      async query(name, signal) {
        calls.push(`query ${name}`);
        if (name === "missing") throw new NotFoundError("no peer has missing");
        if (name === "bug") throw new TypeError("undefined is not a function");
        if (name !== "slow" && name !== "deaf") return;
        await new Promise<void>((_, reject) => {
          if (name === "slow") signal.addEventListener("abort", () => reject(signal.reason));
        }).finally(() => calls.push("query over"));
      },
      search: async (words) => void calls.push(`search ${words}`),
      ls: async (folder) => void calls.push(`ls ${folder}`),
      peers: async () => void calls.push("peers"),
      stats: async () => void calls.push("stats"),
      list: () => void calls.push("list"),
      status: () => void calls.push("status"),
      limit: (change) => void calls.push(`limit ${change?.direction} ${change?.bytesPerSecond}`),
      names: () => ["seen.iso"],
      activity: () => undefined,
    },
  });
  return { input, screen, terminal, stdout, stop, calls, ended };
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    if (round > 2_000) throw new Error("waited for too long");
    await Bun.sleep(1);
  }
}

describe("on a pipe", () => {
  test("runs one line after the other, and nothing after EXIT", async () => {
    const { input, calls, ended, screen } = start();
    input.end(
      "FROBNICATE now\nquery a b.iso\n\r\n\nSearch x -y\nls d/\npeers\nstats\nlist\nSTATUS\nlimit up 5M\nQUERY missing\nlist\nexit\nlist\n",
    );
    expect(await ended).toBe("exit");
    expect(calls).toEqual([
      "query a b.iso",
      "search x -y",
      "ls d/",
      "peers",
      "stats",
      "list",
      "status",
      "limit up 5242880",
      "query missing",
      "list",
    ]);
    expect(screen.written).toBe(
      "p2p: unknown command FROBNICATE (HELP lists them)\np2p: no peer has missing\n",
    );
  });

  test.each([1, 3, 1000])("in pieces of %d bytes, the last line without an end", async (size) => {
    const { input, calls, ended } = start();
    const bytes = Buffer.from("query é.iso\nlist\nquery 日本");
    for (let at = 0; at < bytes.length; at += size) input.write(bytes.subarray(at, at + size));
    input.end();
    expect(await ended).toBe("exit");
    expect(calls).toEqual(["query é.iso", "list", "query 日本"]);
  });

  test("empty from the start, there is nobody to prompt", async () => {
    const { input, ended } = start();
    input.end();
    expect(await ended).toBe("headless");
  });

  test("one blank line and its end mean EXIT", async () => {
    const { input, ended } = start();
    input.end("\n");
    expect(await ended).toBe("exit");
  });

  test("an input that fails has ended", async () => {
    const { input, ended, calls } = start();
    input.write("list\n");
    await until(() => calls.length === 1);
    input.destroy(new Error("EIO"));
    expect(await ended).toBe("exit");
  });

  test("a line beyond 8 KiB is refused, and its memory not kept", async () => {
    const { input, calls, ended, screen } = start();
    for (let i = 0; i < 100; i++) input.write("x".repeat(1000));
    input.end(`\nquery ${"y".repeat(8186)}\nlist\n`);
    expect(await ended).toBe("exit");
    expect(calls).toEqual([`query ${"y".repeat(8186)}`, "list"]);
    expect(screen.written).toBe("p2p: the line is longer than 8192 bytes\n");
  });

  test("WAIT n waits, WAIT serves until an empty line or the end", async () => {
    const { input, calls, ended, screen } = start();
    const before = performance.now();
    input.write("wait 0.05\nlist\nwait\nnot run\n");
    await until(() => calls.length === 1 && screen.written !== "");
    expect(performance.now() - before).toBeGreaterThanOrEqual(49);
    expect(screen.written).toBe("warning: ignored while waiting for an empty line: not run\n");
    input.write("\nstatus\nwait\n");
    await until(() => calls.length === 2);
    input.end();
    expect(await ended).toBe("exit");
  });

  test("with --json failures are events, and help is not on stdout", async () => {
    const { input, ended, stdout, screen } = start({ json: true });
    input.end("help\nbogus\nquery missing\n");
    await ended;
    expect(stdout.events).toEqual([
      { event: "error", code: "USAGE", exit: 2, message: "unknown command bogus (HELP lists them)" },
      { event: "error", code: "NOT_FOUND", exit: 3, message: "no peer has missing" },
    ]);
    expect(screen.written).toContain("QUERY name");
  });

  test("a bug in a command does not end it", async () => {
    const { input, ended, calls, screen } = start();
    input.end("query bug\nlist\n");
    await ended;
    expect(calls).toEqual(["query bug", "list"]);
    expect(screen.written).toContain("this is a bug");
  });

  test("the signal cancels the command and waits for it", async () => {
    const { input, ended, calls, stop, screen } = start();
    input.write("query slow\nlist\n");
    await until(() => calls.length === 1);
    stop.abort(new InterruptedError("interrupted by SIGTERM", 143));
    expect(await ended).toBe("exit");
    expect(calls).toEqual(["query slow", "query over"]);
    expect(screen.written).toBe("");
  });

  test("the signal ends an idle prompt, also one that came before", async () => {
    const idle = start();
    idle.stop.abort();
    expect(await idle.ended).toBe("exit");
  });
});

describe("at a terminal", () => {
  const ctrlC = "\u0003";
  const ctrlD = "\u0004";

  test("prompts, runs what is typed, and leaves on Ctrl-D", async () => {
    const { input, ended, calls, screen } = start({ isTTY: true });
    await until(() => screen.written.includes("p2p> "));
    input.write("list\r");
    await until(() => calls.length === 1);
    input.write(ctrlD);
    expect(await ended).toBe("exit");
  });

  test("what is printed meanwhile does not tear the line", async () => {
    const { input, ended, calls, screen } = start({ isTTY: true });
    input.write("query mi");
    await until(() => screen.rows.at(-1) === "p2p> query mi");
    input.write("ssing\r");
    await until(() => calls.length === 1 && screen.rows.at(-1) === "p2p> ");
    expect(screen.rows.at(-2)).toBe("p2p: no peer has missing");
    input.write("exit\r");
    expect(await ended).toBe("exit");
  });

  test("nor does it when the line has grown over several rows", async () => {
    const { input, ended, screen, terminal } = start({ isTTY: true });
    screen.columns = 20;
    input.write("query a name of more than one row");
    await until(() => screen.written.includes("one row"));
    // Readline counts its rows only when it draws the line anew.
    terminal.print("first\n");
    const before = screen.written.length;
    terminal.print("above\n");
    const [erased, drawn] = screen.written.slice(before).split("above\n");
    expect(erased).toBe("\u001b[1A\r\u001b[J");
    expect(drawn).toContain("p2p> query a name of more than one row");
    expect(drawn).not.toMatch(/\u001b\[\d*A/);
    input.write("\u0015exit\r");
    expect(await ended).toBe("exit");
  });

  test("Ctrl-D leaves after the command that runs, and what was typed before", async () => {
    const { input, ended, calls } = start({ isTTY: true });
    input.write("wait 0.02\r");
    input.write(`list\r${ctrlD}`);
    expect(await ended).toBe("exit");
    expect(calls).toEqual(["list"]);
  });

  test("Ctrl-C cancels the command first, then hints, then leaves", async () => {
    const { input, ended, calls, screen } = start({ isTTY: true });
    input.write("query slow\r");
    await until(() => calls.length === 1);
    input.write(ctrlC);
    await until(() => screen.written.includes("p2p: cancelled"));
    expect(calls).toEqual(["query slow", "query over"]);
    input.write(ctrlC);
    await until(() => screen.written.includes("press Ctrl-C again to leave"));
    input.write("list\r");
    await until(() => calls.includes("list"));
    input.write(ctrlC);
    await Bun.sleep(5);
    input.write(ctrlC);
    expect(await ended).toBe("exit");
  });

  test("a second Ctrl-C leaves even when the command does not heed the first", async () => {
    const { input, ended, calls } = start({ isTTY: true });
    input.write("query deaf\r");
    await until(() => calls.length === 1);
    input.write(ctrlC);
    input.write(ctrlC);
    expect(await ended).toBe("exit");
    expect(calls).toEqual(["query deaf"]);
  });

  test("what is typed while a command runs is run after it, but not when that is cancelled", async () => {
    const { input, ended, calls } = start({ isTTY: true });
    input.write("wait 0.02\r");
    input.write("list\r");
    await until(() => calls.includes("list"));
    input.write("query slow\r");
    await until(() => calls.includes("query slow"));
    input.write("status\r");
    input.write(ctrlC);
    await until(() => calls.includes("query over"));
    input.write("exit\r");
    expect(await ended).toBe("exit");
    expect(calls).toEqual(["list", "query slow", "query over"]);
  });

  test("WAIT ends with Enter; a command typed instead is run", async () => {
    const { input, ended, calls } = start({ isTTY: true });
    input.write("wait\r");
    input.write("\r");
    input.write("list\r");
    await until(() => calls.includes("list"));
    input.write("wait\rstatus\rexit\r");
    expect(await ended).toBe("exit");
    expect(calls).toEqual(["list", "status"]);
  });
});

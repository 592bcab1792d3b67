/**
 * The program as a process, from source: what reaches which stream, and the exit code. The shipped binary has tests
 * of its own in e2e/.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };

const main = join(import.meta.dir, "../src/main.ts");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "p2p-main-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function p2p(argv: string[], options: { env?: Record<string, string>; stdout?: number } = {}) {
  const child = Bun.spawn([process.execPath, main, ...argv], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", HOME: folder, ...options.env },
    stdin: "ignore",
    stdout: options.stdout ?? "pipe",
    stderr: "pipe",
    timeout: 15_000,
  });
  const stdout = child.stdout instanceof ReadableStream ? new Response(child.stdout).text() : "";
  return {
    stdout: await stdout,
    stderr: await new Response(child.stderr).text(),
    exit: await child.exited,
  };
}

test("--version is one line", async () => {
  expect(await p2p(["--version"])).toEqual({ stdout: `${packageJson.version}\n`, stderr: "", exit: 0 });
});

test.each(["--help", "-h", "help", "help peer", "peer --help", "query -h --bogus"])(
  "%s is help on stdout",
  async (line) => {
    const argv = line.split(" ");
    const { stdout, stderr, exit } = await p2p(argv, { env: { P2P_JSON: "1" } });
    expect([stderr, exit]).toEqual(["", 0]);
    expect(stdout).toContain("USAGE p2p");
  },
);

test.each([
  [
    [],
    "p2p: missing command: one of serve-index, peer, query, search, ls, watch, peers, stats, doctor, index, ban, join, leave, token (see p2p --help)\n",
  ],
  [["serve-idnex"], "p2p: unknown command serve-idnex (did you mean serve-index?)\n"],
  [["help", "qurey"], "p2p: unknown command qurey (did you mean query?)\n"],
  [["--verison"], "p2p: unknown option --verison (did you mean --version?)\n"],
  [["--port", "query"], "p2p: unknown option --port (options come after the command, see p2p --help)\n"],
  [["constructor"], "p2p: unknown command constructor (see p2p --help)\n"],
  [["query", "x", "--tiemout", "3"], "p2p: unknown option --tiemout (did you mean --timeout?)\n"],
  [["peer", "--host", "0.0.0.0"], /^p2p: --host 0\.0\.0\.0 .*`p2p join`.* add --open if anyone may come\n$/],
  [["--token=s3cret", "query"], /^p2p: unknown option --token \(/],
  [["p2p://10.0.0.5:7766/#s3cret"], /^p2p: unknown command p2p:\/\/10\.0\.0\.5:7766\/#\[secret\] \(/],
  [
    ["join", "p2p://10.0.0.5:7766/#s3cret"],
    /^p2p: p2p join takes no link on its command line, .*paste the link/,
  ],
  [["token", "s3cret"], "p2p: unknown action of p2p token (show, rotate or new)\n"],
  [["token", "show", "s3cret"], "p2p: p2p token takes one word: show, rotate or new\n"],
])("%p is a usage error, said on stderr alone", async (argv, message) => {
  const { stdout, stderr, exit } = await p2p(argv);
  expect([stdout, exit]).toEqual(["", 2]);
  expect(stderr).toMatch(message);
});

test.each([
  [["query", "x", "--bogus", "--json"], {}],
  [["query", "x", "--bogus"], { P2P_JSON: "1" }],
])("with JSON asked for, by %p %p, it is an event on stdout alone", async (argv, env) => {
  const { stdout, stderr, exit } = await p2p(argv, { env });
  expect(JSON.parse(stdout)).toEqual({
    event: "error",
    code: "USAGE",
    exit: 2,
    message: "unknown option --bogus (see p2p query --help)",
  });
  expect([stderr, exit]).toEqual(["", 2]);
});

describe("the config file", () => {
  async function withConfig(toml: string) {
    const config = mkdtempSync(join(folder, "config-"));
    mkdirSync(join(config, "p2p"));
    writeFileSync(join(config, "p2p", "config.toml"), toml);
    return await p2p(["peer"], { env: { XDG_CONFIG_HOME: config } });
  }

  test.each([
    ["prot = 1", /^p2p: unknown key prot in the config file .*config\.toml \(did you mean port\?\)\n$/],
    ["[peer]\nport = 70000", /^p2p: bad value "70000" for port in the config file .*: expected a port .*\n$/],
    ["x", /^p2p: the config file .* is no TOML: .*\n$/],
  ])("%p is a usage error", async (toml, message) => {
    const { stdout, stderr, exit } = await withConfig(toml);
    expect(stderr).toMatch(message);
    expect([stdout, exit]).toEqual(["", 2]);
  });

  test("can ask for JSON, of failures too", async () => {
    const { stdout, exit } = await withConfig("json = true\nprot = 1");
    expect(JSON.parse(stdout)).toMatchObject({ event: "error", code: "USAGE" });
    expect(exit).toBe(2);
  });
});

test.if(process.platform === "linux")(
  "with --json a full standard output is said on standard error",
  async () => {
    const argv = ["query", "x", "--json", "--index", "127.0.0.1:1"];
    const { stderr, exit } = await p2p(argv, { stdout: openSync("/dev/full", "w") });
    expect(stderr).toContain("cannot write to standard output");
    expect(exit).toBe(8);
  },
);

test.if(process.platform === "linux")("a full standard output is exit 7", async () => {
  const { stderr, exit } = await p2p(["--help"], { stdout: openSync("/dev/full", "w") });
  expect([stderr, exit]).toEqual([
    "p2p: cannot write to standard output: no space left on the device (ENOSPC)\n",
    7,
  ]);
});

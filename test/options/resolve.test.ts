import { describe, expect, test } from "bun:test";
import { declaration as indexDatabase } from "../../src/commands/index-database.ts";
import { declaration as peer } from "../../src/commands/peer.ts";
import { declaration as query } from "../../src/commands/query.ts";
import { declaration as search } from "../../src/commands/search.ts";
import { declaration as serveIndex } from "../../src/commands/serve-index.ts";
import { UsageError } from "../../src/errors.ts";
import type { Declaration } from "../../src/options/options.ts";
import { checkConfig, type OptionSources, resolveOptions, wantsJson } from "../../src/options/resolve.ts";

const path = "/c/config.toml";

function sources(argv: string[], environment = {}, entries?: Record<string, unknown>): OptionSources {
  return { argv, environment, config: entries === undefined ? undefined : { path, entries } };
}

function problem(declaration: Declaration, from: OptionSources): string {
  try {
    resolveOptions(declaration, from);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error("no failure");
}

describe("precedence", () => {
  test.each([
    [["x"], {}, undefined, 30],
    [["x"], {}, { timeout: 1 }, 1],
    [["x"], {}, { timeout: 1, query: { timeout: 2 } }, 2],
    [["x"], { P2P_TIMEOUT: "3" }, { timeout: 1, query: { timeout: 2 } }, 3],
    [["x"], { P2P_TIMEOUT: "" }, { timeout: 1 }, 1],
    [["x", "--timeout", "4"], { P2P_TIMEOUT: "3" }, { timeout: 1 }, 4],
    [["x", "--timeout=4", "--timeout=5"], {}, undefined, 5],
  ])("%p %p %p", (argv, environment, entries, expected) => {
    expect(resolveOptions(query, sources(argv, environment, entries)).timeoutSeconds).toBe(expected);
  });

  test("of lists: one replaces the other", () => {
    const one = { host: "127.0.0.1", port: 1 };
    const two = { host: "::1", port: 2 };
    const index = (argv: string[], environment = {}, entries = {}) =>
      resolveOptions(search, sources(["x", ...argv], environment, entries)).index;
    expect(index([])).toBeUndefined();
    expect(index([], {}, { index: "127.0.0.1:1" })).toEqual([one]);
    expect(index([], {}, { index: ["127.0.0.1:1", "[::1]:2"] })).toEqual([one, two]);
    expect(index([], { P2P_INDEX: "127.0.0.1:1, [::1]:2" }, { index: "a:9" })).toEqual([one, two]);
    expect(index(["--index", "[::1]:2"], { P2P_INDEX: "127.0.0.1:1" })).toEqual([two]);
    expect(index(["--index", "127.0.0.1:1", "--index=[::1]:2"])).toEqual([one, two]);
  });

  test("of switches, which also answer to their negation", () => {
    const prompt = (argv: string[], environment = {}, entries = {}) =>
      resolveOptions(peer, sources(argv, environment, entries)).prompt;
    expect(prompt([])).toBe(true);
    expect(prompt(["--no-prompt"])).toBe(false);
    expect(prompt(["--no-prompt", "--prompt"])).toBe(true);
    expect(prompt(["--prompt=false"])).toBe(false);
    expect(prompt([], { P2P_PROMPT: "0" })).toBe(false);
    expect(prompt([], { P2P_NO_PROMPT: "1" })).toBe(false);
    expect(prompt(["--prompt"], { P2P_NO_PROMPT: "true" })).toBe(true);
    expect(prompt([], {}, { prompt: false })).toBe(false);
    expect(prompt([], {}, { "no-prompt": true })).toBe(false);
  });
});

test("a port nobody asked for is undefined", () => {
  expect(resolveOptions(peer, sources([])).port).toBeUndefined();
  expect(resolveOptions(peer, sources([], { P2P_PORT: "7767" })).port).toBe(7767);
  expect(resolveOptions(peer, sources([], {}, { peer: { port: 0 } })).port).toBe(0);
});

test("defaults that depend on the machine", () => {
  const at = (environment: Record<string, string>) =>
    resolveOptions(serveIndex, sources([], environment)).databasePath;
  expect(at({ P2P_HOME: "/p" })).toBe("/p/index.db");
  expect(at({ P2P_HOME: "/p", P2P_DB: ":memory:" })).toBe(":memory:");
  expect(resolveOptions(peer, sources([])).threads).toBeGreaterThanOrEqual(1);
});

test("a command and an option may have one name", () => {
  const value = resolveOptions(query, sources(["x"], {}, { index: "a:1" })).index;
  expect(value).toEqual([{ host: "a", port: 1 }]);
  const config = { index: { db: "x" } };
  expect(resolveOptions(query, sources(["x"], {}, config)).index).toBeUndefined();
  expect(resolveOptions(indexDatabase, sources(["check"], {}, config)).databasePath).toBe("x");
});

test("words", () => {
  expect(resolveOptions(peer, sources([])).folder).toBe("./shared");
  expect(resolveOptions(peer, sources(["d"])).folder).toBe("d");
  expect(resolveOptions(query, sources(["--json", "--", "--odd"])).name).toBe("--odd");
  expect(resolveOptions(search, sources(["a", "--limit", "7", "b", "--", "-c"])).words).toEqual([
    "a",
    "b",
    "-c",
  ]);
  const values = resolveOptions(query, sources(["-oout", "--root", "ABCDEF", "x"]));
  expect([values.outputPath, values.rootPrefix]).toEqual(["out", "abcdef"]);
});

describe("one clear line for", () => {
  const noToken =
    "there is no --token, as others could read it in the list of processes: put it into P2P_TOKEN, or into a file " +
    "for --token-file";
  const cases: [Declaration, string[], string][] = [
    [query, ["x", "--bogus"], "unknown option --bogus (see p2p query --help)"],
    [serveIndex, ["--prot", "0"], "unknown option --prot (did you mean --port?)"],
    [peer, ["--no-promt"], "unknown option --no-promt (did you mean --no-prompt?)"],
    [peer, ["--no-port"], "unknown option --no-port (see p2p peer --help)"],
    [query, ["x", "-z"], "unknown option -z (see p2p query --help)"],
    [query, ["x", "--\u001b[31m"], "unknown option --\\u{1b}[31m (see p2p query --help)"],
    [peer, ["--port", "-1"], 'bad value "-1" for --port: expected a port from 0 to 65535'],
    [peer, ["--port"], "--port needs a value (see p2p --help)"],
    [peer, ["--port="], 'bad value "" for --port: expected a port from 0 to 65535'],
    [query, ["x", "--root", "--json"], "--root needs a value; if --json is meant, write --root=--json"],
    [query, ["x", "--json=perhaps"], 'bad value "perhaps" for --json: expected 1, 0, true or false'],
    [query, ["x", "--no-json=1"], "--no-json takes no value"],
    [query, [], "missing argument NAME (see p2p query --help)"],
    [query, [""], "empty argument NAME (see p2p query --help)"],
    [search, [], "missing argument WORDS (see p2p search --help)"],
    [query, ["x", "y"], "unexpected argument y (see p2p query --help)"],
    [serveIndex, ["y"], "unexpected argument y (see p2p serve-index --help)"],
    [
      peer,
      ["--network", "No"],
      'bad value "No" for --network: expected 1 to 32 of a-z, 0-9, - and _, with a letter or digit first',
    ],
    [query, ["x", "--token=s3cret"], noToken],
    [query, ["--token", "s3cret", "x"], noToken],
    [search, ["x", "--token"], noToken],
  ];
  test.each(
    cases.map(([declaration, argv, expected]) => [declaration.verb, argv, expected, declaration] as const),
  )("%s %p: %s", (_verb, argv, expected, declaration) => {
    expect(problem(declaration, sources(argv))).toBe(expected);
  });

  test("a bad variable", () => {
    expect(problem(peer, sources([], { P2P_PORT: "x" }))).toBe(
      'bad value "x" for P2P_PORT: expected a port from 0 to 65535',
    );
    expect(problem(query, sources(["x"], { P2P_INDEX: "a:1,b" }))).toStartWith('bad value "b" for P2P_INDEX');
  });

  test("a bad value in the config file", () => {
    const bad = (entries: Record<string, unknown>) => problem(peer, sources([], {}, entries));
    expect(bad({ port: "x" })).toBe(
      'bad value "x" for port in the config file /c/config.toml: expected a port from 0 to 65535',
    );
    expect(bad({ peer: { json: "si" } })).toContain("json in the config file");
    expect(bad({ port: [1] })).toContain("bad value for port in");
    expect(bad({ port: new Date(0) })).toContain("bad value for port in");
    expect(bad({ index: [{}] })).toContain("bad value for index in");
  });
});

describe("keys of the config file", () => {
  const all = [serveIndex, peer, query, search, indexDatabase];
  const check = (entries: Record<string, unknown>) => checkConfig({ path, entries }, all);

  test("of any verb at the top, of the verb itself in its table", () => {
    check({ index: { db: "x" } });
    check({ db: "x", index: "a:1", peer: { port: 1, "no-prompt": true }, search: { limit: 1 } });
  });

  test.each([
    [{ prot: 1 }, "unknown key prot in the config file /c/config.toml (did you mean port?)"],
    [{ peers: {} }, "unknown key peers in the config file /c/config.toml (did you mean peer?)"],
    [{ peer: { limit: 1 } }, "unknown key peer.limit in the config file /c/config.toml"],
    [{ port: {} }, "port in the config file /c/config.toml must be a value and no table"],
    [{ peer: 1 }, "[peer] in the config file /c/config.toml must be a table of options"],
  ])("%p", (entries, expected) => expect(() => check(entries)).toThrow(new UsageError(expected)));
});

test.each([
  [["query", "x", "--bogus", "--json"], {}, undefined, true],
  [["query", "x", "--json", "--no-json"], {}, undefined, false],
  [["query", "--", "--json"], {}, undefined, false],
  [["query", "--json=0"], {}, undefined, false],
  [["query"], { P2P_JSON: "1" }, undefined, true],
  [["query"], { P2P_JSON: "nonsense" }, undefined, false],
  [["query", "--no-json"], { P2P_JSON: "1" }, undefined, false],
  [["query"], {}, { json: true }, true],
  [["query"], {}, { json: true, query: { json: false } }, false],
  [["query"], { P2P_JSON: "0" }, { json: true }, false],
])("failures of %p %p %p are told as JSON: %p", (argv, environment, entries, expected) => {
  expect(wantsJson(sources(argv, environment, entries))).toBe(expected);
});

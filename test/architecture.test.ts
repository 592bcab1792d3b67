/**
 * The rules of the house that no compiler checks. The tables say what holds for this project; the functions behind
 * them are in helpers/source-rules.ts, and the second half of this file shows that each of them can fail.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  blankComments,
  dependencyProblems,
  type ForbiddenCode,
  forbiddenProblems,
  importsOf,
  type Layer,
  layerProblems,
  lengthProblems,
  placeProblems,
  privacyProblems,
  purityProblems,
  type SourceFile,
  specifierProblems,
  withImports,
  workerProblems,
} from "./helpers/source-rules.ts";

/** From the top down. A file is of the first layer that matches it. */
const layers: readonly Layer[] = [
  { name: "main", files: ["src/main.ts"] },
  { name: "commands", files: ["src/commands/**"] },
  { name: "prompt", files: ["src/prompt/**"] },
  { name: "options", files: ["src/options/**"] },
  { name: "nodes", files: ["src/peer-node.ts", "src/query-node.ts", "src/doctor/**"] },
  { name: "index server", files: ["src/index-server/**"] },
  { name: "transfer", files: ["src/transfer/**"] },
  { name: "library", files: ["src/library/**"] },
  { name: "net", files: ["src/net/**"] },
  { name: "trust", files: ["src/trust/**"] },
  { name: "wire and content", files: ["src/wire/**", "src/content/**"] },
  { name: "output", files: ["src/output/**"] },
  { name: "base", files: ["src/*.ts"] },
];

/** These decide from what they are told; time and chance are arguments. So is all that they import. */
const pureFiles = [
  "src/wire/**",
  "src/content/**",
  "src/index-server/browse.ts",
  "src/index-server/counters.ts",
  "src/index-server/metrics.ts",
  "src/index-server/recent-sources.ts",
  "src/index-server/session.ts",
  "src/index-server/show.ts",
  "src/index-server/subscriptions.ts",
  "src/library/announce-pace.ts",
  "src/index-server/sqlite/search-cursor.ts",
  "src/index-server/sqlite/search-text.ts",
  "src/index-server/watches.ts",
  "src/library/announcements.ts",
  "src/library/shared-entries.ts",
  "src/index-server/own-turn.ts",
  "src/index-server/rounds.ts",
  "src/net/address-limits.ts",
  "src/net/admission.ts",
  "src/net/answer-checks.ts",
  "src/net/backoff.ts",
  "src/net/cidr.ts",
  "src/net/host-group.ts",
  "src/net/same-address.ts",
  "src/net/unsent-budget.ts",
  "src/trust/secret.ts",
  "src/transfer/choose-content.ts",
  "src/transfer/folder-plan.ts",
  "src/transfer/receipt.ts",
  "src/transfer/relay.ts",
  "src/transfer/connection-plan.ts",
  "src/transfer/debts.ts",
  "src/transfer/download-life.ts",
  "src/transfer/host-limits.ts",
  "src/transfer/index-asking.ts",
  "src/transfer/pick.ts",
  "src/transfer/rate-meter.ts",
  "src/transfer/request-plan.ts",
  "src/transfer/scheduler.ts",
  "src/transfer/source-reasons.ts",
  "src/transfer/source-table.ts",
  "src/transfer/connection-life.ts",
  "src/transfer/holdings.ts",
  "src/transfer/pipeline.ts",
  "src/transfer/race.ts",
  "src/transfer/shuffled.ts",
  "src/transfer/source.ts",
  "src/transfer/upload-turns.ts",
  "src/transfer/upload-parties.ts",
  "src/transfer/upload-session.ts",
  "src/library/hash-load.ts",
  "src/library/hash-queue.ts",
  "src/library/rescan-plan.ts",
  "src/library/settle.ts",
];

const forbidden: readonly ForbiddenCode[] = [
  {
    what: "rolls dice: only drivers do, for the jitter of a back-off and to hand chance to what decides",
    pattern: /\bMath\.random\b/,
    except: [
      "src/net/**",
      "src/peer-node.ts",
      "src/index-server/server.ts",
      "src/index-server/open-catalog.ts",
      "src/transfer/downloader.ts",
    ],
  },
  { what: "uses a FileSink, which loses ENOSPC", pattern: /\.writer\s*\(/ },
  {
    what: "opens a socket: sockets belong to net/ and to the workers",
    pattern: /\bBun\.(?:listen|connect|udpSocket|serve)\b/,
    // The second talks to those who watch over an index and to nobody of the network.
    except: ["src/net/**", "src/index-server/http.ts", "src/**/*-worker.ts"],
  },
  {
    what: "connects past connect.ts, which looks who answers before a byte is sent",
    pattern: /\bBun\.connect\b/,
    except: ["src/net/connect.ts"],
  },
  {
    what: "says what TLS is to accept: one place does",
    pattern: /\brejectUnauthorized\b|\btls:/,
    except: ["src/net/tls.ts", "src/net/connect.ts", "src/net/listener.ts"],
  },
  {
    what: "shows a secret: only what proves it, keeps it or prints it because it was asked to",
    pattern: /\.reveal\(\)/,
    // `p2p token new`.
    except: ["src/trust/**", "src/commands/token.ts"],
  },
  {
    what: "copies with Object.assign, which sets the prototype from a `__proto__` key",
    pattern: /\bObject\.assign\b(?!\(new \w*Error\()/,
  },
  { what: "prints past printable() and the log", pattern: /\bconsole\s*\./ },
  {
    what: "starts a process",
    pattern: /\bBun\.(?:spawn|spawnSync|\$)|\bexec(?:File)?(?:Sync)?\s*\(\s*`/,
    // `watch --exec`: what the user says, without a shell.
    except: ["src/commands/command-queue.ts"],
  },
  {
    what: "says any",
    pattern: /(?:[:<|&,=(]|\bas)\s*any\b(?!\s*[:(.])|\bany\s*(?:\[\]|>)/,
    except: ["src/options/options.ts"],
  },
  {
    what: "maps a file: a truncation would end the process by SIGBUS",
    pattern: /\bmmap\b/,
    // Anonymous memory: no file is behind it.
    except: ["src/library/hash-pairs.ts"],
  },
  { what: "evaluates text", pattern: /\beval\s*\(|\bnew Function\b/ },
  {
    what: "leaves with process.exit, which cuts off what stdout still has to say",
    pattern: /\bprocess\.exit\s*\(/,
    except: ["src/main.ts", "src/shutdown.ts"],
  },
  {
    what: "reads the wall clock: deadlines are on monotonicMs()",
    pattern: /\bDate\.now\b/,
    // The last two compare it with the times of files, which are on that clock.
    except: [
      "src/output/log.ts",
      "src/clock.ts",
      "src/library/file-tracker.ts",
      "src/transfer/places-below.ts",
    ],
  },
  {
    what: "writes to the terminal: that is the commands' business",
    pattern: /\bprocess\.(?:stdout|stderr|stdin)\b/,
    except: ["src/main.ts", "src/*.ts", "src/commands/**"],
  },
];

/** Modules that nothing in src may import, whatever for; of node:net only what parses an address. */
const forbiddenModules = /^(?:node:)?(?:child_process|net|tls|http|https|http2|dgram|vm|cluster)$/;
const addressParsing = /import \{ (?:(?:isIP|isIPv4|isIPv6|BlockList|SocketAddress),? )+\} from "node:net"/;

/** Rooms that only some may enter: the program of the index is no part of a peer, and each package has one place. */
const privateRooms: readonly { rooms: string[]; by: string[] }[] = [
  { rooms: ["src/index-server/**"], by: ["src/commands/**"] },
  { rooms: ["src/commands/**"], by: ["src/main.ts"] },
  { rooms: ["citty"], by: ["src/main.ts", "src/commands/**", "src/options/**"] },
  { rooms: ["consola"], by: ["src/output/log.ts"] },
  { rooms: ["chokidar"], by: ["src/library/**"] },
  { rooms: ["cli-progress"], by: ["src/output/progress.ts"] },
  { rooms: ["@peculiar/x509", "reflect-metadata"], by: ["src/trust/certificate.ts"] },
  { rooms: ["bun:sqlite"], by: ["src/sqlite.ts", "src/index-server/**", "src/library/**"] },
];

const maxLines = 300;

const projectFolder = join(import.meta.dir, "..");
const sources: SourceFile[] = [...new Bun.Glob("src/**/*.ts").scanSync(projectFolder)]
  .filter((path) => !path.endsWith(".d.ts"))
  .sort()
  .map((path) => ({ path, text: readFileSync(join(projectFolder, path), "utf8") }));
const manifest = JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

describe("the sources", () => {
  test("are there", () => {
    expect(sources.length).toBeGreaterThan(10);
  });

  test("import downwards only", () => {
    expect(sources.flatMap((file) => layerProblems(file, layers))).toEqual([]);
  });

  test("enter no room that is not theirs", () => {
    const problems = sources.flatMap((file) =>
      privateRooms.flatMap(({ rooms, by }) => privacyProblems(file, rooms, by)),
    );
    expect(problems).toEqual([]);
  });

  test("are pure where they decide", () => {
    for (const glob of pureFiles) expect(withImports(sources, [glob]), glob).not.toEqual([]);
    expect(withImports(sources, pureFiles).flatMap(purityProblems)).toEqual([]);
  });

  test("hold none of the forbidden code", () => {
    expect(sources.flatMap((file) => forbiddenProblems(file, forbidden))).toEqual([]);
  });

  test("import no module that could talk past net/ or start a program", () => {
    const problems = sources.flatMap(({ path, text }) =>
      importsOf(text)
        .filter(({ specifier }) => forbiddenModules.test(specifier))
        .filter(({ specifier }) => specifier !== "node:net" || !addressParsing.test(text))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(problems).toEqual([]);
  });

  test("name their imports in full", () => {
    const packages = Object.keys(manifest.dependencies);
    expect(sources.flatMap((file) => specifierProblems(file, packages))).toEqual([]);
  });

  test("silence neither the compiler nor the linter without a reason", () => {
    const problems = sources
      .filter(({ text }) => /@ts-(?:ignore|nocheck)|@ts-expect-error\s*$|biome-ignore [^:]*$/m.test(text))
      .map(({ path }) => path);
    expect(problems).toEqual([]);
  });

  test("are named for what they are", () => {
    expect(sources.flatMap(({ path }) => placeProblems(path))).toEqual([]);
  });

  test(`have at most ${maxLines} lines`, () => {
    expect(sources.flatMap((file) => lengthProblems(file, maxLines))).toEqual([]);
  });

  test("start only Workers that are in the binary", () => {
    expect(workerProblems(sources)).toEqual([]);
  });
});

describe("the project", () => {
  test("has every dependency in an exact version, with its reason in CONTRIBUTING.md", () => {
    const contributing = readFileSync(join(projectFolder, "CONTRIBUTING.md"), "utf8");
    const all = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(dependencyProblems(all, contributing)).toEqual([]);
  });

  test("builds a binary that reads no .env, bunfig.toml, tsconfig.json or package.json where it is started", () => {
    const build = blankComments(readFileSync(join(projectFolder, "scripts/build.ts"), "utf8"));
    for (const option of ["Dotenv", "Bunfig", "Tsconfig", "PackageJson"]) {
      expect(build).toContain(`autoload${option}: false`);
    }
  });
});

describe("each rule can fail", () => {
  const file = (path: string, text: string): SourceFile => ({ path, text });

  test("comments, strings and regular expressions are told from code", () => {
    expect(blankComments('a; // "x"\nb /* c\n */ "// d"')).toBe('a;       \nb     \n    "// d"');
    expect(blankComments("const a = 'Date.now';", "blank")).toBe("const a =           ;");
    expect(blankComments('x = /"/; // y\n"z"')).toBe('x = /"/;     \n"z"');
  });

  test("imports of every form are seen, and what is only a type", () => {
    const text = `import a from "./a.ts";
import type { B } from "./b.ts";
import { type C, type D } from "./c.ts";
import { type E, f } from "./e.ts";
// import g from "./g.ts";
import "./h.ts";
export * from "./i.ts";
const j = await import("./j.ts");`;
    expect(importsOf(text)).toEqual([
      { specifier: "./a.ts", typeOnly: false },
      { specifier: "./b.ts", typeOnly: true },
      { specifier: "./c.ts", typeOnly: true },
      { specifier: "./e.ts", typeOnly: false },
      { specifier: "./i.ts", typeOnly: false },
      { specifier: "./h.ts", typeOnly: false },
      { specifier: "./j.ts", typeOnly: false },
    ]);
  });

  test("an import that goes up", () => {
    const up = file("src/wire/a.ts", 'import type { Connection } from "../net/connection.ts";');
    expect(layerProblems(up, layers)).toHaveLength(1);
    const down = file("src/net/a.ts", 'import { limits } from "../wire/limits.ts";');
    expect(layerProblems(down, layers)).toEqual([]);
    expect(layerProblems(file("src/elsewhere/a.ts", ""), layers)).toHaveLength(1);
    expect(layerProblems(file("src/errors.ts", 'import "./content/merkle.ts";'), layers)).toHaveLength(1);
  });

  test("an import from a private room", () => {
    const peer = file("src/peer-node.ts", 'import { Catalog } from "./index-server/catalog.ts";');
    expect(privacyProblems(peer, ["src/index-server/**"], ["src/commands/**"])).toHaveLength(1);
    const verb = { ...peer, path: "src/commands/serve-index.ts" };
    expect(privacyProblems(verb, ["src/index-server/**"], ["src/commands/**"])).toEqual([]);
    expect(
      privacyProblems(file("src/net/a.ts", 'import c from "chokidar";'), ["chokidar"], ["b"]),
    ).toHaveLength(1);
  });

  test.each([
    "const now = Date.now();",
    "const at = performance.now();",
    "const coin = Math.random();",
    "const socket = Bun.connect({});",
    "const worker = new Worker(url);",
    "const home = process.env.HOME;",
    "setTimeout(run, 5);",
    "const answer = await ask();",
    'import { openSync } from "node:fs";',
    'import { Database } from "bun:sqlite";',
  ])("impure: %s", (line) => {
    expect(purityProblems(file("src/wire/a.ts", line))).toHaveLength(1);
  });

  test("pure: types from anywhere, values from pure files, and what a comment says", () => {
    const text =
      'import type { Stats } from "node:fs";\nimport { a } from "../content/a.ts";\n// Date.now() is not read\n';
    expect(purityProblems(file("src/wire/a.ts", text))).toEqual([]);
  });

  test("pure: what a pure file imports is looked at as well, however indirectly, but for types", () => {
    const a = file("src/wire/a.ts", 'import { b } from "../b.ts";\nimport type { D } from "../d.ts";');
    const b = file("src/b.ts", 'import { c } from "./c.ts";');
    const c = file("src/c.ts", 'import { a } from "./wire/a.ts";');
    const d = file("src/d.ts", "");
    expect(withImports([a, b, c, d], ["src/wire/**"])).toEqual([a, b, c]);
  });

  test.each([
    "retryMs *= Math.random();",
    'const sink = Bun.file("x").writer();',
    "Bun.listen({ port: 0 });",
    "const copy = Object.assign({}, message);",
    'console.log("x");',
    'Bun.spawn(["ls"]);',
    "const message: any = parse(line);",
    "const list: any[] = [];",
    "const map = new Map<string, any>();",
    "const size = (message as any).size;",
    "Bun.mmap(path);",
    "process.exit(1);",
    "const deadline = Date.now() + 5;",
    'process.stdout.write("x");',
  ])("forbidden: %s", (line) => {
    expect(forbiddenProblems(file("src/transfer/a.ts", line), forbidden)).toHaveLength(1);
  });

  test.each([
    "const company = 1;",
    "if (any(of)) return;",
    "// any: any",
    'fail(": any peer");',
    "few.any = true;",
  ])("not forbidden: %s", (line) => {
    expect(forbiddenProblems(file("src/transfer/a.ts", line), forbidden)).toEqual([]);
  });

  test("an import without its ending, without node:, or of no dependency", () => {
    const text =
      'import a from "./a";\nimport b from "fs";\nimport c from "lodash";\nimport d from "citty";\n';
    expect(specifierProblems(file("src/a.ts", text), ["citty"])).toHaveLength(3);
  });

  test("a barrel, a drawer, a long file", () => {
    expect(placeProblems("src/wire/index.ts")).toHaveLength(1);
    expect(placeProblems("src/utils/strings.ts")).toHaveLength(1);
    expect(placeProblems("src/index-server/server.ts")).toEqual([]);
    expect(lengthProblems(file("src/a.ts", "x\n".repeat(301)), 300)).toHaveLength(1);
    expect(lengthProblems(file("src/a.ts", "x\n".repeat(300)), 300)).toEqual([]);
  });

  test("a Worker that is missing, misnamed or never started", () => {
    const starts = file("src/a.ts", 'new Worker(workerUrl("library/hash-worker.ts"));');
    expect(workerProblems([starts])).toHaveLength(1);
    expect(workerProblems([starts, file("src/library/hash-worker.ts", "")])).toEqual([]);
    expect(workerProblems([file("src/library/hash-worker.ts", "")])).toHaveLength(1);
    const misnamed = file("src/b.ts", 'new Worker(workerUrl("hash.ts"));');
    expect(workerProblems([misnamed, file("src/hash.ts", "")])).toHaveLength(1);
    expect(
      workerProblems([file("src/c.ts", 'new Worker(new URL("./d.ts", import.meta.url));')]),
    ).toHaveLength(1);
  });

  test("a dependency without a reason or with a range", () => {
    expect(dependencyProblems({ citty: "^0.2.2" }, "")).toHaveLength(2);
    expect(dependencyProblems({ citty: "0.2.2" }, "| `citty` | commands |")).toEqual([]);
  });
});

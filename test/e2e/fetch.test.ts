/** `p2p query` with sources that behave: what is fetched, where it lands, what is said, and each exit code. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { FaultProxy } from "../helpers/fault-proxy.ts";
import { finished, holds, md5Of, partialFiles, Swarm } from "../helpers/swarm.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** The edges of a leaf and of a chunk, of one request (4 MiB), and several of those. */
const sizes = [0, 1, 16 * KiB - 1, 16 * KiB, 16 * KiB + 1, MiB - 1, MiB, MiB + 1, 4 * MiB, 12 * MiB + 7];

test("every size arrives as it is", async () => {
  await using swarm = await Swarm.start();
  const files = Object.fromEntries(sizes.map((size) => [`of ${size}`, randomBytes(size)]));
  await swarm.peer(files);
  await Promise.all(
    Object.entries(files).map(async ([name, bytes]) => {
      const { process, code, folder, last } = await swarm.fetch([name]);
      expect(code, process.said()).toBe(0);
      expect(last).toMatchObject({ event: "complete", path: name, size: bytes.length, resumedBytes: 0 });
      expect(last).toMatchObject({ md5: md5Of(bytes) });
      expect(holds(join(folder, name), bytes), name).toBe(true);
      expect(readdirSync(folder)).toEqual([name]);
      // Of one that took a second, what kept it from being faster is said.
      expect(process.stderr.replace(/^.*; the bottleneck was .*\n/, "")).toBe("");
    }),
  );
});

test("all of three sources deliver", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(12 * MiB);
  // None is fast enough to have delivered everything before the others are connected.
  const slow = { bytesPerSecond: 8 * MiB };
  const behind = [1, 2, 3].map((i) => swarm.peerBehind(slow, { [`copy ${i}/a.iso`]: bytes }));
  const peers = (await Promise.all(behind)).map(({ proxy }) => proxy);
  const { process, code, last } = await swarm.fetch(["a.iso", "--chunk-size", "1MiB"]);
  expect(code, process.said()).toBe(0);
  const sources = last?.sources as { port: number; bytes: number; badChunks: number }[];
  expect(sources.map(({ port }) => port).sort()).toEqual(peers.map(({ port }) => port).sort());
  for (const source of sources) expect(source.bytes, process.said()).toBeGreaterThan(0);
  expect(sources.reduce((sum, source) => sum + source.bytes, 0)).toBe(bytes.length);
});

/** Each is shared, found and written under exactly this name. */
const names = [
  "Zoë – naïve ☕.txt",
  "e\u0301 is not é.txt",
  "日本語 ファイル 🎉.bin",
  "עברית.txt",
  " begins with two spaces",
  "-rf",
  "--force",
  "100% [a]*?.txt",
  'it\'s "quoted" $HOME `id`; #.txt',
  "n".repeat(255),
];

test("names arrive as they are", async () => {
  await using swarm = await Swarm.start();
  const files = Object.fromEntries(names.map((name) => [`deep/${name}`, Buffer.from(name)]));
  await swarm.peer(files);
  await Promise.all(
    names.map(async (name) => {
      for (const asked of [name, `deep/${name}`]) {
        const { process, code, folder } = await swarm.fetch(["--", asked]);
        expect(code, process.said()).toBe(0);
        expect(readdirSync(folder)).toEqual([name]);
        expect(holds(join(folder, name), Buffer.from(name))).toBe(true);
      }
    }),
  );
});

/** `-o`, and where the file is then. */
const targets: [output: string, path: string][] = [
  ["b.bin", "b.bin"],
  ["there", "there/a.bin"],
  ["there/", "there/a.bin"],
  ["there/b.bin", "there/b.bin"],
  ["new/", "new/a.bin"],
  ["new/er/b.bin", "new/er/b.bin"],
  ["./-b", "-b"],
];

test("-o is a file, a folder that is there, or with a / one that is made", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(2 * MiB);
  await swarm.peer({ "a.bin": bytes });
  await Promise.all(
    targets.map(async ([output, path]) => {
      const cwd = swarm.box.newFolder("downloads");
      mkdirSync(join(cwd, "there"));
      const { process, code, last } = await swarm.fetch(["a.bin", "-o", output], { cwd });
      expect(code, process.said()).toBe(0);
      expect(holds(join(cwd, path), bytes), output).toBe(true);
      expect(join(cwd, String(last?.path))).toBe(join(cwd, path));
    }),
  );
});

test("a name with several contents: listed, and chosen by --root", async () => {
  await using swarm = await Swarm.start();
  const [one, other] = [randomBytes(2 * MiB), randomBytes(3 * MiB)];
  await Promise.all([
    swarm.peer({ "a.bin": one }),
    swarm.peer({ "x/a.bin": one }),
    swarm.peer({ "a.bin": other }),
  ]);
  const ambiguous = await swarm.fetch(["a.bin"]);
  expect(ambiguous.code).toBe(4);
  expect(readdirSync(ambiguous.folder)).toEqual([]);
  const event = ambiguous.process.events.find((each) => each.event === "ambiguous");
  const contents = event?.contents as { root: string; size: number; sources: number }[];
  expect(contents.map(({ size, sources }) => [size, sources])).toEqual([
    [one.length, 2],
    [other.length, 1],
  ]);

  const prefix = String(contents[1]?.root).slice(0, 8).toUpperCase();
  const [chosen, whole, list, none] = await Promise.all([
    swarm.fetch(["a.bin", "--root", prefix]),
    swarm.fetch(["x/a.bin"]),
    swarm.fetch(["a.bin", "--root", String(contents[0]?.root), "--list"]),
    swarm.fetch(["a.bin", "--root", "0123456789"]),
  ]);
  expect(holds(join(chosen.folder, "a.bin"), other), chosen.process.said()).toBe(true);
  expect(holds(join(whole.folder, "a.bin"), one), whole.process.said()).toBe(true);
  expect(list.process.events.map((each) => each.event)).toEqual(["found", "source", "source"]);
  expect(readdirSync(list.folder)).toEqual([]);
  expect(none.code).toBe(3);
});

test("what is at the target: the same, another one, --force", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(3 * MiB);
  await swarm.peer({ "a.bin": bytes });
  const cwd = swarm.box.newFolder("downloads");
  const fetch = (...flags: string[]) => swarm.fetch(["a.bin", ...flags], { cwd });

  const mine = Buffer.alloc(bytes.length, "mine");
  for (const before of [mine, Buffer.from("short")]) {
    swarm.box.put(cwd, "a.bin", before);
    const refused = await fetch();
    expect(refused.last).toMatchObject({ event: "error", code: "WOULD_OVERWRITE", exit: 9 });
    expect(holds(join(cwd, "a.bin"), before)).toBe(true);
  }
  const forced = await fetch("--force");
  expect(forced.last).toMatchObject({ event: "complete", size: bytes.length });
  expect(holds(join(cwd, "a.bin"), bytes)).toBe(true);
  for (const flags of [[], ["--force"]]) {
    const again = await fetch(...flags);
    expect(again.last).toMatchObject({ event: "complete", alreadyThere: true, resumedBytes: 0 });
    expect(again.last?.sources).toMatchObject([{ bytes: 0 }]);
  }
  expect(readdirSync(cwd)).toEqual(["a.bin"]);
});

test("each failure: its exit code, one line on stderr, the error event on stdout", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(2 * MiB);
  await swarm.peer({ "a.bin": bytes, "twice.bin": bytes });
  await swarm.peer({ "twice.bin": randomBytes(1) });
  const { proxy } = await swarm.peerBehind({ flipBitEvery: 700_000 }, { "wrong.bin": bytes.subarray(1) });
  const nobody = await FaultProxy.start(1);
  const closedPort = nobody.port;
  await nobody[Symbol.asyncDispose]();
  await swarm.register(closedPort, { "nobody.bin": bytes.subarray(2) });
  const cwd = swarm.box.newFolder("downloads");
  swarm.box.put(cwd, "file", "");
  swarm.box.put(cwd, "different/a.bin", "mine");

  const index = ["--index", swarm.index.address];
  const cases: [argv: string[], exit: number, code: string, message: RegExp][] = [
    [["query"], 2, "USAGE", /NAME/],
    [["query", "a", "b", ...index], 2, "USAGE", /"?b"?/],
    [["query", "a.bin", "--lits", ...index], 2, "USAGE", /--list/],
    [["query", "a.bin", "--chunk-size", "100K", ...index], 2, "USAGE", /chunk-size/],
    [["query", "a.bin", "--root", "xyz!", ...index], 2, "USAGE", /root/],
    [["qurey", "a.bin"], 2, "USAGE", /query/],
    [["query", "missing.bin", ...index], 3, "NOT_FOUND", /missing\.bin/],
    [["search", "nothing like it", ...index], 3, "NOT_FOUND", /nothing like it/],
    [["query", "twice.bin", ...index], 4, "AMBIGUOUS", /--root/],
    [["query", "nobody.bin", "--timeout", "1", ...index], 5, "NO_SOURCE", new RegExp(`${closedPort}|source`)],
    [["query", "wrong.bin", ...index], 6, "VERIFICATION", new RegExp(`${proxy.port}`)],
    [["query", "a.bin", "-o", "file/b.bin", ...index], 7, "LOCAL_IO", /file/],
    [["query", "a.bin", "--index", `127.0.0.1:${closedPort}`], 8, "INDEX_UNREACHABLE", /refused/],
    [["query", "a.bin", "-o", "different", ...index], 9, "WOULD_OVERWRITE", /different\/a\.bin/],
  ];
  await Promise.all(
    cases.map(async ([argv, exit, code, message]) => {
      const words = await swarm.box.run(argv, { cwd });
      expect(words.exitCode, words.said()).toBe(exit);
      expect(words.stderr.trimEnd().split("\n").at(-1), words.said()).toMatch(/^p2p: /);
      expect(words.stderr, words.said()).toMatch(message);
      expect(words.stderr, words.said()).not.toMatch(/^ +at /m);
      const json = await swarm.box.run([...argv, "--json"], { cwd });
      expect(json.exitCode, json.said()).toBe(exit);
      expect(json.events.at(-1), json.said()).toMatchObject({ event: "error", code, exit });
      expect(json.otherLines).toEqual([]);
    }),
  );
  expect(existsSync(join(cwd, "a.bin"))).toBe(false);
});

test("a name that nobody has is answered at once", async () => {
  await using swarm = await Swarm.start();
  const startMs = performance.now();
  const { code } = await swarm.fetch(["missing"]);
  expect(code).toBe(3);
  expect(performance.now() - startMs).toBeLessThan(2_000);
});

test("fifty at once, each into its own folder", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(300 * KiB);
  await swarm.peer({ "a.bin": bytes });
  const queries = Array.from({ length: 50 }, () => swarm.query(["a.bin", "--threads", "1"]));
  for (const query of queries) {
    const { process, code, folder } = await finished(query);
    expect(code, process.said()).toBe(0);
    expect(holds(join(folder, "a.bin"), bytes)).toBe(true);
    expect(partialFiles(folder)).toEqual([]);
  }
});

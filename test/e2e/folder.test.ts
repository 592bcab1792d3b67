/** `p2p query` for folders and patterns, with sources that behave: what comes, where it lands, what is said. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { type Files, md5Of, Swarm } from "../helpers/swarm.ts";
import { differenceOf, eventsOf, failuresOf, filesOf, namesBelow, summaryOf } from "../helpers/trees.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

function sizeOf(files: Files): number {
  return Object.values(files).reduce((sum, bytes) => sum + bytes.length, 0);
}

const twice = randomBytes(2 * MiB + 1);
const small = randomBytes(300);

/** Names and sizes with something odd about each. */
const dataset: Files = {
  "dataset/empty": randomBytes(0),
  "dataset/also empty": randomBytes(0),
  "dataset/one byte": randomBytes(1),
  "dataset/one chunk": randomBytes(MiB),
  "dataset/one chunk and a byte": randomBytes(MiB + 1),
  "dataset/several chunks.bin": randomBytes(5 * MiB + 7),
  "dataset/-rf": randomBytes(100),
  "dataset/--force/-o": randomBytes(100),
  "dataset/a/b/c/d/e/f/g/deep": randomBytes(20 * KiB),
  "dataset/  two  spaces  ": randomBytes(50),
  "dataset/Zoë ☕/日本語 🎉.bin": randomBytes(70 * KiB),
  "dataset/עברית/e\u0301": randomBytes(10),
  'dataset/it\'s "quoted" $HOME `id`; #': randomBytes(10),
  [`dataset/${"n".repeat(255)}`]: randomBytes(10),
  // The same content several times: as names go, these are different files.
  "dataset/twice": twice,
  "dataset/twice again": twice,
  "dataset/sub/twice elsewhere": twice,
  "dataset/small": small,
  "dataset/small again": small,
  "dataset/sub/small elsewhere": small,
};
const besides: Files = { "other/a.bin": randomBytes(10), "dataset.txt": randomBytes(10) };

test("a folder arrives as it is, below -o or the working folder; again, nothing is fetched", async () => {
  await using swarm = await Swarm.start();
  const { proxy } = await swarm.peerBehind({}, { ...dataset, ...besides });
  const count = Object.keys(dataset).length;
  const bytes = sizeOf(dataset);

  const cwd = swarm.box.newFolder("downloads");
  const first = await swarm.fetch(["dataset/", "-o", "new/er"], { cwd });
  expect(first.code, first.process.said()).toBe(0);
  expect(differenceOf(join(cwd, "new/er"), dataset)).toBeUndefined();
  expect(readdirSync(cwd)).toEqual(["new"]);
  expect(first.process.stderr).toBe("");
  expect(first.last?.event).toBe("summary");
  expect(summaryOf(first)).toMatchObject({
    pattern: "dataset/",
    path: "new/er",
    fetched: { files: count, bytes },
    alreadyThere: { files: 0, bytes: 0 },
    failed: 0,
    resumedBytes: 0,
    sources: [{ port: proxy.port, bytes, badChunks: 0 }],
  });
  expect(eventsOf(first, "matched")).toMatchObject([{ files: count, bytes, problems: 0 }]);
  expect(first.process.events[0]?.event).toBe("matched");
  const stored = new Map(eventsOf(first, "stored").map((event) => [event.name, event]));
  expect(stored.size).toBe(count);
  for (const [name, content] of Object.entries(dataset)) {
    expect(stored.get(name), name).toMatchObject({
      path: join("new/er", name),
      size: content.length,
      md5: md5Of(content),
      alreadyThere: false,
    });
  }

  const passed = proxy.passedBytes;
  const again = await swarm.fetch(["dataset/", "-o", "new/er"], { cwd });
  expect(again.code, again.process.said()).toBe(0);
  expect(summaryOf(again)).toMatchObject({
    fetched: { files: 0, bytes: 0 },
    alreadyThere: { files: count, bytes },
    failed: 0,
    sources: [],
  });
  expect(eventsOf(again, "stored").every(({ alreadyThere }) => alreadyThere === true)).toBe(true);
  expect(proxy.passedBytes).toBe(passed);
  expect(differenceOf(join(cwd, "new/er"), dataset)).toBeUndefined();

  const words = await swarm.box.run(["query", "dataset/", "--index", swarm.index.address], { cwd });
  expect(words.exitCode, words.said()).toBe(0);
  expect(differenceOf(join(cwd, "dataset"), Object.fromEntries(strip(dataset)))).toBeUndefined();
  const lines = words.stdout.trimEnd().split("\n");
  expect(lines, words.said()).toHaveLength(3);
  expect(lines[1]).toMatch(new RegExp(`^\\.: ${count} files, .* every chunk verified$`));
  expect(lines[2]).toContain(`127.0.0.1:${proxy.port}`);
});

function strip(files: Files): [string, Uint8Array][] {
  return Object.entries(files).map(([name, bytes]) => [name.replace(/^dataset\//, ""), bytes]);
}

test("what is there: the others come, a different file stays until --force, links and folders are no files", async () => {
  await using swarm = await Swarm.start();
  const large = randomBytes(3 * MiB);
  const files = { "d/a": randomBytes(100), "d/b": randomBytes(100), "d/large": large, "d/sub/c": small };
  await swarm.peer(files);
  const cwd = swarm.box.newFolder("downloads");
  await swarm.fetch(["d/"], { cwd });

  // Of the same size, of another size; one that is large; one missing.
  const mine = { "d/a": Buffer.alloc(100, "x"), "d/b": Buffer.from("b"), "d/large": large.toReversed() };
  for (const [name, bytes] of Object.entries(mine)) swarm.box.put(cwd, name, bytes);
  unlinkSync(join(cwd, "d/sub/c"));
  const refused = await swarm.fetch(["d/"], { cwd });
  expect(refused.last, refused.process.said()).toMatchObject({
    event: "error",
    exit: 9,
    code: "WOULD_OVERWRITE",
  });
  expect(refused.code).toBe(9);
  expect(failuresOf(refused)).toEqual({ "d/a": 9, "d/b": 9, "d/large": 9 });
  expect(summaryOf(refused)).toMatchObject({ fetched: { files: 1, bytes: 300 }, failed: 3 });
  expect(differenceOf(cwd, { ...files, ...mine })).toBeUndefined();

  const forced = await swarm.fetch(["d/", "--force"], { cwd });
  expect(forced.code, forced.process.said()).toBe(0);
  expect(summaryOf(forced)).toMatchObject({ fetched: { files: 3 }, alreadyThere: { files: 1 } });
  expect(differenceOf(cwd, files)).toBeUndefined();

  // A link that leads to the right bytes, one that leads nowhere, a folder.
  for (const name of ["d/a", "d/b", "d/sub/c"]) unlinkSync(join(cwd, name));
  const elsewhere = swarm.box.put(swarm.box.newFolder(), "a", files["d/a"]);
  symlinkSync(elsewhere, join(cwd, "d/a"));
  symlinkSync("nowhere", join(cwd, "d/b"));
  mkdirSync(join(cwd, "d/sub/c"));
  const odd = await swarm.fetch(["d/"], { cwd });
  expect(failuresOf(odd), odd.process.said()).toMatchObject({ "d/b": 9, "d/sub/c": 7 });
  expect(odd.code).toBe(7);
  expect(existsSync(join(cwd, "d/nowhere"))).toBe(false);
  expect(readdirSync(join(cwd, "d/sub/c"))).toEqual([]);
});

/** Patterns, and which of these names they stand for. */
const shelf = ["a.txt", "b.txt", "c.bin", "m/a.txt", "m/x/a.txt", "m/x/y/b.txt", "m/x/y/é.txt", "n/m/a.txt"];
const patterns: [pattern: string, names: string[]][] = [
  ["m/", ["m/a.txt", "m/x/a.txt", "m/x/y/b.txt", "m/x/y/é.txt"]],
  ["m/x/", ["m/x/a.txt", "m/x/y/b.txt", "m/x/y/é.txt"]],
  ["m/*", ["m/a.txt"]],
  ["m/*.txt", ["m/a.txt"]],
  // Without a slash the last part alone is meant, as of a plain name.
  ["b*", ["b.txt", "m/x/y/b.txt"]],
  ["?.bin", ["c.bin"]],
  ["m/x/y/?.txt", ["m/x/y/b.txt", "m/x/y/é.txt"]],
  ["m/**/a.txt", ["m/a.txt", "m/x/a.txt"]],
  ["**/b.txt", ["b.txt", "m/x/y/b.txt"]],
  ["*/*/a.*", ["m/x/a.txt", "n/m/a.txt"]],
  ["**", shelf],
];

test("patterns, --list, --explain, and what nothing fits", async () => {
  await using swarm = await Swarm.start();
  const files: Files = Object.fromEntries(shelf.map((name) => [name, Buffer.from(name)]));
  await swarm.peer(files);
  await Promise.all(
    patterns.map(async ([pattern, names]) => {
      const { process, code, folder } = await swarm.fetch([pattern, "--threads", "1"]);
      expect(code, process.said()).toBe(0);
      const wanted = filesOf(files, (name) => names.includes(name));
      expect(differenceOf(folder, wanted), pattern).toBeUndefined();
    }),
  );
  const [nothing, below, streamed, list, noList, explained] = await Promise.all([
    swarm.fetch(["z/"]),
    swarm.fetch(["a.txt/"]),
    swarm.box.run(["query", "m/", "-o", "-", "--index", swarm.index.address]),
    swarm.fetch(["m/**", "--list"]),
    swarm.fetch(["z*", "--list"]),
    swarm.fetch(["m/", "--explain"]),
  ]);
  for (const none of [nothing, below, noList]) {
    expect(none.last, none.process.said()).toMatchObject({ event: "error", code: "NOT_FOUND", exit: 3 });
    expect(readdirSync(none.folder)).toEqual([]);
  }
  expect(streamed.exitCode).toBe(2);
  expect(streamed.stdout).toBe("");
  expect(list.code).toBe(0);
  expect(eventsOf(list, "found").map(({ name }) => name)).toEqual(patterns[0]![1]);
  expect(readdirSync(list.folder)).toEqual([]);
  const kinds = explained.process.events.map(({ event }) => event);
  expect(kinds.slice(0, 2)).toEqual(["matched", "folder-plan"]);
  expect(eventsOf(explained, "folder-plan")).toMatchObject([{ files: 4, small: 4, path: "." }]);
});

test("names that cannot lie beside each other: nothing at all is written", async () => {
  await using swarm = await Swarm.start();
  const both = (...names: string[]): Files =>
    Object.fromEntries(["fine", ...names].map((name) => [`d/${name}`, Buffer.from("same")]));
  const clashes = [
    both("Readme", "README"),
    both("café", "cafe\u0301"),
    both("Sub/a", "sub/b"),
    both("straße", "STRASSE"),
  ];
  await Promise.all(
    clashes.map(async (files, i) => {
      const at = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${i}/${name}`, bytes]));
      await swarm.register(9, at);
    }),
  );
  // Two peers, of which one has a folder where the other one has a file.
  await swarm.register(9, { "9/d/x": Buffer.from("1"), "9/d/y": Buffer.from("2") });
  await swarm.register(9, { "9/d/x/y": Buffer.from("1") });
  for (const i of [0, 1, 2, 3, 9]) {
    const { process, code, folder, last } = await swarm.fetch([`${i}/`, "-o", "out"]);
    expect(code, process.said()).toBe(7);
    expect(String(last?.message)).toMatch(/cannot lie beside each other .* nothing was written/);
    expect(namesBelow(folder)).toEqual([]);
  }
});

test("an ambiguous name fails alone with exit 4, and --root chooses", async () => {
  await using swarm = await Swarm.start();
  const [one, other] = [randomBytes(400), randomBytes(2 * MiB)];
  await swarm.peer({ "d/twofold": one, "d/a": randomBytes(10), "d/b": randomBytes(2 * MiB) });
  await swarm.peer({ "d/twofold": other });
  const { process, code, folder, last } = await swarm.fetch(["d/"]);
  expect(code, process.said()).toBe(4);
  expect(last).toMatchObject({ event: "error", code: "AMBIGUOUS" });
  expect(failuresOf({ process })).toEqual({ "d/twofold": 4 });
  expect(namesBelow(folder)).toEqual(["d/a", "d/b"]);
  expect(eventsOf({ process }, "matched")).toMatchObject([{ files: 2, problems: 1 }]);

  const listed = await swarm.fetch(["d/", "--list"]);
  const root = (bytes: Uint8Array) => eventsOf(listed, "found").find(({ md5 }) => md5 === md5Of(bytes))?.root;
  for (const bytes of [one, other]) {
    const chosen = await swarm.fetch(["d/", "--root", String(root(bytes)).slice(0, 10)]);
    expect(chosen.code, chosen.process.said()).toBe(0);
    expect(differenceOf(chosen.folder, { "d/twofold": bytes })).toBeUndefined();
  }
});

test("--threads 1 and --connections 1 bring everything; --down is kept over all of it", async () => {
  await using swarm = await Swarm.start();
  const files: Files = { "d/large": randomBytes(2 * MiB), "d/larger": randomBytes(3 * MiB) };
  for (let i = 0; i < 50; i++) files[`d/${i}`] = randomBytes(20 * KiB);
  await swarm.peer(files);
  const [single, limited] = await Promise.all([
    swarm.fetch(["d/", "--threads", "1", "--connections", "1"]),
    swarm.fetch(["d/", "--down", "6MiB"]),
  ]);
  for (const each of [single, limited]) {
    expect(each.code, each.process.said()).toBe(0);
    expect(differenceOf(each.folder, files)).toBeUndefined();
  }
  const { seconds } = summaryOf(limited);
  // Half a second's worth may come at once in the beginning.
  expect(seconds).toBeGreaterThan(sizeOf(files) / (6 * MiB) - 0.5);
  expect(seconds).toBeLessThan(sizeOf(files) / (6 * MiB) + 3);
});

test("QUERY in the prompt of a peer: below its folder, and shared from then on", async () => {
  await using swarm = await Swarm.start();
  const files = { "sub/a": randomBytes(10), "sub/x/b": randomBytes(2 * MiB), "sub/x/c": randomBytes(0) };
  await swarm.peer({ ...files, "not/this": randomBytes(10) });
  const mine = swarm.box.newFolder("mine");
  const argv = ["peer", mine, "--index", swarm.index.address, "--port", "0", "--json"];
  const peer = swarm.box.start(argv, { stdin: "open" });
  await peer.waitForEvent("registered");
  peer.write("QUERY sub/\n");
  await peer.waitForEvent("summary");
  expect(differenceOf(mine, files)).toBeUndefined();
  peer.write("QUERY sub/*\nQUERY missing/\n");
  await peer.waitForEvent("error");
  expect(eventsOf({ process: peer }, "summary")).toMatchObject([
    { fetched: { files: 3 }, alreadyThere: { files: 0 } },
    { fetched: { files: 0 }, alreadyThere: { files: 1 } },
  ]);
  // The index knows it as a second source of all of it once its files have been still for a second.
  const names = () =>
    peer.events.flatMap(({ event, added }) => (event === "updated" ? (added as string[]) : []));
  await peer.waitUntil(() => names().length >= 3, "files that are shared");
  expect(names().sort()).toEqual(Object.keys(files).sort());
  peer.write("EXIT\n");
  expect(await peer.exit(), peer.said()).toBe(0);
});

test("--serve-for: small and large ones, and those of one content, can be had from it alone", async () => {
  await using swarm = await Swarm.start();
  const files: Files = { "d/large": randomBytes(2 * MiB), "d/twice": twice, "d/sub/twice again": twice };
  for (let i = 0; i < 30; i++) files[`d/${i}`] = randomBytes(i * KiB);
  const peer = await swarm.peer(files);
  const first = swarm.query(["d/", "--serve-for", "30s"]);
  await first.process.waitUntil(() => /serving/.test(first.process.stderr), "serving");
  await peer.process.end();
  const second = await swarm.fetch(["d/"]);
  expect(second.code, second.process.said()).toBe(0);
  expect(differenceOf(second.folder, files)).toBeUndefined();
  first.process.kill("SIGINT");
  expect(await first.process.exit(), first.process.said()).toBe(0);
  expect(eventsOf(first, "served")).toEqual([{ event: "served", bytes: sizeOf(files) }]);
});

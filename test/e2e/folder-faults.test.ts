/**
 * `p2p query` for folders when something goes wrong: killed and interrupted downloads, peers that leave, lie or have
 * changed, targets that cannot be written. What can come comes, what cannot fails alone, and no file ever has its name
 * with other bytes than it should.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentOf } from "../helpers/contents.ts";
import { fakeFiles, type OddAnswer, wrong } from "../helpers/fake-files.ts";
import { fakeIndex } from "../helpers/fake-index.ts";
import { type FakeSource, line } from "../helpers/fake-source.ts";
import { PeakMemory } from "../helpers/process-facts.ts";
import { Random } from "../helpers/random.ts";
import { canMount, SmallDisk } from "../helpers/small-disk.ts";
import { complaints, delivered, type Files, finished, inMemory, Swarm } from "../helpers/swarm.ts";
import {
  differenceOf,
  failuresOf,
  filesOf,
  finalNamesBelow,
  namesBelow,
  summaryOf,
  wrongFile,
} from "../helpers/trees.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
/** Slow enough to be disturbed in the middle. */
const slow = { bytesPerSecond: 8 * MiB };

/** `count` files of random sizes up to `maxBytes`, in some folders. */
function manyFiles(count: number, maxBytes: number, seed = 1): Files {
  const random = new Random(seed);
  const name = (i: number) => `d/${i % 7}/${i % 3}/file ${i}`;
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [name(i), randomBytes(random.whole(1, maxBytes))]),
  );
}

const mixed: Files = {
  ...manyFiles(120, 40 * KiB),
  "d/large": randomBytes(2 * MiB + 1),
  "d/0/larger": randomBytes(3 * MiB),
};

/** A peer that has all of these, and answers oddly for some. */
function fakePeer(files: Files, isOdd: (name: string) => boolean, odd: OddAnswer): FakeSource {
  const named = Object.entries(files).map(([name, bytes]) => ({ isOdd: isOdd(name), ...contentOf(bytes) }));
  const oddRoots = new Set(named.flatMap((each) => (each.isOdd ? [each.root] : [])));
  return fakeFiles(named, (content, bytes) => (oddRoots.has(content.root) ? odd(content, bytes) : bytes));
}

test("killed again and again, it goes on; nothing is left, and nothing is shared of what is not complete", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const { proxy } = await swarm.peerBehind(slow, mixed);
  const cwd = swarm.box.newFolder("downloads");
  const random = new Random(7);
  for (let i = 0; i < 3; i++) {
    const query = swarm.query(["d/"], { cwd });
    await proxy.passed(proxy.passedBytes + random.whole(100, 2 * MiB));
    query.process.kill("SIGKILL");
    expect(await query.process.exit(), query.process.said()).toBe(137);
    expect(finalNamesBelow(cwd).filter((name) => mixed[name] === undefined)).toEqual([]);
    expect(wrongFile(cwd, mixed)).toBeUndefined();
  }
  // What others may see of a folder with such things in it.
  swarm.box.put(cwd, "d/0/.p2p-0123456789abcdef-00000000.draft", "half a file");
  const names = finalNamesBelow(cwd);
  const index = await swarm.box.index();
  const peer = await swarm.box.peer(index, cwd);
  const list = await swarm.box.run(["query", "**", "--list", "--json", "--index", index.address]);
  const shared = list.events.flatMap(({ event, name }) => (event === "found" ? [String(name)] : []));
  // Those of the last second may still be unsettled.
  expect(shared.filter((name) => !names.includes(name))).toEqual([]);
  await peer.process.end();

  const last = await swarm.fetch(["d/"], { cwd });
  expect(last.code, last.process.said()).toBe(0);
  expect(wrongFile(cwd, mixed)).toBeUndefined();
  expect(finalNamesBelow(cwd)).toEqual(Object.keys(mixed).sort());
  const drafts = namesBelow(cwd).filter((name) => mixed[name] === undefined);
  expect(drafts.filter((name) => !name.endsWith(".draft"))).toEqual([]);
  // Somebody might be writing those; after ten minutes nobody is.
  const old = new Date(Date.now() - 601_000);
  for (const name of drafts) utimesSync(join(cwd, name), old, old);
  swarm.box.put(cwd, "d/.p2p-new.draft", "");
  swarm.box.put(cwd, "d/.p2p-something else", "");
  await swarm.fetch(["d/"], { cwd });
  expect(namesBelow(cwd).filter((name) => mixed[name] === undefined)).toEqual([
    "d/.p2p-new.draft",
    "d/.p2p-something else",
  ]);
});

test.each(["small", "large"])(
  "interrupted among the %s files: exit 130, and run again it goes on",
  async (when) => {
    await using swarm = await Swarm.start(undefined, inMemory);
    const files =
      when === "small" ? manyFiles(300, 30 * KiB) : filesOf(mixed, (name) => name.includes("large"));
    const { proxy } = await swarm.peerBehind(slow, files);
    const cwd = swarm.box.newFolder("downloads");
    const query = swarm.query(["d/"], { cwd });
    await proxy.passed(2.5 * MiB);
    query.process.kill("SIGINT");
    expect(await query.process.exit(5_000), query.process.said()).toBe(130);
    expect(query.process.events.at(-1)).toMatchObject({ event: "error", code: "INTERRUPTED", exit: 130 });
    expect(complaints(query).length, query.process.said()).toBeLessThanOrEqual(1);
    expect(failuresOf(query)).toEqual({});
    expect(wrongFile(cwd, files)).toBeUndefined();
    expect(namesBelow(cwd).filter((name) => name.endsWith(".draft") || name.endsWith(".lock"))).toEqual([]);
    const before = finalNamesBelow(cwd).length;

    const passed = proxy.passedBytes;
    const again = await swarm.fetch(["d/"], { cwd });
    expect(again.code, again.process.said()).toBe(0);
    expect(differenceOf(cwd, files)).toBeUndefined();
    const { alreadyThere, resumedBytes, fetched } = summaryOf(again);
    expect(alreadyThere.files).toBe(before);
    if (when === "small") expect(before).toBeGreaterThan(0);
    else expect(resumedBytes).toBeGreaterThan(0);
    // Nothing came twice but what was on its way.
    expect(proxy.passedBytes - passed).toBeLessThan(1.1 * (fetched.bytes - resumedBytes) + MiB / 4);
  },
);

test("each peer has some of it and one leaves: who else has its files gives them", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const names = Object.keys(mixed);
  const part = (...rests: number[]) => filesOf(mixed, (name) => rests.includes(names.indexOf(name) % 3));
  const [leaving] = await Promise.all([
    swarm.peerBehind({ bytesPerSecond: 2 * MiB }, part(0, 1)),
    swarm.peerBehind(slow, part(1, 2)),
    swarm.peerBehind(slow, part(2, 0)),
  ]);
  const query = swarm.query(["d/"]);
  await leaving.proxy.passed(600 * KiB);
  leaving.peer.process.kill("SIGKILL");
  const end = await finished(query);
  expect(end.code, end.process.said()).toBe(0);
  expect(differenceOf(end.folder, mixed)).toBeUndefined();
  expect(delivered(end, leaving.proxy.port)?.bytes).toBeGreaterThan(0);
});

test("a peer that lies: dropped and named, its files come from others", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files = { ...manyFiles(40, 20 * KiB), "d/large": randomBytes(2 * MiB + 1) };
  using liar = fakePeer(files, () => true, wrong);
  await swarm.register(liar.port, files);
  await swarm.peerBehind({ delayMs: 5 }, files);
  const end = await swarm.fetch(["d/"]);
  expect(end.code, end.process.said()).toBe(0);
  expect(differenceOf(end.folder, files)).toBeUndefined();
  expect(delivered(end, liar.port)).toMatchObject({ bytes: 0 });
  expect(complaints(end).join(), end.process.said()).toContain(`127.0.0.1:${liar.port} dropped: `);
});

test("a liar alone: exit 6, nothing under any name, and what others have is there", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const theirs = { "d/a": randomBytes(100), "d/b": randomBytes(2 * MiB) };
  using liar = fakePeer(theirs, () => true, wrong);
  await swarm.register(liar.port, theirs);
  const honest = manyFiles(30, 20 * KiB);
  await swarm.peer(honest);
  const end = await swarm.fetch(["d/"]);
  expect(end.last, end.process.said()).toMatchObject({ event: "error", code: "VERIFICATION", exit: 6 });
  expect(end.code).toBe(6);
  expect(failuresOf(end)).toEqual({ "d/a": 6, "d/b": 6 });
  expect(differenceOf(end.folder, honest)).toBeUndefined();
  expect(summaryOf(end).sources.find(({ port }) => port === liar.port)?.badChunks).toBeGreaterThan(0);
});

test("a liar with many files: they fail soon, not after the timeout", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files = manyFiles(150, 5 * KiB);
  using liar = fakePeer(files, () => true, wrong);
  await swarm.register(liar.port, files);
  const end = await swarm.fetch(["d/"]);
  expect(end.code, end.process.said()).toBe(6);
  expect(Object.keys(failuresOf(end))).toHaveLength(150);
  expect(finalNamesBelow(end.folder)).toEqual([]);
  expect(summaryOf(end).seconds).toBeLessThan(10);
});

test("files that have changed or gone at a peer: from others, or they fail alone with exit 5", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files = {
    ...manyFiles(40, 20 * KiB),
    "d/large": randomBytes(2 * MiB),
    "d/larger": randomBytes(3 * MiB),
  };
  const odd = ["d/0/0/file 0", "d/1/1/file 1", "d/large"];
  using peer = fakePeer(
    files,
    (name) => odd.includes(name),
    () => "GONE",
  );
  await swarm.register(peer.port, files);
  const alone = await swarm.fetch(["d/"]);
  expect(alone.code, alone.process.said()).toBe(5);
  expect(failuresOf(alone)).toEqual(Object.fromEntries(odd.map((name) => [name, 5])));
  expect(
    differenceOf(
      alone.folder,
      filesOf(files, (name) => !odd.includes(name)),
    ),
  ).toBeUndefined();
  expect(summaryOf(alone).sources.map(({ port }) => port)).toEqual([peer.port]);

  await swarm.peer(filesOf(files, (name) => odd.includes(name)));
  const both = await swarm.fetch(["d/"], { cwd: alone.folder });
  expect(both.code, both.process.said()).toBe(0);
  expect(summaryOf(both)).toMatchObject({ fetched: { files: 3 }, failed: 0 });
  expect(differenceOf(both.folder, files)).toBeUndefined();
});

test("files changed on a real peer's disk since it registered: the right bytes or none", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files: Files = { ...manyFiles(20, 20 * KiB), "d/large": randomBytes(2 * MiB) };
  const folder = swarm.folderOf(files);
  const peer = await swarm.box.peer(swarm.index, folder);
  // It does not get round to noticing by itself.
  peer.process.kill("SIGSTOP");
  const changed = ["d/0/0/file 0", "d/large"];
  for (const name of changed) writeFileSync(join(folder, name), randomBytes(files[name]!.length));
  rmSync(join(folder, "d/1/1/file 1"));
  const query = swarm.query(["d/"]);
  await query.process.waitForEvent("matched");
  peer.process.kill("SIGCONT");
  const end = await finished(query);
  const gone = [...changed, "d/1/1/file 1"];
  expect(Object.keys(failuresOf(end)).sort(), end.process.said()).toEqual(gone.sort());
  expect([3, 5]).toContain(end.code);
  const others = filesOf(files, (name) => !gone.includes(name));
  expect(finalNamesBelow(end.folder)).toEqual(Object.keys(others).sort());
  expect(wrongFile(end.folder, others)).toBeUndefined();
});

test("targets that cannot be written fail alone with exit 7", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files: Files = {
    "d/a/x": randomBytes(10),
    "d/a/large": randomBytes(2 * MiB),
    "d/b": randomBytes(10),
    "d/c": randomBytes(2 * MiB),
    "d/e/x": randomBytes(10),
    "d/e/large": randomBytes(2 * MiB),
  };
  await swarm.peer(files);
  const cwd = swarm.box.newFolder("downloads");
  swarm.box.put(cwd, "d/a", "a file where a folder should be");
  mkdirSync(join(cwd, "d/b/c"), { recursive: true });
  mkdirSync(join(cwd, "d/c"));
  const { process, code } = await swarm.fetch(["d/", "--force"], { cwd });
  expect(code, process.said()).toBe(7);
  expect(failuresOf({ process })).toEqual({ "d/a/x": 7, "d/a/large": 7, "d/b": 7, "d/c": 7 });
  expect(namesBelow(cwd)).toEqual(["d/a", "d/b/c/", "d/c/", "d/e/large", "d/e/x"]);
  expect(
    wrongFile(
      cwd,
      filesOf(files, (name) => name.startsWith("d/e")),
    ),
  ).toBeUndefined();

  swarm.box.put(cwd, "file", "");
  const onFile = await swarm.fetch(["d/", "-o", "file"], { cwd });
  expect(onFile.code, onFile.process.said()).toBe(7);
  expect(Object.values(failuresOf(onFile))).toEqual(Array(6).fill(7));
});

test.skipIf(!canMount)(
  "a disk that is read-only in one folder, and one that fills up: exit 7, no half a file",
  async () => {
    await using swarm = await Swarm.start(undefined, inMemory);
    const files: Files = {
      "d/ro/x": randomBytes(10),
      "d/ro/large": randomBytes(2 * MiB),
      "d/x": randomBytes(10),
    };
    const below = Object.entries({ ...manyFiles(100, 60 * KiB), large: randomBytes(2 * MiB) });
    const much: Files = Object.fromEntries(below.map(([name, bytes]) => [`m/${name}`, bytes]));
    await Promise.all([swarm.peer(files), swarm.peer(much)]);
    const cwd = swarm.box.newFolder("downloads");
    mkdirSync(join(cwd, "d/ro"), { recursive: true });
    {
      using _disk = new SmallDisk(join(cwd, "d/ro"), "ro");
      const { process, code } = await swarm.fetch(["d/"], { cwd });
      expect(code, process.said()).toBe(7);
      expect(failuresOf({ process })).toEqual({ "d/ro/x": 7, "d/ro/large": 7 });
      expect(namesBelow(cwd)).toEqual(["d/ro/", "d/x"]);
    }
    const out = join(cwd, "disk");
    mkdirSync(out);
    using disk = new SmallDisk(out, "size=1m");
    const checked = await swarm.fetch(["m/", "-o", "disk"], { cwd });
    expect(checked.code).toBe(7);
    expect(checked.last?.message, checked.process.said()).toMatch(/needs .* but only/);
    expect(finalNamesBelow(out)).toEqual([]);

    const full = await swarm.fetch(["m/", "--no-space-check", "-o", "disk"], { cwd });
    expect(full.code, full.process.said()).toBe(7);
    expect(full.last?.message).toMatch(/no space left/);
    const there = finalNamesBelow(out);
    expect(there.length).toBeGreaterThan(3);
    expect(wrongFile(out, much)).toBeUndefined();
    expect(namesBelow(out).filter((name) => name.endsWith(".draft"))).toEqual([]);
    // One that was being stored as the disk became full may be there and count as failed.
    expect(Object.keys(failuresOf(full)).length + there.length).toBeGreaterThanOrEqual(101);

    disk.remount("size=16m");
    const again = await swarm.fetch(["m/", "-o", "disk"], { cwd });
    expect(again.code, again.process.said()).toBe(0);
    expect(differenceOf(out, much)).toBeUndefined();
    expect(summaryOf(again).alreadyThere.files).toBe(there.length);
  },
);

test("3,000 tiny files: all come, in a bounded memory", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files: Files = {};
  for (let i = 0; i < 3_000; i++) files[`d/${i % 50}/${i}`] = randomBytes(KiB);
  await swarm.peer(files);
  const query = swarm.query(["d/"]);
  using memory = new PeakMemory(query.process.pid);
  const end = await finished(query);
  expect(end.code, end.process.stderr).toBe(0);
  expect(differenceOf(end.folder, files)).toBeUndefined();
  expect(summaryOf(end)).toMatchObject({ fetched: { files: 3_000, bytes: 3_000 * KiB }, failed: 0 });
  expect(memory.bytes).toBeLessThan(200 * MiB);
});

test("two at once into one folder: all is there, and who leaves a file to the other says so", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  await swarm.peerBehind({ bytesPerSecond: 20 * MiB }, mixed);
  const cwd = swarm.box.newFolder("downloads");
  const ends = await Promise.all([swarm.fetch(["d/"], { cwd }), swarm.fetch(["d/"], { cwd })]);
  for (const { process, code } of ends) {
    expect([0, 7], process.said()).toContain(code);
    for (const [name, exit] of Object.entries(failuresOf({ process }))) {
      expect(exit).toBe(7);
      expect(name, process.said()).toMatch(/large/);
    }
    if (code === 7) expect(process.said()).toMatch(/another p2p \(pid \d+\) is downloading this content/);
  }
  // Each may have had one of the large ones, and finished it.
  expect(differenceOf(cwd, mixed)).toBeUndefined();
});

test("an index that goes away in the middle: what was listed comes all the same", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files: Files = { ...manyFiles(100, 30 * KiB) };
  for (let i = 0; i < 8; i++) files[`d/large ${i}`] = randomBytes(MiB + i + 1);
  const { proxy } = await swarm.peerBehind(slow, files);
  const query = swarm.query(["d/"]);
  await proxy.passed(500 * KiB);
  swarm.index.process.kill("SIGKILL");
  const end = await finished(query);
  expect(wrongFile(end.folder, files)).toBeUndefined();
  expect(end.code, end.process.said()).toBe(0);
  expect(differenceOf(end.folder, files)).toBeUndefined();
  expect(existsSync(end.folder) && readdirSync(end.folder)).toEqual(["d"]);
});

test("many large files: connections go from file to file", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const files: Files = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`d/${i}`, randomBytes(MiB + 1 + i)]),
  );
  using peer = fakeFiles(Object.values(files).map(contentOf));
  await swarm.register(peer.port, files);
  const end = await swarm.fetch(["d/"]);
  expect(end.code, end.process.said()).toBe(0);
  expect(differenceOf(end.folder, files)).toBeUndefined();
  expect(peer.connections).toBeLessThanOrEqual(16);
});

test("an index that names files outside, or other ones than were asked for: nothing is written", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const { root, sizeBytes } = contentOf(randomBytes(10));
  const fetch = async (name: string) => {
    const file = { name, size: sizeBytes, md5: "0".repeat(32), root, total: 1, sources: [0] };
    const peers = [{ peer: "1", host: "127.0.0.1", port: 9 }];
    const answer = { type: "NAMES", peers, files: [file], more: false };
    using index = fakeIndex(({ id }, to) => to.send(line({ ...answer, id })));
    const cwd = swarm.box.newFolder("downloads");
    const flags = ["--json", "--index", `127.0.0.1:${index.port}`, "-o", "out", "--timeout", "1"];
    const query = await swarm.box.run(["query", "d/", ...flags], { cwd });
    return { query, cwd };
  };
  const outside = ["../x", "d/../../x", "/tmp/x", "d//x", "d/.", "e/x", "d\\..\\x"];
  await Promise.all(
    outside.map(async (name) => {
      const { query, cwd } = await fetch(name);
      expect(query.exitCode, query.said()).toBe(8);
      expect(namesBelow(cwd)).toEqual([]);
    }),
  );
  const inside = await fetch("d/x");
  expect(failuresOf({ process: inside.query }), inside.query.said()).toEqual({ "d/x": 5 });
});

test("hidden files that somebody shares are not fetched unless they are named", async () => {
  await using swarm = await Swarm.start(undefined, inMemory);
  const hidden = { "d/.bashrc": randomBytes(10), "d/.git/hooks/x": randomBytes(2 * MiB) };
  const files = { "d/a": randomBytes(10) };
  using peer = fakePeer({ ...hidden, ...files }, () => false, wrong);
  await swarm.register(peer.port, { ...hidden, ...files });
  const end = await swarm.fetch(["d/"]);
  expect(failuresOf(end), end.process.said()).toEqual({ "d/.bashrc": 7, "d/.git/hooks/x": 7 });
  expect(differenceOf(end.folder, files)).toBeUndefined();
});

/** `p2p ls`, `peers`, `stats`, pages of `search`, `watch` and `query --wait`, as people and scripts use them. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FakeQuestion, fakeIndex } from "../helpers/fake-index.ts";
import { type FakeConnection, line } from "../helpers/fake-source.ts";
import { rootOf } from "../helpers/file-entries.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { entryOf, holds, Swarm } from "../helpers/swarm.ts";

const bytes = Buffer.from("some bytes");

describe("ls, peers and stats", () => {
  test("show what is there, in words and as events", async () => {
    await using swarm = await Swarm.start();
    const { index } = swarm;
    await swarm.register(7001, { "d/a.txt": bytes, "d/sub/b": bytes, "d/é": bytes, top: bytes });
    await swarm.register(7002, { "d/a.txt": bytes });
    const p2p = (...argv: string[]) => swarm.box.run([...argv, "--index", index.address]);

    for (const argv of [["ls"], ["ls", "/"]]) expect((await p2p(...argv)).stdout).toBe("d/\ntop\n");
    for (const folder of ["d", "d/", "/d/"])
      expect((await p2p("ls", folder)).stdout).toBe("a.txt\nsub/\né\n");
    expect((await p2p("ls", "d/a.txt")).stdout).toBe("a.txt\n");
    const { root, md5 } = entryOf("", bytes) as { root: string; md5: string };
    expect((await p2p("ls", "-l", "d")).stdout.split("\n")[0]).toBe(
      `   10 B  ${root.slice(0, 12)}   2 sources  a.txt`,
    );
    expect((await p2p("ls", "d", "--json")).events.slice(0, 2)).toEqual([
      { event: "entry", name: "d/a.txt", folder: false, size: 10, md5, root, sources: 2 },
      { event: "entry", name: "d/sub", folder: true },
    ]);
    for (const none of ["nothing", "d/nothing/", "d/a.txt/"]) {
      const run = await p2p("ls", none);
      expect([run.exitCode, run.stdout], run.said()).toEqual([3, ""]);
      expect(run.stderr).toBe(`p2p: nobody shares a file in ${none}\n`);
    }

    const peers = await p2p("peers", "--json");
    expect(peers.events).toMatchObject([
      { event: "peer", host: "127.0.0.1", port: 7001, files: 4 },
      { event: "peer", host: "127.0.0.1", port: 7002, files: 1 },
    ]);
    expect((await p2p("peers")).stdout).toMatch(/^127\.0\.0\.1:7001 {2}4 files, registered for \d+ s\n/);

    const stats = await p2p("stats", "--json");
    expect(stats.events).toMatchObject([
      { event: "stats", index: index.address, peers: 2, files: 5, names: 4, storage: "memory" },
    ]);
    expect((await p2p("stats")).stdout).toContain("5 files of 2 peers, 4 names\n");
  });

  test("an index without files or peers, none at all, and one too old", async () => {
    await using box = new Sandbox();
    const index = await box.index();
    const old = fakeIndex(({ id }, to) =>
      to.send(line({ type: "ERROR", id, code: "UNKNOWN_TYPE", message: "?" })),
    );
    using _ = old;
    const cases: [argv: string[], exit: number, says: string][] = [
      [["ls", "--index", index.address], 3, `p2p: nobody shares a file at index ${index.address}\n`],
      [["peers", "--index", index.address], 0, `no peer is registered at index ${index.address}\n`],
      [["ls", "--index", "127.0.0.1:1"], 8, "p2p: cannot reach index 127.0.0.1:1"],
      [["stats", "--index", `127.0.0.1:${old.port}`], 8, "is too old to tell its numbers"],
      [["watch", "x", "--index", `127.0.0.1:${old.port}`], 8, "is too old to watch for files"],
    ];
    await Promise.all(
      cases.map(async ([argv, exit, says]) => {
        const run = await box.run(argv);
        expect([run.exitCode, run.stdout], run.said()).toEqual([exit, ""]);
        expect(run.stderr, run.said()).toContain(says);
      }),
    );
  });

  test("in the prompt of a peer", async () => {
    await using swarm = await Swarm.start();
    const folder = swarm.folderOf({ "d/a.txt": bytes });
    const process = swarm.box.start(
      ["peer", folder, "--index", swarm.index.address, "--port", "0", "--json"],
      {
        stdin: "open",
      },
    );
    await process.waitForEvent("registered");
    process.write("LS\nls d/\nPEERS\nstats\nLS nothing\n");
    process.endInput();
    expect(await process.exit(), process.said()).toBe(0);
    expect(process.events.slice(-5)).toMatchObject([
      { event: "entry", name: "d", folder: true },
      { event: "entry", name: "d/a.txt", size: 10 },
      { event: "peer", files: 1 },
      { event: "stats", peers: 1 },
      { event: "error", exit: 3 },
    ]);
  });
});

const match = (i: number) => ({ name: `f${i}`, size: i, root: rootOf(i), sources: 1 });

test("search: page after page with --all or a large --limit; what is not understood is exit 2", async () => {
  await using box = new Sandbox();
  const total = 2_500;
  using index = fakeIndex((question, to) => {
    const { id, text, limit, after } = question as FakeQuestion & {
      text: string;
      limit: number;
      after?: string;
    };
    if (text === "size:") {
      to.send(line({ type: "ERROR", id, code: "BAD_SEARCH", message: "size: needs a number, at 6" }));
      return;
    }
    const first = Number(after ?? 0);
    const last = Math.min(total, first + limit);
    const matches = Array.from({ length: last - first }, (_, i) => match(first + i + 1));
    const more = last < total;
    to.send(line({ type: "MATCHES", id, matches, more, ...(more ? { next: String(last) } : {}) }));
  });
  const search = (...argv: string[]) =>
    box.run(["search", "--json", "--index", `127.0.0.1:${index.port}`, ...argv]);
  const sizes = async (...argv: string[]) => (await search(...argv)).events.map(({ size }) => size);
  expect(await sizes("f", "--all")).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  expect(await sizes("f", "--limit", "1500")).toEqual(Array.from({ length: 1_500 }, (_, i) => i + 1));
  expect(await sizes("f")).toHaveLength(50);
  const limited = await search("f", "--limit", "10");
  expect(limited.stderr).toBe("there are more matches: add words, or raise --limit, or say --all\n");
  const wrong = await search("size:");
  expect(wrong.exitCode, wrong.said()).toBe(2);
  expect(wrong.events.at(-1)?.message).toContain("size: needs a number, at 6");
});

/** An index that knows `there` and tells whoever watches what is said to it by `arrive`. */
function watchedIndex(there: object[] = []) {
  const watchers = new Map<FakeConnection, number>();
  const index = fakeIndex(({ type, id }, to) => {
    if (type === "WATCH") watchers.set(to, id);
    to.send(
      line(type === "SEARCH" ? { type: "MATCHES", id, matches: there, more: false } : { type: "OK", id }),
    );
  });
  return {
    index,
    there,
    watchers,
    arrive: (...matches: object[]) => {
      for (const [to, id] of watchers) to.send(line({ type: "FOUND", id, matches }));
    },
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}

describe("watch", () => {
  test("tells each content once as it comes, and --count ends it", async () => {
    await using box = new Sandbox();
    using fake = watchedIndex([match(1)]);
    const watch = box.start([
      "watch",
      "f",
      "--json",
      "--count",
      "3",
      "--index",
      `127.0.0.1:${fake.index.port}`,
    ]);
    await watch.waitUntil(
      () => fake.watchers.size === 1 && watch.stderr.includes("waiting for files"),
      "WATCH",
    );
    fake.arrive(match(2), match(3));
    await watch.waitForEvent("match", { where: ({ name }) => name === "f3" });
    fake.arrive(match(3), match(4), match(5));
    expect(await watch.exit(), watch.said()).toBe(0);
    expect(watch.events.map(({ name }) => name)).toEqual(["f2", "f3", "f4"]);
  });

  test("an index that is lost: what came meanwhile is told, what was there before is not", async () => {
    await using box = new Sandbox();
    using fake = watchedIndex([match(1)]);
    const watch = box.start(["watch", "f", "--json", "--index", `127.0.0.1:${fake.index.port}`]);
    const searches = () => fake.index.requests.filter(({ type }) => type === "SEARCH").length;
    await watch.waitUntil(() => watch.stderr.includes("waiting"), "WATCH");
    while (searches() < 1) await Bun.sleep(5);
    fake.arrive(match(2));
    await watch.waitForEvent("match");
    fake.there.push(match(2), match(3));
    for (const connection of fake.watchers.keys()) connection.cut();
    fake.watchers.clear();
    await watch.waitForEvent("match", { where: ({ name }) => name === "f3" });
    // As an index says it that has forgotten everything.
    fake.arrive(match(1), match(2), match(3), match(4));
    await watch.waitForEvent("match", { where: ({ name }) => name === "f4" });
    watch.kill("SIGINT");
    expect(await watch.exit(), watch.said()).toBe(130);
    expect(watch.events.map(({ name }) => name ?? "error")).toEqual(["f2", "f3", "f4", "error"]);
  });

  test("--exec runs one at a time, with the name as it is; failures are told and stop nothing", async () => {
    await using box = new Sandbox();
    using fake = watchedIndex();
    const odd = { ...match(7), name: "d/$(touch evil) 'x'; \"é\" -rf" };
    const script = join(box.folder, "script.sh");
    const out = join(box.folder, "out");
    box.put(
      box.folder,
      "script.sh",
      `echo "begin $P2P_SIZE" >> '${out}'; sleep 0.1; echo "$1|$P2P_NAME|$P2P_ROOT|$P2P_INDEX" >> '${out}'\n` +
        `echo on stdout; [ "$P2P_SIZE" = 7 ] && exit 3; exit 0\n`,
    );
    const address = `127.0.0.1:${fake.index.port}`;
    const argv = ["watch", "f", "--json", "--count", "3", "--index", address, "--exec", `sh '${script}' {}`];
    const watch = box.start(argv);
    await watch.waitUntil(() => watch.stderr.includes("waiting"), "WATCH");
    while (fake.watchers.size === 0) await Bun.sleep(5);
    fake.arrive(odd, match(8), { ...match(9), name: "-rf" });
    expect(await watch.exit(), watch.said()).toBe(0);
    expect(readFileSync(out, "utf8").trimEnd().split("\n")).toEqual([
      "begin 7",
      `${odd.name}|${odd.name}|${odd.root}|${address}`,
      "begin 8",
      `f8|f8|${rootOf(8)}|${address}`,
    ]);
    expect(watch.events.filter(({ event }) => event === "executed")).toMatchObject([
      { name: odd.name, exit: 3 },
      { name: "f8", exit: 0 },
      { name: "-rf", exit: null },
    ]);
    expect(watch.otherLines).toEqual([]);
    expect(watch.stderr).toContain("on stdout\n");
    expect(watch.stderr).toContain("it ended with exit code 3");
    expect(watch.stderr).toContain("put -- before the {} of --exec");
    expect(existsSync(join(box.folder, "evil"))).toBe(false);
  });

  test("a signal ends it and the command that runs", async () => {
    await using box = new Sandbox();
    using fake = watchedIndex();
    const out = join(box.folder, "out");
    const exec = `sh -c 'trap "echo ended >> ${out}; exit 1" TERM; echo begun >> ${out}; sleep 60 >/dev/null 2>&1 & wait'`;
    const watch = box.start(["watch", "f", "--index", `127.0.0.1:${fake.index.port}`, "--exec", exec]);
    await watch.waitUntil(() => watch.stderr.includes("waiting"), "WATCH");
    while (fake.watchers.size === 0) await Bun.sleep(5);
    fake.arrive(match(1), match(2));
    while (!existsSync(out)) await Bun.sleep(5);
    watch.kill("SIGTERM");
    expect(await watch.exit(), watch.said()).toBe(143);
    expect(readFileSync(out, "utf8")).toBe("begun\nended\n");
  });

  test("a command that there is not, or that would run names: exit 2 before anything", async () => {
    await using box = new Sandbox();
    for (const exec of ["no-such-program-here {}", "sh -c 'cat {}'", "'"]) {
      const run = await box.run(["watch", "f", "--index", "127.0.0.1:1", "--exec", exec]);
      expect([run.exitCode, run.stderr.split("\n").length], run.said()).toEqual([2, 2]);
    }
  });
});

describe("query --wait", () => {
  test("fetches what comes later, by a push; a folder too", async () => {
    await using swarm = await Swarm.start();
    const file = swarm.query(["late.bin", "--wait", "1h"]);
    const folder = swarm.query(["late/", "--wait", "20s", "-o", "out"]);
    for (const { process } of [file, folder])
      await process.waitUntil(() => process.stderr.includes("yet; waiting for up to"), "waiting");
    await swarm.peer({ "late/late.bin": bytes });
    expect(await file.process.exit(), file.process.said()).toBe(0);
    expect(holds(join(file.folder, "late.bin"), bytes)).toBe(true);
    expect(await folder.process.exit(), folder.process.said()).toBe(0);
    expect(holds(join(folder.folder, "out/late/late.bin"), bytes)).toBe(true);
  });

  test("survives an index that goes and comes back, and one that is not there yet", async () => {
    await using swarm = await Swarm.start();
    const { port } = swarm.index;
    const first = swarm.query(["late.bin", "--wait", "30s"]);
    await first.process.waitUntil(() => first.process.stderr.includes("waiting for up to"), "waiting");
    swarm.index.process.kill("SIGKILL");
    await swarm.index.process.exit();
    const second = swarm.query(["late.bin", "--wait", "30"]);
    await second.process.waitUntil(() => second.process.stderr.includes("trying until"), "trying");
    await swarm.box.index(["--port", String(port), "--db", ":memory:"]);
    await swarm.peer({ "late.bin": bytes });
    for (const { process, folder } of [first, second]) {
      expect(await process.exit(), process.said()).toBe(0);
      expect(holds(join(folder, "late.bin"), bytes)).toBe(true);
    }
  });

  test("waits for the content that is meant; at the end it is not found, or the index not reached", async () => {
    await using swarm = await Swarm.start();
    await swarm.register(7001, { "late.bin": bytes });
    const cases: [argv: string[], exit: number, says: string][] = [
      [["late.bin", "--root", "ffff", "--wait", "0.3s"], 3, "nobody has shared late.bin within 0.30 s"],
      [["never/", "--wait", "0.3s"], 3, "nobody has shared a file that fits never/ within 0.30 s"],
    ];
    await Promise.all(
      cases.map(async ([argv, exit, says]) => {
        const run = await swarm.fetch(argv);
        expect(run.code, run.process.said()).toBe(exit);
        expect(run.last?.message).toContain(says);
      }),
    );
    const nowhere = await swarm.box.run(["query", "a", "--wait", "0.3s", "--index", "127.0.0.1:1"]);
    expect(nowhere.exitCode, nowhere.said()).toBe(8);
    expect(nowhere.stderr).toContain("p2p: the index cannot be reached");
    const waiting = swarm.query(["never", "--wait", "1h"]);
    await waiting.process.waitUntil(() => waiting.process.stderr.includes("waiting for up to"), "waiting");
    waiting.process.kill("SIGINT");
    expect(await waiting.process.exit()).toBe(130);
  });
});

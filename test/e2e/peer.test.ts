/** `p2p peer` as a process: the index is equal to the folder whatever happens there, and it survives its index. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningServer, Sandbox } from "../helpers/sandbox.ts";
import { md5Of, Swarm } from "../helpers/swarm.ts";

/** Quick ones, for what is not about settling. */
const settle = ["--settle", "0.2"];

/** What people see of the index: names and MD5 of the whole view, as lines. */
function viewOf(database: string): string[] {
  const opened = new Database(database, { readonly: true });
  try {
    const rows = opened.query<{ name: string; md5: string }, []>("SELECT name, md5 FROM files").all();
    return rows.map(({ name, md5 }) => `${md5} ${name}`).sort();
  } finally {
    opened.close();
  }
}

/** The same of a folder. */
function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return files.map((name) => `${md5Of(readFileSync(join(folder, name)))} ${name}`).sort();
}

async function until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

async function indexEqualsFolder(database: string, folder: string): Promise<void> {
  const wanted = filesOf(folder).join("\n");
  await until(() => viewOf(database).join("\n") === wanted, `the index equal to ${folder}`);
}

test("files come by thousands, folders move, editors save, things go: the index is equal to the folder", async () => {
  await using box = new Sandbox();
  const database = join(box.folder, "index.db");
  const index = await box.index(["--db", database]);
  const folder = box.newFolder("shared");
  const peer = await box.peer(index, folder, settle);

  for (let i = 0; i < 2_000; i++) box.put(folder, `many/${i % 40}/file ${i}.txt`, `content ${i}`);
  await indexEqualsFolder(database, folder);

  renameSync(join(folder, "many"), join(folder, "moved"));
  renameSync(join(folder, "moved/7"), join(folder, "seven"));
  writeFileSync(join(folder, "seven/file 7.txt.tmp"), "saved by an editor");
  renameSync(join(folder, "seven/file 7.txt.tmp"), join(folder, "seven/file 7.txt"));
  writeFileSync(join(folder, "moved/8/file 8.txt"), "written in place");
  rmSync(join(folder, "moved/9"), { recursive: true });
  rmSync(join(folder, "moved/10/file 10.txt"));
  await indexEqualsFolder(database, folder);

  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  box.put(folder, "new.txt", "the folder itself was replaced");
  await indexEqualsFolder(database, folder);
  expect(peer.process.stderr).not.toMatch(/^ +at /m);
});

test("F27 a file that is being written to is not offered, and then it is offered as a whole", async () => {
  await using box = new Sandbox();
  const database = join(box.folder, "index.db");
  const index = await box.index(["--db", database]);
  const folder = box.newFolder("shared");
  await box.peer(index, folder);
  const path = join(folder, "slow.bin");
  for (let i = 0; i < 8; i++) {
    appendFileSync(path, randomBytes(10_000));
    await sleep(300);
    expect(viewOf(database)).toEqual([]);
  }
  await indexEqualsFolder(database, folder);
});

test("an unchanged folder is ready again at once, and no file of it is read", async () => {
  await using box = new Sandbox();
  const database = join(box.folder, "index.db");
  const index = await box.index(["--db", database]);
  const folder = box.newFolder("shared");
  for (let i = 0; i < 2_000; i++) box.put(folder, `${i}.txt`, `content ${i}`);
  const env = { P2P_HOME: box.newFolder("state") };
  const first = await box.peer(index, folder, settle, { env });
  first.process.kill("SIGTERM");
  expect(await first.process.exit()).toBe(0);

  // Bytes changed and times put back: who reads the file finds out, who trusts the cache does not.
  const victim = join(folder, "1234.txt");
  const { atime, mtime } = statSync(victim);
  const reference = join(box.folder, "time");
  expect(Bun.spawnSync(["cp", "-p", victim, reference]).exitCode).toBe(0);
  writeFileSync(victim, "CONTENT 1234");
  expect(Bun.spawnSync(["touch", "-r", reference, victim]).exitCode).toBe(0);
  expect(statSync(victim)).toMatchObject({ atime, mtime });

  const startMs = performance.now();
  const second = await box.peer(index, folder, settle, { env });
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect(second.process.events.find(({ event }) => event === "registered")).toMatchObject({ files: 2_000 });
  expect(viewOf(database)).toContain(`${md5Of(Buffer.from("content 1234"))} 1234.txt`);
  // What is not what it was is noticed before it is given to anybody.
  const query = await box.run(["query", "1234.txt", "--index", index.address, "--json", "--timeout", "2"]);
  expect(query.exitCode, query.said()).toBe(5);
});

test("what is not shared: dot-files, links, pipes, odd names; each is said once", async () => {
  await using box = new Sandbox();
  const database = join(box.folder, "index.db");
  const index = await box.index(["--db", database]);
  const folder = box.newFolder("shared");
  box.put(folder, "yes.txt", "shared");
  box.put(folder, ".hidden", "no");
  box.put(folder, ".git/config", "no");
  box.put(folder, ".p2p-0123456789abcdef.part", "no");
  box.put(folder, "back\\slash", "no");
  box.put(folder, "new\nline", "no");
  symlinkSync("yes.txt", join(folder, "link"));
  symlinkSync("/etc", join(folder, "etc"));
  expect(Bun.spawnSync(["mkfifo", join(folder, "pipe")]).exitCode).toBe(0);
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/bad`), Buffer.from([0xff, 0xfe])]), "no");
  const peer = await box.peer(index, folder, settle);
  expect(viewOf(database)).toEqual([`${md5Of(Buffer.from("shared"))} yes.txt`]);

  box.put(folder, "later.txt", "for another look at the folder");
  await until(() => viewOf(database).length === 2, "the later file");
  const lines = peer.process.stderr.trim().split("\n");
  for (const name of [".hidden", ".git", "link", "etc", "pipe"]) {
    const about = lines.filter((line) => line.includes(`not shared: ${name}:`));
    expect(about, peer.process.said()).toHaveLength(1);
  }
  expect(lines.filter((line) => line.includes("not shared: ")).length, peer.process.said()).toBe(9);
});

test("F11: an index that is killed and comes back knows its peers again, and nothing stale in between", async () => {
  await using box = new Sandbox();
  const database = join(box.folder, "index.db");
  const first = await box.index(["--db", database]);
  const peers: RunningServer[] = [];
  for (const name of ["stays.txt", "goes.txt"]) {
    const folder = box.newFolder("shared");
    box.put(folder, name, name);
    peers.push(await box.peer(first, folder, settle));
  }
  const [staying, going] = peers as [RunningServer, RunningServer];
  first.process.kill("SIGKILL");
  await first.process.exit();
  going.process.kill("SIGKILL");
  await going.process.exit();
  const away = await box.run(["query", "stays.txt", "--index", first.address, "--json"]);
  expect(away.events.at(-1), away.said()).toMatchObject({ event: "error", exit: 8 });

  const second = box.start(["serve-index", "--json", "--db", database, "--port", String(first.port)]);
  await second.waitForEvent("listening");
  const stale = await box.run(["query", "goes.txt", "--index", first.address, "--json"]);
  expect(stale.exitCode, stale.said()).toBe(3);
  const again = await staying.process.waitForEvent("registered", { where: (event) => event.again === true });
  expect(again).toMatchObject({ files: 1 });
  const found = await box.run(["query", "stays.txt", "--index", first.address, "--json"]);
  expect(found.exitCode, found.said()).toBe(0);
  expect(viewOf(database)).toEqual([`${md5Of(Buffer.from("stays.txt"))} stays.txt`]);
  const said = staying.process.stderr.trim().split("\n");
  expect(said.length, staying.process.said()).toBeLessThanOrEqual(2);
});

test("a peer that leaves or dies is gone from the answers", async () => {
  await using swarm = await Swarm.start();
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const { process } = await swarm.peer({ "a.txt": Buffer.from(signal) });
    expect((await swarm.fetch(["a.txt"])).code).toBe(0);
    process.kill(signal);
    expect(await process.exit()).toBe(signal === "SIGTERM" ? 0 : 137);
    expect((await swarm.fetch(["a.txt"])).code).toBe(3);
  }
});

test("starts that fail: one line and the right exit code", async () => {
  await using box = new Sandbox();
  const index = await box.index();
  const folder = box.newFolder("shared");
  const busy = await box.peer(index, folder);
  const file = box.put(box.folder, "file", "");
  const state = box.put(box.folder, "state is a file", "");
  const at = ["--index", index.address];
  const cases: [argv: string[], env: Record<string, string>, exit: number, says: string][] = [
    [["peer", folder, "--index", "127.0.0.1:1"], {}, 8, "127.0.0.1:1"],
    [["peer", folder, ...at, "--port", String(busy.port)], {}, 7, "the port is in use"],
    [["peer", file, ...at], {}, 7, file],
    [["peer", join(file, "below"), ...at], {}, 7, file],
    [["peer", folder, ...at, "--port", "0"], { P2P_HOME: state }, 7, state],
    [["peer", folder, ...at, "--host", "0.0.0.0"], {}, 2, "--open"],
    [["peer", folder, ...at, "--host", "192.0.2.1", "--open"], {}, 7, "192.0.2.1"],
    [["serve-index", "--port", String(index.port), "--db", ":memory:"], {}, 7, "the port is in use"],
    [["serve-index", "--port", "0", "--db", join(file, "index.db")], {}, 7, file],
  ];
  await Promise.all(
    cases.map(async ([argv, env, exit, says]) => {
      const run = await box.run(argv, { env });
      expect(run.exitCode, run.said()).toBe(exit);
      expect(run.stderr.trimEnd().split("\n"), run.said()).toHaveLength(1);
      expect(run.stderr).toStartWith("p2p: ");
      expect(run.stderr, run.said()).toContain(says);
    }),
  );
});

test("--wait: a peer started before its index registers when that comes", async () => {
  await using box = new Sandbox();
  const gone = await box.index();
  gone.process.kill("SIGTERM");
  expect(await gone.process.exit()).toBe(0);
  const argv = ["peer", box.newFolder("shared"), "--index", gone.address, "--port", "0", "--json", "--wait"];
  const peer = box.start(argv);
  await peer.waitUntil(() => peer.stderr.includes("trying until"), "a line about the index");
  box.start(["serve-index", "--db", ":memory:", "--port", String(gone.port)]);
  const { again } = await peer.waitForEvent("registered");
  expect(again).toBeUndefined();
  expect(peer.stderr).not.toContain("registered");
});

test("peers that start at the same moment without --port each get a port of their own", async () => {
  await using box = new Sandbox();
  const index = await box.index();
  const argv = ["peer", box.newFolder("shared"), "--index", index.address, "--json"];
  const peers = Array.from({ length: 6 }, () => box.start(argv));
  const ports = await Promise.all(peers.map(async (peer) => (await peer.waitForEvent("listening")).port));
  expect(new Set(ports).size).toBe(peers.length);
  const taken = await box.run([...argv, "--port", String(ports[0])]);
  expect(taken.events.at(-1), taken.said()).toMatchObject({ event: "error", exit: 7 });
  for (const peer of peers) {
    peer.kill("SIGTERM");
    expect(await peer.exit(), peer.said()).toBe(0);
  }
});

test("DIR is made when it is missing", async () => {
  await using box = new Sandbox();
  const index = await box.index();
  const cwd = box.newFolder("cwd");
  const peer = box.start(["peer", "--index", index.address, "--port", "0", "--json"], { cwd });
  await peer.waitForEvent("registered");
  expect(existsSync(join(cwd, "shared"))).toBe(true);
});

test("a peer that is told to stop while it waits for its index stops at once: exit 0", async () => {
  await using box = new Sandbox();
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => resolve() } });
  const peer = box.start([
    "peer",
    box.newFolder("shared"),
    "--port",
    "0",
    "--index",
    `127.0.0.1:${silent.port}`,
  ]);
  await connected;
  peer.kill("SIGTERM");
  expect(await peer.exit(3_000), peer.said()).toBe(0);
});

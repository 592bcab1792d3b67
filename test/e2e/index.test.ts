/** `p2p serve-index` as a process: its database in every state, and clients that mean no good. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hello, LineClient } from "../helpers/line-client.ts";
import { type RunningServer, Sandbox } from "../helpers/sandbox.ts";
import { canMount, SmallDisk } from "../helpers/small-disk.ts";
import { entryOf, Swarm } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;

/** A database as an index leaves it, with something in it. */
async function writeDatabase(box: Sandbox, path: string): Promise<void> {
  const index = await box.index(["--db", path]);
  await using client = await LineClient.greeted(index.port);
  const files = Array.from({ length: 2_000 }, (_, i) => entryOf(`file ${i}`, Buffer.from(`${i}`)));
  await client.request({ type: "REGISTER", id: 1, port: 7767, files });
  // Killed: so it is not made tidy, and the next start has to.
  index.process.kill("SIGKILL");
  await index.process.exit();
}

/** It answers, and as quickly as an index does. */
async function serves(index: RunningServer): Promise<void> {
  const startMs = performance.now();
  await using client = await LineClient.greeted(index.port);
  const answer = await client.request({ type: "QUERY", id: 1, name: "nobody has it" });
  expect(answer).toMatchObject({ type: "RESULT", contents: [] });
  expect(performance.now() - startMs).toBeLessThan(1_000);
}

const damages: [what: string, damage: (path: string) => void, setAside: boolean][] = [
  [
    "is text",
    (path) => writeFileSync(path, "no database at all, and longer than a header\n".repeat(9)),
    true,
  ],
  ["is empty", (path) => writeFileSync(path, ""), false],
  ["has a hole", (path) => writeFileSync(path, readFileSync(path).fill(0xaa, 4096, 90_000)), true],
  ["is cut short", (path) => writeFileSync(path, readFileSync(path).subarray(0, 50_000)), true],
];

test("F30: a damaged database is set aside with one line, and the index goes on without it", async () => {
  await using box = new Sandbox();
  await Promise.all(
    damages.map(async ([what, damage, setAside], i) => {
      const folder = box.newFolder(`state-${i}`);
      const path = join(folder, "index.db");
      await writeDatabase(box, path);
      // What is in the log of an index that was killed would mend it.
      const tidying = new Database(path);
      tidying.run("PRAGMA wal_checkpoint(TRUNCATE)");
      tidying.close(true);
      damage(path);
      const index = await box.index(["--db", path]);
      await serves(index);
      const { stderr } = index.process;
      expect(stderr.trim().split("\n").filter(Boolean), what).toHaveLength(setAside ? 1 : 0);
      expect(readdirSync(folder).some((name) => name.startsWith("index.db.corrupt-"))).toBe(setAside);
      if (setAside) expect(stderr).toContain("set aside");
      expect(statSync(path).mode & 0o077).toBe(0);
    }),
  );
});

test("a database that is not for this index: exit 7, one line, and it is left as it is", async () => {
  await using box = new Sandbox();
  const folder = box.newFolder("state");
  const newer = join(folder, "newer.db");
  await writeDatabase(box, newer);
  const other = join(folder, "other.db");
  const used = join(folder, "used.db");
  for (const [path, sql] of [
    [newer, "PRAGMA user_version = 99"],
    [other, "CREATE TABLE recipes (name TEXT)"],
  ] as const) {
    const database = new Database(path);
    database.run(sql);
    database.close(true);
  }
  await box.index(["--db", used]);
  const cases: [path: string, says: string][] = [
    [newer, "newer p2p"],
    [other, "another program"],
    [used, "in use by another index"],
    [folder, "folder"],
    ["/proc/index.db", "/proc/index.db"],
  ];
  await Promise.all(
    cases.map(async ([path, says]) => {
      const before = path.endsWith("r.db") ? readFileSync(path) : undefined;
      const run = await box.run(["serve-index", "--port", "0", "--db", path]);
      expect(run.exitCode, run.said()).toBe(7);
      expect(run.stderr.trimEnd().split("\n"), run.said()).toHaveLength(1);
      expect(run.stderr, run.said()).toContain(says);
      if (before !== undefined) expect(Buffer.compare(readFileSync(path), before), path).toBe(0);
    }),
  );
});

test.skipIf(!canMount)(
  "F30 F32: a disk that is read-only: exit 7; one that fills up: queries go on",
  async () => {
    await using box = new Sandbox();
    const folder = box.newFolder("disk");
    using disk = new SmallDisk(folder, "size=2m");
    const path = join(folder, "index.db");
    const index = await box.index(["--db", path]);
    {
      await using client = await LineClient.greeted(index.port);
      let refused: unknown;
      for (let id = 1; id < 40 && refused === undefined; id++) {
        const add = Array.from({ length: 1_000 }, (_, i) =>
          entryOf(`file ${id} ${i}`, Buffer.from(`${id} ${i}`)),
        );
        const answer = await client.request(
          id === 1
            ? { type: "REGISTER", id, port: 7767, files: add }
            : { type: "UPDATE", id, add, remove: [] },
        );
        if (answer.type !== "OK") refused = answer;
      }
      expect(refused).toMatchObject({ type: "ERROR", code: "STORAGE_FULL" });
      expect(await client.request({ type: "QUERY", id: 99, name: "file 1 1" })).toMatchObject({
        contents: [{ total: 1 }],
      });
      expect(index.process.stderr).toContain("no space");
    }
    index.process.kill("SIGTERM");
    expect(await index.process.exit(), index.process.said()).toBe(0);

    disk.remount("ro");
    const readOnly = await box.run(["serve-index", "--port", "0", "--db", path]);
    expect(readOnly.exitCode, readOnly.said()).toBe(7);
    expect(readOnly.stderr.trimEnd().split("\n"), readOnly.said()).toHaveLength(1);
  },
);

test("F31: another program that writes to the database for a moment delays a peer, and no query", async () => {
  await using box = new Sandbox();
  const path = join(box.folder, "index.db");
  const index = await box.index(["--db", path]);
  await using client = await LineClient.greeted(index.port);
  const another = new Database(path);
  another.run("BEGIN IMMEDIATE");
  client.send({ type: "REGISTER", id: 1, port: 7767, files: [entryOf("a.txt", Buffer.from("a"))] });
  await serves(index);
  expect(client.answers.filter(({ id }) => id === 1)).toEqual([]);
  another.run("COMMIT");
  another.close(true);
  expect(await client.answerTo(1)).toMatchObject({ type: "OK" });
  expect(await client.request({ type: "QUERY", id: 2, name: "a.txt" })).toMatchObject({
    contents: [{ total: 1 }],
  });
});

test("SIGUSR1: one line of statistics on stderr", async () => {
  await using swarm = await Swarm.start();
  await swarm.peer({ "a.txt": Buffer.from("a"), "b.txt": Buffer.from("b") });
  const { process } = swarm.index;
  process.kill("SIGUSR1");
  await process.waitUntil(() => process.stderr.includes("\n"), "statistics");
  expect(process.stderr).toMatch(/^peers 1, names 2, files 2, connections 1, .*\n$/);
});

/** What is sent on a new connection; HELLO comes before it when `greeted`. */
const floods: [what: string, greeted: boolean, bytes: () => string | Uint8Array, isClosed: boolean][] = [
  ["an endless line", false, () => "a".repeat(64 * MiB), true],
  ["an endless line after HELLO", true, () => "a".repeat(64 * MiB), true],
  ["noise", false, () => randomBytes(MiB), true],
  ["a TLS client", false, () => Buffer.from("16030100c8010000c40303", "hex"), false],
  ["an HTTP client", false, () => "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", true],
  ["nesting", true, () => `${"[".repeat(500_000)}\n`, true],
  ["many keys", true, () => `{${Array.from({ length: 50_000 }, (_, i) => `"${i}":1`).join()}}\n`, false],
  ["invalid UTF-8", true, () => Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xff, 0x0a])]), true],
  ["a million empty lines", true, () => "\n".repeat(1_000_000), true],
];

test("A01 A02 A03 A05: floods and noise are cut off, or slowed down, and others are served all the while", async () => {
  await using swarm = await Swarm.start();
  const { index } = swarm;
  await Promise.all(
    floods.map(async ([what, greeted, bytes, isClosed]) => {
      await using client = await LineClient.open(index.port);
      if (greeted) client.send(hello);
      client.sendRaw(bytes());
      if (isClosed) await client.closed();
      await serves(index);
      expect(
        client.answers.every(({ type }) => type === "ERROR" || type === "WELCOME"),
        what,
      ).toBe(true);
    }),
  );
  expect(index.process.exitCode).toBeUndefined();
  expect(index.process.stderr).not.toMatch(/^ +at /m);
});

test("A24: ten thousand requests whose answers nobody reads take no memory, and all of them are answered in the end", async () => {
  await using swarm = await Swarm.start();
  const { index } = swarm;
  const files = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`${i}/a.txt`, Buffer.from(`${i}`)]));
  await swarm.register(7767, files);
  await using client = await LineClient.greeted(index.port);
  client.pause();
  const count = 10_000;
  for (let id = 1; id <= count; id++) client.send({ type: "QUERY", id, name: "a.txt" });
  for (let i = 0; i < 5; i++) await serves(index);
  const memory = residentBytes(index.process.pid);
  if (memory !== undefined) expect(memory).toBeLessThan(200 * MiB);
  client.resume();
  await client.answerTo(count);
  expect(client.answers.filter(({ type }) => type === "RESULT")).toHaveLength(count);
});

function residentBytes(pid: number): number | undefined {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return undefined;
  return Number(/VmRSS:\s*(\d+) kB/.exec(readFileSync(path, "utf8"))?.[1]) * 1024;
}

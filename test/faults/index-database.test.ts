/** Rows F30, F31 and F32 while the index runs: its database is damaged, removed, locked, or has no room. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, readdirSync, rmSync, truncateSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { LineClient } from "../helpers/line-client.ts";
import type { RunningServer } from "../helpers/sandbox.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { canMount, SmallDisk } from "../helpers/small-disk.ts";
import { entryOf } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";

const settle = ["--settle", "0.2"];

function madeUp(count: number, label: string): object[] {
  return Array.from({ length: count }, (_, i) => entryOf(`${label} ${i}`, Buffer.from(`${label} ${i}`)));
}

/** Everything is in the file afterwards, and nothing in the log beside it. */
function moveIntoFile(path: string): void {
  const database = new Database(path);
  expect(database.query("PRAGMA wal_checkpoint(TRUNCATE)").values()[0]?.[0]).toBe(0);
  database.close(true);
}

function warnings(index: RunningServer): string[] {
  return index.process.stderr.split("\n").filter(Boolean);
}

async function totalOf(client: LineClient, id: number, name: string): Promise<number> {
  const { contents } = await client.request({ type: "QUERY", id, name });
  return (contents as { total: number }[])[0]?.total ?? 0;
}

/** What is in it has not been moved into the file yet. */
function fillJournal(path: string): void {
  const file = openSync(`${path}-wal`, "r+");
  const sizeBytes = fstatSync(file).size;
  writeSync(file, Buffer.alloc(sizeBytes, 0xaa), 0, sizeBytes, 0);
  closeSync(file);
}

/** Over the file as it is: 80 KiB in the middle, or all of it. */
const damages: [what: string, damage: (path: string) => void, isMoved?: boolean][] = [
  [
    "has 80 KiB of something else in the middle",
    (path) => {
      const file = openSync(path, "r+");
      writeSync(
        file,
        Buffer.alloc(80 * 1024, 0xaa),
        0,
        80 * 1024,
        (fstatSync(file).size >> 13) * 4096 - 40_960,
      );
      closeSync(file);
    },
  ],
  [
    "is text",
    (path) => {
      const file = openSync(path, "r+");
      const text = "this is no database at all, and longer than a header of one\n".repeat(40_000);
      writeSync(file, text.slice(0, fstatSync(file).size));
      closeSync(file);
    },
  ],
  ["has a journal of something else", fillJournal, false],
  ["is cut to nothing", (path) => truncateSync(path, 0)],
];

test.each(damages)(
  "F30: a database that %s while the index runs is set aside; the index goes on at its port, its peers rebuild it",
  async (_, damage, isMoved = true) => {
    await using box = new Sandbox();
    const path = join(box.newFolder("state"), "index.db");
    const index = await box.index(["--db", path]);
    const folder = box.newFolder("shared");
    for (let i = 0; i < 50; i++) box.put(folder, `real ${i}.txt`, `content ${i}`);
    const peer = await box.peer(index, folder, settle);
    {
      await using client = await LineClient.greeted(index.port);
      await client.request({ type: "REGISTER", id: 1, port: 7767, files: madeUp(2_000, "made up") });
      if (isMoved) moveIntoFile(path);
      damage(path);
      // What is asked and changed until it shows; answered well or not, the process does not end.
      for (let id = 2; !client.isClosed && id < 60; id++) {
        client.send({ type: "UPDATE", id, add: madeUp(100, `more ${id}`), remove: [] });
        await client.until(
          () => client.isClosed || client.answers.some((answer) => answer.id === id),
          "word",
        );
        client.send({ type: "QUERY", id: 1_000 + id, name: `made up ${id * 30}` });
      }
      await client.closed();
      // What cannot be answered now can be soon.
      expect(client.answers.filter(({ code }) => code === "INTERNAL")).toEqual([]);
    }
    await peer.process.waitForEvent("registered", {
      where: ({ again }) => again === true,
      timeoutMs: 15_000,
    });
    await using client = await LineClient.greeted(index.port);
    expect(await totalOf(client, 1, "real 7.txt")).toBe(1);
    expect(await totalOf(client, 2, "made up 7")).toBe(0);
    expect(index.process.exitCode).toBeUndefined();
    // The full text has a thread of its own, which may meet the same first and say so.
    const said = warnings(index).filter((line) => !line.includes("the full text of names"));
    expect(said, index.process.said()).toHaveLength(1);
    expect(said[0]).toContain("set aside");
    const aside = readdirSync(dirname(path)).filter((name) => name.startsWith("index.db.corrupt-"));
    expect(aside.filter((name) => !/-(wal|shm)$/.test(name))).toHaveLength(1);
    const check = await box.run(["index", "check", "--db", path]);
    expect(check.exitCode, check.said()).toBe(0);
  },
  30_000,
);

test.each(["", "-wal"])(
  "F30: a database whose file %p is removed while the index runs ends it with exit 7 and one line; the next has its peers",
  async (suffix) => {
    await using box = new Sandbox();
    const path = join(box.newFolder("state"), "index.db");
    const index = await box.index(["--db", path]);
    const folder = box.newFolder("shared");
    box.put(folder, "a.txt", "a");
    const peer = await box.peer(index, folder, settle);
    {
      await using client = await LineClient.greeted(index.port);
      // Answered when all threads have the file.
      await client.request({ type: "SEARCH", id: 1, text: "a" });
    }
    rmSync(path + suffix);
    expect(await index.process.exit(), index.process.said()).toBe(7);
    const { exit, message } = index.process.events.at(-1)!;
    expect(exit).toBe(7);
    expect(message).toContain("was removed or replaced");
    expect(warnings(index)).toEqual([]);
    const next = box.start(["serve-index", "--json", "--db", path, "--port", String(index.port)]);
    await next.waitForEvent("listening");
    await peer.process.waitForEvent("registered", {
      where: ({ again }) => again === true,
      timeoutMs: 15_000,
    });
    await using client = await LineClient.greeted(index.port);
    expect(await totalOf(client, 1, "a.txt")).toBe(1);
  },
);

test("F31: another program has the database locked for 3 s: nobody is refused, asking takes no longer", async () => {
  await using box = new Sandbox();
  const path = join(box.folder, "index.db");
  const index = await box.index(["--db", path]);
  await using peer = await LineClient.greeted(index.port);
  await using other = await LineClient.greeted(index.port);
  await peer.request({ type: "REGISTER", id: 1, port: 7767, files: madeUp(100, "first") });
  const another = new Database(path);
  another.run("BEGIN IMMEDIATE");
  const sinceMs = performance.now();
  peer.send({ type: "UPDATE", id: 2, add: madeUp(100, "second"), remove: [] });
  let longestMs = 0;
  // The time is what the row is about.
  for (let id = 1; performance.now() - sinceMs < 3_000; id++) {
    const askedMs = performance.now();
    expect(await totalOf(other, id, "first 7")).toBe(1);
    longestMs = Math.max(longestMs, performance.now() - askedMs);
    await Bun.sleep(10);
  }
  expect(peer.answers.some(({ id }) => id === 2)).toBe(false);
  another.run("COMMIT");
  another.close(true);
  expect(await peer.answerTo(2)).toMatchObject({ type: "OK" });
  expect(await totalOf(other, 0, "second 7")).toBe(1);
  expect(longestMs).toBeLessThan(1_000);
  expect(warnings(index)).toEqual([]);
});

test.skipIf(!canMount)(
  "F32: a disk that is full refuses what comes, not who asks; with room again all is well",
  async () => {
    await using box = new Sandbox();
    const folder = box.newFolder("disk");
    using disk = new SmallDisk(folder, "size=2m");
    const path = join(folder, "index.db");
    const index = await box.index(["--db", path]);
    await using client = await LineClient.greeted(index.port);
    await client.request({ type: "REGISTER", id: 1, port: 7767, files: madeUp(500, "first") });
    let id = 1;
    let answer: Record<string, unknown>;
    do {
      id++;
      answer = await client.request({ type: "UPDATE", id, add: madeUp(500, `${id}`), remove: [] });
    } while (answer.type === "OK" && id < 50);
    expect(answer).toMatchObject({ type: "ERROR", code: "STORAGE_FULL" });
    for (let i = 0; i < 500; i += 50) expect(await totalOf(client, 1_000 + i, `first ${i}`)).toBe(1);
    const shared = box.newFolder("shared");
    for (let i = 0; i < 500; i++) box.put(shared, `real ${i}.txt`, `content ${i}`);
    const argv = [
      "peer",
      shared,
      "--index",
      index.address,
      "--port",
      "0",
      "--json",
      "--no-prompt",
      ...settle,
    ];
    const early = box.start(argv);
    // The first, when the peer itself still found room, and none of its files.
    const isTold = () => / is full\n| \(STORAGE_FULL\); trying again\n/.test(early.stderr);
    await early.waitUntil(isTold, "a line on stderr");
    expect(early.stderr.trimEnd().split("\n")).toHaveLength(1);
    disk.remount("size=32m");
    await box.peer(index, shared, settle);
    // The early one may have tried again by now, and has it, too.
    await until(async () => (await totalOf(client, ++id, "real 499.txt")) >= 1);
    const check = await box.run(["index", "check", "--db", path]);
    expect(check.exitCode, check.said()).toBe(0);
    const database = new Database(path, { readonly: true });
    expect(database.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
    database.close(true);
    index.process.kill("SIGTERM");
    expect(await index.process.exit(), index.process.said()).toBe(0);
  },
  40_000,
);

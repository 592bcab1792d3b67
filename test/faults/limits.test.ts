/**
 * Rows F24 and A29: servers at the limits of the system, with more clients than they can have and with clients that
 * take nothing of what they asked for. Those who are let in are served; what is refused is refused at once.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { hello, LineClient } from "../helpers/line-client.ts";
import { cpuSecondsOf, openFilesOf, peakBytesOf } from "../helpers/process-facts.ts";
import type { RunningServer } from "../helpers/sandbox.ts";
import { entryOf, holds, Swarm } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;
const maxOpenFiles = 64;
const under = ["prlimit", `--nofile=${maxOpenFiles}`];

test.skipIf(process.platform !== "linux")(
  "F24 200 clients at an index and a peer with 64 open files: said at the start, refused at once, no core kept busy",
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(2 * MiB);
    const index = await swarm.box.index(undefined, { under });
    const peer = await swarm.box.peer(index, swarm.folderOf({ "a.bin": bytes }), [], { under });
    for (const server of [index, peer]) {
      await server.process.waitUntil(() => /limit of open files/.test(server.process.stderr), "a warning");
      await isCrowded(server);
    }
    // With all clients gone there is room again.
    const startMs = performance.now();
    const cwd = swarm.box.newFolder("downloads");
    const query = await swarm.box.run(["query", "a.bin", "--index", index.address], { cwd });
    expect(query.exitCode, query.said()).toBe(0);
    expect(holds(`${cwd}/a.bin`, bytes)).toBe(true);
    expect(performance.now() - startMs).toBeLessThan(2_000 + startMarginMs);
    for (const server of [index, peer]) expect(server.process.stderr).not.toMatch(/^ +at /m);
  },
);

/** For the start of a process on a busy machine. */
const startMarginMs = 1_000;

/** 200 clients hold on to `server` until this ends. */
async function isCrowded({ port, process }: RunningServer): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const clients: LineClient[] = [];
  for (let i = 0; i < 200; i++) {
    // Refused so early that there is not even a connection: as good as one that is closed.
    const client = await LineClient.open(port).catch(() => undefined);
    if (client === undefined) continue;
    stack.use(client).send(hello);
    clients.push(client);
  }
  const isIn = ({ answers }: LineClient) => answers.some(({ type }) => type === "WELCOME");
  await Promise.all(
    clients.map((client) => client.until(() => client.isClosed || isIn(client), "WELCOME or an end")),
  );
  const inside = clients.filter((client) => isIn(client) && !client.isClosed);
  expect(inside.length).toBeGreaterThan(0);
  expect(inside.length).toBeLessThan(maxOpenFiles);
  // At the limit an accept fails for ever, and the process spins.
  expect(openFilesOf(process.pid)).toBeLessThan(maxOpenFiles);
  const before = cpuSecondsOf(process.pid);
  await sleep(1_000);
  expect(cpuSecondsOf(process.pid) - before).toBeLessThan(0.2);
  expect(await inside[0]!.request({ type: "PING", id: 1 })).toBeDefined();
}

test.skipIf(process.platform !== "linux")(
  "A29 100 clients ask for gigabytes and take nothing: memory is bounded, and others are served",
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(64 * MiB);
    const files = { "a.bin": bytes };
    const { port, process } = await swarm.peer(files);
    const { root } = entryOf("a.bin", bytes) as { root: string };
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 100; i++) {
      const client = stack.use(await LineClient.greeted(port));
      client.pause();
      // 256 requests of 16 MiB are 4 GiB; what goes beyond the queue of a connection is not even read.
      const gets = Array.from({ length: 256 }, (_, id) => ({
        type: "GET",
        id,
        root,
        offset: (id % 4) * 16 * MiB,
        length: 16 * MiB,
      }));
      client.send(...gets);
    }
    const end = await swarm.fetch(["a.bin"]);
    expect(end.code, end.process.said()).toBe(0);
    expect(holds(`${end.folder}/a.bin`, bytes)).toBe(true);
    // Who takes nothing has a turn all the same, for a second; on one machine each connection has its own.
    expect(Number(end.last?.seconds), end.process.said()).toBeLessThan(15);
    expect(peakBytesOf(process.pid)).toBeLessThan(200 * MiB);
    expect(process.exitCode).toBeUndefined();
  },
);

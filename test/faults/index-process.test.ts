/** Rows F11 and F12: the index is killed and comes back, with what it had and with nothing; it is there and says nothing. */
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BinaryProcess } from "../helpers/binary-process.ts";
import { parsePrometheus, sampleOf } from "../helpers/prometheus.ts";
import { type RunningServer, Sandbox } from "../helpers/sandbox.ts";
import { Swarm } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";

const filesPerPeer = 300;

interface Requests {
  files: number;
  registers: number;
  updates: number;
}

async function metricOf(index: BinaryProcess, name: string): Promise<number> {
  const { http } = await index.waitForEvent("listening");
  return sampleOf(parsePrometheus(await (await fetch(`http://${http}/metrics`)).text()), name) ?? 0;
}

async function askedOf(index: BinaryProcess): Promise<Requests> {
  const { http } = await index.waitForEvent("listening");
  const families = parsePrometheus(await (await fetch(`http://${http}/metrics`)).text());
  const requests = (type: string) => sampleOf(families, "p2p_index_requests_total", { type }) ?? 0;
  return {
    files: sampleOf(families, "p2p_index_files") ?? 0,
    registers: requests("register"),
    updates: requests("update"),
  };
}

test("F11: an index that is killed and comes back to its database is whole without a file being sent; without it, with all", async () => {
  await using box = new Sandbox();
  const database = join(box.newFolder("state"), "index.db");
  const flags = ["--db", database, "--http", "0"];
  let index: RunningServer = await box.index(flags);
  const peers = await Promise.all(
    [1, 2, 3].map(async (number) => {
      const folder = box.newFolder("shared");
      for (let i = 0; i < filesPerPeer; i++) box.put(folder, `${number} ${i}.txt`, `${number} ${i}`);
      return await box.peer(index, folder, ["--settle", "0.2"]);
    }),
  );
  const files = filesPerPeer * peers.length;
  for (const kept of [true, false]) {
    index.process.kill("SIGKILL");
    await index.process.exit();
    const gap = await box.run(["query", "1 1.txt", "--index", index.address, "--json"]);
    expect(gap.exitCode, gap.said()).toBe(8);
    const waits = box.start(["query", "1 1.txt", "--index", index.address, "--json", "--wait", "30"]);
    if (!kept) rmSync(dirname(database), { recursive: true });
    const from = peers.map(({ process }) => process.events.length);
    const sinceMs = performance.now();
    const argv = ["serve-index", "--json", ...flags, "--port", String(index.port)];
    index = { ...index, process: box.start(argv) };
    await index.process.waitForEvent("listening");
    const isAgain = peers.map(({ process }, i) =>
      process.waitForEvent("registered", {
        where: ({ again }) => again === true,
        from: from[i]!,
        timeoutMs: 15_000,
      }),
    );
    for (const again of await Promise.all(isAgain)) expect(again).toMatchObject({ files: filesPerPeer });
    // Told first, then all of it acknowledged.
    await until(async () => (await askedOf(index.process)).files === files);
    expect(performance.now() - sinceMs).toBeLessThan(15_000);
    const { registers, updates } = await askedOf(index.process);
    if (kept) expect({ registers, updates }).toEqual({ registers: peers.length, updates: 0 });
    else expect(registers + updates).toBeGreaterThan(peers.length);
    expect(await waits.exit(), waits.said()).toBe(0);
  }
  for (const { process } of peers) {
    // Lost and found again, twice.
    expect(process.stderr.trimEnd().split("\n").length, process.said()).toBe(4);
  }
}, 60_000);

test("F12: an index that is stopped accepts and says nothing: exit 8 within 10 s; who waits goes on when it does", async () => {
  await using swarm = await Swarm.start(["--db", ":memory:", "--http", "0"]);
  const { index } = swarm;
  const peer = await swarm.peer({ "a.txt": Buffer.from("a") });
  const waiting = swarm.query(["b.txt", "--wait", "60"]);
  await until(async () => (await metricOf(index.process, "p2p_index_subscriptions")) > 0);
  index.process.kill("SIGSTOP");
  const startMs = performance.now();
  const query = await swarm.fetch(["a.txt"]);
  expect(query.code, query.process.said()).toBe(8);
  expect(performance.now() - startMs).toBeLessThan(10_000 + startMarginMs);
  expect(query.last?.message).toContain(`index ${index.address} accepted but does not answer`);
  index.process.kill("SIGCONT");
  expect((await swarm.fetch(["a.txt"])).code).toBe(0);
  await swarm.peer({ "b.txt": Buffer.from("b") });
  expect(await waiting.process.exit(), waiting.process.said()).toBe(0);
  expect(peer.process.stderr).toBe("");
});

/** For the start of a process on a busy machine. */
const startMarginMs = 1_000;

/** Rows F07, F08, F27 and A29 where they are about time: what thaws, what is written slowly, who never takes anything. */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LineClient } from "../../helpers/line-client.ts";
import { longTest, system } from "../../helpers/long-test.ts";
import { openFilesOf, peakBytesOf } from "../../helpers/process-facts.ts";
import { delivered, entryOf, finished, hasBegun, holds, type Query, Swarm } from "../../helpers/swarm.ts";

const MiB = 1024 * 1024;

async function arrived(query: Query, name: string, bytes: Uint8Array, timeoutMs: number) {
  const end = await finished(query, timeoutMs);
  expect(end.code, end.process.said()).toBe(0);
  expect(holds(join(end.folder, name), bytes), end.process.said()).toBe(true);
  return end;
}

longTest(
  "F07 one of three sources is frozen for good, or for 5 s: no slower than without it, and it is used again",
  { timeoutMs: 180_000 },
  async () => {
    await using swarm = await Swarm.start();
    const rate = { bytesPerSecond: 6 * MiB };
    const [all, two] = [randomBytes(96 * MiB), randomBytes(96 * MiB)];
    await swarm.peersBehind(2, rate, { all, two });
    const frozen = await swarm.peerBehind(rate, { all });
    const without = await arrived(swarm.query(["two"]), "two", two, 60_000);

    const forGood = swarm.query(["all"]);
    await hasBegun(forGood);
    frozen.peer.process.kill("SIGSTOP");
    const end = await arrived(forGood, "all", all, 60_000);
    // 1.3 is the table's; the 2 s are the time until a silent source loses what it owes.
    const allowed = Number(without.last?.seconds) * 1.3 + 2;
    expect(Number(end.last?.seconds), end.process.said()).toBeLessThan(allowed);
    frozen.peer.process.kill("SIGCONT");

    const forAWhile = swarm.query(["all"]);
    await hasBegun(forAWhile);
    frozen.peer.process.kill("SIGSTOP");
    await sleep(5_000);
    const before = frozen.proxy.passedBytes;
    frozen.peer.process.kill("SIGCONT");
    const later = await arrived(forAWhile, "all", all, 60_000);
    expect(frozen.proxy.passedBytes - before, later.process.said()).toBeGreaterThan(4 * MiB);
    expect(delivered(later, frozen.proxy.port)?.badChunks).toBe(0);
  },
);

longTest(
  "F08 all sources are frozen for 30 s: with a longer --timeout it goes on by itself",
  { timeoutMs: 120_000 },
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(32 * MiB);
    const sources = await swarm.peersBehind(3, { bytesPerSecond: 4 * MiB }, { "a.bin": bytes });
    const query = swarm.query(["a.bin", "--timeout", "120"]);
    await hasBegun(query);
    for (const { peer } of sources) peer.process.kill("SIGSTOP");
    await sleep(30_000);
    for (const { peer } of sources) peer.process.kill("SIGCONT");
    const { last } = await arrived(query, "a.bin", bytes, 60_000);
    expect(Number(last?.seconds)).toBeGreaterThan(30);
  },
);

longTest(
  "F27 a file that grows for 60 s is not offered in all that time, and soon after as it is then",
  { timeoutMs: 120_000 },
  async () => {
    await using swarm = await Swarm.start();
    const database = join(swarm.box.folder, "index.db");
    const index = await swarm.box.index(["--db", database]);
    const folder = swarm.box.newFolder("shared");
    const peer = await swarm.box.peer(index, folder);
    const view = new Database(database, { readonly: true });
    const files = view.query<{ size: number }, []>("SELECT size FROM files");
    const path = join(folder, "growing.bin");
    const startMs = performance.now();
    let size = 0;
    while (performance.now() - startMs < 60_000) {
      appendFileSync(path, randomBytes(50_000));
      size += 50_000;
      await sleep(250);
      expect(files.all()).toEqual([]);
    }
    await peer.process.waitForEvent("updated", { timeoutMs: 5_000 });
    expect(files.all()).toEqual([{ size }]);
    // Each later change takes the old offer back.
    appendFileSync(path, "more");
    await peer.process.waitForEvent("updated", {
      where: ({ removed }) => Array.isArray(removed) && removed.includes("growing.bin"),
    });
    expect(files.all().filter(({ size: offered }) => offered === size)).toEqual([]);
    view.close();
  },
);

longTest(
  "A29 100 clients that take nothing of what they asked for: cut after 30 s who is owed something, after 120 s all",
  { needs: ["ss"], timeoutMs: 200_000 },
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(64 * MiB);
    const { port, process } = await swarm.peer({ "a.bin": bytes });
    const { root } = entryOf("a.bin", bytes) as { root: string };
    const before = openFilesOf(process.pid);
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 100; i++) {
      const client = stack.use(await LineClient.greeted(port));
      client.pause();
      const gets = Array.from({ length: 256 }, (_, id) => ({
        type: "GET",
        id,
        root,
        offset: 0,
        length: 16 * MiB,
      }));
      client.send(...gets);
    }
    const startMs = performance.now();
    const until = async (condition: () => boolean, withinMs: number, what: string) => {
      while (!condition()) {
        await sleep(500);
        expect(performance.now() - startMs, what).toBeLessThan(withinMs);
      }
    };
    expect(connections(port)).toHaveLength(100);
    // As many as have a turn at a time hold something up; each for 30 s, and all hundred within two minutes.
    await until(
      () => connections(port).some(({ unsent }) => unsent > 0),
      10_000,
      "somebody is sent something",
    );
    await until(() => connections(port).length < 100, 45_000, "the first are cut");
    expect(performance.now() - startMs).toBeGreaterThan(20_000);
    await until(() => openFilesOf(process.pid) <= before + 2, 150_000, "all are gone");
    expect(peakBytesOf(process.pid)).toBeLessThan(200 * MiB);
  },
);

/** Those to that port, and what waits at its end because the other one does not take it. */
function connections(port: number): { unsent: number }[] {
  const lines = system("ss", "-tnH", "state", "established", "sport", "=", `:${port}`).split("\n");
  return lines.filter(Boolean).map((line) => ({ unsent: Number(line.trim().split(/\s+/)[1]) }));
}

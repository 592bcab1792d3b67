/** Downloads that help each other, limits, and a file in order on standard output. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { finished, hasBegun, holds, type Query, Swarm, shortcoming } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;

function lastEvent(events: readonly { event: string }[], kind: string) {
  return events.filter(({ event }) => event === kind).at(-1) as Record<string, unknown> | undefined;
}

async function sourcesOf(swarm: Swarm, name: string): Promise<number> {
  const { process } = await swarm.fetch([name, "--list"]);
  return process.events.filter(({ event }) => event === "source").length;
}

test("downloads of one file serve each other while they run", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(24 * MiB);
  await swarm.peer({ "a.iso": bytes }, ["--up", "6M"]);
  const fetches = await Promise.all([1, 2, 3].map(() => swarm.fetch(["a.iso"])));
  let served = 0;
  for (const { process, code, folder, last } of fetches) {
    expect(code, process.said()).toBe(0);
    expect(holds(join(folder, "a.iso"), bytes)).toBe(true);
    expect(last?.event).toBe("complete");
    served += Number(lastEvent(process.events, "served")?.bytes ?? 0);
  }
  // What one peer sends at 6 MiB/s to three in turn would be three times the file.
  expect(served).toBeGreaterThan(6 * MiB);
});

test("a download that others fetch from is killed, and another one is interrupted: the last one goes on", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(16 * MiB);
  await swarm.peer({ "a.iso": bytes }, ["--up", "4M"]);
  const [killed, interrupted, last] = [1, 2, 3].map(() => swarm.query(["a.iso"])) as [Query, Query, Query];
  const half = { where: (event: Record<string, unknown>) => Number(event.bytes) >= 6 * MiB };
  await killed.process.waitForEvent("progress", half);
  killed.process.kill("SIGKILL");
  await interrupted.process.waitForEvent("progress", half);
  interrupted.process.kill("SIGINT");
  expect(await interrupted.process.exit()).toBe(130);
  expect(shortcoming(await finished(last), "a.iso", bytes)).toBeUndefined();
  // Who was interrupted goes on with what is there, also from who was a download itself.
  const again = await swarm.fetch(["a.iso"], { cwd: interrupted.folder });
  expect(shortcoming(again, "a.iso", bytes)).toBeUndefined();
  expect(Number(again.last?.resumedBytes)).toBeGreaterThanOrEqual(6 * MiB);
});

test("a query that is told not to serve does not", async () => {
  await using swarm = await Swarm.start();
  await swarm.peer({ "a.iso": randomBytes(4 * MiB) }, ["--up", "2M"]);
  const running = swarm.query(["a.iso", "--no-serve"]);
  await hasBegun(running);
  expect(await sourcesOf(swarm, "a.iso")).toBe(1);
  expect(await running.process.exit()).toBe(0);
  expect(lastEvent(running.process.events, "served")).toBeUndefined();
});

test("--serve-for serves the complete file until a signal, which is no failure then", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(3 * MiB + 5);
  const peer = await swarm.peer({ "a.iso": bytes });
  const first = swarm.query(["a.iso", "--serve-for", "10m"]);
  await first.process.waitForEvent("complete");
  while ((await sourcesOf(swarm, "a.iso")) < 2);
  await peer.process.end();
  const { process, code, folder } = await swarm.fetch(["a.iso"]);
  expect(code, process.said()).toBe(0);
  expect(holds(join(folder, "a.iso"), bytes)).toBe(true);
  first.process.kill("SIGINT");
  expect(await first.process.exit()).toBe(0);
  expect(lastEvent(first.process.events, "served")).toMatchObject({ bytes: bytes.length });
});

test("-o - writes the file in order, and nothing else, to standard output", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(50 * MiB + 321);
  await swarm.peer({ "film.mkv": bytes, empty: new Uint8Array(0) });
  const out = join(swarm.box.newFolder("out"), "out");
  for (const [name, expected] of [
    ["film.mkv", bytes],
    ["empty", new Uint8Array(0)],
  ] as const) {
    const shell = `"$0" query ${name} --index ${swarm.index.address} -o - > ${out}`;
    const under = ["bash", "-c", shell];
    const process = await swarm.box.run([], { under });
    expect(process.exitCode, process.said()).toBe(0);
    expect(readFileSync(out).equals(expected)).toBe(true);
    expect(process.stderr).toContain("every chunk verified");
  }
});

test("a reader that has enough ends -o - without an error, and a slow one is waited for", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(80 * MiB);
  await swarm.peer({ "film.mkv": bytes });
  const query = `"$0" query film.mkv --index ${swarm.index.address} -o - --quiet --timeout 1`;
  const under = (shell: string) => ["bash", "-c", `set -o pipefail; ${shell}`];
  const head = await swarm.box.run([], { under: under(`${query} | head -c 1000 | wc -c`) });
  expect([head.exitCode, head.stdout.trim()], head.said()).toEqual([0, "1000"]);
  // Longer than --timeout: not fetching because the reader rests is no silence of the sources.
  const slow = await swarm.box.run([], { under: under(`${query} | (sleep 2.5; cat) | md5sum`) });
  const md5 = new Bun.CryptoHasher("md5").update(bytes).digest("hex");
  expect([slow.exitCode, slow.stdout.split(" ")[0]], slow.said()).toEqual([0, md5]);
});

test("--explain says what is going to be done before it is", async () => {
  await using swarm = await Swarm.start();
  await swarm.peer({ "a.iso": randomBytes(2 * MiB) });
  const { process, code } = await swarm.fetch(["a.iso", "--explain", "--connections", "3", "--down", "50M"]);
  expect(code, process.said()).toBe(0);
  const kinds = process.events.map(({ event }) => event);
  expect(kinds.slice(0, 2)).toEqual(["found", "plan"]);
  expect(process.events[1]).toMatchObject({
    chunks: 2,
    totalSources: 1,
    connections: 3,
    downBytesPerSecond: 50 * MiB,
    serves: true,
  });
  expect(lastEvent(process.events, "complete")?.receipt).toMatchObject({ bottleneck: expect.any(String) });
});

test("LIMIT changes how fast a running peer sends, and says so", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(8 * MiB);
  const folder = swarm.folderOf({ "a.iso": bytes });
  const argv = ["peer", folder, "--index", swarm.index.address, "--port", "0", "--json", "--up", "64k"];
  const peer = swarm.box.start(argv, { stdin: "open" });
  await peer.waitForEvent("registered");
  const running = swarm.query(["a.iso", "--no-serve"]);
  await running.process.waitForEvent("progress");
  // At 64 KiB/s it would take two minutes.
  peer.write("LIMIT up 4M\nLIMIT down 5M\nLIMIT up off\n");
  await peer.waitForEvent("limits", { where: ({ up, down }) => up === null && down === 5 * MiB });
  expect(await running.process.exit(), running.process.said()).toBe(0);
  expect(peer.events.filter(({ event }) => event === "limits").map(({ up }) => up)).toEqual([
    4 * MiB,
    4 * MiB,
    null,
  ]);
});

/** Rows F01 and F18 in earnest: 200 kills of a downloader and 100 downloads over connections that are reset. */
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { longTest } from "../../helpers/long-test.ts";
import { Random } from "../../helpers/random.ts";
import { delivered, finished, holds, Swarm } from "../../helpers/swarm.ts";

const MiB = 1024 * 1024;
const downloads = 40;
const killsEach = 5;
/** What 8 connections with 2 requests of 4 MiB each may have under way, and sockets hold, when one is killed. */
const inFlightBytes = 64 * MiB;

longTest(
  `F01 a downloader is killed at ${downloads * killsEach} random byte counts: each run goes on where the one before was`,
  { timeoutMs: 800_000 },
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(256 * MiB);
    const peers = await swarm.peersBehind(3, { pieceBytes: MiB }, { "a.bin": bytes });
    const passed = () => peers.reduce((sum, { proxy }) => sum + proxy.passedBytes, 0);
    const random = new Random(1);
    let kills = 0;
    for (let i = 0; i < downloads; i++) {
      const folder = swarm.box.newFolder("downloads");
      const target = join(folder, "a.bin");
      const from = passed();
      let [resumed, killed] = [0, 0];
      while (killed < killsEach) {
        // Resumed bytes are told only when it ends well: the least is what the run before had for sure.
        const left = bytes.length - resumed;
        const killAt = passed() + Math.floor(random.next() * left * 0.6);
        const { process } = swarm.query(["a.bin"], { cwd: folder });
        while (passed() < killAt && process.exitCode === undefined) await sleep(1);
        if (process.exitCode !== undefined) break;
        process.kill("SIGKILL");
        await process.exit();
        const isDone = process.events.some(({ event }) => event === "complete");
        // The name comes a moment before the word.
        if (!isDone && existsSync(target)) expect(holds(target, bytes), process.said()).toBe(true);
        const told = process.events.findLast(({ event }) => event === "progress");
        resumed = Math.max(resumed, Number(told?.bytes ?? 0));
        killed++;
      }
      kills += killed;
      const last = await swarm.fetch(["a.bin"], { cwd: folder });
      expect(last.code, last.process.said()).toBe(0);
      expect(holds(target, bytes), last.process.said()).toBe(true);
      if (last.last?.alreadyThere !== true)
        expect(Number(last.last?.resumedBytes), last.process.said()).toBeGreaterThanOrEqual(resumed);
      const most = bytes.length + (killed + 1) * inFlightBytes;
      expect(passed() - from, "bytes fetched for one file in all").toBeLessThan(most);
      swarm.box.remove(folder);
    }
    expect(kills).toBeGreaterThan(downloads * killsEach * 0.8);
  },
);

longTest(
  "F18 100 downloads from a source whose every connection is reset somewhere, and from one that is right",
  { timeoutMs: 400_000 },
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(12 * MiB + 1);
    const random = new Random(18);
    const cutAfter = () => Math.floor(random.next() ** 2 * 6 * MiB);
    const { proxy } = await swarm.peerBehind({ cutAfter, reset: true }, { "a.bin": bytes });
    await swarm.peerBehind({ bytesPerSecond: 24 * MiB }, { "a.bin": bytes });
    for (let i = 0; i < 100; i += parallel) {
      const queries = Array.from({ length: parallel }, () => swarm.query(["a.bin", "--threads", "1"]));
      for (const query of queries) {
        const end = await finished(query, 60_000);
        expect(end.code, end.process.said()).toBe(0);
        expect(holds(join(end.folder, "a.bin"), bytes)).toBe(true);
        expect(delivered(end, proxy.port)?.badChunks).toBe(0);
        const sources = end.last?.sources as { bytes: number }[];
        expect(sources.reduce((sum, source) => sum + source.bytes, 0)).toBe(bytes.length);
        swarm.box.remove(end.folder);
      }
    }
  },
);

const parallel = 4;

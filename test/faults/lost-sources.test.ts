/**
 * Rows F06 to F08 of the table of faults: sources that are killed and that freeze, some of them or all. Nothing is
 * fetched twice that was right.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  complaints,
  delivered,
  finished,
  hasBegun,
  partialFiles,
  Swarm,
  shortcoming,
} from "../helpers/swarm.ts";

const MiB = 1024 * 1024;
/** Slow enough that a download of some MiB can be disturbed in the middle. */
const slow = { bytesPerSecond: 8 * MiB };

test("F06 one of three sources is killed: the others deliver the rest, with one warning at most", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(24 * MiB);
  const [dying, ...living] = await swarm.peersBehind(3, slow, { "a.bin": bytes });
  const query = swarm.query(["a.bin"]);
  await hasBegun(query);
  dying!.peer.process.kill("SIGKILL");
  const end = await finished(query);
  expect(shortcoming(end, "a.bin", bytes)).toBeUndefined();
  expect(complaints(end).length, end.process.said()).toBeLessThanOrEqual(1);
  const others = living.map(({ proxy }) => delivered(end, proxy.port)?.bytes ?? 0);
  expect(others[0]! + others[1]!, end.process.said()).toBeGreaterThan(bytes.length / 2);
});

test("F06 the only source is killed: exit 5, and the next run goes on where it was", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(16 * MiB);
  const { peer } = await swarm.peerBehind(slow, { "a.bin": bytes });
  const query = swarm.query(["a.bin", "--timeout", "2"]);
  await hasBegun(query);
  peer.process.kill("SIGKILL");
  const { code, folder, process } = await finished(query);
  expect(code, process.said()).toBe(5);
  expect(existsSync(join(folder, "a.bin"))).toBe(false);
  expect(partialFiles(folder).some((path) => path.endsWith(".part"))).toBe(true);

  await swarm.peer({ "a.bin": bytes });
  const again = await swarm.fetch(["a.bin"], { cwd: folder });
  expect(shortcoming(again, "a.bin", bytes)).toBeUndefined();
  expect(Number(again.last?.resumedBytes)).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual(["a.bin"]);
});

test("F07 one of three sources freezes: the others take over what it owes, and nobody waits for it", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(48 * MiB);
  const [frozen] = await swarm.peersBehind(3, { bytesPerSecond: 10 * MiB }, { "a.bin": bytes });
  // Little of it is asked for ahead: what sockets hold already still comes from a source that is frozen.
  const query = swarm.query(["a.bin", "--connections", "3", "--chunk-size", "1MiB"]);
  await hasBegun(query);
  frozen!.peer.process.kill("SIGSTOP");
  const end = await finished(query);
  expect(shortcoming(end, "a.bin", bytes)).toBeUndefined();
  expect(delivered(end, frozen!.proxy.port)?.bytes, end.process.said()).toBeLessThan(bytes.length * 0.3);
  // It owes chunks for 2 s; to wait until its connection is given up for dead would be 10 s.
  expect(Number(end.last?.seconds), end.process.said()).toBeLessThan(9);
});

test("F08 all sources freeze: it goes on by itself when they thaw; after --timeout exit 5, and what came is kept", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(32 * MiB);
  const sources = await swarm.peersBehind(2, slow, { "a.bin": bytes });
  // Little is asked for ahead: what sockets hold already still comes from a source that is frozen.
  const argv = ["a.bin", "--connections", "2", "--chunk-size", "1MiB"];
  const patient = swarm.query(argv);
  const impatient = swarm.query([...argv, "--timeout", "2"]);
  await Promise.all([hasBegun(patient), hasBegun(impatient)]);
  for (const { peer } of sources) peer.process.kill("SIGSTOP");
  const gaveUp = await finished(impatient);
  expect(gaveUp.code, gaveUp.process.said()).toBe(5);
  expect(existsSync(join(gaveUp.folder, "a.bin"))).toBe(false);
  expect(partialFiles(gaveUp.folder).some((path) => path.endsWith(".part"))).toBe(true);
  expect(patient.process.exitCode).toBeUndefined();

  for (const { peer, proxy } of sources) {
    proxy.faults = {};
    peer.process.kill("SIGCONT");
  }
  const again = swarm.query(["a.bin"], { cwd: gaveUp.folder });
  expect(shortcoming(await finished(patient), "a.bin", bytes)).toBeUndefined();
  const resumed = await finished(again);
  expect(shortcoming(resumed, "a.bin", bytes)).toBeUndefined();
  expect(Number(resumed.last?.resumedBytes)).toBeGreaterThan(0);
});

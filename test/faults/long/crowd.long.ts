/**
 * Row F36 as large as it says: 10,000 connections to an index that say nothing, in the open and in a private network. What
 * was measured is printed (run the file by itself), and stands in docs/SECURITY.md.
 */
import { expect } from "bun:test";
import { IndexClient } from "../../../src/net/index-client.ts";
import { newIdentity } from "../../../src/trust/identity.ts";
import { parseJoinLink } from "../../../src/trust/join-link.ts";
import { Membership } from "../../../src/trust/membership.ts";
import { type Network, openNetwork } from "../../../src/trust/network.ts";
import { LineClient } from "../../helpers/line-client.ts";
import { longTest } from "../../helpers/long-test.ts";
import { PrivateNetwork } from "../../helpers/private-network.ts";
import { openSocketsOf, peakBytesOf } from "../../helpers/process-facts.ts";
import { type RunningServer, Sandbox } from "../../helpers/sandbox.ts";
import { entryOf } from "../../helpers/swarm.ts";
import { until } from "../../helpers/until.ts";

const MiB = 1024 * 1024;
const perAddress = 64;
const flags = [
  ["--max-connections-per-address", `${perAddress}`],
  ["--max-new-connections-per-address", "6000"],
].flat();
const bytes = Buffer.from("a");

longTest(
  "F36: 10,000 silent connections: who has too many is cut off at once, another is served within 1 s, all go at the deadline",
  { timeoutMs: 120_000 },
  async () => {
    await using box = new Sandbox();
    const index = await box.index(["--db", ":memory:", ...flags]);
    await using peer = await LineClient.greeted(index.port, "127.0.0.8");
    const files = [entryOf("a.bin", bytes)];
    expect(await peer.request({ type: "REGISTER", id: 1, port: 7767, files })).toMatchObject({ type: "OK" });
    await crowds(index, openNetwork([index]));
  },
);

longTest(
  "F36: 10,000 silent connections to an index of a private network: the same, and a member is let in and served within 1 s",
  { timeoutMs: 120_000 },
  async () => {
    await using network = await PrivateNetwork.start(...flags);
    await network.peer(await network.machine(), "a.bin", bytes);
    const { token, fingerprint } = parseJoinLink(network.link);
    const membership = new Membership(await newIdentity(), token);
    await crowds(network.index, { indexes: [{ ...network.index, fingerprints: [fingerprint] }], membership });
  },
);

/** `network`: as who asks. */
async function crowds(index: RunningServer, network: Network): Promise<void> {
  const { pid } = index.process;
  const alone = await askedMs(network);
  const socketsBefore = openSocketsOf(pid);
  const said = index.process.stderr;
  const silent: LineClient[] = [];
  let sockets = 0;
  const open = async (from: string, count: number) => {
    await Promise.all(
      Array.from({ length: count }, async () => {
        const client = await LineClient.open(index.port, from).catch(() => undefined);
        if (client !== undefined) silent.push(client);
      }),
    );
    sockets = Math.max(sockets, openSocketsOf(pid));
  };
  const left = () => silent.filter(({ isClosed }) => !isClosed).length;
  try {
    const sinceMs = performance.now();
    for (let i = 0; i < 5_000; i += 100) await open("127.0.0.2", 100);
    await until(() => left() <= perAddress);
    for (let i = 0; i < 100; i++) await open(`127.0.1.${i + 1}`, 50);
    const seconds = (performance.now() - sinceMs) / 1_000;
    const tookMs = await askedMs(network);
    process.stdout.write(
      `F36: 10,000 connections in ${seconds.toFixed(1)} s; asking took ${tookMs.toFixed(0)} ms ` +
        `(${alone.toFixed(0)} ms before); ${sockets - socketsBefore} connections and ${Math.round(peakBytesOf(pid) / MiB)} MiB at most\n`,
    );
    expect(tookMs).toBeLessThan(1_000);
    expect(peakBytesOf(pid)).toBeLessThan(200 * MiB);
    await until(() => left() === 0, 15_000);
    await until(() => openSocketsOf(pid) <= socketsBefore, 5_000);
  } finally {
    for (const client of silent) client.close();
  }
  expect(index.process.stderr).toBe(said);
}

/** From connecting to the answer; who is turned away comes again, as peers do: all places may be taken for 100 ms. */
async function askedMs(network: Network): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    try {
      const client = await IndexClient.open(network);
      expect(await client.query("a.bin")).toMatchObject([{ total: 1 }]);
      client.close();
      return performance.now() - startMs;
    } catch (error) {
      if (performance.now() - startMs > 5_000) throw error;
    }
  }
}

/**
 * Rows A01 to A06, A19, A22, A24, A29 and F36 for seconds and with all that one address can send: whoever else asks is answered
 * meanwhile, and files and memory are back afterwards. What was measured is printed (run the file by itself), and stands
 * in docs/SECURITY.md.
 */
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { IndexClient } from "../../../src/net/index-client.ts";
import { newIdentity } from "../../../src/trust/identity.ts";
import { parseJoinLink } from "../../../src/trust/join-link.ts";
import { Membership } from "../../../src/trust/membership.ts";
import { Asker, percentile } from "../../helpers/asker.ts";
import { Flood } from "../../helpers/flood.ts";
import type { FloodKind } from "../../helpers/flood-process.ts";
import { hasFreeCore } from "../../helpers/free-core.ts";
import { LineClient } from "../../helpers/line-client.ts";
import { longTest } from "../../helpers/long-test.ts";
import { PrivateNetwork } from "../../helpers/private-network.ts";
import { openSocketsOf, peakBytesOf, residentBytesOf } from "../../helpers/process-facts.ts";
import type { RunningServer } from "../../helpers/sandbox.ts";
import { entryOf, holds, Swarm } from "../../helpers/swarm.ts";
import { until } from "../../helpers/until.ts";

const MiB = 1024 * 1024;
const floodMs = 5_000;
/** What there is for strangers without being asked for; set, so that it counts for loopback. */
const strangers = [
  ["--max-connections-per-address", "64"],
  ["--max-new-connections-per-address", "300"],
  ["--max-peers-per-address", "16"],
].flat();
/** What half of the answers may take, on any machine; and nearly all of them, where there is a core for the index. */
const mostMs = 50;
const nearlyMostMs = 250;

async function isBack(server: RunningServer, before: { sockets: number; bytes: number }): Promise<void> {
  const { pid } = server.process;
  // The deadline of a handshake, and a second in which it is looked at.
  await until(() => openSocketsOf(pid) <= before.sockets, 20_000, 100);
  await until(() => residentBytesOf(pid) < before.bytes + 192 * MiB, 30_000, 100);
}

/** To whoever runs this file by itself. */
function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

const rows: [row: string, kind: FloodKind][] = [
  ["A01", "endless line"],
  ["A01", "endless line after HELLO"],
  ["A02", "dripping"],
  ["A03", "nesting"],
  ["A04", "prototypes"],
  ["A05", "keys"],
  ["A05", "keys of a REGISTER"],
  ["A05", "long PING"],
  ["A06", "REGISTER"],
  ["A19", "newcomers"],
  ["A24", "unread QUERY"],
  ["F36", "silence"],
];

for (const [row, kind] of rows) {
  longTest(
    `${row}: a flood from one address, ${kind}: others are answered, and all is as before afterwards`,
    { timeoutMs: 90_000 },
    async () => {
      await using swarm = await Swarm.start(["--db", ":memory:", ...strangers]);
      const { index } = swarm;
      await using peer = await LineClient.greeted(index.port, "127.0.0.8");
      const files = [entryOf("a.bin", Buffer.from("a"))];
      expect(await peer.request({ type: "REGISTER", id: 1, port: 7767, files })).toMatchObject({
        type: "OK",
      });
      using asker = await Asker.start(index.port, "a.bin");
      await until(async () => (await asker.tookMs()).length > 0);
      const before = { sockets: openSocketsOf(index.process.pid), bytes: residentBytesOf(index.process.pid) };
      const wasFree = hasFreeCore();
      await asker.tookMs();
      {
        const plan = { port: index.port, from: "127.0.0.2", kind, connections: 100 };
        await using _flood = new Flood(plan, { comesLast: true });
        await Bun.sleep(floodMs);
      }
      const tookMs = await asker.tookMs();
      const isFree = wasFree && hasFreeCore();
      const [p50, p99] = [percentile(tookMs, 50), percentile(tookMs, 99)];
      const mebibytes = Math.round(peakBytesOf(index.process.pid) / MiB);
      tell(
        `${row} ${kind}: ${tookMs.length} answers, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms` +
          `${isFree ? "" : " (on a busy machine)"}, memory ${mebibytes} MiB at most`,
      );
      expect(p50).toBeLessThan(mostMs);
      expect(isFree ? p99 : 0).toBeLessThan(nearlyMostMs);
      expect(mebibytes).toBeLessThan(640);
      await isBack(index, before);
      expect(index.process.stderr).toBe("");
    },
  );
}

longTest(
  "A22: a flood of TLS handshakes from one address on a private index: members are answered and let in, all is as before afterwards",
  { timeoutMs: 90_000 },
  async () => {
    const lockedOut = ["--max-failed-proofs-per-address", "5"];
    await using network = await PrivateNetwork.start(...strangers, ...lockedOut);
    const { index } = network;
    await network.peer(await network.machine(), "a.bin", Buffer.from("a"));
    const { token, fingerprint } = parseJoinLink(network.link);
    const membership = new Membership(await newIdentity(), token);
    const member = { indexes: [{ ...index, fingerprints: [fingerprint] }], membership };
    const ask = async (client: IndexClient) => {
      const startMs = performance.now();
      expect(await client.query("a.bin")).toMatchObject([{ total: 1 }]);
      return performance.now() - startMs;
    };
    const before = { sockets: openSocketsOf(index.process.pid), bytes: residentBytesOf(index.process.pid) };
    const client = await IndexClient.open(member);
    const tookMs: number[] = [];
    const joinedMs: number[] = [];
    const said = index.process.stderr;
    {
      const plan = {
        port: index.port,
        from: "127.0.0.2",
        kind: "handshakes of TLS",
        connections: 100,
      } as const;
      await using _flood = new Flood(plan, { comesLast: true });
      for (const endMs = performance.now() + floodMs; performance.now() < endMs; ) {
        // A member may not come as often as that, either.
        for (const nextMs = performance.now() + 50; performance.now() < nextMs; )
          tookMs.push(await ask(client));
        const startMs = performance.now();
        const another = await IndexClient.open(member);
        await ask(another);
        joinedMs.push(performance.now() - startMs);
        another.close();
      }
    }
    client.close();
    const [p50, p99, joined] = [percentile(tookMs, 50), percentile(tookMs, 99), percentile(joinedMs, 99)];
    tell(
      `A22 handshakes of TLS: ${tookMs.length} answers, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; ` +
        `${joinedMs.length} members let in, p99 ${joined.toFixed(1)} ms`,
    );
    expect(p50).toBeLessThan(mostMs);
    expect(hasFreeCore() ? Math.max(p99, joined) : 0).toBeLessThan(nearlyMostMs);
    await isBack(index, before);
    expect(index.process.stderr).toBe(said);
  },
);

longTest(
  "A29: a flood of 100 connections to a peer that take nothing: others fetch, the index is not held up, all is as before afterwards",
  { timeoutMs: 90_000 },
  async () => {
    await using swarm = await Swarm.start(["--db", ":memory:", ...strangers]);
    const bytes = randomBytes(32 * MiB);
    const peer = await swarm.peer({ "a.bin": bytes }, [
      ...strangers.slice(0, 4),
      "--max-uploads-per-address",
      "8",
    ]);
    const { root } = entryOf("a.bin", bytes) as { root: string };
    await swarm.register(1, { "b.bin": Buffer.from("b") });
    using asker = await Asker.start(swarm.index.port, "b.bin");
    const alone = await swarm.fetch(["a.bin"]);
    expect(alone.code, alone.process.said()).toBe(0);
    const before = { sockets: openSocketsOf(peer.process.pid), bytes: residentBytesOf(peer.process.pid) };
    await asker.tookMs();
    {
      await using stack = new AsyncDisposableStack();
      for (let i = 0; i < 100; i++) {
        const client = await LineClient.open(peer.port, "127.0.0.2").catch(() => undefined);
        // Turned away before there was a connection.
        if (client === undefined) continue;
        stack.use(client);
        client.pause();
        const get = { type: "GET", root, offset: 0, length: 16 * MiB };
        client.send(
          { type: "HELLO", version: 1, agent: "t" },
          ...Array.from({ length: 256 }, (_, id) => ({ ...get, id })),
        );
      }
      const beside = await swarm.fetch(["a.bin"]);
      expect(beside.code, beside.process.said()).toBe(0);
      expect(holds(`${beside.folder}/a.bin`, bytes)).toBe(true);
      const p99 = percentile(await asker.tookMs(), 99);
      const mebibytes = Math.round(peakBytesOf(peer.process.pid) / MiB);
      tell(
        `A29: 32 MiB in ${beside.last?.seconds} s (${alone.last?.seconds} s alone), QUERY p99 ${p99.toFixed(1)} ms, ` +
          `memory of the peer ${mebibytes} MiB at most`,
      );
      expect(hasFreeCore() ? p99 : 0).toBeLessThan(nearlyMostMs);
      expect(mebibytes).toBeLessThan(256);
    }
    await isBack(peer, before);
    expect(peer.process.stderr).toBe("");
  },
);

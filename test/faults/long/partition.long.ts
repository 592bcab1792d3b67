/** Rows F09, F10 and F13, on a network of several hosts: one that is cut off, an index that is, and one that loses. */
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Host, Lan } from "../../helpers/lan.ts";
import { longTest } from "../../helpers/long-test.ts";
import { type RunningServer, Sandbox } from "../../helpers/sandbox.ts";
import { complaints, hasBegun, holds, type Query } from "../../helpers/swarm.ts";

const MiB = 1024 * 1024;
const needs = ["namespace", "ip", "nft", "tc", "ss"] as const;

/** A swarm on a network: an index, peers that share the same, and one who downloads, each on a host of its own. */
class Network implements AsyncDisposable {
  readonly bytes: Uint8Array;
  readonly peers: { host: Host; server: RunningServer }[] = [];
  readonly downloader: Host;

  private constructor(
    readonly lan: Lan,
    readonly box: Sandbox,
    readonly indexHost: Host,
    readonly index: RunningServer,
    sizeBytes: number,
  ) {
    this.bytes = randomBytes(sizeBytes);
    this.downloader = lan.host(1_000);
  }

  static async start(options: {
    peers: number;
    megabitsPerSecond: number;
    sizeBytes: number;
  }): Promise<Network> {
    const lan = new Lan();
    const box = new Sandbox();
    const host = lan.host(1_000);
    const flags = ["--db", ":memory:", "--host", host.address, "--open"];
    const index = await box.index(flags, { under: host.under });
    const network = new Network(lan, box, host, index, options.sizeBytes);
    for (let i = 0; i < options.peers; i++) await network.addPeer(options.megabitsPerSecond);
    return network;
  }

  query(argv: readonly string[] = []): Query {
    const folder = this.box.newFolder("downloads");
    const query = ["query", "a.bin", "--json", "--open", "--index", this.index.address, ...argv];
    const started = this.box.start(query, { cwd: folder, under: this.downloader.under });
    return { process: started, folder };
  }

  /** Its end, which is a whole file. Returns the event that says so. */
  async arrived({ process, folder }: Query, timeoutMs: number): Promise<Complete> {
    const code = await process.exit(timeoutMs);
    expect(code, process.said()).toBe(0);
    expect(holds(join(folder, "a.bin"), this.bytes)).toBe(true);
    return process.events.findLast(({ event }) => event === "complete") as unknown as Complete;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lan.heal();
    await this.box[Symbol.asyncDispose]();
    this.lan[Symbol.dispose]();
  }

  private async addPeer(megabitsPerSecond: number): Promise<void> {
    const host = this.lan.host(megabitsPerSecond);
    const folder = this.box.newFolder("shared");
    this.box.put(folder, "a.bin", this.bytes);
    const flags = ["--host", host.address, "--open"];
    const server = await this.box.peer(this.index, folder, flags, { under: host.under });
    this.peers.push({ host, server });
  }
}

interface Complete {
  seconds: number;
  sources: { host: string; bytes: number; badChunks: number }[];
}

longTest(
  "F09 one of three hosts is cut off for 60 s: the two others get on as fast as they can, and no socket is left",
  { needs, timeoutMs: 200_000 },
  async () => {
    const options = { peers: 3, megabitsPerSecond: 8, sizeBytes: 230 * MiB };
    await using network = await Network.start(options);
    const { lan, downloader } = network;
    const [lost] = network.peers as [Network["peers"][0]];
    const query = network.query();
    await hasBegun(query);
    lan.cut(lost.host);
    const cutMs = performance.now();
    const passedMs = () => performance.now() - cutMs;
    let most = 0;
    while (passedMs() < 60_000) {
      await sleep(1_000);
      const all = network.peers.flatMap(({ host }) => lan.connections(downloader, host));
      most = Math.max(most, all.length);
    }
    expect(most).toBeLessThanOrEqual(maxConnections + 4);
    // Both sides have noticed by themselves: nobody could tell them.
    const half = [...lan.connections(downloader, lost.host), ...lan.connections(lost.host, downloader)];
    expect(half.filter((state) => state !== "SYN-SENT")).toEqual([]);
    const fetched = Number(query.process.events.findLast(({ event }) => event === "progress")?.bytes);
    expect(fetched, "what two peers deliver in the time").toBeGreaterThan(0.7 * 2 * 60_000_000);

    lan.heal();
    const { sources } = await network.arrived(query, 100_000);
    // It is back, and is fetched from again.
    const delivered = sources.find(({ host }) => host === lost.host.address)?.bytes ?? 0;
    expect(delivered, query.process.said()).toBeGreaterThan(4 * MiB);
    expect(complaints(query).length, query.process.said()).toBeLessThanOrEqual(1);
  },
);

const maxConnections = 8;

longTest(
  "F10 the index is cut off in the middle of a download: it ends well, and a peer says once that the index is away",
  { needs, timeoutMs: 150_000 },
  async () => {
    await using network = await Network.start({ peers: 2, megabitsPerSecond: 40, sizeBytes: 48 * MiB });
    const query = network.query();
    await hasBegun(query);
    network.lan.cut(network.indexHost);
    await network.arrived(query, 30_000);
    const said = ({ server }: Network["peers"][0]) =>
      server.process.stderr.trim().split("\n").filter(Boolean);
    for (const { server } of network.peers)
      await server.process.waitUntil(() => server.process.stderr.includes("\n"), "word of the index", 70_000);
    await sleep(10_000);
    for (const peer of network.peers) expect(said(peer), peer.server.process.said()).toHaveLength(1);
    network.lan.heal();
    for (const { server } of network.peers)
      await server.process.waitForEvent("registered", {
        where: ({ again }) => again === true,
        timeoutMs: 40_000,
      });
    for (const peer of network.peers) expect(said(peer), peer.server.process.said()).toHaveLength(2);
  },
);

longTest(
  "F13 every host has 8 Mbit/s and one packet in twenty is lost: all of it arrives, and nobody is to blame",
  { needs, timeoutMs: 200_000 },
  async () => {
    await using network = await Network.start({ peers: 3, megabitsPerSecond: 8, sizeBytes: 24 * MiB });
    network.lan.lose(5);
    const query = network.query(["--timeout", "60"]);
    const { sources } = await network.arrived(query, 180_000);
    for (const { bytes, badChunks, host } of sources) {
      expect(badChunks, host).toBe(0);
      expect(bytes, query.process.said()).toBeGreaterThan(MiB);
    }
    expect(query.process.stderr, query.process.said()).not.toContain("dropped");
  },
);

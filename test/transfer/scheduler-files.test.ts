/**
 * The scheduler when the chunks are files that not everybody has, in virtual time: who is asked for what, what follows
 * from a file that is not where it should be, and how it ends. Of contents, test/simulation has thousands of worlds.
 */
import { describe, expect, test } from "bun:test";
import { Bitfield } from "../../src/content/bitfield.ts";
import { stallMs } from "../../src/transfer/debts.ts";
import { maxRequestsPerConnection } from "../../src/transfer/pipeline.ts";
import { type Action, Scheduler } from "../../src/transfer/scheduler.ts";
import type { SourceAddress } from "../../src/transfer/source.ts";
import { Random } from "../helpers/random.ts";

interface Peer {
  host: string;
  /** As the index says. */
  listed: number[];
  /** Of these it says that it has not got them. */
  lacks?: number[];
  /** What it sends is wrong. */
  lies?: boolean;
  bytesPerMs?: number;
  /** It is no more, and the index knows at once. */
  diesAtMs?: number;
  /** From then on the index names it. */
  comesAtMs?: number;
}

interface WorldPlan {
  sizes: number[];
  peers: Peer[];
  seed?: number;
  timeoutMs?: number;
  maxConnections?: number;
  /** The index names some of the sources only. */
  isSample?: boolean;
}

interface Asked {
  atMs: number;
  host: string;
  file: number;
}

interface Link {
  peer: Peer;
  /** To the file of each. */
  requests: Map<number, number>;
  isProven: boolean;
  /** Since when it has been silent about what it owes. */
  quietSinceMs: number;
}

const connectMs = 3;
const indexMs = 5;
const lackMs = 1;
/** Far beyond what any of these worlds should take. */
const longestMs = 3_600_000;

/** One download, event by event; rules that hold for each request are checked as it is made. */
class World {
  readonly asked: Asked[] = [];
  readonly indexAsked: { atMs: number; nobodyIsLeft: boolean }[] = [];
  readonly scheduler: Scheduler;
  nowMs = 0;
  private events: { atMs: number; order: number; happen: () => void }[] = [];
  private order = 0;
  private readonly verified = new Set<number>();
  private readonly open = new Map<number, Link>();
  private readonly freeAtMs = new Map<Peer, number>();
  private readonly refused = new Set<string>();

  constructor(private readonly plan: WorldPlan) {
    const { sizes, seed = 1, timeoutMs = 30_000, maxConnections = 8 } = plan;
    const { next } = new Random(seed);
    this.scheduler = new Scheduler(
      {
        sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
        chunkLengths: Uint32Array.from(sizes),
        verified: new Bitfield(sizes.length),
        needsHashes: false,
        maxRequestChunks: 1,
        maxConnections,
        timeoutMs,
        random: next,
      },
      0,
    );
    this.scheduler.onIndexAnswer(this.addresses(), plan.isSample !== true, 0);
    for (const { diesAtMs } of plan.peers)
      if (diesAtMs !== undefined) this.at(diesAtMs, () => this.cutDead());
  }

  run(): World {
    for (this.act(); this.scheduler.outcome === undefined; this.act()) {
      this.events.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const wakeupMs = this.scheduler.nextWakeupMs(this.nowMs);
      const next = this.events[0];
      if (next !== undefined && next.atMs <= wakeupMs) {
        this.events.shift();
        this.nowMs = next.atMs;
        next.happen();
      } else {
        // A scheduler that is asked again at the same moment for ever would hang a download.
        this.nowMs = Math.max(wakeupMs, this.nowMs + 0.01);
      }
      if (this.nowMs > longestMs) throw new Error("it does not end");
    }
    return this;
  }

  get outcome(): string | undefined {
    return this.scheduler.outcome?.kind;
  }

  from(file: number): string[] {
    return this.asked.filter((each) => each.file === file).map(({ host }) => host);
  }

  bytesOf(host: string): number {
    return [...this.scheduler.sources].find((source) => source.host === host)?.bytes ?? 0;
  }

  private at(atMs: number, happen: () => void): void {
    this.events.push({ atMs, order: ++this.order, happen });
  }

  private addresses(): SourceAddress[] {
    return this.plan.peers
      .filter((peer) => this.isThere(peer))
      .map(({ host, listed }) => {
        const files = new Bitfield(this.plan.sizes.length);
        for (const file of listed) files.add(file);
        return { host, port: 1, partial: false, files };
      });
  }

  private isThere({ diesAtMs = Infinity, comesAtMs = 0 }: Peer): boolean {
    return this.nowMs >= comesAtMs && this.nowMs < diesAtMs;
  }

  private cutDead(): void {
    for (const [id, { peer }] of this.open) {
      if (this.isThere(peer)) continue;
      this.open.delete(id);
      this.scheduler.onClosed(id, this.nowMs);
    }
  }

  private act(): void {
    for (const action of this.scheduler.nextActions(this.nowMs)) this.perform(action);
  }

  private perform(action: Action): void {
    if (action.do === "connect") {
      const { connection, host } = action;
      const peer = this.plan.peers.find((each) => each.host === host)!;
      this.open.set(connection, { peer, requests: new Map(), isProven: false, quietSinceMs: 0 });
      this.at(this.nowMs + connectMs, () => {
        if (!this.open.has(connection)) return;
        if (this.isThere(peer)) return this.scheduler.onConnected(connection, this.nowMs);
        this.open.delete(connection);
        this.scheduler.onClosed(connection, this.nowMs);
      });
    } else if (action.do === "get") {
      if (action.count !== 1) throw new Error(`${action.count} files in one request`);
      this.take(action.connection, action.request, action.first);
    } else if (action.do === "close") {
      this.open.delete(action.connection);
    } else if (action.do === "ask-index") {
      this.indexAsked.push({ atMs: this.nowMs, nobodyIsLeft: action.nobodyIsLeft });
      this.at(this.nowMs + indexMs, () =>
        this.scheduler.onIndexAnswer(this.addresses(), this.plan.isSample !== true, this.nowMs),
      );
    } else {
      throw new Error(`of files nobody is asked ${action.do}`);
    }
  }

  private take(id: number, request: number, file: number): void {
    const link = this.open.get(id)!;
    const { peer, requests } = link;
    this.check(peer, file);
    if (requests.size === 0) link.quietSinceMs = this.nowMs;
    requests.set(request, file);
    if (requests.size > (link.isProven ? maxRequestsPerConnection : 1))
      throw new Error(`${requests.size} requests at a time`);
    this.asked.push({ atMs: this.nowMs, host: peer.host, file });
    const isRefused = peer.lacks?.includes(file) === true;
    const tookMs = isRefused ? lackMs : this.plan.sizes[file]! / (peer.bytesPerMs ?? 10_000);
    const readyMs = Math.max(this.nowMs, this.freeAtMs.get(peer) ?? 0) + tookMs;
    this.freeAtMs.set(peer, readyMs);
    this.at(readyMs, () => {
      if (this.open.get(id) !== link || !requests.delete(request)) return;
      link.quietSinceMs = this.nowMs;
      if (isRefused) this.refused.add(`${peer.host} ${file}`);
      if (isRefused) return this.scheduler.onLacks(id, request, this.nowMs);
      if (peer.lies === true) return this.scheduler.onBadChunk(id, this.nowMs);
      link.isProven = true;
      this.scheduler.onBytes(id, this.plan.sizes[file]!, this.nowMs);
      const isNew = this.scheduler.onChunk(id, request, file, this.nowMs);
      if (isNew === this.verified.has(file)) throw new Error(`${file} is new: ${isNew}`);
      this.verified.add(file);
    });
  }

  private check({ host, listed }: Peer, file: number): void {
    if (!listed.includes(file)) throw new Error(`${host} is asked for ${file}, which it has not`);
    if (this.refused.has(`${host} ${file}`)) throw new Error(`${host} is asked for ${file} again`);
    if (this.verified.has(file)) throw new Error(`${file} is asked for, and is there already`);
    const heard = [...this.open.values()].filter(({ quietSinceMs }) => this.nowMs < quietSinceMs + stallMs);
    const owed = new Set(heard.flatMap(({ requests }) => [...requests.values()]));
    if (!owed.has(file)) return;
    // Twice only when it has nothing else that is missing and that nobody is asked for.
    const others = listed.filter((each) => !this.verified.has(each) && !owed.has(each));
    const left = others.filter((each) => !this.refused.has(`${host} ${each}`));
    if (left.length > 0) throw new Error(`${file} is asked for twice while ${host} has ${left}`);
  }
}

const KiB = 1024;

function run(plan: WorldPlan): World {
  return new World(plan).run();
}

function equal(count: number, sizeBytes = 16 * KiB): number[] {
  return Array(count).fill(sizeBytes);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe("files of several sources", () => {
  test("each comes from who has it, once", () => {
    const peers = [
      { host: "a", listed: range(0, 60) },
      { host: "b", listed: range(40, 100) },
    ];
    const world = run({ sizes: equal(100), peers });
    expect(world.outcome).toBe("complete");
    // In the end some are raced for.
    expect(world.asked.length).toBeLessThan(110);
    for (const file of range(0, 40)) expect(world.from(file)).toEqual(["a"]);
    for (const file of range(60, 100)) expect(world.from(file)).toEqual(["b"]);
    expect(world.bytesOf("a") + world.bytesOf("b")).toBe(100 * 16 * KiB);
  });

  test("who has nothing that is missing is not connected to, who has one thing is", () => {
    const peers = [
      { host: "all", listed: range(0, 50) },
      { host: "nothing", listed: [] },
      { host: "one", listed: [50] },
    ];
    const world = run({ sizes: equal(51), peers, maxConnections: 2 });
    expect(world.outcome).toBe("complete");
    expect(world.from(50)).toEqual(["one"]);
    const made = [...world.scheduler.sources].map(({ host, connectionsMade }) => [host, connectionsMade]);
    expect(Object.fromEntries(made)).toMatchObject({ nothing: 0, one: 1 });
  });

  test("are asked for ahead, so that a connection never waits, and no further than it needs", () => {
    const world = run({
      sizes: equal(2_000, KiB),
      peers: [{ host: "a", listed: range(0, 2_000), bytesPerMs: 1_000 }],
      maxConnections: 1,
    });
    expect(world.outcome).toBe("complete");
    // 2 MB at 1 MB/s: the first ones one by one.
    expect(world.nowMs).toBeLessThan(1.1 * 2_048 + 20);
  });

  test("of very different sizes all come", () => {
    const sizes = range(0, 120).map((i) => (i % 10 === 0 ? 1_024 * KiB : 1 + i));
    const peers = [
      { host: "slow", listed: range(0, 120), bytesPerMs: 200 },
      { host: "fast", listed: range(0, 120), bytesPerMs: 40_000 },
    ];
    const world = run({ sizes, peers });
    expect(world.outcome).toBe("complete");
    expect(world.nowMs).toBeLessThan(15_000);
  });
});

describe("a source that has not what it should have", () => {
  test("is asked for the rest, and others for that file", () => {
    const peers = [
      { host: "a", listed: range(0, 40), lacks: [3, 7, 39] },
      { host: "b", listed: range(0, 40), bytesPerMs: 1_000 },
    ];
    const world = run({ sizes: equal(40), peers });
    expect(world.outcome).toBe("complete");
    for (const file of [3, 7, 39]) expect(world.from(file).at(-1)).toBe("b");
    expect(world.bytesOf("a")).toBeGreaterThan(0);
  });

  test("alone: the others come, and it is over when the index has been asked again", () => {
    const world = run({ sizes: equal(40), peers: [{ host: "a", listed: range(0, 40), lacks: [0, 20] }] });
    expect(world.outcome).toBe("gone");
    expect(world.bytesOf("a")).toBe(38 * 16 * KiB);
    expect(world.indexAsked.at(-1)?.nobodyIsLeft).toBe(true);
    expect(world.indexAsked.at(-1)!.atMs).toBeGreaterThanOrEqual(world.asked.at(-1)!.atMs);
    expect(world.nowMs).toBeLessThan(1_000);
  });

  test("of all of it: gone, soon", () => {
    const world = run({
      sizes: equal(200),
      peers: [{ host: "a", listed: range(0, 200), lacks: range(0, 200) }],
    });
    expect(world.outcome).toBe("gone");
    expect(world.nowMs).toBeLessThan(2_000);
  });

  test("somebody who comes later has it", () => {
    const peers = [
      { host: "a", listed: [0, 1, 2], lacks: [1] },
      { host: "late", listed: [1], comesAtMs: 2 },
    ];
    const world = run({ sizes: equal(3), peers });
    expect(world.outcome).toBe("complete");
    expect(world.from(1)).toEqual(["a", "late"]);
  });

  test("an answer that is a sample does not end it before the timeout", () => {
    const peers = [{ host: "a", listed: [0, 1], lacks: [1] }];
    const world = run({ sizes: equal(2), peers, isSample: true, timeoutMs: 10_000 });
    expect(world.outcome).toBe("timeout");
    expect(world.nowMs).toBeGreaterThan(9_900);
    expect(world.indexAsked.length).toBeLessThanOrEqual(12);
  });

  test("is not asked for it again because the index says so again", () => {
    // Every 10 s it is asked who has what.
    const slow = { host: "slow", listed: range(0, 40), lacks: [5], bytesPerMs: 10 };
    const world = run({ sizes: equal(40), peers: [slow], maxConnections: 1 });
    expect(world.outcome).toBe("gone");
    expect(world.from(5)).toEqual(["slow"]);
    expect(world.indexAsked.length).toBeGreaterThan(3);
  });
});

describe("other ends", () => {
  test("a liar is out, others have its files", () => {
    const peers = [
      { host: "liar", listed: range(0, 50), lies: true },
      { host: "b", listed: range(0, 50) },
    ];
    const world = run({ sizes: equal(50), peers });
    expect(world.outcome).toBe("complete");
    expect(world.bytesOf("liar")).toBe(0);
    expect(world.asked.filter(({ host }) => host === "liar").length).toBeLessThanOrEqual(2);
  });

  test("what a liar alone has: wrong data, after the rest has come", () => {
    const peers = [
      { host: "liar", listed: [0, 1], lies: true },
      { host: "b", listed: range(1, 50) },
    ];
    const world = run({ sizes: equal(50), peers });
    expect(world.outcome).toBe("wrong-data");
    expect(world.bytesOf("b")).toBe(49 * 16 * KiB);
    expect(world.nowMs).toBeLessThan(1_000);
  });

  test("who had it leaves: the timeout, asking the index every second", () => {
    const peers = [{ host: "a", listed: [0, 1], bytesPerMs: 1, diesAtMs: 1_000 }];
    const world = run({ sizes: equal(2), peers, timeoutMs: 8_000 });
    expect(world.outcome).toBe("timeout");
    expect(world.indexAsked.length).toBeLessThanOrEqual(10);
  });

  test("who comes back is asked again", () => {
    const peers = [
      { host: "a", listed: range(0, 100), bytesPerMs: 1_000, diesAtMs: 400 },
      { host: "b", listed: range(0, 100), comesAtMs: 3_000 },
    ];
    const world = run({ sizes: equal(100), peers });
    expect(world.outcome).toBe("complete");
    expect(world.bytesOf("a")).toBeGreaterThan(0);
    expect(world.bytesOf("b")).toBeGreaterThan(0);
  });
});

/** Some files, some peers that have some of them, and something wrong with many. */
function randomPlan(seed: number): WorldPlan {
  const random = new Random(seed);
  const files = random.whole(1, 150);
  const sizes = range(0, files).map(() => Math.round(random.betweenByFactor(1, 1_024 * KiB)));
  const peers = range(0, random.whole(1, 6)).map((i): Peer => {
    const share = random.next();
    const listed = range(0, files).filter(() => random.chance(share));
    const peer: Peer = { host: `p${i}`, listed, bytesPerMs: random.betweenByFactor(200, 50_000) };
    if (random.chance(0.3)) peer.lacks = listed.filter(() => random.chance(0.3));
    if (random.chance(0.2)) peer.lies = true;
    if (random.chance(0.2)) peer.diesAtMs = random.between(0, 2_000);
    if (random.chance(0.2)) peer.comesAtMs = random.between(0, 5_000);
    return peer;
  });
  return { sizes, peers, seed, maxConnections: random.whole(1, 8) };
}

test("300 random worlds: what an honest one has comes, and it always ends for the right reason", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const plan = randomPlan(seed);
    const lasting = plan.peers.filter(({ lies, diesAtMs, comesAtMs }) => !lies && !diesAtMs && !comesAtMs);
    const sure = new Set(
      lasting.flatMap(({ listed, lacks }) => listed.filter((file) => !lacks?.includes(file))),
    );
    const world = new World(plan);
    try {
      world.run();
      const bytes = [...world.scheduler.sources].reduce((sum, source) => sum + source.bytes, 0);
      const sureBytes = [...sure].reduce((sum, file) => sum + plan.sizes[file]!, 0);
      expect(bytes).toBeGreaterThanOrEqual(sureBytes);
      if (sure.size === plan.sizes.length) expect(world.outcome).toBe("complete");
      if (world.outcome === "wrong-data") expect(plan.peers.some(({ lies }) => lies)).toBe(true);
      if (world.outcome === "gone") expect(plan.peers.some(({ lacks }) => lacks?.length)).toBe(true);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
});

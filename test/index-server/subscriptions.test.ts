/** Who is told of which new sources, when, and that a crowd costs little: in virtual time, with chance from a seed. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Push, Subscriptions } from "../../src/index-server/subscriptions.ts";
import { WantedFiles } from "../../src/index-server/wanted-files.ts";
import {
  maxContentsPerResult,
  maxSubscriptions,
  maxSubscriptionsPerConnection,
} from "../../src/wire/limits.ts";
import type { FileEntry, FoundContent, Source } from "../../src/wire/messages.ts";
import { fileEntry } from "../helpers/file-entries.ts";
import { Random } from "../helpers/random.ts";

class Peer {
  takesNews = true;
  readonly told: { atMs: number; id: number; sources: Source[]; contents: Push<Peer>["contents"] }[] = [];

  constructor(readonly name: string) {}

  get peerId(): string {
    return this.name;
  }
}

/** Subscriptions, and a driver that asks exactly when it is told to. */
class World {
  nowMs = 0;
  pushes = 0;
  readonly gone = new Set<string>();
  readonly wanted = new WantedFiles();
  readonly subscriptions: Subscriptions<Peer>;

  constructor(seed = 1) {
    this.subscriptions = new Subscriptions(
      new Random(seed).next,
      (peer) => !this.gone.has(peer),
      this.wanted,
    );
  }

  registers(peer: Peer, file: FileEntry): void {
    const source = { peer: peer.name, host: "10.0.0.1", port: 1, partial: file.partial === true };
    expect(this.subscriptions.wants(file)).toBeBoolean();
    this.subscriptions.arrived(source, file, this.nowMs);
  }

  passMs(forMs: number): this {
    const endMs = this.nowMs + forMs;
    for (;;) {
      const wakeMs = this.subscriptions.nextWakeMs;
      if (wakeMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, wakeMs);
      const push = this.subscriptions.nextPush(this.nowMs);
      if (push === undefined) continue;
      this.pushes++;
      const sources = push.contents.flatMap((content) => content.sources);
      push.owner.told.push({ atMs: this.nowMs, id: push.id, sources, contents: push.contents });
    }
    this.nowMs = endMs;
    return this;
  }
}

function found(file: FileEntry): FoundContent {
  const { root, sizeBytes, md5, name } = file;
  return { root, sizeBytes, md5, names: [name], total: 1, sources: [] };
}

/** `id: name of a matching file < peer, peer in part`. */
function told(peer: Peer): string[] {
  return peer.told.flatMap(({ id, contents }) =>
    contents.map(({ names, sources }) => {
      const shown = sources.map((source) => `${source.peer}${source.partial ? " in part" : ""}`).sort();
      return `${id}: ${names.join()} < ${shown.join(", ")}`;
    }),
  );
}

const part = (name: string, content: number | string = name) => ({
  ...fileEntry(name, content),
  partial: true,
});

describe("a subscription", () => {
  test("is told of the contents of its RESULT under any name, and of others under its name", () => {
    const world = new World();
    const [asks, a, b, c, d] = ["asks", "a", "b", "c", "d"].map((name) => new Peer(name)) as [
      Peer,
      ...Peer[],
    ];
    world.subscriptions.subscribe(asks, 3, "a.iso", [found(fileEntry("iso/a.iso", 1))]);
    world.registers(a!, part("elsewhere", 1));
    world.passMs(1_000);
    world.registers(b!, fileEntry("x/y/a.iso", 2));
    world.passMs(1_000);
    world.registers(c!, fileEntry("renamed", 2));
    world.registers(d!, fileEntry("b.iso", 3));
    world.registers(d!, fileEntry("a.iso/b", 3));
    world.passMs(10_000);
    expect(told(asks)).toEqual(["3: iso/a.iso < a in part", "3: x/y/a.iso < b", "3: x/y/a.iso < c"]);
  });

  test("with a slash is for the whole name", () => {
    const world = new World();
    const [asks, a] = [new Peer("asks"), new Peer("a")];
    world.subscriptions.subscribe(asks, 1, "x/a.iso", []);
    world.registers(a, fileEntry("a.iso", 1));
    world.registers(a, fileEntry("y/x/a.iso", 2));
    world.registers(a, fileEntry("x/a.iso", 3));
    world.passMs(1_000);
    expect(told(asks)).toEqual(["1: x/a.iso < a"]);
  });

  test("is not told of the asker itself, of what came before, or of who has left", () => {
    const world = new World();
    const [asks, before, left] = [new Peer("asks"), new Peer("before"), new Peer("left")];
    const other = new Peer("other");
    world.subscriptions.subscribe(other, 1, "a", []);
    world.registers(before, fileEntry("a", 1));
    world.subscriptions.subscribe(asks, 1, "a", []);
    world.registers(asks, fileEntry("a", 1));
    world.registers(left, fileEntry("a", 1));
    world.gone.add("left");
    world.passMs(10_000);
    expect(told(asks)).toEqual([]);
    expect(told(other)).toEqual(["1: a < asks, before"]);
  });

  test("is told of what has become whole, and of a peer once in a push", () => {
    const world = new World();
    const [asks, a] = [new Peer("asks"), new Peer("a")];
    world.subscriptions.subscribe(asks, 1, "a", []);
    world.registers(a, part("a"));
    world.passMs(1_000);
    world.registers(a, fileEntry("a"));
    world.registers(a, fileEntry("x/a", "a"));
    world.passMs(1_000);
    expect(told(asks)).toEqual(["1: a < a in part", "1: a < a"]);
  });

  test("hears that a peer has all when it came in part and then whole", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(seed);
      const [asks, a] = [new Peer("asks"), new Peer("a")];
      world.subscriptions.subscribe(asks, 1, "a", []);
      world.registers(a, part("a"));
      world.registers(a, fileEntry("a"));
      world.passMs(100);
      expect(told(asks)).toEqual(["1: a < a"]);
    }
  });

  test("ends with UNSUBSCRIBE and with its connection, and nothing is left of it", () => {
    const world = new World();
    const [asks, a] = [new Peer("asks"), new Peer("a")];
    const { subscriptions } = world;
    subscriptions.subscribe(asks, 1, "a", []);
    subscriptions.subscribe(asks, 2, "b", [found(fileEntry("b"))]);
    subscriptions.subscribe(asks, 3, "c", []);
    for (const name of ["a", "b", "c"]) world.registers(a, fileEntry(name));
    subscriptions.unsubscribe(asks, 1);
    subscriptions.unsubscribe(asks, 77);
    world.passMs(1_000);
    expect(told(asks).sort()).toEqual(["2: b < a", "3: c < a"]);
    for (const name of ["a", "b", "c"]) world.registers(a, fileEntry(name));
    subscriptions.drop(asks);
    world.passMs(10_000);
    expect(told(asks)).toHaveLength(2);
    expect(subscriptions.size).toBe(0);
    expect(subscriptions.wants(fileEntry("b"))).toBe(false);
    const kept = subscriptions as unknown as Record<string, { size: number } & number>;
    expect(
      ["topics", "contents", "byOwner", "fresh", "changed", "due"].map((name) => kept[name]!.size),
    ).toEqual([0, 0, 0, 0, 0, 0]);
    expect(kept.links).toBe(0 as never);
  });

  test("of an id that is used again takes the place of the first", () => {
    const world = new World();
    const [asks, a] = [new Peer("asks"), new Peer("a")];
    world.subscriptions.subscribe(asks, 1, "a", []);
    world.subscriptions.subscribe(asks, 1, "b", []);
    for (const name of ["a", "b"]) world.registers(a, fileEntry(name));
    world.passMs(1_000);
    expect(told(asks)).toEqual(["1: b < a"]);
  });
});

describe("pushes", () => {
  test("come within 50 ms, then 200 ms apart while there is something to say", () => {
    const world = new World();
    const asks = new Peer("asks");
    world.subscriptions.subscribe(asks, 1, "a", []);
    for (let i = 0; i < 100; i++) {
      world.registers(new Peer(`p${i}`), fileEntry("a"));
      world.passMs(30);
    }
    world.passMs(1_000);
    const times = asks.told.map(({ atMs }) => atMs);
    expect(times[0]).toBe(50);
    expect(times.slice(1, 15)).toEqual(times.slice(0, 14).map((ms) => ms + 200));
    // Seven or so arrive in that time: everybody is told of.
    expect(new Set(asks.told.flatMap(({ sources }) => sources.map(({ peer }) => peer))).size).toBe(100);
  });

  test("are never closer than 200 ms, and come rarely to who could not be told of all", () => {
    const world = new World();
    const asks = new Peer("asks");
    world.subscriptions.subscribe(asks, 1, "a", []);
    for (let i = 0; i < 10_000; i++) {
      world.registers(new Peer(`p${i}`), fileEntry("a"));
      if (i % 2 === 0) world.passMs(1);
    }
    const gaps = asks.told.slice(1).map(({ atMs }, i) => atMs - asks.told[i]!.atMs);
    expect(gaps).toEqual([200, 400, 800, 1_600]);
    for (const { sources } of asks.told) expect(sources).toHaveLength(8);
    // When it is quiet again, one that comes alone is told at once.
    world.passMs(20_000);
    world.registers(new Peer("late"), fileEntry("a"));
    world.passMs(60);
    expect(asks.told.at(-1)?.sources.map(({ peer }) => peer)).toEqual(["late"]);
  });

  test("choose by chance: each of a crowd is told of, about as often as any other", () => {
    const world = new World();
    const asking = Array.from({ length: 400 }, (_, i) => new Peer(`asks ${i}`));
    for (const peer of asking) world.subscriptions.subscribe(peer, 1, "a", []);
    for (const peer of asking) world.registers(peer, part("a"));
    world.passMs(100);
    const times = new Map<string, number>();
    for (const { told } of asking) {
      expect(told).toHaveLength(1);
      for (const { peer } of told[0]!.sources) times.set(peer, (times.get(peer) ?? 0) + 1);
    }
    // 8 expected of each, standard deviation 2.8.
    expect(times.size).toBeGreaterThan(395);
    expect(Math.max(...times.values())).toBeLessThan(25);
  });

  test("wait for a connection that does not take them, and then tell of what is still new", () => {
    const world = new World();
    const asks = new Peer("asks");
    asks.takesNews = false;
    world.subscriptions.subscribe(asks, 1, "a", []);
    world.registers(new Peer("p"), fileEntry("a"));
    world.passMs(2_000);
    expect(asks.told).toEqual([]);
    asks.takesNews = true;
    world.registers(new Peer("q"), fileEntry("a"));
    world.passMs(4_000);
    expect(told(asks)).toEqual(["1: a < p, q"]);
    // Nothing is kept for long, or for somebody who never reads.
    asks.takesNews = false;
    for (let i = 0; i < 5_000; i++) world.registers(new Peer(`r${i}`), fileEntry("a"));
    world.passMs(10_000);
    asks.takesNews = true;
    world.passMs(10_000);
    expect(asks.told).toHaveLength(1);
  });
});

describe("limits", () => {
  test("64 of a connection, then TOO_MANY; one less makes room", () => {
    const { subscriptions } = new World();
    const asks = new Peer("asks");
    for (let id = 0; id < maxSubscriptionsPerConnection; id++)
      subscriptions.subscribe(asks, id, `name ${id}`, []);
    const more = () => subscriptions.subscribe(asks, 1_000, "more", []);
    expect(more).toThrow(expect.objectContaining({ code: "TOO_MANY", id: 1_000 }));
    subscriptions.unsubscribe(asks, 5);
    more();
    expect(subscriptions.size).toBe(maxSubscriptionsPerConnection);
  });

  test("of all connections together, then RETRY", () => {
    const { subscriptions } = new World();
    for (let i = 0; i < maxSubscriptions; i++) subscriptions.subscribe(new Peer(`${i}`), 1, "a", []);
    expect(() => subscriptions.subscribe(new Peer("last"), 1, "a", [])).toThrow(
      expect.objectContaining({ code: "RETRY" }),
    );
  });

  test("of the contents of one name, whatever is registered under it", () => {
    const world = new World();
    const asks = new Peer("asks");
    world.subscriptions.subscribe(asks, 1, "a", []);
    for (let i = 0; i < 1_000; i++) world.registers(new Peer("liar"), fileEntry("a", `lie ${i}`));
    world.passMs(1_000);
    expect(asks.told[0]?.contents).toHaveLength(maxContentsPerResult);
  });
});

test("a crowd of 5,000 that registers within two seconds costs a few pushes each", () => {
  const world = new World();
  const crowd = Array.from({ length: 5_000 }, (_, i) => new Peer(`p${i}`));
  const startMs = performance.now();
  for (const [i, peer] of crowd.entries()) {
    world.subscriptions.subscribe(peer, 1, "a", [found(fileEntry("a"))]);
    world.registers(peer, part("a"));
    if (i % 5 === 4) world.passMs(2);
  }
  world.passMs(10_000);
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect(world.pushes / crowd.length).toBeLessThan(6);
  // The very last ones find few after them; they had their RESULT.
  const early = crowd.slice(0, 4_000);
  for (const { told } of early) {
    const known = new Set(told.flatMap(({ sources }) => sources.map(({ peer }) => peer)));
    expect(known.size).toBeGreaterThanOrEqual(8);
  }
});

test("whatever happens: pushes at least 200 ms apart, only of what is wanted and new, nobody of himself, none forgotten", () => {
  type Step =
    | { do: "subscribe"; peer: number; name: string }
    | { do: "register"; peer: number; name: string; content: number }
    | { do: "drop"; peer: number }
    | { do: "pass"; ms: number };
  const peer = fc.integer({ min: 0, max: 4 });
  const name = fc.constantFrom("a", "x/a", "b");
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant("subscribe" as const), peer, name }),
    fc.record({ do: fc.constant("register" as const), peer, name, content: fc.integer({ min: 1, max: 2 }) }),
    fc.record({ do: fc.constant("drop" as const), peer }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 400 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, seed) => {
      const world = new World(seed);
      const peers = Array.from({ length: 5 }, (_, i) => new Peer(`${i}`));
      const subscribed = new Map<Peer, string>();
      /** What each must be told of, unless it drops before. */
      const owed = new Map<Peer, Set<string>>();
      for (const one of steps) {
        if (one.do === "pass") world.passMs(one.ms);
        else if (one.do === "drop") {
          world.subscriptions.drop(peers[one.peer]!);
          subscribed.delete(peers[one.peer]!);
          owed.delete(peers[one.peer]!);
        } else if (one.do === "subscribe") {
          world.subscriptions.subscribe(peers[one.peer]!, 1, one.name, []);
          subscribed.set(peers[one.peer]!, one.name);
          owed.set(peers[one.peer]!, new Set());
          peers[one.peer]!.told.length = 0;
        } else {
          const file = fileEntry(one.name, one.content);
          for (const [asks, asked] of subscribed) {
            const fits = asked.includes("/") ? asked === one.name : one.name.endsWith(asked);
            if (fits && asks !== peers[one.peer]) owed.get(asks)!.add(`${file.root} ${one.peer}`);
          }
          world.registers(peers[one.peer]!, file);
        }
      }
      world.passMs(5_000);
      for (const [asks, expected] of owed) {
        const got = asks.told.flatMap(({ contents }) =>
          contents.flatMap(({ root, sources }) => sources.map((source) => `${root} ${source.peer}`)),
        );
        expect(new Set(got)).toEqual(new Set([...got, ...expected]));
        expect(got.some((source) => source.endsWith(` ${asks.name}`))).toBe(false);
        for (const [i, { atMs }] of asks.told.entries())
          if (i > 0) expect(atMs - asks.told[i - 1]!.atMs).toBeGreaterThanOrEqual(200);
      }
    }),
    { numRuns: 300 },
  );
});

/** Who is told of which contents, when, each once, and that thousands of searches cost little: in virtual time. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { WantedFiles } from "../../src/index-server/wanted-files.ts";
import { maxRememberedPerSearch } from "../../src/index-server/watch-log.ts";
import { Watches } from "../../src/index-server/watches.ts";
import {
  maxMatchesPerSearch,
  maxSubscriptions,
  maxSubscriptionsPerConnection,
} from "../../src/wire/limits.ts";
import type { FileEntry, Source } from "../../src/wire/messages.ts";
import { FoldedName } from "../../src/wire/search-fold.ts";
import { isPeerMeant, matchesName, matchesSize } from "../../src/wire/search-match.ts";
import { parseSearch } from "../../src/wire/search-query.ts";

let peers = 0;

class Peer {
  takesNews = true;
  readonly peerId = String(++peers);
  readonly told: { atMs: number; id: number; names: string[] }[] = [];

  constructor(readonly host = "10.0.0.1") {}

  /** Names that one watch was told of. */
  of(id: number): string[] {
    return this.told.flatMap((each) => (each.id === id ? each.names : []));
  }
}

function file(name: string, content: number): FileEntry {
  const root = content.toString(16).padStart(64, "f");
  return { name: name as FileEntry["name"], sizeBytes: content * 1_000, md5: "0".repeat(32), root };
}

function sourceOf({ peerId, host }: Peer): Source {
  return { peer: peerId, host, port: 7767, partial: false };
}

/** Watches, and a driver that asks exactly when it is told to. */
class World {
  nowMs = 0;
  readonly wanted = new WantedFiles();
  readonly watches = new Watches<Peer>(this.wanted);

  /** As far as it may be wanted: who watches does not hear of others. */
  comes(name: string, content: number, peer = new Peer()): this {
    const arrived = file(name, content);
    if (this.wanted.mayWant(arrived)) this.watches.arrived(sourceOf(peer), arrived, this.nowMs);
    return this;
  }

  passMs(forMs: number): this {
    const endMs = this.nowMs + forMs;
    for (;;) {
      const wakeMs = this.watches.nextWakeMs;
      if (wakeMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, wakeMs);
      const found = this.watches.nextPush(this.nowMs);
      if (found === undefined) continue;
      const names = found.matches.map(({ name }) => name as string);
      found.owner.told.push({ atMs: this.nowMs, id: found.id, names });
    }
    this.nowMs = endMs;
    return this;
  }
}

describe("a watch", () => {
  test("is told of what fits, gathered for 50 ms, then 200 ms apart", () => {
    const world = new World();
    const peer = new Peer();
    world.watches.watch(peer, 7, "film -trailer");
    world
      .comes("film 1", 1)
      .comes("song", 2)
      .comes("film trailer", 3)
      .passMs(10)
      .comes("film 2", 4)
      .passMs(90);
    world.comes("film 3", 5).passMs(20).comes("film 4", 6).passMs(1_000);
    world.comes("film 5", 7).passMs(1_000);
    expect(peer.told).toEqual([
      { atMs: 50, id: 7, names: ["film 1", "film 2"] },
      { atMs: 250, id: 7, names: ["film 3", "film 4"] },
      { atMs: 1_170, id: 7, names: ["film 5"] },
    ]);
  });

  test("is told of each content once, under whatever name and from whomever, and never of its own", () => {
    const world = new World();
    const peer = new Peer();
    const late = new Peer();
    world.watches.watch(peer, 1, "film");
    world
      .comes("film a", 1)
      .comes("film b", 1)
      .passMs(500)
      .comes("film c", 1)
      .comes("my film", 2, peer)
      .passMs(500);
    world.watches.watch(late, 1, "film");
    world.comes("film d", 1).comes("film e", 1).passMs(500);
    expect(peer.of(1)).toEqual(["film a"]);
    expect(late.of(1)).toEqual(["film d"]);
  });

  test("is not told of what is partial, nor after its end", () => {
    const world = new World();
    const peer = new Peer();
    world.watches.watch(peer, 1, "film");
    world.watches.watch(peer, 2, "film");
    world.watches.arrived(sourceOf(new Peer()), { ...file("film", 1), partial: true }, 0);
    world.comes("film", 2);
    world.watches.unwatch(peer, 1);
    world.watches.unwatch(peer, 77);
    world.passMs(500);
    expect(peer.told).toEqual([{ atMs: 50, id: 2, names: ["film"] }]);
    world.watches.watch(peer, 2, "song");
    world.comes("film", 3).comes("song", 4).passMs(500);
    expect(peer.of(2)).toEqual(["film", "song"]);
    world.comes("song", 5).watches.drop(peer);
    expect(world.passMs(500).watches.size).toBe(0);
    expect(world.watches.nextWakeMs).toBe(Number.POSITIVE_INFINITY);
    expect(peer.told).toHaveLength(2);
  });

  test("that reads slowly is told later", () => {
    const world = new World();
    const peer = new Peer();
    world.watches.watch(peer, 1, "film");
    peer.takesNews = false;
    world.comes("film", 1).passMs(10_000);
    peer.takesNews = true;
    expect(world.passMs(200).watches.size).toBe(1);
    expect(peer.of(1)).toEqual(["film"]);
  });

  test("of very much is told at most 1,000 at a time, and of the newest that are remembered", () => {
    const world = new World();
    const peer = new Peer();
    world.watches.watch(peer, 1, "film");
    for (let i = 1; i <= maxRememberedPerSearch + 100; i++) world.comes(`film ${i}`, i);
    world.passMs(5_000);
    expect(peer.told.map(({ names }) => names.length)).toEqual([1_000, 1_000, 1_000, 1_000, 96]);
    expect(peer.told[0]?.names.length).toBeLessThanOrEqual(maxMatchesPerSearch);
    expect(peer.of(1)[0]).toBe("film 101");
  });
});

describe("the limits", () => {
  test("64 for a connection, with its other subscriptions", () => {
    const { watches } = new World();
    const peer = new Peer();
    for (let id = 0; id < maxSubscriptionsPerConnection; id++) watches.watch(peer, id, `film ${id}`);
    watches.watch(peer, 5, "in place of another");
    expect(() => watches.watch(peer, 64, "x")).toThrow(expect.objectContaining({ code: "TOO_MANY", id: 64 }));
    expect(() => watches.watch(new Peer(), 1, "x", { ofOwner: 64, ofAll: 64 })).toThrow(
      expect.objectContaining({ code: "TOO_MANY" }),
    );
    expect(() => watches.watch(new Peer(), 1, "x", { ofOwner: 0, ofAll: maxSubscriptions - 64 })).toThrow(
      expect.objectContaining({ code: "RETRY" }),
    );
    expect(watches.size).toBe(64);
    expect(watches.sizeOf(peer)).toBe(64);
  });

  test("64 different searches that have to be compared with everything", () => {
    const { watches } = new World();
    for (let i = 0; i < 64; i++) watches.watch(new Peer(), 1, `size:>${i}k`);
    expect(() => watches.watch(new Peer(), 1, "-film")).toThrow(expect.objectContaining({ code: "RETRY" }));
    watches.watch(new Peer(), 1, "size:>5k");
    watches.watch(new Peer(), 1, "film");
  });

  test("what is wrong with the text", () => {
    const { watches } = new World();
    expect(() => watches.watch(new Peer(), 1, "size:>x")).toThrow(
      expect.objectContaining({ code: "BAD_SEARCH" }),
    );
    expect(watches.size).toBe(0);
  });
});

test("everybody is told what the naive way tells, whatever comes and ends", () => {
  const words = fc.constantFrom("ab", "abc", "bc", "Éa", "x", "東京", "v2", "mp3");
  const text = fc
    .array(
      fc.oneof(words, fc.constantFrom("-abc", "*.mp3", "ab*", "type:audio", "size:>5k", "peer:10.0.0.1", "")),
      {
        maxLength: 3,
      },
    )
    .map((parts) => parts.join(" "));
  const name = fc
    .tuple(fc.array(words, { minLength: 1, maxLength: 3 }), fc.constantFrom("", ".mp3", ".iso"))
    .map(([parts, ending]) => `${parts.join(" ")}${ending}`);
  const peer = fc.nat(3);
  const event = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("watch" as const), peer, id: fc.nat(2), text }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("comes" as const), peer, name, content: fc.nat(9) }),
    },
    fc.record({ kind: fc.constant("unwatch" as const), peer, id: fc.nat(2) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(400) }),
    fc.record({ kind: fc.constant("drop" as const), peer }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const world = new World();
      const peers = [1, 2, 3, 4].map((i) => new Peer(`10.0.0.${i}`));
      const naive = new Map<string, { text: string; seen: Set<number> }>();
      const expected = new Map<Peer, string[]>(peers.map((each) => [each, []]));
      for (const happens of events) {
        // Whoever ends a watch has been told before.
        if (happens.kind !== "comes") world.passMs(happens.kind === "pass" ? happens.ms : 1_000);
        if (happens.kind === "pass") continue;
        const who = peers[happens.peer]!;
        if (happens.kind === "watch") {
          world.watches.watch(who, happens.id, happens.text);
          naive.set(`${happens.peer} ${happens.id}`, { text: happens.text, seen: new Set() });
        } else if (happens.kind === "unwatch") {
          world.watches.unwatch(who, happens.id);
          naive.delete(`${happens.peer} ${happens.id}`);
        } else if (happens.kind === "drop") {
          world.watches.drop(who);
          for (const key of naive.keys()) if (key.startsWith(`${happens.peer} `)) naive.delete(key);
        } else {
          world.comes(happens.name, happens.content, who);
          for (const [key, { text, seen }] of naive) {
            const query = parseSearch(text);
            const isMeant = query.wanted.every(
              (each) => each.kind !== "peer" || isPeerMeant(each.prefix, who.host, 7767),
            );
            const fits =
              matchesName(query, happens.name) && matchesSize(query, happens.content * 1_000) && isMeant;
            if (!fits || seen.has(happens.content)) continue;
            seen.add(happens.content);
            const watcher = peers[Number(key[0])]!;
            if (watcher !== who) expected.get(watcher)!.push(`${key.slice(2)} ${happens.name}`);
          }
        }
      }
      world.passMs(2_000);
      for (const [who, told] of expected) {
        const all = who.told.flatMap(({ id, names }) => names.map((each) => `${id} ${each}`));
        expect(all.sort()).toEqual(told.sort());
      }
    }),
    { numRuns: 400 },
  );
});

test("a file that comes is compared with few of 20,000 searches", () => {
  const { watches } = new World();
  const letters = "bcdfghjklmnpqrstvwz";
  const word = (i: number) =>
    Array.from({ length: 6 }, (_, k) => letters[(i * 7 + k * i * 3 + k) % 19]).join("");
  for (let i = 0; i < 20_000; i++) watches.watch(new Peer(), 1, `mp3 ${word(i)}${i}`);
  let compared = 0;
  for (let i = 0; i < 100; i++) {
    const name = new FoldedName(`some ${word(i * 31)} of 2024.mp3`);
    // biome-ignore lint/complexity/useLiteralKeys: it is private, and what this test is about
    compared += watches["candidates"](name).size;
  }
  expect(compared / 100).toBeLessThan(200);
});

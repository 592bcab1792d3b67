/** Answers that are kept: given again as long as they are true, never afterwards, and not without end. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AnswerCache } from "../../../src/index-server/sqlite/answer-cache.ts";
import { ChangeStamps } from "../../../src/index-server/sqlite/change-stamps.ts";
import { type LivePeer, LivePeers } from "../../../src/index-server/sqlite/live-peers.ts";
import type { FoundContent, Source } from "../../../src/wire/messages.ts";
import { md5Of, rootOf } from "../../helpers/file-entries.ts";

class Bench {
  readonly stamps = new ChangeStamps();
  readonly live = new LivePeers();
  readonly cache = new AnswerCache(this.stamps, this.live);

  peer(): LivePeer {
    const peer = this.live.join("10.0.0.1", 0);
    this.live.has(peer, { slot: peer.slot, port: 1, files: 1 });
    return peer;
  }

  keep(name: string, contents: FoundContent[] = [], peers: LivePeer[] = [], text = `about ${name}`): void {
    this.cache.keep(name, Buffer.from(text), { contents, peers, sequence: this.stamps.sequence });
  }

  get(name: string): string | undefined {
    const end = this.cache.get(name);
    return end && Buffer.from(end).toString();
  }

  change(...places: number[]): void {
    this.stamps.begin();
    this.stamps.end(places);
  }
}

function content(of: number, total = 1, told = total): FoundContent {
  const source: Source = { peer: "1", host: "10.0.0.1", port: 1, partial: false };
  return {
    root: rootOf(of),
    sizeBytes: 1,
    md5: md5Of(of),
    names: ["a"],
    total,
    sources: Array<Source>(told).fill(source),
  };
}

function ofRoot(of: number): number {
  return ChangeStamps.ofRoot(Buffer.from(rootOf(of), "hex"));
}

describe("an answer", () => {
  test("is given again until something has changed under its name", () => {
    const bench = new Bench();
    expect(bench.get("a")).toBeUndefined();
    bench.keep("a");
    bench.keep("b");
    expect([bench.get("a"), bench.get("a"), bench.get("b")]).toEqual(["about a", "about a", "about b"]);
    bench.change(ChangeStamps.ofName("a"));
    expect([bench.get("a"), bench.get("b")]).toEqual([undefined, "about b"]);
    bench.keep("a");
    expect(bench.get("a")).toBe("about a");
  });

  test.each([0, 1, 2])("is not, once something has changed with its content %d", (which) => {
    const bench = new Bench();
    bench.keep("a", [content(1), content(2), content(3)]);
    bench.change(ofRoot(4));
    expect(bench.get("a")).toBe("about a");
    bench.change(ofRoot(which + 1));
    expect(bench.get("a")).toBeUndefined();
    expect(bench.cache.size).toBe(0);
  });

  test("is not, once one of those in it has left", () => {
    const bench = new Bench();
    const [first, second, other] = [bench.peer(), bench.peer(), bench.peer()];
    bench.keep("a", [content(1, 2)], [first, second]);
    bench.live.leave(other);
    expect(bench.get("a")).toBe("about a");
    bench.live.leave(second);
    expect(bench.get("a")).toBeUndefined();
  });

  test("is not kept when a change came while it was read, or was under way when it began", () => {
    const bench = new Bench();
    const { sequence } = bench.stamps;
    bench.change(ChangeStamps.ofName("something else"));
    bench.cache.keep("a", Buffer.from("old"), { contents: [], peers: [], sequence });
    expect(bench.get("a")).toBeUndefined();
    bench.stamps.begin();
    bench.keep("a");
    expect(bench.get("a")).toBeUndefined();
    bench.stamps.end([]);
    bench.keep("a");
    expect(bench.get("a")).toBe("about a");
  });

  test("that is a sample of many is drawn again after some uses; one of all is not", () => {
    const bench = new Bench();
    bench.keep("few", [content(1, 3)]);
    bench.keep("many", [content(1, 3), content(2, 100, 64)]);
    const usesOf = (name: string) => {
      let uses = 0;
      while (uses < 1_000 && bench.get(name) !== undefined) uses++;
      return uses;
    };
    expect(usesOf("few")).toBe(1_000);
    expect(usesOf("many")).toBeWithin(1, 65);
  });
});

describe("all of them", () => {
  test("take a bounded part of the memory; what was not asked for longest goes first", () => {
    const bench = new Bench();
    const text = "x".repeat(100_000);
    for (let i = 0; i < 1_000; i++) {
      bench.keep(`n${i}`, [], [], text);
      // Always asked for, and so never the oldest.
      expect(bench.get("n0")).toBe(text);
    }
    expect(bench.cache.size).toBeWithin(200, 510);
    expect(bench.get("n1")).toBeUndefined();
    expect(bench.get("n999")).toBe(text);
  });

  test("make room when they go, by whichever way", () => {
    const bench = new Bench();
    const text = "x".repeat(500_000);
    const fill = () => {
      for (let i = 0; i < 50; i++) bench.keep(`n${i}`, [], [], text);
      return bench.cache.size;
    };
    expect(fill()).toBe(50);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 50; i++) {
        bench.change(ChangeStamps.ofName(`n${i}`));
        bench.get(`n${i}`);
      }
      expect([bench.cache.size, fill()]).toEqual([0, 50]);
    }
    for (let round = 0; round < 5; round++) {
      bench.cache.clear();
      expect([bench.cache.size, fill()]).toEqual([0, 50]);
    }
    // Also when one is kept again that is there already.
    for (let round = 0; round < 5; round++) expect(fill()).toBe(50);
  });

  test("stay when one of many holders is made again and again", () => {
    const bench = new Bench();
    for (let i = 0; i < 100; i++) bench.keep(`cold ${i}`);
    const sample = [content(1, 100, 64)];
    for (let round = 0; round < 10_000; round++) {
      bench.keep("hot", sample, [], "x".repeat(5_900 + (round % 100)));
      while (bench.get("hot") !== undefined);
    }
    expect(bench.cache.size).toBe(100);
  });

  test("are the asker's own: another one does not change them", () => {
    const bench = new Bench();
    bench.keep("a", [], [], "first");
    const first = bench.cache.get("a")!;
    bench.keep("a", [], [], "other");
    expect([Buffer.from(first).toString(), bench.get("a")]).toEqual(["first", "other"]);
  });

  test("one that would take much of the room is not kept", () => {
    const bench = new Bench();
    bench.keep("a", [], [], "x".repeat(2_000_000));
    expect(bench.get("a")).toBeUndefined();
  });
});

test("whatever changes: what is given is what would be found", () => {
  const names = ["a", "b", "c"];
  /** A table: which contents a name has, and who holds them. */
  type Step =
    | { do: "ask"; name: string }
    | { do: "put"; name: string; root: number; peer: number }
    | { do: "leave"; peer: number };
  const name = fc.constantFrom(...names);
  const peer = fc.nat({ max: 3 });
  const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("ask" as const), name }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("put" as const), name, root: fc.nat({ max: 2 }), peer }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), peer }) },
  );
  fc.assert(
    fc.property(fc.array(stepArbitrary, { maxLength: 60 }), (steps) => {
      const bench = new Bench();
      const peers = Array.from({ length: 4 }, () => bench.peer());
      const held: { name: string; root: number; peer: LivePeer }[] = [];
      const find = (asked: string) => {
        const roots = new Set(
          held.filter((one) => one.name === asked && one.peer.isLive).map(({ root }) => root),
        );
        const of = (root: number) => held.filter((one) => one.root === root && one.peer.isLive);
        const contents = [...roots].sort().map((root) => {
          const holders = new Set(of(root).map((one) => one.peer));
          return { root, holders: [...holders].sort((x, y) => Number(x.id) - Number(y.id)) };
        });
        const text = contents
          .map(({ root, holders }) => `${root}: ${holders.map(({ id }) => id)}`)
          .join("; ");
        return { text, contents };
      };
      for (const step of steps) {
        if (step.do === "leave") bench.live.leave(peers[step.peer]!);
        else if (step.do === "put") {
          held.push({ name: step.name, root: step.root, peer: peers[step.peer]! });
          bench.change(ChangeStamps.ofName(step.name), ofRoot(step.root));
        } else {
          const { text, contents } = find(step.name);
          const known = bench.get(step.name);
          if (known !== undefined) expect(known).toBe(text);
          else
            bench.keep(
              step.name,
              contents.map(({ root, holders }) => content(root, holders.length)),
              contents.flatMap(({ holders }) => holders),
              text,
            );
        }
      }
    }),
    { numRuns: 300 },
  );
});

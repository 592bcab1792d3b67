/** The scheduler in worlds with one thing wrong, each with a name; test/simulation has thousands with many. */
import { describe, expect, test } from "bun:test";
import { mebibyte, sourcePlan, worldPlan } from "../simulation/plan.ts";
import { type RunReport, runWorld } from "../simulation/world.ts";

const forever = Number.POSITIVE_INFINITY;
const neverSends = { silent: [[0, forever]] as [number, number][] };

function actionsTo(report: RunReport, host: string, kind: string) {
  return report.actions.filter((each) => each.host === host && each.action.do === kind);
}

function firstMs(report: RunReport, host: string, kind: string): number {
  return actionsTo(report, host, kind)[0]?.atMs ?? forever;
}

describe("a download", () => {
  test("takes what there is from all sources, in proportion to their rates", () => {
    const sources = [sourcePlan("fast", { bytesPerMs: 40_000 }), sourcePlan("slow", { bytesPerMs: 4_000 })];
    const report = runWorld(worldPlan(200, sources, { needsHashes: true }));
    expect(report.outcome).toEqual({ kind: "complete" });
    expect(report.bytes.fast! + report.bytes.slow!).toBe(200 * mebibyte);
    expect(report.bytes.slow).toBeGreaterThan(0);
    expect(report.bytes.fast! / report.bytes.slow!).toBeGreaterThan(4);
    // 44 MB/s together: what the two could do at best takes 4.8 s.
    expect(report.endMs).toBeLessThan(1.3 * 4_800);
  });

  test("of nothing is complete at once, without a source", () => {
    const report = runWorld(worldPlan(0, []));
    expect(report).toMatchObject({ outcome: { kind: "complete" }, endMs: 0, actions: [] });
  });

  test("goes on where an earlier run stopped", () => {
    const verified = [0, 1, 2, 5, 9];
    const report = runWorld(worldPlan(10, [sourcePlan("one")], { verified }));
    expect(report.outcome.kind).toBe("complete");
    expect(report.bytes.one).toBe(5 * mebibyte);
  });

  test("that an earlier run had finished asks nobody", () => {
    const report = runWorld(worldPlan(3, [sourcePlan("one")], { verified: [0, 1, 2] }));
    expect(report).toMatchObject({ outcome: { kind: "complete" }, actions: [] });
  });

  test("without any source ends after the timeout, asking the index every second", () => {
    const report = runWorld(worldPlan(3, [], { timeoutMs: 10_000 }));
    expect(report.outcome).toEqual({ kind: "timeout" });
    expect(Math.round(report.endMs)).toBe(10_000);
    expect(report.actions.length).toBeGreaterThanOrEqual(9);
    expect(report.actions.length).toBeLessThanOrEqual(10);
  });
});

describe("a source that fails", () => {
  test("in the middle of a request loses nothing for us: others have it at once", () => {
    const dying = sourcePlan("dying", { bytesPerMs: 10_000, running: [0, 1_000] });
    const report = runWorld(worldPlan(60, [dying, sourcePlan("other")]));
    expect(report.outcome.kind).toBe("complete");
    const retaken = actionsTo(report, "other", "get").filter(({ atMs }) => atMs >= 1_000 && atMs < 1_400);
    expect(retaken.length).toBeGreaterThan(0);
    expect(report.endMs).toBeLessThan(6_500);
  });

  test("by falling silent loses what it owes after 2 s, is cut after 10 s, and may deliver until then", () => {
    const pausing = sourcePlan("pausing", { silent: [[500, 4_000]] });
    const slow = sourcePlan("slow", { bytesPerMs: 1_000 });
    const report = runWorld(worldPlan(40, [pausing, slow], { maxConnections: 2 }));
    expect(report.outcome.kind).toBe("complete");
    expect(actionsTo(report, "pausing", "close").length).toBe(0);
    const owed = new Set<number>();
    for (const { atMs, action } of actionsTo(report, "pausing", "get")) {
      if (action.do === "get" && atMs < 600)
        for (let i = 0; i < action.count; i++) owed.add(action.first + i);
    }
    const taken = actionsTo(report, "slow", "get").find(
      ({ action }) => action.do === "get" && owed.has(action.first),
    );
    expect(taken?.atMs).toBeGreaterThanOrEqual(2_400);

    const dead = sourcePlan("dead", { silent: [[500, forever]] });
    const other = runWorld(worldPlan(40, [dead, slow], { maxConnections: 2 }));
    expect(other.outcome.kind).toBe("complete");
    expect(firstMs(other, "dead", "close")).toBeGreaterThan(10_400);
    expect(firstMs(other, "dead", "close")).toBeLessThan(10_700);
  });

  test("by taking connections and saying nothing does not keep a content of one chunk from coming", () => {
    const hole = sourcePlan("hole", neverSends);
    const report = runWorld(worldPlan(1, [hole, sourcePlan("honest")]));
    expect(report.outcome.kind).toBe("complete");
    expect(report.endMs).toBeLessThan(2_300);
  });

  test("by never saying WELCOME costs a second", () => {
    const hole = sourcePlan("hole", { welcomeMs: forever });
    const report = runWorld(worldPlan(1, [hole, sourcePlan("honest")]));
    expect(report.outcome.kind).toBe("complete");
    expect(report.endMs).toBeLessThan(1_300);
  });

  test("by refusing is tried again, less and less often", () => {
    const closed = sourcePlan("closed", { refusing: [[0, forever]] });
    const report = runWorld(worldPlan(1, [closed], { timeoutMs: 60_000 }));
    expect(report.outcome.kind).toBe("timeout");
    const tries = actionsTo(report, "closed", "connect").map(({ atMs }) => atMs);
    expect(tries.length).toBeGreaterThan(8);
    expect(tries.length).toBeLessThan(16);
    expect(tries.at(-1)! - tries.at(-2)!).toBeGreaterThan(4_900);
  });

  test("by breaking every connection before a chunk is whole does not keep us for ever", () => {
    const breaking = sourcePlan("breaking", { bytesPerMs: 100, connectionLifeMs: 1_000 });
    const report = runWorld(worldPlan(8, [breaking]));
    expect(report.outcome.kind).toBe("timeout");
    expect(report.endMs).toBeLessThan(1_000_000);
  });
});

describe("a slow source", () => {
  const slow = sourcePlan("slow", { bytesPerMs: 2.5 });

  test("holds one chunk and is overtaken at the end", () => {
    const report = runWorld(worldPlan(30, [slow, sourcePlan("fast")]));
    expect(report.outcome.kind).toBe("complete");
    const held = actionsTo(report, "slow", "get").map(({ action }) => action.do === "get" && action.count);
    expect(held).toEqual([1]);
    const alone = runWorld(worldPlan(30, [sourcePlan("fast")]));
    expect(report.endMs).toBeLessThan(1.2 * alone.endMs);
  });

  test("does not keep a content of one chunk to itself", () => {
    const report = runWorld(worldPlan(1, [slow, sourcePlan("fast")]));
    expect(report.outcome.kind).toBe("complete");
    expect(report.endMs).toBeLessThan(4_500);
  });

  test("that becomes slow at the end is overtaken by who has long been idle", () => {
    // 25 KiB/s is no silence: only a race helps.
    const slowing = sourcePlan("slowing", { bytesPerMs: 25 });
    const report = runWorld(worldPlan(12, [slowing, sourcePlan("fast")], { maxConnections: 2 }));
    expect(report.outcome.kind).toBe("complete");
    expect(report.endMs).toBeLessThan(3_000);
  });

  test("does not hold the chunk hashes up by dripping", () => {
    const dripping = sourcePlan("dripping", { bytesPerMs: 0.01 });
    const report = runWorld(
      worldPlan(5_000, [dripping, sourcePlan("fast", { bytesPerMs: 1e6 })], {
        needsHashes: true,
        downlinkBytesPerMs: 1e6,
      }),
    );
    expect(report.outcome.kind).toBe("complete");
    expect(firstMs(report, "fast", "hashes")).toBeLessThan(2_500);
  });

  test("is still a source when there is no other", () => {
    const report = runWorld(worldPlan(2, [sourcePlan("only", { bytesPerMs: 20 })]));
    expect(report.outcome.kind).toBe("complete");
  });
});

describe("a liar", () => {
  test("is out at once, with all its connections, and is never asked again", () => {
    const liar = sourcePlan("liar", { lie: { kind: "one-chunk", chunk: 7 } });
    const report = runWorld(worldPlan(80, [liar, sourcePlan("honest", { bytesPerMs: 1_000 })]));
    expect(report.outcome.kind).toBe("complete");
    expect(report.badChunks).toMatchObject({ liar: 1, honest: 0 });
    const closes = actionsTo(report, "liar", "close");
    expect(closes.length).toBe(actionsTo(report, "liar", "connect").length);
    expect(new Set(closes.map(({ atMs }) => atMs)).size).toBe(1);
  });

  test("that is the only source ends it with wrong data, once the index knows nobody else", () => {
    const liar = sourcePlan("liar", { lie: { kind: "chunks" } });
    const report = runWorld(worldPlan(80, [liar]));
    expect(report.outcome).toEqual({ kind: "wrong-data" });
    expect(report.endMs).toBeLessThan(1_000);
    expect(report.actions.some(({ action }) => action.do === "ask-index")).toBe(true);
  });

  test("with wrong chunk hashes is out, and the next source is asked", () => {
    const liar = sourcePlan("liar", { lie: { kind: "hashes" } });
    const honest = sourcePlan("honest", { welcomeMs: 50 });
    const report = runWorld(worldPlan(9, [liar, honest], { needsHashes: true }));
    expect(report.outcome.kind).toBe("complete");
    expect(actionsTo(report, "honest", "hashes").length).toBe(1);
    expect(report.bytes.liar).toBe(0);
  });

  test("that answers what was not asked is out", () => {
    const liar = sourcePlan("liar", { lie: { kind: "answers" } });
    const report = runWorld(worldPlan(9, [liar]));
    expect(report.outcome).toEqual({ kind: "wrong-data" });
  });
});

describe("the chunk hashes", () => {
  test("are asked of a second source when the first is silent", () => {
    const report = runWorld(
      worldPlan(9, [sourcePlan("hole", neverSends), sourcePlan("honest", { refusing: [[0, 50]] })], {
        needsHashes: true,
      }),
    );
    expect(report.outcome.kind).toBe("complete");
    expect(actionsTo(report, "honest", "hashes").at(-1)!.atMs).toBeGreaterThanOrEqual(2_000);
    expect(report.endMs).toBeLessThan(4_500);
  });

  test("are asked for with HELLO, of who may never say WELCOME, and then of the first who does", () => {
    const mute = [sourcePlan("mute1", { welcomeMs: forever }), sourcePlan("mute2", { welcomeMs: forever })];
    for (let seed = 1; seed <= 5; seed++) {
      const plan = worldPlan(9, [...mute, sourcePlan("honest")], { needsHashes: true, seed });
      const report = runWorld(plan);
      expect(report.outcome.kind).toBe("complete");
      expect(actionsTo(report, "honest", "hashes")[0]!.atMs).toBeLessThan(20);
      expect(report.endMs).toBeLessThan(1_500);
      const askedFirst = report.actions.find(({ action }) => action.do === "hashes");
      expect(askedFirst!.atMs).toBe(0);
    }
  });

  test("are not asked for when an earlier run kept them", () => {
    const report = runWorld(worldPlan(9, [sourcePlan("one")]));
    expect(actionsTo(report, "one", "hashes")).toEqual([]);
  });
});

describe("a content that is gone", () => {
  test("from every source ends it at once, after the index was asked again", () => {
    const gone = { goneFromMs: 300 };
    const report = runWorld(worldPlan(90, [sourcePlan("one", gone), sourcePlan("two", gone)]));
    expect(report.outcome).toEqual({ kind: "gone" });
    expect(report.endMs).toBeLessThan(1_500);
    const lastClose = report.actions.findLast(({ action }) => action.do === "close");
    const lastAsk = report.actions.findLast(({ action }) => action.do === "ask-index");
    expect(lastAsk!.atMs).toBeGreaterThanOrEqual(lastClose!.atMs);
  });

  test("from one is had from the other", () => {
    const report = runWorld(worldPlan(90, [sourcePlan("one", { goneFromMs: 300 }), sourcePlan("two")]));
    expect(report.outcome.kind).toBe("complete");
    expect(actionsTo(report, "one", "connect").every(({ atMs }) => atMs < 400)).toBe(true);
  });

  test("from all, while the index is away, ends it as well", () => {
    const index = { answerMs: 5, maxSources: 64, away: [[0, forever]] as [number, number][], mute: [] };
    const report = runWorld(worldPlan(90, [sourcePlan("one", { goneFromMs: 300 })], { index }));
    expect(report.outcome).toEqual({ kind: "gone" });
  });
});

describe("a source that comes late", () => {
  test("is found by asking the index again", () => {
    const sources = [
      sourcePlan("slow", { bytesPerMs: 100 }),
      sourcePlan("late", { listed: [3_000, forever] }),
    ];
    const report = runWorld(worldPlan(100, sources));
    expect(report.outcome.kind).toBe("complete");
    expect(firstMs(report, "late", "connect")).toBeLessThan(10_100);
    expect(report.endMs).toBeLessThan(25_000);
  });

  test("gets a connection although others have taken all that we may have", () => {
    const early = ["one", "two"].map((host) => sourcePlan(host, { bytesPerMs: 300 }));
    const sources = [...early, sourcePlan("late", { listed: [3_000, forever] })];
    const report = runWorld(worldPlan(200, sources, { maxConnections: 8 }));
    expect(report.outcome.kind).toBe("complete");
    expect(firstMs(report, "late", "connect")).toBeLessThan(35_000);
    expect(report.bytes.late).toBeGreaterThan(100 * mebibyte);
  });

  test("that was away for a while is fetched from again, although others have taken all places", () => {
    // Two that take all eight places, and one that comes back after 20 s of the minute that they need.
    const busy = ["one", "two"].map((host) => sourcePlan(host, { bytesPerMs: 2_000 }));
    const back = sourcePlan("back", { bytesPerMs: 2_000, running: [20_000, forever] });
    const report = runWorld(worldPlan(240, [...busy, back], { maxConnections: 8 }));
    expect(report.outcome.kind).toBe("complete");
    expect(report.bytes.back).toBeGreaterThan(20 * mebibyte);
  });

  test("is found although the index was away for a while", () => {
    const index = { answerMs: 5, maxSources: 64, away: [[0, 8_000]] as [number, number][], mute: [] };
    const late = sourcePlan("late", { listed: [1_000, forever] });
    const report = runWorld(worldPlan(5, [late], { index }));
    expect(report.outcome.kind).toBe("complete");
    expect(report.endMs).toBeLessThan(9_500);
  });
});

describe("a partial source", () => {
  test("is asked for what it has only, and for what it gets later", () => {
    const partial = sourcePlan("partial", { heldFromMs: [0, forever, 0, 2_000, 3_000] });
    const report = runWorld(worldPlan(5, [partial, sourcePlan("late", { running: [2_900, forever] })]));
    expect(report.outcome.kind).toBe("complete");
    expect(report.bytes.partial).toBeGreaterThanOrEqual(3 * mebibyte);
  });

  test("that has nothing of what is missing takes nobody's place", () => {
    const empty = sourcePlan("empty", { heldFromMs: [forever] });
    // One of these seeds lets the empty one be first.
    for (let seed = 1; seed <= 4; seed++) {
      const plan = worldPlan(1, [empty, sourcePlan("whole")], { maxConnections: 1, seed });
      const report = runWorld(plan);
      expect(report.outcome.kind).toBe("complete");
      expect(report.endMs).toBeLessThan(1_000);
    }
  });
});

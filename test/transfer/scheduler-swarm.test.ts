/** The scheduler among many: whom and what it asks for, BUSY, order on demand, and what it tells afterwards. */
import { describe, expect, test } from "bun:test";
import { Bitfield } from "../../src/content/bitfield.ts";
import { type Action, Scheduler, type SchedulerOptions } from "../../src/transfer/scheduler.ts";
import type { SourceAddress } from "../../src/transfer/source.ts";
import { Random } from "../helpers/random.ts";
import { mebibyte, sourcePlan, worldPlan } from "../simulation/plan.ts";
import { type RunReport, runWorld } from "../simulation/world.ts";

const forever = Number.POSITIVE_INFINITY;

function schedulerOf(chunks: number, different: Partial<SchedulerOptions> = {}): Scheduler {
  return new Scheduler(
    {
      sizeBytes: chunks * mebibyte,
      verified: new Bitfield(chunks),
      needsHashes: false,
      maxRequestChunks: 4,
      maxConnections: 16,
      timeoutMs: 30_000,
      random: new Random(1).next,
      ...different,
    },
    0,
  );
}

function whole(...hosts: string[]): SourceAddress[] {
  return hosts.map((host) => ({ host, port: 1, partial: false }));
}

function partial(...hosts: string[]): SourceAddress[] {
  return hosts.map((host) => ({ host, port: 1, partial: true }));
}

function bitfield(chunks: number, held: readonly number[]): Bitfield {
  const field = new Bitfield(chunks);
  for (const chunk of held) field.add(chunk);
  return field;
}

/** Says WELCOME for every connection that is asked for; returns their numbers by host. */
function connectAll(scheduler: Scheduler, nowMs: number): Map<string, number> {
  const connections = new Map<string, number>();
  for (const action of scheduler.nextActions(nowMs)) {
    if (action.do !== "connect") continue;
    if (!connections.has(action.host)) connections.set(action.host, action.connection);
    scheduler.onConnected(action.connection, nowMs);
  }
  return connections;
}

function gets(actions: Action[], connection?: number) {
  return actions.flatMap((action) =>
    action.do === "get" && (connection === undefined || action.connection === connection) ? [action] : [],
  );
}

function getsTo(report: RunReport, host: string) {
  return report.actions.flatMap(({ atMs, host: to, action }) =>
    to === host && action.do === "get" ? [{ atMs, ...action }] : [],
  );
}

describe("in a swarm", () => {
  test("a whole source is asked for what it has not sent and nobody else has, the others for the rarest", () => {
    const scheduler = schedulerOf(10);
    scheduler.onIndexAnswer([...whole("seed"), ...partial("a", "b")], true, 0);
    const of = connectAll(scheduler, 0);
    scheduler.onHave(of.get("seed")!, Bitfield.full(10), bitfield(10, [0, 1, 2, 3, 4, 5, 6]));
    scheduler.onHave(of.get("a")!, bitfield(10, [0, 1, 7]));
    scheduler.onHave(of.get("b")!, bitfield(10, [0, 8]));
    const actions = scheduler.nextActions(1);
    expect(gets(actions, of.get("seed")).map(({ first }) => first)).toEqual([9]);
    expect([1, 7]).toContain(gets(actions, of.get("a"))[0]!.first);
    expect(gets(actions, of.get("b")).map(({ first }) => first)).toEqual([8]);
  });

  test("news of what was sent keeps it from being asked for again", () => {
    const scheduler = schedulerOf(100);
    scheduler.onIndexAnswer([...whole("seed"), ...partial("a")], true, 0);
    const of = connectAll(scheduler, 0);
    scheduler.onHave(of.get("seed")!, Bitfield.full(100), new Bitfield(100));
    for (let chunk = 0; chunk < 99; chunk++) scheduler.onSentNews(of.get("seed")!, chunk);
    expect(gets(scheduler.nextActions(1)).map(({ first }) => first)).toEqual([99]);
  });

  test("requests are small, and few are under way", () => {
    const scheduler = schedulerOf(1_000);
    const hosts = Array.from({ length: 30 }, (_, i) => `peer${i}`);
    scheduler.onIndexAnswer(partial(...hosts), true, 0);
    const of = connectAll(scheduler, 0);
    expect(of.size).toBe(16);
    for (const id of of.values()) scheduler.onHave(id, Bitfield.full(1_000));
    const asked = gets(scheduler.nextActions(1));
    expect(asked.map(({ count }) => count)).toEqual([1, 1, 1]);
    expect(new Set(asked.map(({ connection }) => connection)).size).toBe(3);
    // To find the fast ones another is tried now and then, and all of that is no debt after a second.
    expect(scheduler.nextWakeupMs(1)).toBe(201);
    expect(gets(scheduler.nextActions(201)).length).toBe(1);
    expect(gets(scheduler.nextActions(202))).toEqual([]);
    expect(gets(scheduler.nextActions(1_001)).length).toBeGreaterThanOrEqual(2);
  });

  test.each([10, 1_000, 4_000])("a fast source is not held back by many of %d B/ms", (bytesPerMs) => {
    const chunks = 300;
    const heldFromMs = Array<number>(chunks).fill(0);
    const far = { downlinkBytesPerMs: 1e9, maxConnections: 16 };
    const fast = sourcePlan("fast", { bytesPerMs: 100_000, heldFromMs });
    const alone = runWorld(worldPlan(chunks, [fast], far));
    const slow = Array.from({ length: 14 }, (_, i) => sourcePlan(`slow${i}`, { bytesPerMs, heldFromMs }));
    const report = runWorld(worldPlan(chunks, [...slow, fast], far));
    expect(report.endMs).toBeLessThan(alone.endMs + 2_000);
  });

  test("who has nothing for us makes room after 10 s for somebody whom we do not know", () => {
    const none = Array<number>(20).fill(forever);
    const empty = Array.from({ length: 4 }, (_, i) => sourcePlan(`empty${i}`, { heldFromMs: none }));
    const late = sourcePlan("late", { heldFromMs: Array<number>(20).fill(0), listed: [1_000, forever] });
    const plan = worldPlan(20, [...empty, late], { maxConnections: 2, timeoutMs: 60_000 });
    const report = runWorld(plan);
    expect(report.outcome.kind).toBe("complete");
    expect(report.endMs).toBeLessThan(25_000);
  });
});

describe("a source that says BUSY", () => {
  test("loses the request at once, is asked again when it said, and has neither failed nor stalled", () => {
    const scheduler = schedulerOf(4);
    scheduler.onIndexAnswer(whole("a", "b"), true, 0);
    const of = connectAll(scheduler, 0);
    const [asked] = gets(scheduler.nextActions(1), of.get("a"));
    scheduler.onBusy(of.get("a")!, asked!.request, 800, 10);
    // b is on trial with a chunk of its own, a must wait.
    expect(gets(scheduler.nextActions(10))).toEqual([]);
    const wakeupMs = scheduler.nextWakeupMs(10);
    expect(wakeupMs).toBeGreaterThanOrEqual(810);
    expect(wakeupMs).toBeLessThanOrEqual(1_010);
    expect(gets(scheduler.nextActions(wakeupMs), of.get("a")).length).toBe(1);
    const [a] = [...scheduler.sources].filter(({ host }) => host === "a");
    expect(a).toMatchObject({ busyAnswers: 1, failures: 0, stalls: 0, excluded: undefined });
  });

  test("for good is no reason to wait for it", () => {
    const busy = sourcePlan("busy", { busy: { spans: [[0, forever]], retryMs: 300 } });
    const report = runWorld(worldPlan(30, [busy, sourcePlan("other")]));
    expect(report.outcome.kind).toBe("complete");
    expect(report.bytes.other).toBe(30 * mebibyte);
    // 3 s at 10 MiB/s.
    expect(report.endMs).toBeLessThan(3_600);
    expect(getsTo(report, "busy").length).toBeLessThan(20);
  });
});

describe("without a swarm", () => {
  test("one source is read forwards, in long requests", () => {
    const fast = sourcePlan("one", { bytesPerMs: 200_000 });
    const report = runWorld(worldPlan(400, [fast], { maxConnections: 1, downlinkBytesPerMs: 1e9 }));
    const asked = getsTo(report, "one");
    const jumps = asked.filter(
      ({ first }, i) => i > 0 && first !== asked[i - 1]!.first + asked[i - 1]!.count,
    );
    // Once: it began anywhere.
    expect(jumps.length).toBeLessThanOrEqual(1);
    expect(asked.length).toBeLessThan(150);
  });

  test.each([
    [0.5, 100_000],
    [100, 100_000],
    [100, 2_000],
    [250, 20_000],
  ])("a line is filled %d ms away at %d B/ms", (latencyMs, bytesPerMs) => {
    const chunks = Math.ceil((20_000 * bytesPerMs) / mebibyte);
    const source = sourcePlan("one", { latencyMs, bytesPerMs, welcomeMs: 0 });
    const report = runWorld(worldPlan(chunks, [source], { downlinkBytesPerMs: 1e9, maxConnections: 16 }));
    const bestMs = (chunks * mebibyte) / bytesPerMs;
    // Connecting, asking, and until the rate is known.
    expect(report.endMs).toBeLessThan(bestMs + 6 * 2 * latencyMs);
  });
});

describe("in order", () => {
  test("nothing is asked for beyond the window, and the first missing chunk comes first", () => {
    const sources = [sourcePlan("one"), sourcePlan("two", { bytesPerMs: 3_000 })];
    const report = runWorld(worldPlan(60, sources, { windowChunks: 8 }));
    expect(report.outcome.kind).toBe("complete");
    const all = [...getsTo(report, "one"), ...getsTo(report, "two")].sort((a, b) => a.request - b.request);
    expect(all[0]).toMatchObject({ first: 0 });
    // Little is waited for: both together could do it in 4.8 s.
    expect(report.endMs).toBeLessThan(6_500);
    // The window moves by what came: 10 chunks a second at most.
    for (const { atMs, first, count } of all) {
      expect(first + count).toBeLessThanOrEqual(8 + (atMs / 1_000) * 13.5);
    }
  });
});

describe("what is told of a source", () => {
  test("counts bytes, connections, silence, idleness and BUSY", () => {
    const scheduler = schedulerOf(2, { maxConnections: 1 });
    scheduler.onIndexAnswer(whole("a"), true, 0);
    const [connection] = connectAll(scheduler, 100).values();
    const [first] = gets(scheduler.nextActions(100));
    // A second until the first byte, then half a second of silence.
    scheduler.onBytes(connection!, 500_000, 1_100);
    scheduler.onBytes(connection!, mebibyte - 500_000, 1_600);
    scheduler.onChunk(connection!, first!.request, first!.first, 1_600);
    const [second] = gets(scheduler.nextActions(1_600));
    scheduler.onBusy(connection!, second!.request, 300, 1_650);
    scheduler.nextActions(1_650);
    const [again] = gets(scheduler.nextActions(2_100));
    scheduler.onBytes(connection!, mebibyte, 2_200);
    scheduler.onChunk(connection!, again!.request, again!.first, 2_200);
    scheduler.nextActions(2_200);
    expect(scheduler.outcome).toEqual({ kind: "complete" });
    const [source] = scheduler.sources;
    expect(source).toMatchObject({
      bytes: 2 * mebibyte,
      badChunks: 0,
      stalls: 0,
      busyAnswers: 1,
      connectionsMade: 1,
      silentMs: 1_500,
      idleMs: 450,
      firstByteMs: 1_100,
      lastByteMs: 2_200,
    });
  });
});

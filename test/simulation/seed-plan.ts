/**
 * Draws a world from a seed: every fault that a plan knows, alone and together; every second one has an honest source
 * as well and must end well.
 */
import { Random } from "../helpers/random.ts";
import {
  always,
  type Lie,
  mebibyte,
  type SourcePlan,
  type Span,
  sourcePlan,
  type WorldPlan,
  worldPlan,
} from "./plan.ts";

const forever = Number.POSITIVE_INFINITY;

export function planOfSeed(seed: number): WorldPlan {
  const random = new Random(seed);
  const chunks = random.chance(0.2) ? random.whole(0, 2) : Math.round(random.betweenByFactor(1, 80));
  const shortBytes = random.chance(0.5) ? random.whole(0, mebibyte - 1) : 0;
  const sources = Array.from({ length: random.whole(0, 6) }, (_, i) =>
    faultySource(random, `faulty${i}`, chunks),
  );
  const endsWell = random.chance(0.5);
  if (endsWell) sources.splice(random.whole(0, sources.length), 0, honestSource(random));
  const resumes = random.chance(0.3);
  const plan = worldPlan(chunks, sources, {
    seed,
    sizeBytes: Math.max(0, chunks * mebibyte - shortBytes),
    verified: resumes ? [...Array(chunks).keys()].filter(() => random.chance(0.4)) : [],
    needsHashes: chunks > 1 && !resumes,
    maxRequestChunks: random.pick([1, 2, 4, 16]),
    maxConnections: random.whole(1, 12),
    windowChunks: random.chance(0.2) ? random.whole(1, 20) : undefined,
    timeoutMs: random.pick([2_000, 30_000, 60_000]),
    downlinkBytesPerMs: random.betweenByFactor(1_000, 200_000),
    index: {
      answerMs: random.between(1, 500),
      maxSources: random.chance(0.1) ? 2 : 64,
      away: spans(random, 0.2),
      mute: spans(random, 0.05),
    },
  });
  return endsWell ? withBound(plan) : plan;
}

/** There from the start, for ever, never wrong; how near and how fast is open. */
function honestSource(random: Random): SourcePlan {
  return sourcePlan("honest", {
    latencyMs: random.betweenByFactor(0.1, 200),
    welcomeMs: random.between(0, 200),
    bytesPerMs: random.betweenByFactor(500, 100_000),
    // Not for ever, and it comes back.
    busy: busy(random, 30_000),
  });
}

/**
 * Every source may get a connection of its own, all are named, and a chunk of the honest one takes less than the
 * timeout even when its line is shared by four. What the others do costs time, but a bounded amount of it.
 */
function withBound(plan: WorldPlan): WorldPlan {
  const honest = plan.sources.find(({ host }) => host === "honest");
  const slowest = Math.min(honest?.bytesPerMs ?? 0, plan.downlinkBytesPerMs / plan.sources.length);
  return {
    ...plan,
    maxConnections: Math.max(plan.maxConnections, plan.sources.length),
    timeoutMs: 60_000,
    index: { ...plan.index, maxSources: 64 },
    // BUSY for 30 s, and 12.5 s more until it is asked again.
    completeByMs: 75_000 + 3 * (plan.sizeBytes / slowest),
  };
}

function faultySource(random: Random, host: string, chunks: number): SourcePlan {
  const has = (probability: number) => random.chance(probability);
  const timesOfChunks = () =>
    Array.from({ length: chunks }, () => (random.chance(0.5) ? 0 : random.betweenByFactor(1, 100_000)));
  return sourcePlan(host, {
    latencyMs: random.betweenByFactor(0.1, 300),
    bytesPerMs: has(0.2) ? random.betweenByFactor(0.001, 30) : random.betweenByFactor(20, 50_000),
    welcomeMs: has(0.1) ? random.pick([900, 1_500, 4_000, 6_000, forever]) : random.between(0, 100),
    refusing: spans(random, 0.15),
    silent: spans(random, 0.25),
    connectionLifeMs: has(0.2) ? random.betweenByFactor(50, 20_000) : forever,
    lie: has(0.25) ? lie(random, chunks) : undefined,
    goneFromMs: has(0.15) ? random.betweenByFactor(1, 60_000) : forever,
    running: has(0.2) ? span(random) : always,
    listed: has(0.2) ? span(random) : always,
    heldFromMs: has(0.3) ? timesOfChunks() : undefined,
    sentFromMs: has(0.3) ? timesOfChunks() : undefined,
    busy: busy(random, forever),
  });
}

function busy(random: Random, longestMs: number): SourcePlan["busy"] {
  const retryMs = random.pick([0, 200, 1_000, 5_000, 1e9]);
  const times = random.chance(0.2) ? [span(random)] : [];
  return { spans: times.map(([from, to]) => [from, Math.min(to, from + longestMs)]), retryMs };
}

function lie(random: Random, chunks: number): Lie {
  const kind = random.pick(["chunks", "one-chunk", "hashes", "answers"] as const);
  return kind === "one-chunk" ? { kind, chunk: random.whole(0, Math.max(0, chunks - 1)) } : { kind };
}

function span(random: Random): Span {
  const fromMs = random.chance(0.5) ? 0 : random.betweenByFactor(1, 60_000);
  return [fromMs, random.chance(0.4) ? forever : fromMs + random.betweenByFactor(10, 60_000)];
}

function spans(random: Random, probability: number): Span[] {
  return random.chance(probability) ? [span(random)] : [];
}

/**
 * Draws a swarm from a seed: peers that come late, leave, fall silent, lie and lose connections, on lines of every kind,
 * and one that has the whole content, stays, and does nothing wrong.
 */
import { Random } from "../helpers/random.ts";
import { mebibyte, type Span } from "./plan.ts";
import { type SwarmPeerPlan, type SwarmPlan, swarmPeer, swarmPlan } from "./swarm-plan.ts";

const forever = Number.POSITIVE_INFINITY;
/** Faults that pass have passed by then. */
const faultsEndMs = 20_000;

export function swarmOfSeed(seed: number): SwarmPlan {
  const random = new Random(seed);
  const chunks = Math.round(random.betweenByFactor(1, 20));
  const peers = Array.from({ length: random.whole(1, 6) }, () => faultyPeer(random));
  const honest = swarmPeer({ ...line(random), seed: true, connectionLifeMs: longLife(random) });
  peers.splice(random.whole(0, peers.length), 0, honest);
  const slowest = Math.min(
    ...peers.map(({ upBytesPerMs, downBytesPerMs }) => Math.min(upBytesPerMs, downBytesPerMs)),
  );
  return swarmPlan(chunks, peers, {
    seed,
    lastChunkBytes: random.whole(1, mebibyte),
    slots: random.whole(1, 8),
    maxConnections: random.whole(1, 16),
    maxRequestChunks: random.pick([1, 4, 16]),
    timeoutMs: 600_000,
    pieceBytes: 256 * 1024,
    windowBytes: random.pick([256 * 1024, mebibyte]),
    index: { answerMs: random.between(1, 100), maxSources: random.pick([2, 64]), pushMs: 200, maxPushed: 8 },
    completeByMs: faultsEndMs + 120_000 + (4 * peers.length * chunks * mebibyte) / slowest,
  });
}

function faultyPeer(random: Random): SwarmPeerPlan {
  const has = (probability: number) => random.chance(probability);
  return swarmPeer({
    ...line(random),
    seed: has(0.15),
    joinMs: has(0.3) ? random.between(0, faultsEndMs) : 0,
    leaveMs: has(0.2) ? random.betweenByFactor(10, faultsEndMs) : forever,
    silent: has(0.2) ? [silence(random)] : [],
    connectionLifeMs: has(0.2) ? random.betweenByFactor(50, 20_000) : longLife(random),
    lieProbability: has(0.15) ? random.pick([0.1, 1]) : 0,
    maxIncoming: has(0.1) ? random.whole(0, 2) : 512,
  });
}

function line(random: Random): Partial<SwarmPeerPlan> {
  return {
    latencyMs: random.betweenByFactor(0.1, 200),
    upBytesPerMs: random.betweenByFactor(200, 100_000),
    downBytesPerMs: random.betweenByFactor(500, 100_000),
  };
}

function silence(random: Random): Span {
  const fromMs = random.between(0, faultsEndMs / 2);
  return [fromMs, fromMs + random.betweenByFactor(10, faultsEndMs / 2)];
}

/** Long enough for a chunk over any line. */
function longLife(random: Random): number {
  return random.chance(0.2) ? 120_000 : forever;
}

/**
 * What a simulated swarm is made of: one content, peers that fetch it and serve it meanwhile, and the index. A plan is
 * data: written by hand for a measurement, or drawn from a seed (swarm-seeds.test.ts).
 */
import type { Span } from "./plan.ts";

export interface SwarmPeerPlan {
  /** Has the whole content from the start. */
  seed: boolean;
  /** Half of the way to another peer is ours, half is its. */
  latencyMs: number;
  upBytesPerMs: number;
  downBytesPerMs: number;
  joinMs: number;
  /** It is gone from then on, whatever it was doing. */
  leaveMs: number;
  /** It sends nothing then, and keeps what it should send. */
  silent: Span[];
  /** Mean life of a connection to it before it is lost. */
  connectionLifeMs: number;
  /** Sends a wrong chunk with this probability. */
  lieProbability: number;
  /** It refuses connections above this. */
  maxIncoming: number;
}

export interface SwarmPlan {
  seed: number;
  chunks: number;
  lastChunkBytes: number;
  peers: SwarmPeerPlan[];
  /** Of each peer. */
  slots: number;
  maxConnections: number;
  maxRequestChunks: number;
  timeoutMs: number;
  /** Sent at a time; between two pieces others have their turn. */
  pieceBytes: number;
  /** On the way to a connection's other end, at most. */
  windowBytes: number;
  /** Facts that reach a peer within this time are told together, as a driver with much to do would. */
  tickMs: number;
  index: { answerMs: number; maxSources: number; pushMs: number; maxPushed: number };
  /** By then everybody who stays has everything, or something is wrong. */
  completeByMs: number;
}

const forever = Number.POSITIVE_INFINITY;

export const mebibytePerSecond = (1024 * 1024) / 1000;

export function swarmPeer(different: Partial<SwarmPeerPlan> = {}): SwarmPeerPlan {
  return {
    seed: false,
    latencyMs: 1,
    upBytesPerMs: 20 * mebibytePerSecond,
    downBytesPerMs: 20 * mebibytePerSecond,
    joinMs: 0,
    leaveMs: forever,
    silent: [],
    connectionLifeMs: forever,
    lieProbability: 0,
    maxIncoming: 512,
    ...different,
  };
}

export function swarmPlan(
  chunks: number,
  peers: SwarmPeerPlan[],
  different: Partial<SwarmPlan> = {},
): SwarmPlan {
  return {
    seed: 1,
    chunks,
    lastChunkBytes: 1024 * 1024,
    peers,
    slots: 8,
    maxConnections: 16,
    maxRequestChunks: 4,
    timeoutMs: 60_000,
    pieceBytes: 128 * 1024,
    windowBytes: 1024 * 1024,
    tickMs: 0,
    index: { answerMs: 2, maxSources: 64, pushMs: 200, maxPushed: 8 },
    completeByMs: forever,
    ...different,
  };
}

/** One seed and so many who begin to fetch at the same moment, all with the same line. */
export function flashCrowd(
  downloaders: number,
  latencyMs: number,
  different: Partial<SwarmPlan> = {},
): SwarmPlan {
  const peers = Array.from({ length: downloaders + 1 }, (_, i) => swarmPeer({ seed: i === 0, latencyMs }));
  return swarmPlan(256, peers, different);
}

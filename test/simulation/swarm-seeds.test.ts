/**
 * Swarms drawn from seeds: peers that come late, leave, fall silent, lie and lose connections, and one that has the
 * whole content and stays. What must hold at every step is checked where it happens (swarm-peer.ts, swarm-upload.ts);
 * that everybody who stays gets everything, here.
 *
 *     P2P_SIMULATION_SEEDS=100000 bun test test/simulation     so many seeds instead of 2,000
 *     P2P_SIMULATION_FIRST=12345 P2P_SIMULATION_SEEDS=1 …       from that one on: a failure again, alone
 */
import { describe, expect, test } from "bun:test";
import { runSwarm } from "./swarm.ts";
import { swarmOfSeed } from "./swarm-seed-plan.ts";

const first = Number(process.env.P2P_SIMULATION_FIRST ?? 1);
const count = Number(process.env.P2P_SIMULATION_SEEDS ?? 2_000);
const maxReported = 5;
const forever = Number.POSITIVE_INFINITY;

describe("simulated swarms", () => {
  test(`${count} seeds from ${first} on`, () => {
    const failures: string[] = [];
    for (let seed = first; seed < first + count && failures.length < maxReported; seed++) {
      try {
        const plan = swarmOfSeed(seed);
        const { peers } = runSwarm(plan);
        const stay = peers.filter((_, i) => plan.peers[i]!.leaveMs === forever && !plan.peers[i]!.seed);
        const unfinished = stay.filter(({ outcome }) => outcome !== "complete");
        if (unfinished.length > 0) throw new Error(`not complete: ${JSON.stringify(unfinished)}`);
      } catch (error) {
        failures.push(`seed ${seed}: ${error instanceof Error ? error.message : error}`);
      }
    }
    expect(failures).toEqual([]);
  }, 3_600_000);

  test("a seed is the same run every time", () => {
    for (const seed of [3, 17, 99]) expect(runSwarm(swarmOfSeed(seed))).toEqual(runSwarm(swarmOfSeed(seed)));
  });
});

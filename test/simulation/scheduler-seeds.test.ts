/**
 * The scheduler in thousands of worlds, each drawn from a seed (rules.ts says what must hold in each).
 *
 *     P2P_SIMULATION_SEEDS=100000 bun test test/simulation     so many seeds instead of 2,000
 *     P2P_SIMULATION_FIRST=12345 P2P_SIMULATION_SEEDS=1 …       from that one on: a failure again, alone
 */
import { describe, expect, test } from "bun:test";
import { planOfSeed } from "./seed-plan.ts";
import { runWorld } from "./world.ts";

const first = Number(process.env.P2P_SIMULATION_FIRST ?? 1);
const count = Number(process.env.P2P_SIMULATION_SEEDS ?? 2_000);
/** More than these say the same. */
const maxReported = 5;

describe("the scheduler in simulated worlds", () => {
  test(`${count} seeds from ${first} on`, () => {
    const failures: string[] = [];
    const outcomes = new Set<string>();
    for (let seed = first; seed < first + count && failures.length < maxReported; seed++) {
      try {
        outcomes.add(runWorld(planOfSeed(seed)).outcome.kind);
      } catch (error) {
        failures.push(`seed ${seed}: ${error instanceof Error ? error.message : error}`);
      }
    }
    expect(failures).toEqual([]);
    // Worlds in which nothing ever goes wrong would test nothing.
    if (count >= 1_000) expect([...outcomes].sort()).toEqual(["complete", "gone", "timeout", "wrong-data"]);
  }, 3_600_000);

  test("a seed is the same run every time", () => {
    for (const seed of [3, 17, 99]) expect(runWorld(planOfSeed(seed))).toEqual(runWorld(planOfSeed(seed)));
  });
});

import { describe, expect, test } from "bun:test";
import { fluidBoundSeconds } from "../../bench/transfer/fluid-bound.ts";

/** All at one rate of 10 bytes a second, unless said otherwise. */
function swarm(count: number, changes: { seedUp?: number; up?: number; down?: number } = {}) {
  const { seedUp = 10, up = 10, down = 10 } = changes;
  return {
    fileBytes: 100,
    seedUp,
    peersUp: Array<number>(count).fill(up),
    peersDown: Array<number>(count).fill(down),
  };
}

describe("the fluid bound", () => {
  test("at equal rates is the time in which the seed sends the file once", () => {
    for (const count of [1, 8, 64, 1000]) expect(fluidBoundSeconds(swarm(count))).toBe(10);
  });

  test("is set by a slow seed, a slow receiver, or all who send together", () => {
    expect(fluidBoundSeconds(swarm(8, { seedUp: 1 }))).toBe(100);
    expect(fluidBoundSeconds(swarm(8, { down: 2 }))).toBe(50);
    expect(fluidBoundSeconds(swarm(8, { up: 0 }))).toBe(80);
  });

  test("the slowest receiver counts", () => {
    expect(fluidBoundSeconds({ ...swarm(2), peersDown: [10, 4] })).toBe(25);
  });
});

/**
 * Each target with the corpus and a round of mutated inputs, always the same ones; for more, `bun run test:fuzz`. An input that fails there
 * is kept in the corpus, and so fails here until it is mended.
 */
import { describe, expect, test } from "bun:test";
import { fuzz } from "./engine.ts";
import { targets } from "./targets.ts";

const seed = 1;

describe("no input is too much for", () => {
  test.each(targets.map((target) => [target.name, target] as const))("%s", async (_, target) => {
    const { tried, findings } = await fuzz(target, { seed, number: 0, inputs: target.inCheck });
    expect(
      findings.map(({ problem, input }) => [problem, Buffer.from(input).toString("latin1").slice(0, 500)]),
    ).toEqual([]);
    expect(tried).toBeGreaterThan(target.inCheck);
  });
});

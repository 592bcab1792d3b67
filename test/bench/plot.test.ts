import { describe, expect, test } from "bun:test";
import { doublingScale, niceTicks, plot } from "../../bench/transfer/plot.ts";

describe("the scale of x", () => {
  test("gives each doubling the same room", () => {
    const x = doublingScale(1, 16, 400);
    expect([1, 2, 4, 8, 16].map(x)).toEqual([0, 100, 200, 300, 400]);
  });

  test("puts a single value in the middle", () => {
    expect(doublingScale(8, 8, 400)(8)).toBe(200);
  });
});

describe("the ticks of y", () => {
  test.each([
    [0.83, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [1.2, [0, 0.5, 1, 1.5]],
    [47, [0, 10, 20, 30, 40, 50]],
    [0, [0, 1]],
    [Number.NaN, [0, 1]],
  ])("up to %p", (high, ticks) => {
    expect(niceTicks(high)).toEqual(ticks);
  });
});

describe("the drawing", () => {
  const panel = {
    title: "sizes < others & more",
    xLabel: "size",
    xText: (x: number) => `${x} MiB`,
    yLabel: "GiB/s",
    lines: [
      {
        name: "p2p",
        points: [
          { x: 1, y: 0 },
          { x: 4, y: 1 },
        ],
      },
    ],
  };

  test("has axes with units, every point, and both grounds", () => {
    const svg = plot([panel]);
    for (const text of ["4 MiB", "size", "GiB/s", "p2p", "prefers-color-scheme:dark"])
      expect(svg).toContain(text);
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(svg).not.toContain("NaN");
  });

  test("escapes its texts", () => {
    expect(plot([panel])).toContain("sizes &lt; others &amp; more");
  });

  test("stands without any figure", () => {
    expect(plot([{ ...panel, lines: [{ name: "p2p", points: [] }] }])).not.toContain("NaN");
  });
});

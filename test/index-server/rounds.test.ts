/** How long a turn is, and when the next one may begin. */
import { expect, test } from "bun:test";
import { Rounds } from "../../src/index-server/rounds.ts";

function open() {
  const later: (() => void)[] = [];
  const rounds = new Rounds((run) => later.push(run));
  const endRound = () => later.shift()?.();
  return { rounds, endRound, later };
}

test("few have 3 ms each, many share 20 ms, and nobody has less than a quarter", () => {
  const { rounds, endRound } = open();
  const lengths = (count: number) => Array.from({ length: count }, () => rounds.begin(() => {}));
  expect(lengths(8)).toEqual([3, 3, 3, 3, 3, 3, 20 / 7, 20 / 8]);
  endRound();
  // As many are expected as there were.
  expect(lengths(1)).toEqual([2.5]);
  endRound();
  expect(lengths(1)).toEqual([3]);
  endRound();
  lengths(40);
  endRound();
  expect(lengths(40)).toEqual(Array(40).fill(0.5));
  endRound();
  expect(lengths(1_000).at(-1)).toBe(0.25);
  endRound();
  endRound();
  expect(lengths(1)).toEqual([0.25]);
});

test("a round ends once, for all that had a turn; whoever begins meanwhile is in the next one", () => {
  const { rounds, endRound, later } = open();
  const ended: string[] = [];
  rounds.begin(() => {
    ended.push("first");
    rounds.begin(() => ended.push("first again"));
  });
  rounds.begin(() => ended.push("second"));
  expect(later).toHaveLength(1);
  endRound();
  expect(ended).toEqual(["first", "second"]);
  expect(later).toHaveLength(1);
  endRound();
  expect(ended).toEqual(["first", "second", "first again"]);
  expect(later).toEqual([]);
});

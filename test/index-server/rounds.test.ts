/** How long a turn is, and when the next one may begin. */
import { expect, test } from "bun:test";
import { OwnTurn } from "../../src/index-server/own-turn.ts";
import { Rounds } from "../../src/index-server/rounds.ts";

function open() {
  const later: (() => void)[] = [];
  const clock = { nowMs: 0 };
  const rounds = new Rounds(
    (run) => later.push(run),
    () => clock.nowMs,
  );
  return { rounds, clock, later, slice: () => later.shift()?.() };
}

test("few have 3 ms each, many share 20 ms, and nobody has less than a quarter", () => {
  const { rounds, slice } = open();
  const lengths = (count: number) => Array.from({ length: count }, () => rounds.begin(() => {}));
  expect(lengths(5)).toEqual([3, 3, 3, 3, 3]);
  slice();
  expect(lengths(1)).toEqual([3]);
  slice();
  // What is given out at once is no more than a round.
  const many = lengths(100);
  expect(many.slice(0, 8)).toEqual([3, 3, 3, 3, 3, 3, 2, 0.25]);
  expect(many.at(-1)).toBe(0.25);
});

test("who goes on begins behind all others, and has less the more they are", () => {
  const { rounds, slice } = open();
  const lengths: number[] = [];
  for (let i = 0; i < 40; i++) {
    const again = (): void => void lengths.push(rounds.begin(() => again()));
    again();
  }
  lengths.length = 0;
  slice();
  expect(lengths).toEqual(Array(40).fill(0.5));
});

test("between two slices there is time for others, and everybody comes round in order", () => {
  const { rounds, clock, later, slice } = open();
  const order: number[] = [];
  for (let i = 0; i < 10; i++) {
    const again = (): void => {
      order.push(i);
      clock.nowMs += 1;
      rounds.begin(() => again());
    };
    rounds.begin(() => again());
  }
  slice();
  expect(order).toEqual([0, 1, 2]);
  let answered = 0;
  rounds.begin(() => answered++);
  for (let i = 0; i < 4; i++) slice();
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4]);
  expect(answered).toBe(1);
  expect(later).toHaveLength(1);
});

test("when nobody has anything to say, nothing is done any more", () => {
  const { rounds, slice, later } = open();
  const ended: string[] = [];
  rounds.begin(() => ended.push("first"));
  rounds.begin(() => ended.push("second"));
  expect(later).toHaveLength(1);
  slice();
  expect(ended).toEqual(["first", "second"]);
  expect(later).toEqual([]);
});

function ownTurn() {
  const { rounds, clock, later, slice } = open();
  const changes: number[] = [];
  const turn = new OwnTurn(rounds, { applyPause: () => changes.push(clock.nowMs) });
  const work = (ms: number) => {
    turn.start(clock.nowMs);
    clock.nowMs += ms;
    turn.stop();
  };
  return { turn, clock, later, slice, changes, work };
}

test("a turn is what is worked in it, not what passes: who asks little never rests", () => {
  const { turn, clock, slice, changes, work } = ownTurn();
  work(1);
  clock.nowMs += 1_000;
  work(2);
  expect([turn.isOver, changes.length]).toEqual([false, 0]);
  work(1);
  expect([turn.isOver, changes.length]).toEqual([true, 1]);
  work(1);
  expect([turn.isOver, changes.length]).toEqual([true, 1]);
  slice();
  expect([turn.isOver, changes.length]).toEqual([false, 2]);
  work(3);
  expect([turn.isOver, changes.length]).toEqual([false, 2]);
  slice();
  work(3);
  expect([turn.isOver, changes.length]).toEqual([false, 2]);
});

test("a short question begins no turn; many of them do, and then count from the first one on", () => {
  const { turn, clock, slice, later, changes, work } = ownTurn();
  for (let i = 0; i < 10; i++) work(1 / 128);
  expect(later).toEqual([]);
  for (let i = 0; i < 4; i++) work(1 / 128);
  expect(later).toHaveLength(1);
  work(3 - 14 / 128);
  expect([turn.isOver, clock.nowMs]).toEqual([false, 3]);
  work(1 / 128);
  expect(turn.isOver).toBe(true);
  slice();
  expect([turn.isOver, changes.length]).toEqual([false, 2]);
  work(1 / 16);
  expect(later).toEqual([]);
});

test("in the middle of work it is seen that the turn is over, once", () => {
  const { turn, clock, changes } = ownTurn();
  turn.start(clock.nowMs);
  for (let i = 0; i < 6; i++) {
    clock.nowMs++;
    turn.look();
  }
  turn.stop();
  // 3 ms are its turn, the next one is more.
  expect(changes).toEqual([4]);
  // Between two of its works nothing is.
  turn.look();
  expect(changes).toEqual([4]);
});

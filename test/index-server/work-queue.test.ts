/** Turns of long work in virtual time: who runs when, who waits for whom, what a failure or a lock does. */
import { describe, expect, test } from "bun:test";
import {
  type Job,
  LockedError,
  WorkQueue,
  type WorkQueueOptions,
} from "../../src/index-server/sqlite/work-queue.ts";

/** A queue whose clock moves 1 ms a step, and whose turns run when the test says so. */
class Bench {
  nowMs = 0;
  readonly log: string[] = [];
  private readonly due: { run: () => void; atMs: number }[] = [];
  readonly queue: WorkQueue;

  constructor(options: Partial<WorkQueueOptions> = {}) {
    this.queue = new WorkQueue({
      nowMs: () => this.nowMs,
      soon: (run) => this.due.push({ run, atMs: this.nowMs }),
      later: (run, delayMs) => this.due.push({ run, atMs: this.nowMs + delayMs }),
      ...options,
    });
  }

  add(owner: object, name: string, steps: number, overrides: Partial<Job> = {}): void {
    const bench = this;
    this.queue.add({
      owner,
      *steps() {
        for (let i = 1; i <= steps; i++) {
          bench.nowMs++;
          bench.log.push(`${name}${i}`);
          if (i < steps) yield;
        }
      },
      finished: () => this.log.push(`${name} finished`),
      failed: (error) =>
        this.log.push(`${name} failed: ${error instanceof Error ? error.constructor.name : error}`),
      ...overrides,
    });
  }

  /** One turn; false when none is due. */
  turn(): boolean {
    const next = this.due.shift();
    if (next === undefined) return false;
    this.nowMs = Math.max(this.nowMs, next.atMs);
    next.run();
    return true;
  }

  runAll(): string[] {
    while (this.turn()) {
      // Until nothing is due.
    }
    return this.log;
  }
}

const owners = { a: {}, b: {}, c: {} };

describe("turns", () => {
  test("end after 3 ms, and the rest comes in later ones", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 7);
    bench.turn();
    expect(bench.log).toEqual(["a1", "a2", "a3"]);
    bench.turn();
    expect(bench.log.length).toBe(6);
    expect(bench.runAll()).toEqual(["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a finished"]);
    expect(bench.queue.idle).toBe(true);
    expect(bench.turn()).toBe(false);
  });

  test("hold several small jobs", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 1);
    bench.add(owners.b, "b", 1);
    bench.turn();
    expect(bench.log).toEqual(["a1", "a finished", "b1", "b finished"]);
  });

  test("go round the owners, whose own jobs stay in order", () => {
    const bench = new Bench();
    bench.add(owners.a, "large", 100);
    bench.add(owners.a, "second", 1);
    bench.add(owners.b, "small", 2);
    bench.turn();
    bench.turn();
    expect(bench.log).toContain("small finished");
    const log = bench.runAll();
    expect(log.indexOf("large finished")).toBeLessThan(log.indexOf("second1"));
    // Its owner's turn came every time the other had had one.
    expect(bench.queue.turnsTaken).toBeLessThan(40);
  });
});

describe("a job", () => {
  test("that fails is over; the next of its owner runs", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 5, {
      *steps() {
        yield;
        throw new RangeError("broken");
      },
    });
    bench.add(owners.a, "next", 1);
    bench.add(owners.b, "b", 1);
    expect(bench.runAll().toSorted()).toEqual([
      "a failed: RangeError",
      "b finished",
      "b1",
      "next finished",
      "next1",
    ]);
  });

  test("of a dropped owner is forgotten, also from within", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 10);
    bench.add(owners.b, "b", 1, { finished: () => bench.queue.drop(owners.a) });
    bench.turn();
    bench.turn();
    expect(bench.runAll().filter((line) => line.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
    expect(bench.queue.idle).toBe(true);
  });

  test("may add another one for its owner when it ends", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 1, { finished: () => bench.add(owners.a, "then", 1) });
    expect(bench.runAll()).toEqual(["a1", "then1", "then finished"]);
  });
});

/** Transactions that note their beginning and end, and throw what `onCommit` throws. */
function transactional(onCommit: (bench: Bench) => void = () => {}): Bench {
  const bench: Bench = new Bench({
    transaction(run) {
      bench.log.push("begin");
      try {
        run();
        onCommit(bench);
        bench.log.push("commit");
        return true;
      } catch (error) {
        bench.log.push("rollback");
        throw error;
      }
    },
  });
  return bench;
}

function* failing(bench: Bench, name: string): Generator<void, void> {
  bench.log.push(`${name}1`);
  yield;
  throw new RangeError("broken");
}

describe("with transactions", () => {
  test("a turn is one, and who has ended in it hears of that when it is committed", () => {
    const bench = transactional();
    bench.add(owners.a, "a", 1);
    bench.add(owners.a, "next", 1);
    bench.add(owners.b, "b", 2);
    expect(bench.runAll()).toEqual([
      ...["begin", "a1", "b1", "b2", "commit", "a finished", "b finished"],
      ...["begin", "next1", "commit", "next finished"],
    ]);
  });

  test("who fails undoes the turn, and fails alone: the others begin again", () => {
    const bench = transactional();
    bench.add(owners.a, "a", 1);
    bench.add(owners.b, "b", 1, { steps: () => failing(bench, "b") });
    bench.turn();
    bench.add(owners.c, "c", 1);
    bench.add({}, "d", 1);
    expect(bench.runAll()).toEqual([
      ...["begin", "a1", "b1", "rollback"],
      ...["begin", "b1", "rollback", "b failed: RangeError"],
      ...["begin", "a1", "commit", "a finished"],
      ...["begin", "c1", "d1", "commit", "c finished", "d finished"],
    ]);
  });

  test("jobs of one owner are in their order again when they were undone", () => {
    const bench = transactional();
    bench.add(owners.a, "a", 1);
    bench.add(owners.a, "second", 1, { steps: () => failing(bench, "second") });
    bench.add(owners.a, "third", 1);
    expect(bench.runAll()).toEqual([
      ...["begin", "a1", "second1", "rollback"],
      ...["begin", "a1", "commit", "a finished"],
      ...["begin", "second1", "rollback", "second failed: RangeError"],
      ...["begin", "third1", "commit", "third finished"],
    ]);
  });

  test("what was begun in an earlier turn cannot begin again, and fails with who fails", () => {
    const bench = transactional();
    bench.add(owners.a, "a", 5);
    bench.turn();
    bench.add(owners.b, "b", 1, { steps: () => failing(bench, "b") });
    bench.add(owners.c, "c", 1);
    bench.turn();
    expect(bench.log.splice(0)).toEqual([
      ...["begin", "a1", "a2", "a3", "commit"],
      ...["begin", "a4", "a5", "b1", "rollback", "a failed: RangeError"],
    ]);
    expect(bench.runAll().toSorted()).toEqual(
      ["begin", "c1", "commit", "c finished", "begin", "b1", "rollback", "b failed: RangeError"].toSorted(),
    );
  });

  test("when the commit fails, each fails by itself, whatever its steps said", () => {
    const bench = transactional(() => {
      throw new RangeError("disk full");
    });
    bench.add(owners.a, "a", 1);
    bench.add(owners.b, "b", 1);
    expect(bench.runAll()).toEqual([
      ...["begin", "a1", "b1", "rollback"],
      ...["begin", "b1", "rollback", "b failed: RangeError"],
      ...["begin", "a1", "rollback", "a failed: RangeError"],
    ]);
  });

  test("when none can begin, one after the other fails", () => {
    const bench = new Bench({
      transaction() {
        throw new RangeError("disk is gone");
      },
    });
    bench.add(owners.a, "a", 1);
    bench.add(owners.b, "b", 1);
    expect(bench.runAll()).toEqual(["a failed: RangeError", "b failed: RangeError"]);
  });

  test("a lock that is somebody else's is waited for, however often", () => {
    const bench: Bench = new Bench({
      transaction(run) {
        if (bench.nowMs % 4_000 < 3_000) return false;
        run();
        bench.nowMs += 1_000;
        return true;
      },
    });
    bench.add(owners.a, "a", 6);
    bench.add(owners.b, "b", 1);
    const log = bench.runAll();
    expect(log).toEqual(["a1", "a2", "a3", "b1", "a4", "a5", "b finished", "a6", "a finished"]);
    expect(bench.nowMs).toBeWithin(8_000, 12_100);
  });

  test("who has waited for the lock for 5 s fails; who came later waits on", () => {
    const bench = new Bench({ transaction: () => false });
    bench.add(owners.a, "a", 1);
    bench.add(owners.a, "next", 1);
    while (bench.nowMs < 2_000) bench.turn();
    bench.add(owners.b, "b", 1);
    while (bench.log.length === 0) bench.turn();
    expect(bench.log).toEqual([`a failed: ${LockedError.name}`]);
    expect(bench.nowMs).toBeWithin(5_000, 5_100);
    while (bench.log.length === 1) bench.turn();
    expect(bench.log.at(-1)).toBe(`b failed: ${LockedError.name}`);
    expect(bench.nowMs).toBeWithin(7_000, 7_100);
    expect(bench.runAll().at(-1)).toBe(`next failed: ${LockedError.name}`);
    expect(bench.nowMs).toBeWithin(10_000, 10_200);
  });
});

test("after stop nothing runs", () => {
  const bench = new Bench();
  bench.add(owners.a, "a", 2);
  bench.queue.stop();
  bench.add(owners.b, "b", 1);
  expect(bench.runAll()).toEqual([]);
});

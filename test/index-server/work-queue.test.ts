/** Turns of long work in virtual time: who runs when, who waits for whom, what a failure or a lock does. */
import { describe, expect, test } from "bun:test";
import { type Job, LockedError, WorkQueue } from "../../src/index-server/sqlite/work-queue.ts";

/** A queue whose clock moves 1 ms a step, and whose turns run when the test says so. */
class Bench {
  nowMs = 0;
  readonly log: string[] = [];
  private readonly due: { run: () => void; atMs: number }[] = [];
  readonly queue = new WorkQueue({
    nowMs: () => this.nowMs,
    soon: (run) => this.due.push({ run, atMs: this.nowMs }),
    later: (run, delayMs) => this.due.push({ run, atMs: this.nowMs + delayMs }),
  });

  add(owner: object, name: string, steps: number, overrides: Partial<Job> = {}): void {
    const bench = this;
    this.queue.add({
      owner,
      steps: (function* () {
        for (let i = 1; i <= steps; i++) {
          bench.nowMs++;
          bench.log.push(`${name}${i}`);
          if (i < steps) yield;
        }
      })(),
      slice: (run) => {
        run();
        return true;
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
      steps: (function* (): Generator<void, unknown> {
        yield;
        throw new RangeError("broken");
      })(),
    });
    bench.add(owners.a, "next", 1);
    expect(bench.runAll()).toEqual(["a failed: RangeError", "next1", "next finished"]);
  });

  test("whose commit fails is over, whatever its steps said", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 1, {
      slice: (run) => {
        run();
        throw new RangeError("disk full");
      },
    });
    expect(bench.runAll()).toEqual(["a1", "a failed: RangeError"]);
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

  test("waits for a lock and runs when it is free", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 1, {
      slice: (run) => {
        if (bench.nowMs < 3_000) return false;
        run();
        return true;
      },
    });
    expect(bench.runAll()).toEqual(["a1", "a finished"]);
    expect(bench.nowMs).toBeWithin(3_000, 3_100);
  });

  test("fails when the lock does not come within 5 s; who needs no lock goes on meanwhile", () => {
    const bench = new Bench();
    bench.add(owners.a, "a", 1, { slice: () => false });
    bench.add(owners.b, "b", 5);
    const log = bench.runAll();
    expect(log).toEqual(["b1", "b2", "b3", "b4", "b5", "b finished", `a failed: ${LockedError.name}`]);
    expect(bench.nowMs).toBeWithin(5_000, 5_100);
  });
});

test("after stop nothing runs", () => {
  const bench = new Bench();
  bench.add(owners.a, "a", 2);
  bench.queue.stop();
  bench.add(owners.b, "b", 1);
  expect(bench.runAll()).toEqual([]);
});

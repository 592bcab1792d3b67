/** What is read of peers that came back, for whom, and when: time is virtual. */
import { expect, test } from "bun:test";
import { Surveys } from "../../../src/index-server/sqlite/surveys.ts";
import type { FileEntry } from "../../../src/wire/messages.ts";
import { fileEntry } from "../../helpers/file-entries.ts";

const pageMs = 2;

class Bench {
  nowMs = 0;
  any = true;
  busy = false;
  wantsAll = true;
  readonly told: string[] = [];
  readonly troubles: unknown[] = [];
  /** Pages read, as `slot page`. */
  readonly read: string[] = [];
  private due: { run: () => void; atMs: number }[] = [];
  readonly surveys: Surveys;

  /** What each slot has, page by page; a page without files cannot be read. */
  constructor(private readonly pages: Record<number, string[][]>) {
    const { troubles } = this;
    this.surveys = new Surveys({
      wanted: Object.defineProperties(
        { any: true, mayWant: ({ name }: FileEntry) => this.wantsAll || name.startsWith("wanted") },
        { any: { get: () => this.any } },
      ),
      filesOf: (slot) => this.filesOf(slot),
      isBusy: () => this.busy,
      nowMs: () => this.nowMs,
      later: (run, delayMs) => void this.due.push({ run, atMs: this.nowMs + delayMs }),
      tell: (slot, files) => void this.told.push(...files.map(({ name }) => `${slot} ${name}`)),
      onTrouble: (error) => void troubles.push(error),
    });
  }

  private *filesOf(slot: number): Generator<FileEntry[], void> {
    for (const [i, names] of this.pages[slot]!.entries()) {
      this.read.push(`${slot} ${i}`);
      this.nowMs += pageMs;
      if (names.length === 0) throw new Error("no such page");
      yield names.map((name) => fileEntry(name));
    }
  }

  /** When the next turn is due; undefined: never. */
  get dueMs(): number | undefined {
    return this.due[0]?.atMs;
  }

  turn(): void {
    const { run, atMs } = this.due.shift()!;
    this.nowMs = Math.max(this.nowMs, atMs);
    run();
  }

  untilDone(): this {
    for (let turns = 0; this.due.length > 0; turns++) {
      if (turns > 1_000) throw new Error("it does not end");
      this.turn();
    }
    return this;
  }
}

const names = (pages: number) => Array.from({ length: pages }, (_, page) => [`${page}`]);

test("when nobody wants to hear of anything, nothing is read, however many come back", () => {
  const bench = new Bench({ 1: names(3), 2: names(3) });
  bench.any = false;
  for (const slot of [1, 2]) bench.surveys.add(slot);
  expect([bench.read, bench.dueMs]).toEqual([[], undefined]);
});

test("who comes back is told of in the order of coming, file by file, as far as it may be wanted", () => {
  const bench = new Bench({ 1: [["a", "wanted"], ["b"]], 2: [["c"], ["d", "wanted too"]] });
  bench.wantsAll = false;
  for (const slot of [2, 1]) bench.surveys.add(slot);
  // Nothing yet: whoever hears that it is back hears it first.
  expect(bench.read).toEqual([]);
  bench.untilDone();
  expect(bench.told).toEqual(["2 wanted too", "1 wanted"]);
  expect(bench.read).toEqual(["2 0", "2 1", "1 0", "1 1"]);
});

test("a turn is short, and while somebody waits to write there are pauses between them", () => {
  const bench = new Bench({ 1: names(30) });
  bench.wantsAll = false;
  bench.busy = true;
  bench.surveys.add(1);
  const spans: [turnMs: number, restMs: number][] = [];
  for (let turns = 0; turns < 3; turns++) {
    const beganMs = bench.nowMs;
    bench.turn();
    spans.push([bench.nowMs - beganMs, bench.dueMs! - bench.nowMs]);
    bench.nowMs = bench.dueMs!;
  }
  expect(spans).toEqual(Array(3).fill([3 * pageMs, 20]));
  bench.busy = false;
  bench.turn();
  expect(bench.dueMs).toBe(bench.nowMs);
});

test("who is told of many files has the time to look at them", () => {
  const page = Array.from({ length: 250 }, (_, i) => `${i}`);
  const bench = new Bench({ 1: [page, page, page, page] });
  bench.surveys.add(1);
  bench.turn();
  expect(bench.told).toHaveLength(750);
  expect(bench.dueMs! - bench.nowMs).toBeCloseTo(7.5);
});

test("who leaves, or is given up, is not looked at any more; the others are", () => {
  const bench = new Bench({ 1: names(30), 2: [["x"], []], 3: [["y"]] });
  for (const slot of [1, 2, 3]) bench.surveys.add(slot);
  bench.turn();
  const before = bench.read.length;
  bench.surveys.remove(1);
  bench.untilDone();
  expect(bench.read.slice(before)).toEqual(["2 0", "2 1", "3 0"]);
  expect(bench.told.slice(-2)).toEqual(["2 x", "3 y"]);
  expect(bench.troubles).toEqual([new Error("no such page")]);
});

test("it ends as soon as nobody wants to hear of anything, or with the index, and begins again with the next", () => {
  const bench = new Bench({ 1: names(30), 2: [["x"]] });
  const isOver = () => {
    const before = bench.read.length;
    bench.untilDone();
    return bench.read.length === before;
  };
  bench.surveys.add(1);
  bench.turn();
  bench.any = false;
  expect(isOver()).toBe(true);
  bench.any = true;
  bench.surveys.add(2);
  expect(bench.untilDone().told.at(-1)).toBe("2 x");
  bench.surveys.add(1);
  bench.turn();
  bench.surveys.stop();
  expect(isOver()).toBe(true);
});

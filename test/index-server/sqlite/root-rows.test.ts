/** Rows that wait in memory: nobody may see that they do. */
import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { migrations } from "../../../src/index-server/sqlite/database.ts";
import { KnownKeys } from "../../../src/index-server/sqlite/known-keys.ts";
import { shortKey } from "../../../src/index-server/sqlite/name-key.ts";
import { RootRows } from "../../../src/index-server/sqlite/root-rows.ts";
import { prepareStatements } from "../../../src/index-server/sqlite/statements.ts";
import { openDatabase } from "../../../src/sqlite.ts";

interface Entry {
  root: number;
  popularity: number;
}

function times(count: number, run: (number: number) => void): void {
  for (let number = 0; number < count; number++) run(number);
}

/** Two roots with the same key, found by looking at 40 million. */
const twins: ReadonlyMap<number, number> = new Map([
  [-1, 4_755_698],
  [-2, 4_797_704],
]);

function rootOf(number: number): Uint8Array {
  const twin = twins.get(number);
  if (twin !== undefined) {
    const root = Buffer.alloc(32);
    root.writeUInt32BE(twin, 0);
    return root;
  }
  return new Bun.CryptoHasher("sha256").update(String(number)).digest();
}

/** The tables, and what should be in them. */
class Bench {
  readonly database: Database = openDatabase({ path: ":memory:", migrations });
  readonly statements = prepareStatements(this.database);
  readonly known = new KnownKeys();
  private roots: RootRows;
  entries = new Map<number, Entry>();
  private lastEntry = 0;

  constructor(private readonly entriesPerPart: number) {
    this.known.isComplete = true;
    this.roots = this.open();
  }

  /** Another one, after the first was killed. */
  reopen(): void {
    this.roots = this.open();
  }

  /** All or nothing. */
  transaction(run: () => void, isCommitted = true): void {
    const before = { lastEntry: this.lastEntry, entries: structuredClone(this.entries) };
    this.statements.begin.run();
    run();
    this.roots.write(this.lastEntry);
    this.statements.setTotals.run(0, 0, this.lastEntry, this.roots.rootedTo(this.lastEntry));
    if (isCommitted) {
      this.statements.commit.run();
      this.roots.settled();
      return;
    }
    this.statements.rollback.run();
    ({ lastEntry: this.lastEntry, entries: this.entries } = before);
    this.roots.undo(this.lastEntry);
  }

  add(root: number): void {
    const entry = ++this.lastEntry;
    const bytes = rootOf(root);
    const others = this.roots.add(bytes, entry);
    this.statements.addEntry.run(entry, `${entry}`, null, 1, Buffer.alloc(16), bytes, 0, others);
    this.entries.set(entry, { root, popularity: 0 });
  }

  setPopularity(entry: number, to: number): void {
    const known = this.entries.get(entry)!;
    this.statements.setPopularity.run(to, entry);
    this.roots.setPopularity(rootOf(known.root), known.popularity, to, entry);
    known.popularity = to;
  }

  remove(entry: number): void {
    const { root, popularity } = this.entries.get(entry)!;
    this.statements.removeEntry.run(entry);
    this.roots.remove(rootOf(root), popularity, entry);
    this.entries.delete(entry);
  }

  writeAll(): void {
    this.transaction(() => this.roots.writeAll());
  }

  get rows(): unknown[][] {
    return this.database
      .query("SELECT root_key, popularity, entry FROM roots ORDER BY entry")
      .values() as unknown[][];
  }

  get expectedRows(): unknown[][] {
    return [...this.entries].map(([entry, { root, popularity }]) => [
      shortKey(rootOf(root)),
      popularity,
      entry,
    ]);
  }

  /** Entries that know that others have their root. */
  get shared(): number[] {
    return this.database
      .query<{ id: number }, []>("SELECT id FROM entries WHERE others = 1 ORDER BY id")
      .all()
      .map(({ id }) => id);
  }

  get rootedTo(): number {
    return this.statements.totals.get()!.rooted_to;
  }

  private open(): RootRows {
    const { last_entry, rooted_to } = this.statements.totals.get()!;
    return new RootRows(this.statements, this.known, last_entry, rooted_to, this.entriesPerPart);
  }
}

test("rows of new roots wait, those of shared ones do not", () => {
  const bench = new Bench(100);
  bench.transaction(() => times(3, (number) => bench.add(number + 1)));
  expect([bench.rows, bench.rootedTo]).toEqual([[], 0]);
  bench.transaction(() => bench.add(2));
  expect(bench.rows.map(([, , entry]) => entry)).toEqual([2, 4]);
  expect(bench.shared).toEqual([2, 4]);
  bench.writeAll();
  expect([bench.rows, bench.rootedTo]).toEqual([bench.expectedRows, 4]);
});

test("roots that share a key, which anybody can make, do not push each other out", () => {
  expect(shortKey(rootOf(-1))).toBe(shortKey(rootOf(-2)));
  const bench = new Bench(1_000);
  bench.transaction(() => bench.add(-1));
  bench.transaction(() => bench.add(-2));
  bench.reopen();
  bench.writeAll();
  expect(bench.rows).toEqual(bench.expectedRows);
});

test("what comes before it is known what is there is found afterwards", () => {
  const bench = new Bench(1_000);
  bench.known.isComplete = false;
  bench.transaction(() => bench.add(1));
  bench.known.isComplete = true;
  bench.transaction(() => bench.add(1));
  expect(bench.shared).toEqual([1, 2]);
});

test("what waits again, because it was undone that it is written, is not forgotten", () => {
  const bench = new Bench(1_000);
  bench.transaction(() => times(200, bench.add.bind(bench)));
  bench.transaction(() => bench.setPopularity(1, 2), false);
  bench.transaction(() => bench.add(1_000));
  expect(bench.rootedTo).toBe(0);
  bench.reopen();
  bench.writeAll();
  expect(bench.rows).toEqual(bench.expectedRows);
});

test("a part of the keys after another is written, and nothing waits for longer than a round of them", () => {
  const bench = new Bench(2);
  const round = 2 * 64;
  for (let root = 1; root <= 1_000; root++) {
    // What is undone writes nothing, and does not count.
    if (root % 100 === 0) bench.transaction(() => times(round, () => bench.add(0)), false);
    bench.transaction(() => bench.add(root));
    expect(bench.rootedTo).toBeGreaterThanOrEqual(root - round);
    expect(bench.rows.length).toBeLessThan(root);
  }
  const written = bench.rows.map(([key]) => Math.floor((key as number) / 2 ** 42));
  expect(new Set(written).size).toBe(64);
  expect(written.length).toBeGreaterThan(1_000 - round);
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("add" as const), root: fc.integer({ min: -2, max: 40 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), at: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("popular" as const), at: fc.nat(), to: fc.nat({ max: 3 }) }),
  },
);
const turn = fc.record({
  steps: fc.array(step, { maxLength: 12 }),
  ends: fc.constantFrom("commit" as const, "commit" as const, "rollback" as const, "kill" as const),
});

test("whatever is written, undone or killed: shared roots are in the table, and all of them in the end", () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 25 }), (turns) => {
      const bench = new Bench(1);
      for (const { steps, ends } of turns) {
        bench.transaction(() => {
          for (const each of steps) {
            if (each.do === "add") bench.add(each.root);
            else if (bench.entries.size > 0) {
              const entry = [...bench.entries.keys()][each.at % bench.entries.size]!;
              if (each.do === "remove") bench.remove(entry);
              else bench.setPopularity(entry, each.to);
            }
          }
        }, ends !== "rollback");
        if (ends === "kill") bench.reopen();
        const byRoot = Map.groupBy(bench.entries, ([, { root }]) => root);
        const shared = [...byRoot.values()].filter((same) => same.length > 1).flat();
        expect(bench.shared).toEqual(expect.arrayContaining(shared.map(([entry]) => entry)));
        const isThere = new Set(bench.rows.map((row) => String(row)));
        const mustBeThere = bench.expectedRows.filter(
          ([, , entry]) => bench.shared.includes(entry as number) || (entry as number) <= bench.rootedTo,
        );
        expect(mustBeThere.filter((row) => !isThere.has(String(row)))).toEqual([]);
      }
      bench.writeAll();
      expect(bench.rows).toEqual(bench.expectedRows);
      bench.database.close(true);
    }),
  );
});

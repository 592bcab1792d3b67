/** Names and what is kept of them, as a Map would keep them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AnswerTable, unlimited } from "../../../src/index-server/sqlite/answer-table.ts";
import { type NameBytes, nameBytes } from "../../../src/wire/plain-query.ts";

function answerOf(table: AnswerTable<string>): string {
  return table.bytes.toString("latin1", table.from, table.to);
}

/** In the middle of other bytes, and with a hash that it shares with some of the others. */
function nameAmong(text: string): NameBytes {
  const { to } = nameBytes(`..${text}`);
  return { bytes: Buffer.from(`..${text}..`), from: 2, to, hash: Bun.hash.crc32(text) % 5_000 };
}

test("whatever is kept, dropped and used up: what is found is what a Map has", () => {
  const name = fc.nat({ max: 500 }).map((of) => `name ${of}`.slice(0, 5 + (of % 6)));
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("add" as const),
        name,
        bytes: fc.oneof({ weight: 100, arbitrary: fc.nat(50) }, fc.constantFrom(100_000, 300_000)),
        uses: fc.constantFrom(1, 2, unlimited),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("use" as const, "drop" as const), name }) },
  );
  let [adds, pushedOut] = [0, 0];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: "max" }), (steps) => {
      const table = new AnswerTable<string>((about) => about.length);
      const model = new Map<string, { answer: string; about: string; uses: number }>();
      /** True: it is found, as it was kept. */
      const isFound = (text: string) => {
        const known = model.get(text);
        const isThere = table.seek(nameAmong(text));
        if (
          isThere &&
          (known === undefined || table.about !== known.about || answerOf(table) !== known.answer)
        )
          throw new Error(`${text} is not ${known?.answer}`);
        // By others whose hashes are near its own.
        if (!isThere && model.delete(text)) pushedOut++;
        return isThere;
      };
      for (const [i, each] of steps.entries()) {
        const known = model.get(each.name);
        if (each.do === "add") {
          adds++;
          const answer = `${i}`.padEnd(each.bytes, "x");
          table.add(nameAmong(each.name), Buffer.from(answer), `about ${i}`, i, each.uses);
          model.set(each.name, { answer, about: `about ${i}`, uses: each.uses });
        } else if (isFound(each.name)) {
          if (each.do === "drop") table.drop();
          else table.use();
          // Also of one that has just been used up, the bytes are there.
          if (answerOf(table) !== known!.answer) throw new Error(`${each.name} is gone`);
          if (each.do === "drop" || (known!.uses !== unlimited && --known!.uses === 0))
            model.delete(each.name);
        }
      }
      const left = [...model.keys()].filter(isFound);
      expect(table.size).toBe(left.length);
      // What is kept beside the answers goes with them.
      const withAll = table.memoryBytes;
      for (const text of left) if (table.seek(nameAmong(text))) table.drop();
      const aboutBytes = left.reduce((sum, text) => sum + model.get(text)!.about.length, 0);
      expect([table.size, table.memoryBytes]).toEqual([0, withAll - aboutBytes]);
    }),
    { numRuns: 100 },
  );
  expect(pushedOut / adds).toBeLessThan(0.001);
});

test("names that share a hash cost a few looks each, and one of the others its answer", () => {
  const table = new AnswerTable<number>(() => 1);
  const names = Array.from({ length: 5_000 }, (_, i) => ({ ...nameBytes(`n${i}`), hash: 7 }));
  for (const [i, name] of names.entries()) table.add(name, Buffer.from(`${i}`), i, 0, unlimited);
  const found = names.filter((name) => table.seek(name));
  expect([found.length, table.size]).toEqual([16, 16]);
  expect(table.seek(names.at(-1)!)).toBe(true);
  expect(table.about).toBe(4_999);
});

test("one that shares its hash with others takes the place of one that is dropped", () => {
  const table = new AnswerTable<number>(() => 1);
  const names = Array.from({ length: 17 }, (_, i) => ({ ...nameBytes(`n${i}`), hash: 7 }));
  for (const [i, name] of names.slice(0, 16).entries()) table.add(name, Buffer.from(`${i}`), i, 0, unlimited);
  for (const i of [9, 4]) if (table.seek(names[i]!)) table.drop();
  table.add(names[16]!, Buffer.from("16"), 16, 0, unlimited);
  const found = names.flatMap((name) => (table.seek(name) ? [table.about] : []));
  expect(found).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16]);
});

describe("memory", () => {
  test("is not taken again for a name that had an answer as long, dropped or not", () => {
    const table = new AnswerTable<number>(() => 1);
    const put = (round: number) => {
      const text = "x".repeat(5_000 - (round % 100));
      table.add(nameBytes("a"), Buffer.from(text), round, 0, 1);
      expect(table.seek(nameBytes("a"))).toBe(true);
      expect([table.about, table.to - table.from]).toEqual([round, text.length]);
      if (round % 2 === 0) table.use();
    };
    put(0);
    const { memoryBytes } = table;
    for (let round = 1; round <= 1_000; round++) put(round);
    expect([table.size, table.memoryBytes]).toEqual([0, memoryBytes]);
  });

  test("is told as it is, also that of pages that are not full", () => {
    const table = new AnswerTable<number>(() => 0);
    const before = table.memoryBytes;
    for (let i = 0; i < 4; i++) table.add(nameBytes(`n${i}`), Buffer.alloc(132 * 1024), i, 0, unlimited);
    expect(table.memoryBytes - before).toBe(4 * 256 * 1024);
  });

  test("of a page is used although larger answers come in between", () => {
    const table = new AnswerTable<number>(() => 0);
    const before = table.memoryBytes;
    for (let i = 0; i < 10; i++) {
      table.add(nameBytes(`small ${i}`), Buffer.alloc(100), i, 0, unlimited);
      table.add(nameBytes(`large ${i}`), Buffer.alloc(300 * 1024), i, 0, unlimited);
    }
    expect(table.memoryBytes - before).toBeWithin(10 * 300 * 1024, 10 * 301 * 1024 + 256 * 1024);
  });
});

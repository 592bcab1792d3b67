/** Names and what is kept of them, as a Map would keep them. */
import { expect, test } from "bun:test";
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
      const table = new AnswerTable<string>();
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
    }),
    { numRuns: 100 },
  );
  expect(pushedOut / adds).toBeLessThan(0.001);
});

test("names that share a hash cost a few looks each, and one of the others its answer", () => {
  const table = new AnswerTable<number>();
  const names = Array.from({ length: 5_000 }, (_, i) => ({ ...nameBytes(`n${i}`), hash: 7 }));
  for (const [i, name] of names.entries()) table.add(name, Buffer.from(`${i}`), i, 0, unlimited);
  const found = names.filter((name) => table.seek(name));
  expect([found.length, table.size]).toEqual([16, 16]);
  expect(table.seek(names.at(-1)!)).toBe(true);
  expect(table.about).toBe(4_999);
});

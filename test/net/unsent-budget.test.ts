/** What waits to be sent on all connections together: who is cut when it is too much. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { UnsentBudget } from "../../src/net/unsent-budget.ts";

test("who has taken nothing for the longest time is cut, and as many as it takes", () => {
  const budget = new UnsentBudget(100);
  const cut: string[] = [];
  const [a, b, c] = ["a", "b", "c"].map((name) => budget.open({ destroy: () => void cut.push(name) }));
  a!.set(40, 3);
  b!.set(60, 1);
  expect([cut, budget.bytes]).toEqual([[], 100]);
  c!.set(1, 4);
  expect([cut, budget.bytes]).toEqual([["b"], 41]);
  a!.set(0, 5);
  c!.set(100, 4);
  expect([cut, budget.bytes]).toEqual([["b"], 100]);
  a!.set(1, 3);
  expect([cut, budget.bytes]).toEqual([["b", "a"], 100]);
  // What is cut counts no more, whatever is still told of it.
  b!.set(1_000, 9);
  b!.close();
  expect([cut, budget.bytes]).toEqual([["b", "a"], 100]);
  c!.close();
  c!.close();
  expect(budget.bytes).toBe(0);
});

test("who has nothing waiting is not cut, however long ago it took something", () => {
  const budget = new UnsentBudget(100);
  const cut: string[] = [];
  const idle = budget.open({ destroy: () => void cut.push("idle") });
  idle.set(1, 0);
  idle.set(0, 0);
  const greedy = budget.open({ destroy: () => void cut.push("greedy") });
  greedy.set(101, 9);
  expect([cut, budget.bytes]).toEqual([["greedy"], 0]);
});

test("whatever is told: never more than may be, and what is counted is what those have who were not cut", () => {
  const facts = fc.array(
    fc.record({ who: fc.nat(5), bytes: fc.nat(80), atMs: fc.nat(1_000), ends: fc.boolean() }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(facts, (all) => {
      const budget = new UnsentBudget(100);
      const bytes = new Map<number, number>();
      const over = new Set<number>();
      const accounts = Array.from({ length: 6 }, (_, who) =>
        budget.open({
          destroy: () => {
            over.add(who);
            bytes.delete(who);
          },
        }),
      );
      for (const fact of all) {
        const account = accounts[fact.who]!;
        if (!over.has(fact.who)) bytes.set(fact.who, fact.ends ? 0 : fact.bytes);
        if (fact.ends) {
          account.close();
          over.add(fact.who);
        } else account.set(fact.bytes, fact.atMs);
        expect(budget.bytes).toBeLessThanOrEqual(100);
        expect(budget.bytes).toBe(bytes.values().reduce((sum, each) => sum + each, 0));
      }
    }),
  );
});

/** Bytes of all connections together: who may read on, who waits, and that nobody waits for ever. */
import { expect, test } from "bun:test";
import { type ByteAccount, ByteBudget } from "../../src/net/byte-budget.ts";

const free = 64 * 1024;
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a little is free for everybody, also when there is no room", () => {
  const budget = new ByteBudget(0);
  const accounts = Array.from({ length: 20 }, () => budget.open({ applyPause: () => {} }));
  const answers = accounts.map((account) => account.keep(free + 1, false));
  expect(answers).toEqual(answers.map(() => false));
  expect(budget.open({ applyPause: () => {} }).keep(free, true)).toBe(true);
  expect(budget.used).toBe(20);
});

test("who goes beyond waits, and is told when there is room", async () => {
  const told: number[] = [];
  const budget = new ByteBudget(1_000);
  const first = budget.open({ applyPause: () => told.push(1) });
  const second = budget.open({ applyPause: () => told.push(2) });
  expect(first.keep(free + 1_000, false)).toBe(true);
  expect(second.keep(free + 1, false)).toBe(false);
  expect(budget.contended).toBe(true);
  first.keep(0, false);
  await turn();
  expect(told).toEqual([2]);
  expect(second.keep(free + 1, false)).toBe(true);
  second.close();
  second.close();
  first.close();
  expect([budget.used, budget.contended]).toEqual([0, false]);
});

test("unfinished lines that fill it are finished, a few at a time, each in its turn", async () => {
  const budget = new ByteBudget(1_000);
  const line = free + 1_000;
  let finished = 0;
  let mayReadOn = 0;
  const connections: { account: ByteAccount; finish(): void }[] = [];
  for (let i = 0; i < 50; i++) {
    const account = budget.open({
      applyPause: () => {
        if (account.keep(line, true)) connection.finish();
      },
    });
    const connection = {
      account,
      finish: () => {
        account.keep(0, true);
        finished++;
      },
    };
    connections.push(connection);
  }
  const begun = connections.filter(({ account }) => account.keep(line, true));
  mayReadOn = begun.length;
  // One for which there was room, and the overdrafts.
  expect(mayReadOn).toBe(9);
  for (const { finish } of begun) finish();
  for (let i = 0; i < 50; i++) await turn();
  expect(finished).toBe(50);
  expect([budget.used, budget.contended]).toEqual([0, false]);
});

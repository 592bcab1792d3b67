/** Work in lanes: all of it, not too much at a time, and its end. */
import { expect, test } from "bun:test";
import { inLanes } from "../../src/transfer/lanes.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test.each([0, 1, 3, 20])("%p items, each once, never more than three at a time", async (count) => {
  const items = Array.from({ length: count }, (_, i) => i);
  const done: number[] = [];
  let [running, most] = [0, 0];
  await inLanes(items.values(), 3, async (item) => {
    most = Math.max(most, ++running);
    for (let i = 0; i <= item % 4; i++) await turn();
    running--;
    done.push(item);
  });
  expect(done.sort((a, b) => a - b)).toEqual(items);
  expect(most).toBe(Math.min(3, count));
});

test("a failure: what has begun is finished, nothing more begins, and it is told", async () => {
  const [begun, done]: number[][] = [[], []];
  const work = async (item: number) => {
    begun!.push(item);
    await turn();
    if (item === 1) throw new Error("one");
    await turn();
    done!.push(item);
  };
  await expect(inLanes([0, 1, 2, 3, 4], 3, work)).rejects.toThrow("one");
  expect(begun).toEqual([0, 1, 2]);
  expect(done).toEqual([0, 2]);
});

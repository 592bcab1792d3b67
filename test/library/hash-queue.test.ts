import { expect, test } from "bun:test";
import fc from "fast-check";
import { HashQueue } from "../../src/library/hash-queue.ts";

const sizes = [5, 0, 1_000_000, 1, 300, 2 ** 40, 0];

function queueOf(sizes: number[]): HashQueue<{ sizeBytes: number }> {
  const queue = new HashQueue<{ sizeBytes: number }>();
  for (const sizeBytes of sizes) queue.add({ sizeBytes });
  return queue;
}

test("gives the smallest or the largest", () => {
  const smallest = queueOf(sizes);
  expect(sizes.map(() => smallest.takeSmallest()?.sizeBytes)).toEqual([0, 0, 1, 5, 300, 1_000_000, 2 ** 40]);
  const largest = queueOf(sizes);
  expect(largest.takeLargest()?.sizeBytes).toBe(2 ** 40);
  expect(largest.takeLargest()?.sizeBytes).toBe(1_000_000);
  expect(largest.size).toBe(5);
});

test("what is deleted is not given", () => {
  const queue = new HashQueue<{ sizeBytes: number }>();
  const job = { sizeBytes: 7 };
  queue.add(job);
  expect(queue.delete(job)).toBe(true);
  expect(queue.delete(job)).toBe(false);
  expect(queue.takeSmallest()).toBeUndefined();
  expect(queue.takeLargest()).toBeUndefined();
});

test("gives every job exactly once, sorted but for sizes within a factor of two", () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat()), (sizes) => {
      const queue = queueOf(sizes);
      const given = sizes.map(() => queue.takeSmallest()!.sizeBytes);
      expect(queue.size).toBe(0);
      expect(given.toSorted((a, b) => a - b)).toEqual(sizes.toSorted((a, b) => a - b));
      for (const [at, size] of given.entries())
        expect(given[at + 1] ?? size).toBeGreaterThanOrEqual(size / 2);
    }),
  );
});

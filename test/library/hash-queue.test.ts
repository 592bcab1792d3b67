import { expect, test } from "bun:test";
import fc from "fast-check";
import { HashQueue } from "../../src/library/hash-queue.ts";

const sizes = [5, 0, 1_000_000, 1, 300, 2 ** 40, 0];

function queueOf(sizes: number[]): HashQueue<{ sizeBytes: number }> {
  const queue = new HashQueue<{ sizeBytes: number }>();
  for (const sizeBytes of sizes) queue.add({ sizeBytes });
  return queue;
}

type Queue = HashQueue<{ sizeBytes: number }>;

function take(queue: Queue, which: "smallest" | "largest"): number | undefined {
  const job = queue[which];
  if (job !== undefined) expect(queue.delete(job)).toBe(true);
  return job?.sizeBytes;
}

test("gives the smallest or the largest", () => {
  const smallest = queueOf(sizes);
  expect(sizes.map(() => take(smallest, "smallest"))).toEqual([0, 0, 1, 5, 300, 1_000_000, 2 ** 40]);
  const largest = queueOf(sizes);
  expect(take(largest, "largest")).toBe(2 ** 40);
  expect(take(largest, "largest")).toBe(1_000_000);
  expect(largest.size).toBe(5);
  expect(largest.bytes).toBe(306);
});

test("what is deleted is not given", () => {
  const queue = new HashQueue<{ sizeBytes: number }>();
  const job = { sizeBytes: 7 };
  queue.add(job);
  expect(queue.delete(job)).toBe(true);
  expect(queue.delete(job)).toBe(false);
  expect(queue.smallest).toBeUndefined();
  expect(queue.largest).toBeUndefined();
});

test("gives those of one size in the order in which they came, whatever is deleted in between", () => {
  const jobs = Array.from({ length: 100 }, (_, id) => ({ sizeBytes: 5, id }));
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 99 })), (deleted) => {
      const queue = new HashQueue<{ sizeBytes: number; id: number }>();
      const given: number[] = [];
      const takeOne = () => {
        const job = queue.smallest;
        if (job !== undefined && queue.delete(job)) given.push(job.id);
        return job;
      };
      for (const job of jobs) queue.add(job);
      const gone = deleted.filter((id) => {
        takeOne();
        return queue.delete(jobs[id]!);
      });
      while (takeOne() !== undefined);
      expect(given).toEqual(jobs.map(({ id }) => id).filter((id) => !gone.includes(id)));
    }),
  );
});

test("gives every job exactly once, sorted but for sizes within a factor of two", () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat()), (sizes) => {
      const queue = queueOf(sizes);
      const given = sizes.map(() => take(queue, "smallest")!);
      expect(queue.size).toBe(0);
      expect(given.toSorted((a, b) => a - b)).toEqual(sizes.toSorted((a, b) => a - b));
      for (const [at, size] of given.entries())
        expect(given[at + 1] ?? size).toBeGreaterThanOrEqual(size / 2);
    }),
  );
});

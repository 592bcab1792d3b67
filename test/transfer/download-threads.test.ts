/** Threads lent to one download after the other: never more than agreed, never one that has ended. */
import { describe, expect, test } from "bun:test";
import { RateLimit } from "../../src/net/rate-limit.ts";
import type { DownloadJob, FromDownloadWorker } from "../../src/transfer/download-messages.ts";
import { type DownloadThread, DownloadThreads } from "../../src/transfer/download-threads.ts";
import { DownloadWorkers } from "../../src/transfer/download-workers.ts";

const job: DownloadJob = {
  kind: "job",
  content: undefined,
  membership: undefined,
  gate: undefined,
  session: "s",
  limit: new RateLimit().shared,
};

/** Whether it has come to an end, without waiting for it. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  // What is done in this turn of the event loop is done.
  return (
    (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])) !== pending
  );
}

/** Runs a job on it that does nothing. */
function answersOf(thread: DownloadThread): Promise<FromDownloadWorker> {
  const { promise, resolve, reject } = Promise.withResolvers<FromDownloadWorker>();
  thread.user = { onMessage: resolve, onDied: (reason) => reject(new Error(reason)) };
  thread.send(job);
  thread.send({ kind: "end-job", keepConnections: true });
  return promise;
}

describe("threads", () => {
  test("are lent up to the number agreed, kept, and lent again", async () => {
    const pool = new DownloadThreads(3, true);
    try {
      const two = await pool.take(2);
      const one = await pool.take(5);
      expect([two.length, one.length]).toEqual([2, 1]);
      const waiting = pool.take(2);
      expect(await isSettled(waiting)).toBe(false);
      pool.giveBack(two);
      const again = await waiting;
      expect(new Set(again)).toEqual(new Set(two));
      for (const thread of again) expect(await answersOf(thread)).toMatchObject({ kind: "stopped" });
      pool.giveBack(again);
      pool.giveBack(one);
    } finally {
      await pool.stop();
    }
  });

  test("who waits gets one each, also those who ask for many", async () => {
    const pool = new DownloadThreads(2, true);
    try {
      const all = await pool.take(2);
      const got: DownloadThread[][] = [];
      const waiting = [1, 2, 3].map((wanted) => pool.take(wanted).then((threads) => got.push(threads)));
      pool.giveBack(all);
      // All three come to their turn as the ones before are done.
      for (let served = 0; served < 3; served++) {
        while (got.length === 0) await Bun.sleep(1);
        pool.giveBack(got.shift()!);
      }
      await Promise.all(waiting);
    } finally {
      await pool.stop();
    }
  });

  test("that have ended meanwhile are not lent, and keep nobody waiting at the end", async () => {
    const pool = new DownloadThreads(2, true);
    const lent = await pool.take(2);
    pool.giveBack(lent);
    for (const thread of lent) thread.terminate();
    const fresh = await pool.take(2);
    for (const thread of fresh) expect(lent).not.toContain(thread);
    expect(await answersOf(fresh[0]!)).toMatchObject({ kind: "stopped" });
    pool.giveBack(fresh);
    fresh[1]!.terminate();
    const startMs = performance.now();
    await pool.stop();
    expect(performance.now() - startMs).toBeLessThan(900);
  });

  test("that were given back hear and say nothing any more", async () => {
    const pool = new DownloadThreads(1, true);
    try {
      const [thread] = await pool.take(1);
      let heard = 0;
      thread!.user = { onMessage: () => heard++, onDied: () => heard++ };
      thread!.send(job);
      thread!.send({ kind: "end-job", keepConnections: true });
      pool.giveBack([thread!]);
      expect(await answersOf((await pool.take(1))[0]!)).toMatchObject({ kind: "stopped" });
      expect(heard).toBe(0);
      pool.giveBack([thread!]);
    } finally {
      await pool.stop();
    }
  });
});

describe("the workers of a download", () => {
  test("stopped while they wait for a thread take none, now or later", async () => {
    const pool = new DownloadThreads(1, true);
    try {
      const lent = await pool.take(1);
      const workers = new DownloadWorkers(pool, () => {});
      const starting = workers.start(1, undefined, { limit: new RateLimit(), membership: undefined });
      expect(await workers.stop()).toBe(true);
      pool.giveBack(lent);
      await starting;
      expect(workers.count).toBe(0);
      expect(await isSettled(pool.take(1).then((threads) => pool.giveBack(threads)))).toBe(true);
    } finally {
      await pool.stop();
    }
  });

  test("hear it once when one fails in a way it should not, end all the same, and the next get another one", async () => {
    const pool = new DownloadThreads(1, true);
    try {
      const told: string[] = [];
      const workers = new DownloadWorkers(pool, ({ kind }) => told.push(kind));
      const [thread] = await pool.take(1);
      pool.giveBack([thread!]);
      const none = { root: undefined, sizeBytes: 1, sink: undefined } as unknown as DownloadJob["content"];
      await workers.start(1, none, { limit: new RateLimit(), membership: undefined });
      while (told.length === 0) await Bun.sleep(1);
      expect(await workers.stop()).toBe(true);
      expect(await workers.stop()).toBe(true);
      expect(told).toEqual(["worker-died"]);
      const [next] = await pool.take(1);
      expect(next).not.toBe(thread);
      expect(await answersOf(next!)).toMatchObject({ kind: "stopped" });
      pool.giveBack([next!]);
    } finally {
      await pool.stop();
    }
  });
});

/** So many bytes a second, in virtual time; that real threads keep to it together is in test/transfer/uploader.test.ts. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RateLimit } from "../../src/net/rate-limit.ts";
import { Random } from "../helpers/random.ts";

const mebibyte = 1024 * 1024;

function limitOf(bytesPerSecond: number): RateLimit {
  const limit = new RateLimit();
  limit.bytesPerSecond = bytesPerSecond;
  return limit;
}

/** One thread: its clock, its requests, and when it asks again. */
class Thread {
  readonly grants: { atMs: number; bytes: number }[] = [];
  private nextMs: number;
  private sinceMs: number;

  constructor(
    private readonly limit: RateLimit,
    /** By how much its clock differs. */
    private readonly clockMs: number,
    startMs: number,
    private readonly wantedBytes: number,
    private readonly lateMs: () => number = () => 0,
  ) {
    this.nextMs = startMs;
    this.sinceMs = startMs;
  }

  get dueMs(): number {
    return this.nextMs;
  }

  ask(nowMs: number): void {
    const bytes = this.limit.take(this.wantedBytes, nowMs + this.clockMs, this.sinceMs + this.clockMs);
    if (bytes > 0) {
      this.grants.push({ atMs: nowMs, bytes });
      this.sinceMs = nowMs;
      this.nextMs = nowMs + 0.05;
    } else {
      this.nextMs = nowMs + this.limit.waitMs() + this.lateMs();
    }
  }

  bytesIn(fromMs: number, toMs: number): number {
    return this.grants
      .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

function run(threads: readonly Thread[], untilMs: number): void {
  for (;;) {
    const next = threads.reduce((first, each) => (each.dueMs < first.dueMs ? each : first));
    if (next.dueMs > untilMs) return;
    next.ask(next.dueMs);
  }
}

describe("a rate limit", () => {
  test("that is off grants everything", () => {
    const limit = new RateLimit();
    expect(limit.take(1e12, 0)).toBe(1e12);
    limit.bytesPerSecond = 10;
    expect(limit.take(1e12, 0)).toBeLessThan(1e12);
    limit.bytesPerSecond = 0;
    expect(limit.take(1e12, 0)).toBe(1e12);
  });

  test.each([20_000, 500_000, 5 * mebibyte, 1e9, 1e11])(
    "of %p bytes/s is kept within 5 percent in every second",
    (rate) => {
      const thread = new Thread(limitOf(rate), 0, 1_000, 1e12);
      run([thread], 6_000);
      for (let fromMs = 1_000; fromMs <= 5_000; fromMs += 130) {
        const bytes = thread.bytesIn(fromMs, fromMs + 1_000);
        // Below 20,000 bytes/s the smallest piece is more than that.
        const slack = Math.max(rate * 0.05, 1_024);
        expect(Math.abs(bytes - rate)).toBeLessThanOrEqual(slack * 1.001);
      }
    },
  );

  test("has no burst above twice the rate after a long pause", () => {
    const rate = 5 * mebibyte;
    const thread = new Thread(limitOf(rate), 0, 0, 1e12);
    run([thread], 1_000);
    const late = new Thread(limitOf(rate), 0, 3_600_000, 1e12);
    run([late], 3_601_000);
    expect(late.bytesIn(3_600_000, 3_600_100)).toBeLessThanOrEqual(0.2 * rate);
    expect(late.bytesIn(3_600_000, 3_601_000)).toBeLessThanOrEqual(1.05 * rate);
  });

  test("is the same for threads whose clocks differ by hours", () => {
    const rate = 10 * mebibyte;
    const limit = limitOf(rate);
    const clocks = [0, 7_200_000, -400, 19];
    const threads = clocks.map((clockMs) => new Thread(new RateLimit(limit.shared), clockMs, 1_000, 1e12));
    run(threads, 9_000);
    const total = threads.reduce((sum, thread) => sum + thread.bytesIn(3_000, 8_000), 0);
    expect(Math.abs(total / (5 * rate) - 1)).toBeLessThan(0.02);
    for (const thread of threads) {
      expect(thread.bytesIn(3_000, 8_000) / (total / threads.length)).toBeWithin(0.9, 1.1);
    }
  });

  test("is shared fairly by threads that come a little late, each in its own way", () => {
    const rate = 4 * mebibyte;
    const limit = limitOf(rate);
    const chance = new Random(3);
    const threads = [0, 3, 9].map(
      (late) => new Thread(new RateLimit(limit.shared), 0, 0, 1e12, () => chance.whole(0, late)),
    );
    run(threads, 10_000);
    const total = threads.reduce((sum, thread) => sum + thread.bytesIn(0, 10_000), 0);
    expect(total / (10 * rate)).toBeWithin(0.95, 1.01);
    for (const thread of threads) expect(thread.bytesIn(0, 10_000) / (total / 3)).toBeWithin(0.9, 1.1);
  });

  test("does not wait for a thread that has ended", () => {
    const rate = mebibyte;
    const limit = limitOf(rate);
    const gone = new Thread(new RateLimit(limit.shared), 0, 0, 1e12);
    const left = new Thread(new RateLimit(limit.shared), 0, 0, 1e12);
    run([gone, left], 1_000);
    run([left], 3_000);
    expect(left.bytesIn(1_500, 2_500) / rate).toBeWithin(0.95, 1.05);
  });

  test("what is given back can be taken again", () => {
    const limit = limitOf(mebibyte);
    let taken = 0;
    for (let bytes = limit.take(1e9, 1_000); bytes > 0; bytes = limit.take(1e9, 1_000)) taken += bytes;
    expect(taken).toBeGreaterThan(0);
    limit.refund(10_000);
    expect(limit.take(10_000, 1_000)).toBe(10_000);
  });

  test("says when there will be enough", () => {
    const limit = limitOf(1_000_000);
    while (limit.take(20_000, 0) > 0) {}
    const waitMs = limit.waitMs();
    expect(waitMs).toBeGreaterThan(0);
    expect(limit.take(20_000, waitMs + 0.01)).toBe(20_000);
  });

  test("a change counts from the next piece on", () => {
    const limit = limitOf(10 * mebibyte);
    const thread = new Thread(limit, 0, 0, 1e12);
    run([thread], 2_000);
    limit.bytesPerSecond = mebibyte;
    run([thread], 5_000);
    expect(thread.bytesIn(2_050, 4_050) / (2 * mebibyte)).toBeWithin(0.94, 1.06);
  });

  test("never grants more than rate and bucket, whoever asks when", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 30_000, max: 1e9 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 60 })), {
          maxLength: 200,
        }),
        (rate, asks) => {
          const limit = limitOf(rate);
          const views = Array.from({ length: 4 }, () => new RateLimit(limit.shared));
          let nowMs = 0;
          let taken = 0;
          for (const [view, laterMs] of asks) {
            nowMs += laterMs;
            taken += views[view]!.take(1e12, nowMs);
            expect(taken).toBeLessThanOrEqual(((nowMs + 50.01) * rate) / 1000 + 1_024);
          }
        },
      ),
    );
  });
});

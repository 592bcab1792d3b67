/** Reading no faster than a limit allows, in virtual time. */
import { describe, expect, test } from "bun:test";
import { RateLimit } from "../../src/net/rate-limit.ts";
import { type PacedLink, PacedReading } from "../../src/transfer/paced-reading.ts";

const mebibyte = 1024 * 1024;

/** A connection that has always, or never, something to read. */
class Link implements PacedLink {
  paused = false;
  readonly reads: { atMs: number; bytes: number }[] = [];
  constructor(
    private readonly run: Run,
    public available = Number.POSITIVE_INFINITY,
  ) {}
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  pull(most: number): number {
    expect(this.paused).toBe(true);
    const bytes = Math.min(most, this.available);
    this.available -= bytes;
    if (bytes > 0) this.reads.push({ atMs: this.run.nowMs, bytes });
    return bytes;
  }
  get total(): number {
    return this.reads.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

class Run {
  nowMs = 1_000;
  readonly limit = new RateLimit();
  readonly links: Link[] = [];
  readonly paced = new PacedReading(this.limit, () => this.links);

  for(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.nowMs < endMs) {
      const waitMs = this.paced.turn(this.nowMs);
      expect(waitMs).toBeGreaterThan(0);
      this.nowMs += Math.max(1, Math.ceil(waitMs));
    }
  }

  add(available?: number): Link {
    const link = new Link(this, available);
    this.links.push(link);
    this.paced.opened(link);
    return link;
  }
}

describe("with a limit", () => {
  test.each([64 * 1024, 5 * mebibyte, 500 * mebibyte])("of %d bytes a second as much is read", (rate) => {
    const run = new Run();
    const links = [run.add(), run.add(), run.add()];
    run.limit.bytesPerSecond = rate;
    run.for(4_000);
    const reads = links.flatMap((link) => link.reads);
    const total = reads.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(total / (4 * rate)).toBeGreaterThan(0.95);
    expect(total / (4 * rate)).toBeLessThan(1.05);
    for (let fromMs = 1_000; fromMs < 4_000; fromMs += 100) {
      const within = reads.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 1_000);
      const bytes = within.reduce((sum, each) => sum + each.bytes, 0);
      expect(bytes / rate).toBeGreaterThan(0.9);
      expect(bytes / rate).toBeLessThan(1.1);
    }
    for (const link of links) expect(link.total / total).toBeGreaterThan(0.25);
  });

  test("a connection that has nothing leaves it to the others", () => {
    const run = new Run();
    run.add(0);
    const busy = run.add();
    run.limit.bytesPerSecond = mebibyte;
    run.for(2_000);
    expect(busy.total / (2 * mebibyte)).toBeGreaterThan(0.9);
  });
});

test("two threads share one limit, and neither waits for the other for long", () => {
  const runs = [new Run(), new Run()];
  const [one, other] = runs as [Run, Run];
  const shared = new RateLimit(one.limit.shared);
  const threads = [one, other].map((run, i) => {
    const limit = i === 0 ? one.limit : shared;
    return { run, paced: new PacedReading(limit, () => run.links), dueMs: 1_000 };
  });
  const links = [one.add(), other.add()];
  one.limit.bytesPerSecond = 10 * mebibyte;
  // Timers are late by a fraction, and never at the same moment.
  for (let nowMs = 1_000; nowMs < 5_000; nowMs += 0.3) {
    for (const thread of threads) {
      if (thread.dueMs > nowMs) continue;
      thread.run.nowMs = nowMs;
      thread.dueMs = nowMs + Math.max(1, Math.round(thread.paced.turn(nowMs)));
    }
  }
  const total = links.reduce((sum, link) => sum + link.total, 0);
  expect(total / (40 * mebibyte)).toBeGreaterThan(0.95);
  expect(total / (40 * mebibyte)).toBeLessThan(1.05);
  for (const { reads } of links) {
    const pauses = reads.slice(1).map(({ atMs }, i) => atMs - reads[i]!.atMs);
    expect(Math.max(...pauses)).toBeLessThan(200);
  }
});

test("connections are read by Bun again when the limit is lifted, and not when a new one is set", () => {
  const run = new Run();
  const old = run.add(0);
  run.for(200);
  expect(old.paused).toBe(false);
  run.limit.bytesPerSecond = mebibyte;
  run.for(200);
  expect([old.paused, run.add(0).paused]).toEqual([true, true]);
  run.limit.bytesPerSecond = 0;
  run.for(200);
  expect([old.paused, run.add(0).paused]).toEqual([false, false]);
});

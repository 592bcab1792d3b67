import { describe, expect, test } from "bun:test";
import { RateMeter } from "../../src/transfer/rate-meter.ts";

/** `bytes` every 100 ms. */
function feed(meter: RateMeter, fromMs: number, toMs: number, bytes: number): void {
  for (let nowMs = fromMs + 100; nowMs <= toMs; nowMs += 100) meter.add(bytes, nowMs);
}

describe("the rate meter", () => {
  test("knows nothing at first", () => {
    expect(new RateMeter(5).bytesPerSecond(5)).toBe(0);
  });

  test("tells a steady rate, from early on", () => {
    const meter = new RateMeter(1_000);
    feed(meter, 1_000, 1_500, 50_000);
    expect(meter.bytesPerSecond(1_500)).toBeCloseTo(500_000, -5);
    feed(meter, 1_500, 6_000, 50_000);
    expect(Math.abs(meter.bytesPerSecond(6_000) - 500_000)).toBeLessThan(30_000);
  });

  test("forgets: after 2 s of silence an eighth is left, after 10 s nothing", () => {
    const meter = new RateMeter(0);
    feed(meter, 0, 5_000, 100_000);
    expect(meter.bytesPerSecond(7_000)).toBeLessThan(150_000);
    expect(meter.bytesPerSecond(15_000)).toBeLessThan(100);
  });

  test("does not count a pause", () => {
    const meter = new RateMeter(0);
    feed(meter, 0, 3_000, 100_000);
    const before = meter.bytesPerSecond(3_000);
    meter.pause(3_000);
    expect(meter.bytesPerSecond(60_000)).toBe(before);
    meter.pause(60_000);
    meter.resume(100_000);
    expect(meter.bytesPerSecond(100_000)).toBeCloseTo(before, 3);
    expect(meter.bytesPerSecond(101_000)).toBeLessThan(before / 2);
    meter.resume(101_000);
    expect(meter.bytesPerSecond(101_000)).toBeLessThan(before / 2);
  });

  test("starts again from nothing", () => {
    const meter = new RateMeter(0);
    feed(meter, 0, 3_000, 100_000);
    meter.restart(4_000);
    expect(meter.bytesPerSecond(4_500)).toBe(0);
  });
});

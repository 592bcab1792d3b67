import { describe, expect, test } from "bun:test";
import { DownloadLife } from "../../src/transfer/download-life.ts";

const mebibyte = 1024 * 1024;

function life(): DownloadLife {
  return new DownloadLife({ timeoutMs: 30_000, maxConnections: 2, hashesBytes: 320 }, 0);
}

describe("the life of a download", () => {
  test("what is verified prolongs it", () => {
    const one = life();
    expect(one.deadlineMs).toBe(30_000);
    one.onVerified(12_000);
    expect(one.deadlineMs).toBe(42_000);
  });

  test("bytes prolong it when they are more than a trickle", () => {
    const slow = life();
    for (let nowMs = 1_000; nowMs <= 20_000; nowMs += 1_000) slow.onBytes(8 * 1024, nowMs);
    expect(slow.deadlineMs).toBe(50_000);
    const trickle = life();
    for (let nowMs = 1_000; nowMs <= 20_000; nowMs += 1_000) trickle.onBytes(1024, nowMs);
    expect(trickle.deadlineMs).toBe(30_000);
  });

  test("bytes of which nothing ever comes do not prolong it for ever", () => {
    const one = life();
    for (let nowMs = 1_000; nowMs <= 100_000; nowMs += 1_000) one.onBytes(mebibyte / 2, nowMs);
    // Two chunks begun on each of two connections: 4 MiB are the first 8 s.
    expect(one.deadlineMs).toBe(38_000);
    one.onVerified(100_000);
    one.onBytes(mebibyte, 101_000);
    expect(one.deadlineMs).toBe(131_000);
  });

  test("a silence counts from the last byte, however fast it came", () => {
    const one = life();
    one.onBytes(2 * mebibyte, 1_000);
    expect(one.deadlineMs).toBe(31_000);
  });
});

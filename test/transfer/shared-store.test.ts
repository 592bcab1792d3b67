/** Which downloads others are told of while they run. */
import { describe, expect, test } from "bun:test";
import { isWorthOffering } from "../../src/transfer/shared-store.ts";

const mib = 1024 * 1024;

describe("a download is offered", () => {
  test.each([
    { elapsedMs: 199, fetched: 1, left: 1_000, worth: false, why: "never before 200 ms" },
    { elapsedMs: 200, fetched: 10, left: 500, worth: true, why: "early when it seems to need 10 s more" },
    { elapsedMs: 200, fetched: 10, left: 490, worth: false, why: "not early when it may only be starting" },
    { elapsedMs: 999, fetched: 100, left: 900, worth: false, why: "not before a second when it needs 9 s" },
    { elapsedMs: 1_000, fetched: 100, left: 400, worth: true, why: "after a second when it needs 4 s" },
    { elapsedMs: 1_000, fetched: 100, left: 390, worth: false, why: "not when it is over in less" },
    { elapsedMs: 60_000, fetched: 100, left: 1, worth: false, why: "not at its very end" },
    { elapsedMs: 200, fetched: 0, left: 1, worth: true, why: "when nothing has come yet" },
  ])("$why", ({ elapsedMs, fetched, left, worth }) => {
    expect(isWorthOffering(fetched * mib, left * mib, elapsedMs)).toBe(worth);
  });
});

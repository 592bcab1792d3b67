/** Which downloads others are told of while they run. */
import { describe, expect, test } from "bun:test";
import { isWorthOffering } from "../../src/transfer/shared-store.ts";

const mib = 1024 * 1024;

describe("a download is offered", () => {
  test.each([
    { fetchingMs: 399, fetched: 1, left: 1_000, worth: false, why: "never before it has fetched for 400 ms" },
    { fetchingMs: 400, fetched: 20, left: 500, worth: true, why: "early when it seems to need 10 s more" },
    { fetchingMs: 400, fetched: 20, left: 490, worth: false, why: "not early when it may only be starting" },
    { fetchingMs: 999, fetched: 100, left: 900, worth: false, why: "not before a second when it needs 9 s" },
    { fetchingMs: 1_000, fetched: 100, left: 400, worth: true, why: "after a second when it needs 4 s" },
    { fetchingMs: 1_000, fetched: 100, left: 390, worth: false, why: "not when it is over in less" },
    { fetchingMs: 60_000, fetched: 100, left: 1, worth: false, why: "not at its very end" },
    { fetchingMs: 400, fetched: 0, left: 1, worth: true, why: "when nothing has come yet" },
  ])("$why", ({ fetchingMs, fetched, left, worth }) => {
    const [fetchedBytes, leftBytes] = [fetched * mib, left * mib];
    expect(isWorthOffering({ fetchedBytes, leftBytes, fetchingMs, limitBytesPerSecond: 0 })).toBe(worth);
  });

  test.each([
    { limit: 20, left: 80, worth: true, why: "when it needs 4 s" },
    { limit: 20, left: 79, worth: false, why: "not when it may be over sooner" },
    { limit: 1_000, left: 80, worth: false, why: "not when the limit is far away" },
  ])("at once under its own limit: $why", ({ limit, left, worth }) => {
    const course = { fetchedBytes: mib, leftBytes: left * mib, fetchingMs: 1 };
    expect(isWorthOffering({ ...course, limitBytesPerSecond: limit * mib })).toBe(worth);
  });
});

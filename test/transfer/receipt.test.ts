/** What a download came to, and what is named as the reason that it was no faster. */
import { expect, test } from "bun:test";
import { type ReceiptFacts, receiptOf, sourceReceiptOf } from "../../src/transfer/receipt.ts";

const source: ReceiptFacts["sources"][number] = {
  host: "10.0.0.1",
  port: 7767,
  bytes: 1_000_000,
  badChunks: 0,
  stalls: 0,
  connectionsMade: 1,
  busyAnswers: 0,
  silentMs: 0,
  idleMs: 0,
  firstByteMs: 5_000,
  lastByteMs: 7_000,
};

const facts: ReceiptFacts = {
  bytes: 1_000_000,
  seconds: 2,
  bestBytesPerSecond: 600_000,
  limitBytesPerSecond: 0,
  threads: 2,
  times: { hashingMs: 100, writingMs: 50 },
  sources: [source],
};

test.each<[string, Partial<ReceiptFacts>]>([
  ["network", {}],
  ["limit", { limitBytesPerSecond: 550_000 }],
  ["network", { limitBytesPerSecond: 600_000 }],
  ["hashing", { times: { hashingMs: 1_500, writingMs: 600 } }],
  ["disk", { times: { hashingMs: 500, writingMs: 1_600 } }],
  ["network", { times: { hashingMs: 900, writingMs: 900 } }],
  ["source", { sources: [{ ...source, silentMs: 600 }] }],
  ["source", { sources: [{ ...source, busyAnswers: 3 }] }],
  // Who delivered nothing did not hold up those who did.
  ["network", { sources: [source, { ...source, bytes: 0, silentMs: 2_000, busyAnswers: 9 }] }],
  // Four connections that each waited a tenth of the time.
  ["network", { sources: [{ ...source, connectionsMade: 4, silentMs: 800 }] }],
  // The disk holds back before the source does: we did not even ask for more.
  ["disk", { times: { hashingMs: 0, writingMs: 3_000 }, sources: [{ ...source, silentMs: 2_000 }] }],
])("%s is named when %p", (bottleneck, different) => {
  const receipt = receiptOf({ ...facts, ...different });
  expect(receipt.bottleneck).toBe(bottleneck as typeof receipt.bottleneck);
  expect(receipt.because.length).toBeGreaterThan(5);
});

test("the best second is at least the mean, and nothing is divided by nothing", () => {
  expect(receiptOf(facts)).toMatchObject({ bytesPerSecond: 500_000, bestBytesPerSecond: 600_000 });
  expect(receiptOf({ ...facts, bestBytesPerSecond: 0 })).toMatchObject({ bestBytesPerSecond: 500_000 });
  const none = receiptOf({ ...facts, bytes: 0, seconds: 0, sources: [] });
  expect([none.bytesPerSecond, none.bestBytesPerSecond]).toEqual([0, 600_000]);
});

test("of a source: its rate while it sent, and what we waited for", () => {
  expect(sourceReceiptOf({ ...source, silentMs: 1_234, stalls: 2 })).toEqual({
    host: "10.0.0.1",
    port: 7767,
    bytes: 1_000_000,
    badChunks: 0,
    bytesPerSecond: 500_000,
    stalls: 2,
    busyAnswers: 0,
    connections: 1,
    waitedSeconds: 1.234,
  });
  const silent = { ...source, bytes: 0, firstByteMs: undefined, lastByteMs: undefined };
  expect(sourceReceiptOf(silent).bytesPerSecond).toBe(0);
});

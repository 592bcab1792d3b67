/** The text of /metrics: right by the rules of the format, and with the numbers that were counted. */
import { describe, expect, test } from "bun:test";
import { Histogram, IndexCounters, queriesPerTimedOne } from "../../src/index-server/counters.ts";
import { type IndexSnapshot, metricsText } from "../../src/index-server/metrics.ts";
import { parsePrometheus, sampleOf } from "../helpers/prometheus.ts";

function snapshot(some: Partial<IndexSnapshot> = {}): IndexSnapshot {
  return {
    version: "1.2.3",
    storage: "sqlite",
    uptimeSeconds: 12.5,
    timeMs: 1_767_225_600_000,
    memoryBytes: 60e6,
    cpuSeconds: 1.25,
    peers: 2,
    files: 20,
    names: 18,
    connections: 5,
    connectionsAccepted: 50,
    connectionsRefused: 1,
    subscriptions: 3,
    waiting: 0,
    databaseBytes: 4096,
    counters: new IndexCounters(),
    ...some,
  };
}

describe("the text", () => {
  test("is of the format, each name once, with a help and a type", () => {
    const counters = new IndexCounters();
    for (let i = 0; i < 40; i++) if (counters.query()) counters.queryTimes.observe(i / 1000);
    counters.request("REGISTER");
    counters.request("REGISTER");
    counters.request("SEARCH");
    counters.error("RETRY");
    const families = parsePrometheus(metricsText(snapshot({ counters })));
    for (const name of families.keys()) expect(name).toStartWith("p2p_index_");
    const value = (name: string, labels?: Record<string, string>) =>
      sampleOf(families, `p2p_index_${name}`, labels);
    expect(value("peers")).toBe(2);
    expect(value("files")).toBe(20);
    expect(value("memory_bytes")).toBe(60e6);
    expect(value("info", { version: "1.2.3", storage: "sqlite" })).toBe(1);
    expect(value("requests_total", { type: "query" })).toBe(40);
    expect(value("requests_total", { type: "register" })).toBe(2);
    expect(value("errors_total", { code: "retry" })).toBe(1);
    expect(families.get("p2p_index_query_seconds")?.samples.at(-1)?.value).toBe(
      Math.ceil(40 / queriesPerTimedOne),
    );
  });

  test("leaves out what does not exist", () => {
    const families = parsePrometheus(metricsText(snapshot({ databaseBytes: undefined })));
    expect(families.has("p2p_index_database_bytes")).toBe(false);
    // No error yet: no series.
    expect(families.has("p2p_index_errors_total")).toBe(false);
  });

  test("no label could break a line", () => {
    const families = parsePrometheus(metricsText(snapshot({ version: 'a"b\\c\nd' })));
    expect(families.get("p2p_index_info")?.samples[0]?.labels.version).toBe('a\\"b\\\\c\\nd');
  });
});

test("a histogram: each value in the first class that is not below it", () => {
  const histogram = new Histogram([1, 2, 5]);
  for (const value of [0.5, 1, 1.5, 2, 4, 5, 6, 600]) histogram.observe(value);
  expect(histogram.cumulative()).toEqual([2, 4, 6, 8]);
  expect(histogram.sum).toBe(620);
});

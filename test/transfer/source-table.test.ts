import { describe, expect, test } from "bun:test";
import type { Source } from "../../src/transfer/source.ts";
import { SourceTable } from "../../src/transfer/source-table.ts";

const none: ReadonlySet<Source> = new Set();

/** What chance says when it leaves things in their order. */
const inOrder = 0.999;

function tableOf(...hosts: string[]): SourceTable {
  const table = new SourceTable(() => inOrder);
  list(table, hosts);
  return table;
}

function list(table: SourceTable, hosts: string[], whole = true): void {
  table.list(
    hosts.map((host) => ({ host, port: 7767, partial: false })),
    whole,
  );
}

function next(table: SourceTable, count = 1, nowMs = 0): string[] {
  return table.nextToConnect(count, () => 4, none, nowMs).map(({ host }) => host);
}

describe("the table of sources", () => {
  test("spreads connections over the sources, four each at most", () => {
    const table = tableOf("a", "b");
    expect(next(table, 5)).toEqual(["a", "b", "a", "b", "a"]);
    expect(next(table, 100).length).toBe(8);
    const [a] = table.all;
    table.openTo(a!, 0);
    expect(next(table)).toEqual(["b"]);
  });

  test("a failed connection makes the source wait, twice as long each time, up to 10 s", () => {
    const table = tableOf("a");
    const [a] = table.all;
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      table.close(table.openTo(a!, 0), 0);
      expect(next(table)).toEqual([]);
      expect(table.nextRetryMs(0)).toBe(a!.retryAtMs);
      waits.push(a!.retryAtMs);
    }
    // Up to half of the wait is chance: here nothing.
    expect(waits.map((ms) => Math.round(ms / 0.9995))).toEqual([
      250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
    ]);
    expect(next(table, 1, 10_000)).toEqual(["a"]);
  });

  test("a connection that we retire is no failure", () => {
    const table = tableOf("a");
    const [a] = table.all;
    table.retire(table.openTo(a!, 0));
    expect(a).toMatchObject({ failures: 0, connections: 0 });
    expect(next(table)).toEqual(["a"]);
  });

  test("who is excluded is no candidate and not connected to, whatever the index says", () => {
    const table = tableOf("a", "b");
    const [a] = table.all;
    a!.excluded = "gone";
    list(table, ["a", "b"]);
    expect(table.candidates.map(({ host }) => host)).toEqual(["b"]);
    expect(next(table, 9)).toEqual(["b", "b", "b", "b"]);
  });

  test("a whole answer takes away who is not in it, a sample does not", () => {
    const table = tableOf("a", "b");
    list(table, ["c"], false);
    expect(next(table, 3)).toEqual(["a", "b", "c"]);
    list(table, ["c"], true);
    expect(next(table, 1)).toEqual(["c"]);
    expect(table.candidates.map(({ host }) => host)).toEqual(["c"]);
  });

  test("who is connected stays a candidate until the connection is gone", () => {
    const table = tableOf("a");
    const [a] = table.all;
    const connection = table.openTo(a!, 0);
    list(table, []);
    expect(table.candidates).toEqual([a!]);
    table.close(connection, 0);
    table.close(connection, 0);
    expect(a!.connections).toBe(0);
    expect(table.candidates).toEqual([]);
  });

  test("one host may be several sources, by port", () => {
    const table = new SourceTable(() => inOrder);
    for (const port of [1, 2, 1]) table.list([{ host: "a", port, partial: false }], false);
    expect([...table.all].map(({ port }) => port)).toEqual([1, 2]);
  });

  test("who is busy is asked again when it said, or a little later, and has not failed", () => {
    const table = tableOf("a");
    const [a] = table.all;
    table.openTo(a!, 0);
    table.busy(a!, 800, 1_000);
    expect(a).toMatchObject({ failures: 0, busyAnswers: 1 });
    expect(table.nextRetryMs(1_000)).toBe(a!.busyUntilMs);
    expect(Math.round(a!.busyUntilMs)).toBe(2_000);
    expect(a!.busyUntilMs).toBeLessThanOrEqual(1_000 + 1.25 * 800);
    // Neither at once nor never, whatever it says.
    table.busy(a!, -5, 2_000);
    expect(a!.busyUntilMs).toBeGreaterThan(2_010);
    table.busy(a!, 1e9, 2_000);
    expect(a!.busyUntilMs).toBeLessThan(15_000);
  });

  test("of more than 1,024 those are forgotten that have part of it and did nothing", () => {
    const table = tableOf("whole");
    const many = Array.from({ length: 2_000 }, (_, i) => ({ host: `p${i}`, port: 1, partial: true }));
    table.list(many.slice(0, 1), false);
    const [, connected] = table.all;
    table.openTo(connected!, 0);
    for (let i = 1; i < many.length; i += 50) table.list(many.slice(i, i + 50), false);
    const hosts = [...table.all].map(({ host }) => host);
    expect(hosts.length).toBe(1_024);
    expect(hosts.slice(0, 2)).toEqual(["whole", "p0"]);
    expect(hosts.at(-1)).toBe("p1999");
  });

  test("however many sources an index names, 1,024 are known, and who did something is among them (A33)", () => {
    const table = tableOf("connected", "out");
    const [connected, out] = table.all;
    table.openTo(connected!, 0);
    out!.excluded = "wrong data";
    for (let i = 0; i < 10_000; i += 50) {
      const hosts = Array.from({ length: 50 }, (_, k) => `p${i + k}`);
      list(table, hosts, false);
    }
    const hosts = [...table.all].map(({ host }) => host);
    expect(hosts.length).toBe(1_025);
    expect(hosts.slice(0, 2)).toEqual(["connected", "out"]);
    expect(hosts.at(-1)).toBe("p9999");
  });

  test("those that are out are remembered, 4,096 of them, and keep nobody else from being known", () => {
    const table = tableOf();
    for (let i = 0; i < 6_000; i++) {
      list(table, [`p${i}`], false);
      [...table.all].at(-1)!.excluded = "another machine";
    }
    list(table, ["new"], false);
    expect([...table.all].length).toBe(4_097);
    expect(next(table)).toEqual(["new"]);
  });
});

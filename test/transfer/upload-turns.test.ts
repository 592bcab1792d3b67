import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type AddressLimit, addressLimit } from "../../src/net/address-limits.ts";
import { smallRequestBytes, UploadTurns } from "../../src/transfer/upload-turns.ts";

const mebibyte = 1024 * 1024;
const limits = { slots: 2, perHost: addressLimit(8), total: 64 };

function turnsOf(different: Partial<typeof limits> = {}): UploadTurns {
  return new UploadTurns({ ...limits, ...different }, 0);
}

/** All who are due now. */
function serve(turns: UploadTurns, nowMs = 0): number[] {
  const served: number[] = [];
  for (let id = turns.nextToServe(nowMs); id !== undefined; id = turns.nextToServe(nowMs)) served.push(id);
  return served;
}

/** Sends the whole first request of the connection. */
function finish(turns: UploadTurns, id: number, nowMs = 0): number[] {
  turns.onSent(id, mebibyte, nowMs);
  turns.onRequestDone(id, nowMs);
  return serve(turns, nowMs);
}

describe("turns", () => {
  test("are given to two who take what is sent, in the order in which they asked", () => {
    const turns = turnsOf({ slots: 8 });
    for (const id of [5, 3, 4]) turns.onGet(id, `10.0.0.${id}`, mebibyte, 0);
    expect(serve(turns)).toEqual([5, 3]);
    expect([5, 3, 4].map((id) => turns.mayServe(id))).toEqual([true, true, false]);
    expect(finish(turns, 3)).toEqual([4]);
    expect(turns.mayServe(3)).toBe(false);
    expect([...turns.inTurn()]).toEqual([5, 4]);
  });

  test("are given to more while all take nothing for the moment, up to as many as there are slots", () => {
    const turns = turnsOf({ slots: 4 });
    for (let id = 1; id <= 9; id++) turns.onGet(id, `10.0.0.${id}`, mebibyte, 0);
    expect(serve(turns)).toEqual([1, 2]);
    turns.onBlocked(1, 0);
    expect(serve(turns)).toEqual([3]);
    turns.onBlocked(2, 0);
    expect(serve(turns)).toEqual([4]);
    turns.onBlocked(3, 0);
    expect(serve(turns)).toEqual([]);
    // Three take what is sent now: the next turn that ends is not given to anybody.
    turns.onDrained(1);
    turns.onDrained(2);
    expect(finish(turns, 1)).toEqual([]);
    expect(finish(turns, 2)).toEqual([5]);
  });

  test("go round the downloaders, one request each, however many connections one has", () => {
    const turns = turnsOf({ slots: 1 });
    for (const id of [1, 2, 3, 4]) for (let i = 0; i < 4; i++) turns.onGet(id, "10.0.0.1", mebibyte, 0);
    for (let i = 0; i < 4; i++) turns.onGet(9, "10.0.0.9", mebibyte, 0);
    let [current] = serve(turns);
    const order: number[] = [];
    while (current !== undefined) {
      order.push(current);
      [current] = finish(turns, current);
    }
    expect(order.slice(0, 9)).toEqual([1, 9, 2, 9, 3, 9, 4, 9, 1]);
    expect(order.length).toBe(20);
  });

  test("on one machine go round the connections", () => {
    const turns = turnsOf({ slots: 1 });
    turns.onGet(1, "127.0.0.1", mebibyte, 0);
    turns.onGet(1, "127.0.0.1", mebibyte, 0);
    turns.onGet(2, "127.0.0.1", mebibyte, 0);
    serve(turns);
    expect(finish(turns, 1)).toEqual([2]);
  });

  test("of one address are 8 at most, of all 64, however many slots there are", () => {
    const turns = turnsOf({ slots: 1000 });
    const serveBlocked = () => {
      const served: number[] = [];
      for (let id = turns.nextToServe(0); id !== undefined; id = turns.nextToServe(0)) {
        turns.onBlocked(id, 0);
        served.push(id);
      }
      return served;
    };
    for (let id = 0; id < 100; id++) turns.onGet(id, "10.0.0.1", mebibyte, 0);
    expect(serveBlocked().length).toBe(8);
    for (let id = 100; id < 200; id++) turns.onGet(id, `10.1.0.${id}`, mebibyte, 0);
    expect(serveBlocked().length).toBe(56);
    for (let id = 200; id < 300; id++) turns.onGet(id, "::1", mebibyte, 0);
    expect(serveBlocked()).toEqual([]);
    turns.onRequestDone(100, 0);
    expect(serveBlocked()).toEqual([101 + 55]);
  });

  test("keep no slot from others after a second without a byte taken, or after 4 s", () => {
    const turns = turnsOf({ slots: 2 });
    for (const id of [1, 2, 3, 4]) turns.onGet(id, `10.0.0.${id}`, mebibyte, 0);
    expect(serve(turns)).toEqual([1, 2]);
    turns.onBlocked(1, 500);
    expect(turns.nextWakeupMs(500)).toBe(1_500);
    expect(serve(turns, 1_499)).toEqual([]);
    expect(serve(turns, 1_500)).toEqual([3]);
    // It goes on beside the others.
    turns.onDrained(1);
    expect(turns.mayServe(1)).toBe(true);
    expect(serve(turns, 1_600)).toEqual([]);
    expect(serve(turns, 4_000)).toEqual([4]);
  });

  test("of who takes a little now and then are no longer than of who takes all", () => {
    const turns = turnsOf({ slots: 1 });
    turns.onGet(1, "10.0.0.1", mebibyte, 0);
    turns.onGet(2, "10.0.0.2", mebibyte, 0);
    serve(turns);
    turns.onBlocked(1, 0);
    for (let nowMs = 100; nowMs < 4_000; nowMs += 100) {
      turns.onSent(1, 100, nowMs);
      expect(serve(turns, nowMs)).toEqual([]);
    }
    expect(serve(turns, 4_000)).toEqual([2]);
  });

  test("of small requests do not wait for big ones, and do not keep those waiting", () => {
    const turns = turnsOf();
    for (let id = 0; id < 4; id++) turns.onGet(id, `10.0.0.${id}`, mebibyte, 0);
    expect(serve(turns)).toEqual([0, 1]);
    for (let id = 10; id < 14; id++) turns.onGet(id, `10.0.1.${id}`, smallRequestBytes, 0);
    expect(serve(turns)).toEqual([10, 11]);
    expect(finish(turns, 10)).toEqual([12]);
    // A slot that is free belongs to whose turn it is.
    expect(finish(turns, 0)).toEqual([2]);
  });

  test("end with the connection", () => {
    const turns = turnsOf({ slots: 1 });
    turns.onGet(1, "10.0.0.1", mebibyte, 0);
    turns.onGet(2, "10.0.0.2", mebibyte, 0);
    serve(turns);
    turns.onClosed(1, 0);
    expect(serve(turns)).toEqual([2]);
    turns.onClosed(2, 0);
    expect(turns.nextWakeupMs(0)).toBe(Number.POSITIVE_INFINITY);
  });

  test("are fewer on a slow line, so that each takes about 2 s", () => {
    const turns = turnsOf({ slots: 8 });
    for (let id = 0; id < 8; id++) {
      turns.onGet(id, `10.0.0.${id}`, mebibyte, 0);
      expect(serve(turns)).toEqual([id]);
      turns.onBlocked(id, 0);
    }
    // 1.5 MiB/s.
    for (let nowMs = 0; nowMs < 3_000; nowMs += 10) {
      turns.onSent(Math.floor(nowMs / 10) % 8, 0.015 * mebibyte, nowMs);
    }
    for (let id = 8; id < 16; id++) turns.onGet(id, `10.0.0.${id}`, mebibyte, 3_000);
    const served: number[][] = [];
    for (let id = 0; id < 8; id++) {
      turns.onRequestDone(id, 3_000);
      served.push(serve(turns, 3_000));
    }
    expect(served).toEqual([[], [], [], [], [], [], [8], [9]]);
  });
});

describe("who would wait for long", () => {
  /** One connection that takes 10 MiB/s, for a second. */
  function busyTurns(): UploadTurns {
    const turns = turnsOf({ slots: 1 });
    turns.onGet(1, "10.0.0.1", 16 * mebibyte, 0);
    serve(turns);
    for (let nowMs = 10; nowMs <= 1_000; nowMs += 10) turns.onSent(1, 0.1 * mebibyte, nowMs);
    return turns;
  }

  function queue(turns: UploadTurns, count: number): (number | undefined)[] {
    return Array.from({ length: count }, (_, i) => {
      const id = 100 + i;
      const retryMs = turns.busyRetryMs(id, `10.0.1.${i}`, mebibyte, 1_000);
      if (retryMs === undefined) turns.onGet(id, `10.0.1.${i}`, mebibyte, 1_000);
      return retryMs;
    });
  }

  test("is told when to come back: each later than the one before", () => {
    const answers = queue(busyTurns(), 60);
    const refused = answers.filter((retryMs) => retryMs !== undefined);
    // 100 ms at 10 MiB/s are one request.
    expect(60 - refused.length).toBe(1);
    expect(refused[0]).toBeLessThan(300);
    // One in eight comes back, one in 100 ms.
    expect(refused[20]! - refused[10]!).toBeGreaterThan(110);
    expect(refused[20]! - refused[10]!).toBeLessThan(140);
    expect(Math.max(...refused)).toBeLessThanOrEqual(5_000);
  });

  test("is nobody as long as hardly anybody waits: a slow line must not run dry", () => {
    const turns = turnsOf({ slots: 2 });
    for (const id of [1, 2]) turns.onGet(id, `10.0.0.${id}`, mebibyte, 0);
    serve(turns);
    // 50 KiB/s.
    for (let nowMs = 100; nowMs <= 3_000; nowMs += 100) turns.onSent(1, 5_000, nowMs);
    const retryMs = [3, 4, 5].map((id) => {
      const busyMs = turns.busyRetryMs(id, `10.0.0.${id}`, mebibyte, 3_000);
      if (busyMs === undefined) turns.onGet(id, `10.0.0.${id}`, mebibyte, 3_000);
      return busyMs;
    });
    expect(retryMs).toEqual([undefined, 5_000, 5_000]);
  });

  test("is less long for who asks for the first time while another has much queued", () => {
    const turns = busyTurns();
    for (let i = 0; i < 60; i++) turns.onGet(2, "10.0.0.2", mebibyte, 1_000);
    expect(turns.busyRetryMs(2, "10.0.0.2", mebibyte, 1_000)).toBeGreaterThan(0);
    expect(turns.busyRetryMs(3, "10.0.0.3", mebibyte, 1_000)).toBeLessThan(300);
  });

  test("is nobody while a slot is free, nor with a small request", () => {
    const turns = busyTurns();
    expect(queue(turns, 60).at(-1)).toBeGreaterThan(0);
    expect(turns.busyRetryMs(9, "10.0.0.9", smallRequestBytes, 1_000)).toBeUndefined();
    expect(turnsOf().busyRetryMs(1, "10.0.0.1", 16 * mebibyte, 0)).toBeUndefined();
  });
});

describe("whatever happens", () => {
  const id = fc.nat({ max: 11 });
  const step = fc.oneof(
    fc.record({
      do: fc.constant("get" as const),
      id,
      bytes: fc.constantFrom(1, smallRequestBytes, mebibyte),
    }),
    fc.record({ do: fc.constantFrom("done" as const, "closed" as const, "blocked" as const), id }),
    fc.record({ do: fc.constant("later" as const), id: fc.integer({ min: 1, max: 3_000 }) }),
  );

  test("limits are kept, everybody is served in the end, and then nothing is left", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const turns = turnsOf({ slots: 2, perHost: addressLimit(3), total: 6 });
        const queued = new Map<number, number>();
        const serving = new Set<number>();
        let nowMs = 0;
        const hostOf = (connection: number) => `10.0.0.${connection % 3}`;
        const give = () => {
          for (const served of serve(turns, nowMs)) {
            expect(serving.has(served)).toBe(false);
            expect(queued.get(served)).toBeGreaterThan(0);
            serving.add(served);
          }
          expect(serving.size).toBeLessThanOrEqual(6);
          for (const host of [0, 1, 2])
            expect([...serving].filter((each) => each % 3 === host).length).toBeLessThanOrEqual(3);
          for (let each = 0; each < 12; each++) expect(turns.mayServe(each)).toBe(serving.has(each));
        };
        const done = (connection: number) => {
          turns.onRequestDone(connection, nowMs);
          serving.delete(connection);
          queued.set(connection, queued.get(connection)! - 1);
        };
        for (const each of steps) {
          if (each.do === "later") nowMs += each.id;
          else if (each.do === "get") {
            turns.onGet(each.id, hostOf(each.id), each.bytes, nowMs);
            queued.set(each.id, (queued.get(each.id) ?? 0) + 1);
          } else if (each.do === "closed") {
            turns.onClosed(each.id, nowMs);
            serving.delete(each.id);
            queued.set(each.id, 0);
          } else if (serving.has(each.id)) {
            if (each.do === "done") done(each.id);
            else turns.onBlocked(each.id, nowMs);
          }
          give();
        }
        for (let left = 1_000; serving.size > 0 && left > 0; left--) {
          done([...serving][0]!);
          give();
        }
        expect([...queued.values()].every((count) => count === 0)).toBe(true);
        expect(turns.nextWakeupMs(nowMs)).toBe(Number.POSITIVE_INFINITY);
        const { connections, downloaders } = turns as unknown as Record<string, { size: number }>;
        expect([connections!.size, downloaders!.size]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the connections of one download", () => {
  test("are one downloader on our own machine when they say so, and by their address elsewhere", () => {
    const turns = new UploadTurns({ slots: 2, perHost: addressLimit(8), total: 64 }, 0);
    for (const id of [1, 2, 3]) turns.onGet(id, "127.0.0.1", mebibyte, 0, "a");
    turns.onGet(4, "127.0.0.1", mebibyte, 0, "b");
    expect([turns.nextToServe(0), turns.nextToServe(0)]).toEqual([1, 4]);
    const elsewhere = new UploadTurns({ slots: 2, perHost: addressLimit(8), total: 64 }, 0);
    for (const id of [1, 2, 3]) elsewhere.onGet(id, "10.0.0.1", mebibyte, 0, `${id}`);
    elsewhere.onGet(4, "10.0.0.2", mebibyte, 0, "1");
    expect([elsewhere.nextToServe(0), elsewhere.nextToServe(0)]).toEqual([1, 4]);
  });

  test("are as many as their address may have, on our own machine once that was set", () => {
    const served = (host: string, perHost: AddressLimit) => {
      const turns = new UploadTurns({ slots: 8, perHost, total: 64 }, 0);
      for (const id of [1, 2, 3]) turns.onGet(id, host, mebibyte, 0, `${id}`);
      turns.onGet(4, "10.0.0.2", mebibyte, 0);
      // Who takes nothing keeps no slot; it counts all the same.
      const given: number[] = [];
      for (let next = turns.nextToServe(0); next !== undefined; next = turns.nextToServe(0)) {
        given.push(next);
        turns.onBlocked(next, 0);
      }
      return given;
    };
    expect(served("10.0.0.1", addressLimit(2))).toEqual([1, 4, 2]);
    expect(served("127.0.0.1", addressLimit(2))).toEqual([1, 2, 3, 4]);
    expect(served("127.0.0.1", addressLimit(8, 2))).toEqual([1, 4, 2]);
  });

  test("are never refused while nobody else is here", () => {
    const turns = new UploadTurns({ slots: 2, perHost: addressLimit(8), total: 64 }, 0);
    for (let id = 1; id <= 20; id++) {
      expect(turns.busyRetryMs(id, "127.0.0.1", mebibyte, 0, "a")).toBeUndefined();
      turns.onGet(id, "127.0.0.1", mebibyte, 0, "a");
      turns.nextToServe(0);
    }
    turns.onSent(1, 1_000, 100);
    expect(turns.busyRetryMs(21, "127.0.0.1", mebibyte, 100, "b")).toBeGreaterThan(0);
  });
});

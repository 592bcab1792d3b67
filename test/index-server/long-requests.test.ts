/** Which long requests of a connection are worked on at the same time, and in which order they are answered. */
import { expect, test } from "bun:test";
import { LongRequests } from "../../src/index-server/long-requests.ts";
import type { LongRequest } from "../../src/index-server/session.ts";

class Bench {
  readonly log: string[] = [];
  private readonly under = new Map<number, () => void>();
  readonly requests: LongRequests;
  /** Comes as soon as there is room. */
  readonly next: [type: string, id: number][] = [];

  constructor(updatesAtOnce: number) {
    this.requests = new LongRequests({
      updatesAtOnce,
      work: ({ id }) => {
        this.log.push(`begin ${id}`);
        const { promise, resolve } = Promise.withResolvers<() => void>();
        this.under.set(id, () => resolve(() => void this.log.push(`answer ${id}`)));
        return promise;
      },
      onAnswered: (keptBytes) => {
        this.log.push(`room ${keptBytes}`);
        for (const [type, id] of this.next.splice(0)) this.add(type, id);
      },
    });
  }

  add(type: string, ...ids: number[]): this {
    for (const id of ids) this.requests.add({ type, id } as unknown as LongRequest, 10 * id);
    return this;
  }

  async done(...ids: number[]): Promise<string[]> {
    for (const id of ids) this.under.get(id)?.();
    await new Promise((resolve) => setImmediate(resolve));
    return this.log.splice(0);
  }
}

test("UPDATEs that follow one another are worked on at the same time, as many as the store takes", async () => {
  const bench = new Bench(3).add("UPDATE", 1, 2, 3, 4, 5);
  expect(await bench.done()).toEqual(["begin 1", "begin 2", "begin 3"]);
  expect(await bench.done(1)).toEqual(["answer 1", "begin 4", "room 10"]);
  expect(await bench.done(2, 3)).toEqual(["answer 2", "begin 5", "room 20", "answer 3", "room 30"]);
});

test("what is done before its turn is answered in its turn", async () => {
  const bench = new Bench(3).add("UPDATE", 1, 2, 3, 4);
  await bench.done();
  expect(await bench.done(3)).toEqual([]);
  expect(await bench.done(2)).toEqual([]);
  expect(await bench.done(1)).toEqual(["answer 1", "answer 2", "answer 3", "begin 4", "room 60"]);
});

test.each(["REGISTER", "SEARCH", "LIST", "BROWSE"])("%s is worked on alone", async (type) => {
  const bench = new Bench(3).add("UPDATE", 1, 2).add(type, 3).add("UPDATE", 4, 5);
  expect(await bench.done()).toEqual(["begin 1", "begin 2"]);
  expect(await bench.done(1, 2)).toEqual(["answer 1", "room 10", "answer 2", "begin 3", "room 20"]);
  expect(await bench.done(3)).toEqual(["answer 3", "begin 4", "begin 5", "room 30"]);
});

test("a store that takes one at a time gets one", async () => {
  const bench = new Bench(1).add("UPDATE", 1, 2);
  expect(await bench.done()).toEqual(["begin 1"]);
  expect(await bench.done(1)).toEqual(["answer 1", "begin 2", "room 10"]);
});

test("what comes when there is room again waits behind what was there", async () => {
  const bench = new Bench(2).add("UPDATE", 1).add("SEARCH", 2);
  bench.next.push(["UPDATE", 3]);
  expect(await bench.done(1)).toEqual(["begin 1", "answer 1", "begin 2", "room 10"]);
  expect(await bench.done(2)).toEqual(["answer 2", "begin 3", "room 20"]);
});

test("after the end nothing is begun or answered", async () => {
  const bench = new Bench(1).add("UPDATE", 1, 2);
  bench.requests.clear();
  expect(await bench.done(1)).toEqual(["begin 1"]);
});

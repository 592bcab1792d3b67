/** The driver of a connection without a socket: each request is worked on once, whatever comes in between. */
import { expect, test } from "bun:test";
import type { Applied, Catalog, CatalogPeer } from "../../src/index-server/catalog.ts";
import { IndexCounters } from "../../src/index-server/counters.ts";
import { IndexConnection } from "../../src/index-server/index-connection.ts";
import type { IndexParts } from "../../src/index-server/index-parts.ts";
import { AddressShares, addressLimit } from "../../src/net/address-limits.ts";
import type { Connection } from "../../src/net/connection.ts";
import { hello } from "../helpers/line-client.ts";

const peer: CatalogPeer = {
  id: "1",
  host: "10.0.0.1",
  fingerprint: undefined,
  port: 0,
  files: 0,
  sinceMs: 0,
};

/** Lines that wait because there is no room are read as soon as there is: within `keptByUser`, as of connection.ts. */
class Bench {
  readonly sent: string[] = [];
  readonly applied: number[] = [];
  readonly finish: (() => void)[] = [];
  readonly waiting: object[] = [];
  readonly connection: IndexConnection;

  constructor() {
    const socket = {
      remoteHost: "10.0.0.1",
      bufferedBytes: 0,
      send: (line: string) => void this.sent.push(line),
      refuse: (error: Error) => void this.sent.push(`refused: ${error.message}`),
      pause() {},
      resume() {},
      keptByUser: (byBytes: number) => {
        const next = byBytes < 0 ? this.waiting.shift() : undefined;
        if (next !== undefined) this.say(next);
      },
    };
    const catalog = {
      updatesAtOnce: 1,
      join: () => peer,
      apply: (_: CatalogPeer, _type: string, line: Uint8Array) => {
        const { id } = JSON.parse(Buffer.from(line).toString()) as { id: number };
        this.applied.push(id);
        const { promise, resolve } = Promise.withResolvers<Applied>();
        this.finish.push(() => resolve({ id, held: undefined }));
        return promise;
      },
    };
    const parts = {
      catalog: catalog as unknown as Catalog,
      peersPerAddress: new AddressShares(addressLimit(16)),
      rounds: { begin: () => 1_000 },
      welcome: { agent: "p2p/test", epoch: "e" },
      counters: new IndexCounters(),
      onFailure: (error: unknown) => void this.sent.push(`failure: ${error}`),
    } as unknown as IndexParts;
    this.connection = new IndexConnection(socket as unknown as Connection, parts);
    this.say(hello);
  }

  say(message: object): void {
    this.connection.onLine(Buffer.from(JSON.stringify(message)));
  }

  /** The catalog is done with the oldest request. */
  async end(): Promise<void> {
    this.finish.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a request that is read the moment another one is answered is worked on once", async () => {
  const bench = new Bench();
  bench.say({ type: "REGISTER", id: 1, port: 1, files: [] });
  for (const id of [2, 3]) bench.waiting.push({ type: "UPDATE", id, add: [], remove: [] });
  for (let i = 0; i < 4; i++) await bench.end();
  expect(bench.applied).toEqual([1, 2, 3]);
  expect(bench.sent.slice(1)).toEqual([1, 2, 3].map((id) => `{"type":"OK","id":${id}}\n`));
});

test("requests are worked on one after the other, in their order", async () => {
  const bench = new Bench();
  bench.say({ type: "REGISTER", id: 1, port: 1, files: [] });
  bench.say({ type: "UPDATE", id: 2, add: [], remove: [] });
  expect(bench.applied).toEqual([1]);
  await bench.end();
  expect(bench.applied).toEqual([1, 2]);
  await bench.end();
  expect(bench.sent.slice(1)).toEqual(['{"type":"OK","id":1}\n', '{"type":"OK","id":2}\n']);
});

/** BROWSE, PEERS and STATS of a whole index in process, over real sockets. */
import { afterEach, expect, test } from "bun:test";
import { IndexServer } from "../../src/index-server/server.ts";
import { fileEntry, wireEntry } from "../helpers/file-entries.ts";
import { LineClient } from "../helpers/line-client.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(): Promise<IndexServer> {
  const log = () => {};
  const index = await IndexServer.start({
    host: "127.0.0.1",
    port: 0,
    databasePath: ":memory:",
    log: { info: log, warn: log, error: log },
  });
  stops.push(() => index.stop());
  return index;
}

async function peer(index: IndexServer, port: number, files: object[]): Promise<LineClient> {
  const client = await LineClient.greeted(index.port);
  stops.push(() => client.close());
  expect(await client.request({ type: "REGISTER", id: 1, port, files })).toMatchObject({ type: "OK" });
  return client;
}

test("BROWSE: what live peers have whole, with how many of them", async () => {
  const index = await start();
  await peer(index, 7001, [wireEntry("d/a", 1), wireEntry("d/sub/x", 2), wireEntry("top", 3)]);
  await peer(index, 7002, [wireEntry("other name", 1), { ...wireEntry("part/only", 4), partial: true }]);
  const leaver = await peer(index, 7003, [wireEntry("d/a", 5), wireEntry("gone/x", 6)]);
  leaver.close();
  await using client = await LineClient.greeted(index.port);
  let id = 1;
  const entriesOf = async (folder: string) =>
    (await client.request({ type: "BROWSE", id: ++id, folder })).entries as { name: string }[];
  while ((await entriesOf("")).some(({ name }) => name === "gone")) await Bun.sleep(5);
  expect(await entriesOf("")).toMatchObject([
    { name: "d", folder: true },
    { name: "other name", sources: 2 },
    { name: "top", sources: 1 },
  ]);
  const { sizeBytes, md5, root } = fileEntry("d/a", 1);
  expect(await entriesOf("d")).toEqual([
    { name: "a", size: sizeBytes, md5, root, sources: 2 },
    { name: "sub", folder: true },
  ] as never);
  const first = await client.request({ type: "BROWSE", id: ++id, folder: "d", limit: 1 });
  expect(first).toMatchObject({ entries: [{ name: "a" }], next: "a" });
  const second = await client.request({ type: "BROWSE", id: ++id, folder: "d", limit: 1, after: "a" });
  expect(second).toMatchObject({ entries: [{ name: "sub" }] });
  expect(second.next).toBeUndefined();
});

test("PEERS: those that are registered, page by page", async () => {
  const index = await start();
  const clients: LineClient[] = [];
  for (const port of [7001, 7002, 7003]) clients.push(await peer(index, port, [wireEntry(`f${port}`)]));
  await using client = await LineClient.greeted(index.port);
  const first = await client.request({ type: "PEERS", id: 1, limit: 2 });
  expect(first.peers).toMatchObject([
    { host: "127.0.0.1", port: 7001, files: 1, seconds: 0 },
    { host: "127.0.0.1", port: 7002, files: 1, seconds: 0 },
  ]);
  const second = await client.request({ type: "PEERS", id: 2, limit: 2, after: first.next });
  expect(second.peers).toMatchObject([{ port: 7003 }]);
  expect(second.next).toBeUndefined();
  // A page that is just full is the last one when nothing is left.
  expect((await client.request({ type: "PEERS", id: 3, limit: 3 })).next).toBeUndefined();
});

test("STATS: what is counted now", async () => {
  const index = await start();
  await peer(index, 7001, [wireEntry("a", 1), wireEntry("b", 2)]);
  await peer(index, 7002, [wireEntry("a", 1)]);
  await using client = await LineClient.greeted(index.port);
  await client.request({ type: "QUERY", id: 1, name: "a" });
  const { time, ...numbers } = await client.request({ type: "STATS", id: 2 });
  expect(Math.abs(Number(time) - Date.now())).toBeLessThan(60_000);
  expect(numbers).toEqual({
    type: "STATS",
    id: 2,
    peers: 2,
    files: 3,
    names: 2,
    connections: 3,
    queries: 1,
    seconds: 0,
    memory: expect.any(Number),
    storage: "memory",
  });
});

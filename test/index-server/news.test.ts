/** LIST and subscriptions of a whole index in process, over real sockets. */
import { afterEach, describe, expect, test } from "bun:test";
import { IndexServer } from "../../src/index-server/server.ts";
import type { WorkQueue } from "../../src/index-server/sqlite/work-queue.ts";
import { maxSubscriptionsPerConnection } from "../../src/wire/limits.ts";
import { wireEntry } from "../helpers/file-entries.ts";
import { LineClient, type Message } from "../helpers/line-client.ts";

const servers: IndexServer[] = [];
const clients: LineClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(): Promise<IndexServer> {
  const log = { info() {}, warn() {}, error() {} };
  const server = await IndexServer.start({ host: "127.0.0.1", port: 0, databasePath: ":memory:", log });
  servers.push(server);
  return server;
}

async function greeted(server: IndexServer): Promise<LineClient> {
  const client = await LineClient.greeted(server.port);
  clients.push(client);
  return client;
}

let lastId = 1_000;
let lastPort = 20_000;

async function registered(server: IndexServer, ...files: object[]): Promise<LineClient> {
  const client = await greeted(server);
  await client.request({ type: "REGISTER", id: ++lastId, port: ++lastPort, files });
  return client;
}

interface Told {
  contents: { total: number; sources: { port: number; partial?: boolean }[] }[];
}

function toldOf(client: LineClient, id: number): number[] {
  const pushes = client.answers.filter(
    (answer) => answer.type === "SOURCES" && answer.id === id,
  ) as unknown as Told[];
  return pushes.flatMap(({ contents }) => contents.flatMap(({ sources }) => sources.map(({ port }) => port)));
}

const part = (name: string) => ({ ...wireEntry(name), partial: true });

describe("a subscribed connection", () => {
  test("is told of who registers after it asked, by REGISTER and by UPDATE, with how many there are", async () => {
    const server = await start();
    await registered(server, wireEntry("a"));
    const asks = await greeted(server);
    const result = await asks.request({ type: "QUERY", id: 1, name: "a", subscribe: true });
    expect(result).toMatchObject({ type: "RESULT", contents: [{ total: 1 }] });
    const second = await registered(server, part("a"));
    const secondPort = lastPort;
    const push = await asks.answerWhere(({ type }) => type === "SOURCES");
    const sources = [{ peer: expect.any(String), host: "127.0.0.1", port: secondPort, partial: true }];
    expect(push).toMatchObject({ id: 1, contents: [{ names: ["a"], total: 2, sources }] });
    const third = await registered(server);
    await third.request({ type: "UPDATE", id: 1, add: [wireEntry("a")] });
    await asks.until(() => toldOf(asks, 1).includes(lastPort), "news of the third");
    // Said again it is no news; whole, it is.
    await third.request({ type: "UPDATE", id: 2, add: [wireEntry("a")] });
    await second.request({ type: "UPDATE", id: 2, add: [wireEntry("a")] });
    await asks.until(() => toldOf(asks, 1).length === 3, "news that the second has all");
    expect(toldOf(asks, 1)).toEqual([secondPort, lastPort, secondPort]);
  });

  test("hears nothing of itself, nothing after UNSUBSCRIBE, and nothing when it only asks", async () => {
    const server = await start();
    const asks = await registered(server);
    const only = await greeted(server);
    await asks.request({ type: "QUERY", id: 1, name: "a", subscribe: true });
    await asks.request({ type: "QUERY", id: 2, name: "a", subscribe: true });
    await only.request({ type: "QUERY", id: 1, name: "a", subscribe: false });
    await asks.request({ type: "UPDATE", id: 3, add: [part("a")] });
    expect(await asks.request({ type: "UNSUBSCRIBE", id: 4, query: 1 })).toEqual({ type: "OK", id: 4 });
    await registered(server, wireEntry("a"));
    await asks.until(() => toldOf(asks, 2).length > 0, "news");
    expect(toldOf(asks, 2)).toEqual([lastPort]);
    expect(toldOf(asks, 1)).toEqual([]);
    expect(toldOf(only, 1)).toEqual([]);
  });

  test("has 64 subscriptions at most", async () => {
    const server = await start();
    const asks = await greeted(server);
    for (let id = 0; id < maxSubscriptionsPerConnection; id++)
      asks.send({ type: "QUERY", id, name: `name ${id}`, subscribe: true });
    const query = { type: "QUERY", id: 100, name: "one more" };
    expect(await asks.request({ ...query, subscribe: true })).toMatchObject({ code: "TOO_MANY" });
    expect(await asks.request({ ...query, id: 101 })).toMatchObject({ type: "RESULT" });
    await asks.request({ type: "UNSUBSCRIBE", id: 102, query: 0 });
    expect(await asks.request({ ...query, id: 103, subscribe: true })).toMatchObject({ type: "RESULT" });
  });

  test("that goes is forgotten", async () => {
    const server = await start();
    const asks = await greeted(server);
    await asks.request({ type: "QUERY", id: 1, name: "a", subscribe: true });
    asks.close();
    await asks.closed();
    const other = await registered(server, wireEntry("a"));
    const { size } = (server as unknown as { news: { subscriptions: { size: number } } }).news.subscriptions;
    expect(size).toBe(0);
    expect(await other.request({ type: "PING", id: 1 })).toMatchObject({ type: "OK" });
  });
});

/** How soon: subscriptions.test.ts, in virtual time. */
test("a crowd of 150 that comes at once finds itself, and nobody asks again", async () => {
  const server = await start();
  await registered(server, wireEntry("film"));
  const crowd: LineClient[] = [];
  for (let i = 0; i < 150; i++) crowd.push(await greeted(server));
  for (const [i, client] of crowd.entries()) {
    client.send({ type: "QUERY", id: 1, name: "film", subscribe: true });
    client.send({ type: "REGISTER", id: 2, port: 30_000 + i, files: [part("film")] });
  }
  const knownTo = (client: LineClient) => {
    const result = client.answers.find(({ type }) => type === "RESULT") as unknown as Told | undefined;
    const first = result?.contents.flatMap(({ sources }) => sources.map(({ port }) => port)) ?? [];
    return new Set([...first, ...toldOf(client, 1)]).size;
  };
  for (const client of crowd) await client.until(() => knownTo(client) >= 8, "eight others");
}, 20_000);

describe("LIST", () => {
  test("goes page by page through what is below a folder", async () => {
    const server = await start();
    const names = Array.from({ length: 250 }, (_, i) => `data/${String(i).padStart(3, "0")}`);
    await registered(server, ...names.map((name) => wireEntry(name)), wireEntry("other"), part("data/part"));
    const asks = await greeted(server);
    const listed: Message[] = [];
    let after: unknown;
    do {
      const page = await asks.request({ type: "LIST", id: ++lastId, pattern: "data/", after, limit: 100 });
      expect(page.type).toBe("NAMES");
      expect(page.peers).toEqual([{ peer: expect.any(String), host: "127.0.0.1", port: lastPort }]);
      listed.push(...(page.files as Message[]));
      after = page.next;
    } while (after !== undefined);
    expect(listed.map(({ name }) => name as string)).toEqual(names);
    expect(listed[0]).toEqual({ ...wireEntry("data/000"), total: 1, sources: [0] });
  });

  test("that goes over many names does so in turns", async () => {
    const server = await start();
    const many = await registered(server);
    for (let i = 0; i < 10; i++) {
      const add = Array.from({ length: 2_000 }, (_, j) => wireEntry(`x/${i}/${j}`));
      await many.request({ type: "UPDATE", id: ++lastId, add });
    }
    const lists = await greeted(server);
    const { queue } = (server as unknown as { catalog: { slowReads: { queue: WorkQueue } } }).catalog
      .slowReads;
    const turnsBefore = queue.turnsTaken;
    lists.send({ type: "LIST", id: 1, pattern: "**/*nothing*nothing*" });
    expect(await lists.answerTo(1)).toMatchObject({ files: [], more: false });
    expect(queue.turnsTaken - turnsBefore).toBeGreaterThan(2);
  });
});

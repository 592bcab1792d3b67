/** A listener over loopback: whom it lets in, whom it turns away, and what those are told. */
import { expect, test } from "bun:test";
import { addressLimit } from "../../src/net/address-limits.ts";
import type { Connection } from "../../src/net/connection.ts";
import { type ConnectionLimits, peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { AddressGate } from "../../src/net/gate.ts";
import { Listener } from "../../src/net/listener.ts";
import { LineClient } from "../helpers/line-client.ts";
import { until } from "../library/temporary-folder.ts";

interface Server extends Disposable {
  port: number;
  listener: Listener;
}

/** Whoever says a line has greeted. */
function serve(limits: Partial<ConnectionLimits>, gate?: AddressGate): Server {
  const accept = (connection: Connection) => ({
    greeted: false,
    onLine() {
      this.greeted = true;
      connection.send('{"type":"WELCOME"}\n');
      return 0;
    },
    onClose() {},
  });
  const listener = new Listener({
    host: "127.0.0.1",
    port: 0,
    limits: { ...peerConnectionLimits, ...limits },
    gate,
    accept,
  });
  return { port: listener.port, listener, [Symbol.dispose]: () => listener.stop() };
}

/** Opened one after the other, closed together. */
class Crowd implements AsyncDisposable {
  readonly clients: LineClient[] = [];

  constructor(private readonly port: number) {}

  async come(count: number, from?: string): Promise<LineClient[]> {
    const came: LineClient[] = [];
    for (let i = 0; i < count; i++) came.push(await LineClient.open(this.port, from));
    this.clients.push(...came);
    return came;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.clients.map((client) => client[Symbol.asyncDispose]()));
  }
}

test("an address has as many connections as were set and no more, another one still has its own", async () => {
  using server = serve({ perAddress: addressLimit(64, 2) });
  await using crowd = new Crowd(server.port);
  await using first = await LineClient.greeted(server.port, "127.0.0.2");
  await using _second = await LineClient.greeted(server.port, "127.0.0.2");
  const [third] = await crowd.come(1, "127.0.0.2");
  await third!.closed();
  expect(third!.answers).toMatchObject([{ type: "ERROR", code: "BUSY" }]);
  await using _other = await LineClient.greeted(server.port, "127.0.0.3");
  first.close();
  await until(
    () => server.listener.connectionCount === 2,
    () => "the end of the first was not noticed",
  );
  await using _again = await LineClient.greeted(server.port, "127.0.0.2");
});

test("who is denied is told so at once, and costs others no place", async () => {
  const gate = new AddressGate({ allow: [], deny: ["127.0.0.2"], bans: [] });
  using server = serve({ total: 1 }, gate);
  await using crowd = new Crowd(server.port);
  const [denied] = await crowd.come(1, "127.0.0.2");
  await denied!.closed();
  expect(denied!.answers).toEqual([
    { type: "ERROR", id: null, code: "DENIED", message: "this machine is not let in here" },
  ]);
  await using _other = await LineClient.greeted(server.port, "127.0.0.3");
  expect([server.listener.connectionCount, server.listener.refusedCount]).toEqual([1, 1]);
});

test("who is banned while he is here has to go, and others stay", async () => {
  const gate = new AddressGate({ allow: [], deny: [], bans: [] });
  using server = serve({}, gate);
  await using banned = await LineClient.greeted(server.port, "127.0.0.2");
  await using crowd = new Crowd(server.port);
  const [silent] = await crowd.come(1, "127.0.0.2");
  await using other = await LineClient.greeted(server.port, "127.0.0.3");
  gate.ban(["127.0.0.2"]);
  await banned.closed();
  await silent!.closed();
  expect(banned.answers.at(-1)).toMatchObject({ code: "DENIED" });
  expect(other.isClosed).toBe(false);
  await until(
    () => server.listener.connectionCount === 1,
    () => `${server.listener.connectionCount} are left`,
  );
  gate.ban([]);
  await using _again = await LineClient.greeted(server.port, "127.0.0.2");
});

test("an address may come so often and no more, also when it goes at once", async () => {
  using server = serve({ newPerAddress: addressLimit(30, 3) });
  for (let i = 0; i < 3; i++) {
    await using _client = await LineClient.greeted(server.port, "127.0.0.2");
  }
  await using crowd = new Crowd(server.port);
  const [fourth] = await crowd.come(1, "127.0.0.2");
  await fourth!.closed();
  expect(fourth!.answers).toMatchObject([{ code: "BUSY" }]);
  await using _other = await LineClient.greeted(server.port, "127.0.0.3");
});

test("nothing of this is counted for loopback when nobody has set it", async () => {
  using server = serve({ perAddress: addressLimit(1), newPerAddress: addressLimit(1) });
  for (let i = 0; i < 3; i++) {
    await using _one = await LineClient.greeted(server.port);
    await using _two = await LineClient.greeted(server.port);
  }
});

test("F36: silent connections make room for those who speak, however many they are", async () => {
  using server = serve({ total: 40, pending: 5 });
  await using crowd = new Crowd(server.port);
  await using slow = await LineClient.open(server.port, "127.0.0.9");
  for (let round = 0; round < 4; round++) {
    const silent = await crowd.come(20, "127.0.0.2");
    await using _honest = await LineClient.greeted(server.port, "127.0.0.3");
    await Promise.all(silent.slice(0, 16).map((client) => client.closed()));
  }
  // Its address had only the one.
  expect(slow.isClosed).toBe(false);
  expect(server.listener.connectionCount).toBeLessThanOrEqual(6);
  slow.send({ type: "HELLO" });
  await slow.answerWhere(({ type }) => type === "WELCOME");
});

test("hundreds that come at once and say HELLO at once are all let in", async () => {
  using server = serve({ pending: 5 });
  const clients = await Promise.all(Array.from({ length: 300 }, () => LineClient.greeted(server.port)));
  expect(server.listener.connectionCount).toBe(300);
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
});

test("of those who are turned away only a few are told why, the others are just cut off", async () => {
  using server = serve({ total: 1 });
  await using _inside = await LineClient.greeted(server.port);
  await using crowd = new Crowd(server.port);
  // They do not close by themselves, so that each that is told something keeps its place for a second.
  const refused = await crowd.come(40);
  await Promise.all(refused.map((client) => client.closed()));
  const told = refused.filter(({ answers }) => answers.length > 0);
  expect(told.length).toBeGreaterThan(0);
  expect(told.length).toBeLessThan(40);
  for (const { answers } of told) expect(answers).toMatchObject([{ code: "BUSY" }]);
  expect(server.listener.connectionCount).toBe(1);
});

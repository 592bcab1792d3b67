/** Limits set on the command line or by a variable, as strangers meet them: addresses of loopback count then. */
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { LineClient } from "../helpers/line-client.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { delivered, entryOf, Swarm } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;

/** Comes in and is answered, or is turned away with BUSY. */
async function comesIn(port: number, from: string): Promise<boolean> {
  await using client = await LineClient.open(port, from);
  client.send({ type: "HELLO", version: 1, agent: "test" });
  const { type, code } = await client.answerWhere(() => true);
  expect([type, code]).toEqual(type === "WELCOME" ? ["WELCOME", undefined] : ["ERROR", "BUSY"]);
  return type === "WELCOME";
}

function entries(names: readonly string[]) {
  return names.map((name) => entryOf(name, Buffer.from(name)));
}

test("an index: connections of one address, in all, and how often they come", async () => {
  await using box = new Sandbox();
  const flags = ["--db", ":memory:", "--max-connections", "4", "--max-connections-per-address", "2"];
  const env = { P2P_MAX_NEW_CONNECTIONS_PER_ADDRESS: "3" };
  const { port } = await box.index(flags, { env });
  await using first = await LineClient.greeted(port, "127.0.0.2");
  await using second = await LineClient.greeted(port, "127.0.0.2");
  expect(await comesIn(port, "127.0.0.2")).toBe(false);
  expect(await comesIn(port, "127.0.0.3")).toBe(true);
  await using _third = await LineClient.greeted(port, "127.0.0.4");
  await using _fourth = await LineClient.greeted(port, "127.0.0.5");
  expect(await comesIn(port, "127.0.0.3")).toBe(false);
  first.close();
  second.close();
  // A place is free again as soon as the index has noticed: nobody is counted for being turned away.
  const came: boolean[] = [];
  while (!came.includes(true)) came.push(await comesIn(port, "127.0.0.2"));
  // This address has come three times; it has to wait, and others need not.
  expect(await comesIn(port, "127.0.0.2")).toBe(false);
  expect(await comesIn(port, "127.0.0.6")).toBe(true);
});

test("F36: an index: silent connections make room, and all of them are gone after the deadline", async () => {
  await using box = new Sandbox();
  const limits = ["--max-pending-connections", "8", "--handshake-timeout", "2"];
  const { port } = await box.index(["--db", ":memory:", ...limits]);
  const silent = await Promise.all(Array.from({ length: 200 }, () => LineClient.open(port, "127.0.0.2")));
  try {
    expect(await comesIn(port, "127.0.0.3")).toBe(true);
    await Promise.all(silent.slice(0, 192).map((client) => client.closed()));
    expect(silent.filter(({ isClosed }) => !isClosed).length).toBeGreaterThan(0);
    await Promise.all(silent.map((client) => client.closed()));
    expect(await comesIn(port, "127.0.0.2")).toBe(true);
  } finally {
    for (const client of silent) client.close();
  }
});

test("an index: files of a peer and of all, and who asks is idle before who is registered", async () => {
  await using box = new Sandbox();
  const limits = ["--max-files-per-peer", "2", "--max-files-per-index", "3", "--idle-timeout", "0.5"];
  const { port } = await box.index(["--db", ":memory:", ...limits]);
  const register = async (client: LineClient, id: number, names: readonly string[]) =>
    await client.request({ type: "REGISTER", id, port: 7767, files: entries(names) });
  await using peer = await LineClient.greeted(port);
  expect(await register(peer, 1, ["a", "b", "c"])).toMatchObject({ code: "TOO_MANY" });
  expect(await register(peer, 2, ["a", "b"])).toMatchObject({ type: "OK" });
  await using other = await LineClient.greeted(port);
  expect(await register(other, 3, ["d", "e"])).toMatchObject({ code: "STORAGE_FULL" });
  await other.closed();
  expect(other.answers.at(-1)).toMatchObject({ code: "TIMEOUT" });
  expect(peer.isClosed).toBe(false);
});

test("A19: one peer too many of an address is told so in one line, and comes in when another one leaves", async () => {
  await using swarm = await Swarm.start(["--db", ":memory:", "--max-peers-per-address", "1"]);
  const first = await swarm.peer({ "a.txt": Buffer.from("a") });
  const folder = swarm.folderOf({ "b.txt": Buffer.from("b") });
  const argv = ["peer", folder, "--index", swarm.index.address, "--port", "0", "--json", "--no-prompt"];
  const second = swarm.box.start(argv);
  await second.waitUntil(() => second.stderr.includes("\n"), "a line on stderr");
  expect(second.stderr).toMatch(/^.*refused: this address has as many peers as it may have.*trying again\n$/);
  expect(second.events.some(({ event }) => event === "registered")).toBe(false);
  first.process.kill("SIGTERM");
  await second.waitForEvent("registered");
  expect(second.stderr.trimEnd().split("\n")).toHaveLength(1);
  // It asks again after 5 s.
}, 20_000);

test("a peer: its connections, in the same words", async () => {
  await using swarm = await Swarm.start();
  const limits = ["--max-connections-per-address", "1", "--handshake-timeout", "1"];
  const { port } = await swarm.peer({ "a.txt": Buffer.from("a") }, ["--threads", "1", ...limits]);
  await using _inside = await LineClient.greeted(port, "127.0.0.2");
  expect(await comesIn(port, "127.0.0.2")).toBe(false);
  expect(await comesIn(port, "127.0.0.3")).toBe(true);
  await using silent = await LineClient.open(port, "127.0.0.4");
  await silent.closed();
  expect(silent.answers).toMatchObject([{ code: "TIMEOUT" }]);
});

test("A24: an index: when more waits to be sent than may, who reads nothing is cut, and who reads is answered", async () => {
  await using box = new Sandbox();
  const { port } = await box.index(["--db", ":memory:", "--max-unsent", "2M"]);
  const long = "n".repeat(250);
  await using peer = await LineClient.greeted(port);
  const files = Array.from({ length: 100 }, (_, i) => ({
    ...entryOf("x", Buffer.from(`${i}`)),
    name: `${long}/${long}/${long}/${i}/b.bin`,
  }));
  expect(await peer.request({ type: "REGISTER", id: 1, port: 7767, files })).toMatchObject({ type: "OK" });
  const connections = async () => {
    peer.answers.length = 0;
    return Number((await peer.request({ type: "STATS", id: 2 })).connections);
  };
  const asking = Array.from({ length: 200 }, (_, id) => ({ type: "QUERY", id, name: "b.bin" }));
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 4; i++) {
    const greedy = stack.use(await LineClient.greeted(port, "127.0.0.2"));
    greedy.pause();
    greedy.send(...asking);
  }
  // Each has answers of 20 MB to come, of which the system takes a few, and 1 MiB waits: two are one too many.
  await until(async () => (await connections()) <= 3);
  await using reader = await LineClient.greeted(port, "127.0.0.3");
  reader.send(...asking);
  await reader.answerTo(199);
  expect(reader.answers.filter(({ type }) => type === "RESULT")).toHaveLength(200);
  expect(reader.isClosed).toBe(false);
});

/** Is being sent 16 MiB, and reads no more than that they begin; until it is disposed of. */
async function greedy(port: number, localAddress: string, root: string): Promise<Disposable> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  const begun = Promise.withResolvers<void>();
  let text = "";
  socket.on("error", begun.reject);
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    if (!text.includes('"DATA"')) return;
    socket.pause();
    begun.resolve();
  });
  const get = { type: "GET", id: 1, root, offset: 0, length: 16 * MiB };
  socket.write(`${JSON.stringify({ type: "HELLO", version: 1, agent: "test" })}\n${JSON.stringify(get)}\n`);
  await begun.promise;
  return { [Symbol.dispose]: () => socket.destroy() };
}

/** Asks for the first byte. */
async function asker(
  port: number,
  from: string,
  root: string,
): Promise<{ isServed: boolean } & AsyncDisposable> {
  const client = await LineClient.greeted(port, from);
  client.send({ type: "GET", id: 1, root, offset: 0, length: 1 });
  return {
    get isServed() {
      return client.answers.some(({ type }) => type === "DATA");
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

test("A29: a peer: requests that are served at a time, of one address and in all", async () => {
  await using swarm = await Swarm.start();
  const bytes = Buffer.alloc(24 * MiB, "x");
  const files = { "a.bin": bytes };
  const { root } = entryOf("a.bin", bytes) as { root: string };
  const limited = async (...flags: string[]) => (await swarm.peer(files, ["--threads", "1", ...flags])).port;
  const perAddress = await limited("--max-uploads-per-address", "1");
  {
    using first = await greedy(perAddress, "127.0.0.2", root);
    await using same = await asker(perAddress, "127.0.0.2", root);
    await using other = await asker(perAddress, "127.0.0.3", root);
    await until(() => other.isServed);
    expect(same.isServed).toBe(false);
    first[Symbol.dispose]();
    await until(() => same.isServed);
  }
  const inAll = await limited("--max-uploads", "1");
  using first = await greedy(inAll, "127.0.0.2", root);
  await using other = await asker(inAll, "127.0.0.3", root);
  await using client = await LineClient.greeted(inAll, "127.0.0.4");
  // Who wants no bytes of a file waits for none.
  expect(await client.request({ type: "HAVE", id: 1, root })).toMatchObject({ type: "HAVE" });
  expect(other.isServed).toBe(false);
  first[Symbol.dispose]();
  await until(() => other.isServed);
});

test.skipIf(process.platform !== "linux")("a peer: shared files that are open at a time", async () => {
  await using swarm = await Swarm.start();
  // A line of JSON each, so that bodies and answers can be told apart by line.
  const files = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`${i}.txt`, Buffer.from(`{"body":${i}}\n`)]),
  );
  const { port, process: peer } = await swarm.peer(files, ["--threads", "1", "--max-open-files", "5"]);
  await using client = await LineClient.greeted(port);
  for (const [name, bytes] of Object.entries(files)) {
    const { root } = entryOf(name, bytes) as { root: string };
    client.send({ type: "GET", id: 1, root, offset: 0, length: bytes.length });
  }
  await client.until(
    () => client.answers.filter(({ body }) => body !== undefined).length === 10,
    "all bodies",
  );
  const open = readdirSync(`/proc/${peer.pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${peer.pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  // Two are kept for folders, which are open now and then.
  expect(open.filter((path) => /\/\d\.txt$/.test(path))).toHaveLength(3);
});

test("A33: a download: connections to one address, whatever its ports, and how often it is tried", async () => {
  await using swarm = await Swarm.start();
  const bytes = Buffer.alloc(8 * MiB, "x");
  const ports = await Promise.all([1, 2].map(async () => (await swarm.peer({ "a.bin": bytes })).port));
  const end = await swarm.fetch(["a.bin", "--max-connections-to-address", "1"]);
  expect(end.code, end.process.said()).toBe(0);
  // The one that came first was not asked to make room: all of it is from there.
  expect(ports.map((port) => delivered(end, port)?.bytes).sort()).toEqual([0, bytes.length]);

  let attempts = 0;
  using server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        attempts++;
        socket.end();
      },
      data() {},
    },
  });
  await swarm.register(server.port, { "b.bin": Buffer.alloc(8 * MiB, "y") });
  const vain = await swarm.fetch(["b.bin", "--max-attempts-to-address", "3", "--timeout", "4"]);
  expect(vain.code, vain.process.said()).toBe(5);
  expect(attempts).toBe(3);
}, 30_000);

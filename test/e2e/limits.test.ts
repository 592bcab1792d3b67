/** Limits set on the command line or by a variable, as strangers meet them: addresses of loopback count then. */
import { expect, test } from "bun:test";
import { LineClient } from "../helpers/line-client.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { entryOf, Swarm } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";

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

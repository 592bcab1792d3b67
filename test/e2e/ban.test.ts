/** `p2p ban`: at an index, at a peer, and for whoever fetches; each with a home of its own. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fingerprintOfCertificate } from "../../src/trust/fingerprint.ts";
import type { BinaryProcess } from "../helpers/binary-process.ts";
import { LineClient } from "../helpers/line-client.ts";
import { PrivateNetwork } from "../helpers/private-network.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { complaints, delivered, entryOf, hasBegun, holds, Swarm } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;

/** A home in which bans are kept, and whatever else runs there. */
class Home {
  readonly env: { P2P_HOME: string };

  constructor(private readonly box: Sandbox) {
    this.env = { P2P_HOME: join(box.newFolder("home"), "state") };
  }

  async ban(...argv: string[]): Promise<BinaryProcess> {
    return await this.box.run(["ban", ...argv], { env: this.env });
  }

  async banned(...argv: string[]): Promise<void> {
    const run = await this.ban(...argv);
    expect(run.exitCode, run.said()).toBe(0);
  }
}

/** Registered from that address, with these bytes at that port. */
async function registered(
  port: number,
  from: string,
  name: string,
  bytes: Uint8Array,
  at = 1,
): Promise<LineClient> {
  const client = await LineClient.greeted(port, from);
  const files = [entryOf(name, bytes)];
  expect(await client.request({ type: "REGISTER", id: 1, port: at, files })).toMatchObject({ type: "OK" });
  return client;
}

let lastId = 100;
async function totalOf(client: LineClient, name: string): Promise<number> {
  const { contents } = await client.request({ type: "QUERY", id: ++lastId, name });
  return (contents as { total: number }[])[0]?.total ?? 0;
}

test("is kept for its user alone, shown, and taken back", async () => {
  await using box = new Sandbox();
  const home = new Home(box);
  expect((await home.ban("--list")).stderr).toBe("nobody is banned\n");
  const banned = await home.ban("10.0.0.5");
  expect(banned.stdout).toBe(
    "banned 10.0.0.5: an index or peer that runs here cuts it off within a second\n",
  );
  await home.banned("ABCDEF0123");
  await home.banned("10.0.0.5");
  expect((await home.ban("--list", "--json")).events).toEqual([
    { event: "ban", who: "10.0.0.5" },
    { event: "ban", who: "abcdef0123" },
  ]);
  expect(statSync(join(home.env.P2P_HOME, "bans.json")).mode & 0o777).toBe(0o600);
  await home.banned("::ffff:10.0.0.5", "--remove");
  expect((await home.ban("--list")).stdout).toBe("abcdef0123\n");
  const again = await home.ban("10.0.0.5", "--remove");
  expect([again.exitCode, again.stderr]).toEqual([
    3,
    "p2p: 10.0.0.5 is not banned by that name (p2p ban --list)\n",
  ]);
});

test.each([
  [
    ["abcdef0"],
    /^p2p: cannot ban abcdef0: expected a fingerprint or at least its first 8 hex digits, or an address/,
  ],
  [["10.0.0.5/8"], /^p2p: cannot ban 10\.0\.0\.5\/8: expected .* with nothing but zeros behind the prefix$/],
  [["\u001b[2J"], /^p2p: cannot ban \\/],
  [[], /^p2p: missing argument PEER\|ADDRESS \(p2p ban --list shows who is banned\)$/],
  [["10.0.0.5", "--list"], /^p2p: --list shows all who are banned: leave the rest out$/],
])("%p is one line and exit 2", async (argv, line) => {
  await using box = new Sandbox();
  const run = await new Home(box).ban(...argv);
  expect(run.exitCode, run.said()).toBe(2);
  expect(run.stderr.trimEnd()).toMatch(line);
  expect(run.stderr.trimEnd()).not.toContain("\n");
});

test("of several at once none is lost", async () => {
  await using box = new Sandbox();
  const home = new Home(box);
  const hosts = Array.from({ length: 6 }, (_, i) => `10.0.0.${i}`);
  await Promise.all(hosts.map((host) => home.banned(host)));
  expect((await home.ban("--list")).stdout.trimEnd().split("\n").sort()).toEqual(hosts);
});

test("at an index: it is cut off, its files are in no answer, it does not come in again, until it is taken back", async () => {
  await using box = new Sandbox();
  const home = new Home(box);
  const index = await box.index(["--db", ":memory:"], { env: home.env });
  await using banned = await registered(index.port, "127.0.0.2", "a.bin", randomBytes(100));
  await using other = await registered(index.port, "127.0.0.3", "b.bin", randomBytes(100));
  expect(await totalOf(other, "a.bin")).toBe(1);
  await home.banned("127.0.0.2");
  await banned.closed();
  expect(banned.answers.at(-1)).toMatchObject({ type: "ERROR", code: "DENIED" });
  expect(await totalOf(other, "a.bin")).toBe(0);
  await using again = await LineClient.open(index.port, "127.0.0.2");
  await again.closed();
  expect(again.answers).toMatchObject([{ code: "DENIED" }]);
  await home.banned("127.0.0.2", "--remove");
  await until(async () => {
    await using client = await LineClient.open(index.port, "127.0.0.2");
    client.send({ type: "HELLO", version: 1, agent: "test" });
    return (await client.answerWhere(() => true)).type === "WELCOME";
  });
  expect(await totalOf(other, "b.bin")).toBe(1);
});

test("at an index: a peer that runs says once that it is not let in, and comes back when it is", async () => {
  await using box = new Sandbox();
  const home = new Home(box);
  const index = await box.index(["--db", ":memory:"], { env: home.env });
  const peer = await box.peer(index, box.newFolder("shared"));
  await home.banned("127.0.0.1");
  const line = `index ${index.address} does not let this machine in: whoever runs it has denied or banned it`;
  await peer.process.waitUntil(() => peer.process.stderr.includes("\n"), "a line on stderr");
  await home.banned("127.0.0.1", "--remove");
  await peer.process.waitUntil(() => peer.process.stderr.includes("connected"), "to be back");
  expect(peer.process.stderr.trimEnd().split("\n")).toEqual([
    `warning: ${line}; trying to get it back`,
    `warning: connected to index ${index.address}`,
  ]);
}, 30_000);

test("at a peer: it does not serve who is banned, also not any more, and serves others", async () => {
  await using swarm = await Swarm.start();
  const home = new Home(swarm.box);
  const bytes = randomBytes(100_000);
  const files = { "a.bin": bytes };
  const peer = await swarm.box.peer(swarm.index, swarm.folderOf(files), ["--threads", "2"], {
    env: home.env,
  });
  await using banned = await LineClient.greeted(peer.port, "127.0.0.2");
  await using other = await LineClient.greeted(peer.port, "127.0.0.3");
  await home.banned("127.0.0.2");
  await banned.closed();
  await using again = await LineClient.open(peer.port, "127.0.0.2");
  await again.closed();
  expect(again.answers).toMatchObject([{ code: "DENIED" }]);
  const { root } = entryOf("a.bin", bytes) as { root: string };
  expect(await other.request({ type: "HASHES", id: 1, root })).toMatchObject({ type: "HASHES", length: 0 });
  const end = await swarm.fetch(["a.bin"]);
  expect(end.code, end.process.said()).toBe(0);
});

test("where it is fetched: sources that are banned are shown nowhere and not connected to", async () => {
  await using swarm = await Swarm.start();
  const { box, index } = swarm;
  const home = new Home(box);
  const bytes = randomBytes(100_000);
  const { port } = await swarm.peer({ "a.bin": bytes });
  await using _liar = await registered(index.port, "127.0.0.2", "a.bin", bytes);
  await home.banned("127.0.0.2");
  const listed = await box.run(["query", "a.bin", "--list", "--json", "--index", index.address], {
    env: home.env,
  });
  expect(listed.events).toMatchObject([
    { event: "found", sources: 1 },
    { event: "source", host: "127.0.0.1" },
  ]);
  const peers = await box.run(["peers", "--json", "--index", index.address], { env: home.env });
  expect(peers.events).toMatchObject([{ event: "peer", host: "127.0.0.1", port }]);
  await home.banned("127.0.0.1");
  const end = await swarm.fetch(["a.bin"], { env: home.env });
  expect(end.code, end.process.said()).toBe(3);
  expect(end.process.stderr).toBe("some are left out: they are banned (`p2p ban --list`), or denied here\n");
});

test("while it is fetched from: it is dropped, and others deliver the rest", async () => {
  await using swarm = await Swarm.start();
  const { box, index } = swarm;
  const home = new Home(box);
  const bytes = randomBytes(24 * MiB);
  const files = { "a.bin": bytes };
  const slow = ["--up", "3M"];
  const good = await swarm.peer(files, slow);
  const bad = await box.peer(await box.index(), swarm.folderOf(files), ["--host", "127.0.0.2", ...slow]);
  await using _bad = await registered(index.port, "127.0.0.2", "a.bin", bytes, bad.port);
  const query = swarm.query(["a.bin"], { env: home.env });
  await hasBegun(query);
  await home.banned("127.0.0.2");
  expect(await query.process.exit(30_000), query.process.said()).toBe(0);
  expect(holds(join(query.folder, "a.bin"), bytes)).toBe(true);
  expect(complaints(query)).toEqual([`warning: source ${bad.address} dropped: it is denied or banned here`]);
  const last = query.process.events.findLast(({ event }) => event === "complete");
  const of = (port: number) => delivered({ ...query, code: 0, last }, port)?.bytes ?? 0;
  expect(of(bad.port)).toBeLessThan(of(good.port));
}, 40_000);

test("a file of bans that is none of ours: said at the start in one line, exit 7; and when it changes, those banned stay so", async () => {
  await using box = new Sandbox();
  const home = new Home(box);
  await home.banned("127.0.0.2");
  const index = await box.index(["--db", ":memory:"], { env: home.env });
  box.put(home.env.P2P_HOME, "bans.json", "{");
  await index.process.waitUntil(() => index.process.stderr.includes("\n"), "a line on stderr");
  expect(index.process.stderr).toMatch(
    /^warning: .*bans\.json is not as `p2p ban` writes it: .*; those who were banned stay so\n$/,
  );
  await using client = await LineClient.open(index.port, "127.0.0.2");
  await client.closed();
  for (const argv of [
    ["serve-index", "--port", "0"],
    ["query", "a"],
    ["ban", "10.0.0.5"],
    ["ban", "--list"],
  ]) {
    const run = await box.run(argv, { env: home.env });
    expect(run.exitCode, run.said()).toBe(7);
    expect(run.stderr).toMatch(/^p2p: [^\n]*bans\.json is not as [^\n]*\n$/);
  }
});

describe("by its fingerprint, in a private network", () => {
  const bytes = randomBytes(100_000);

  /** As `p2p peers` shows it: what people ban by. */
  async function shown(network: PrivateNetwork, home: string): Promise<string> {
    const { stdout } = await network.run(home, ["peers"]);
    return /([0-9a-f]{16})$/.exec(stdout.trimEnd())?.[1] ?? "";
  }

  async function banned(network: PrivateNetwork, home: string, ...argv: string[]): Promise<void> {
    const run = await network.run(home, ["ban", ...argv]);
    expect(run.exitCode, run.said()).toBe(0);
  }

  test("at the index: it is cut off, in no answer, and told so when it comes back", async () => {
    await using network = await PrivateNetwork.start();
    const [there, here] = [await network.machine(), await network.machine()];
    const peer = await network.peer(there, "a.bin", bytes);
    const who = await shown(network, here);
    await banned(network, network.home, who);
    await peer.waitUntil(() => peer.stderr.includes("does not let this machine in"), "to be told");
    expect((await network.run(here, ["query", "a.bin"])).exitCode).toBe(3);
    const again = await network.run(there, ["stats"]);
    expect(again.exitCode, again.said()).toBe(10);
    expect(again.stderr).toMatch(/^p2p: index .* does not let this machine in: .*\n$/);
    // Another machine behind the same address is not meant.
    const other = await network.run(here, ["stats"]);
    expect(other.exitCode, other.said()).toBe(0);
    await banned(network, network.home, who, "--remove");
    await peer.waitUntil(() => peer.stderr.includes("connected to index"), "to be back");
  }, 30_000);

  test("where it would fetch, and where it is fetched from", async () => {
    await using network = await PrivateNetwork.start();
    const [there, here] = [await network.machine(), await network.machine()];
    await network.peer(there, "a.bin", bytes);
    const who = await shown(network, here);
    // For whoever fetches it is as if it were not there.
    await banned(network, here, who);
    const listed = await network.run(here, ["query", "a.bin", "--list"]);
    expect(listed.exitCode, listed.said()).toBe(3);
    expect((await network.run(here, ["peers"])).stdout).toBe("");
    await banned(network, here, who, "--remove");
    const cwd = network.box.newFolder("here");
    expect((await network.run(here, ["query", "a.bin"], { cwd })).exitCode).toBe(0);
    // It does not serve whom it has banned.
    const own = await ownFingerprint(network, here);
    await banned(network, there, own.slice(0, 8));
    const fetched = async () =>
      await network.run(here, ["query", "a.bin", "-o", "again", "--force"], { cwd });
    let refused = await fetched();
    // It looks twice a second.
    await until(async () => {
      network.box.remove(join(cwd, "again"));
      refused = await fetched();
      return refused.exitCode !== 0;
    });
    expect(refused.exitCode, refused.said()).toBe(10);
    expect(refused.stderr).toContain("it does not let this machine in");
    const other = await network.run(await network.machine(), ["query", "a.bin"]);
    expect(other.exitCode, other.said()).toBe(0);
  }, 30_000);

  /** From the certificate in its home. */
  async function ownFingerprint(network: PrivateNetwork, home: string): Promise<string> {
    expect((await network.run(home, ["stats"])).exitCode).toBe(0);
    const pem = readFileSync(join(home, "identity.pem"), "utf8");
    return fingerprintOfCertificate(pem.slice(pem.indexOf("-----BEGIN CERTIFICATE-----"))) ?? "";
  }
});

/** Who is named to others in a private network: those who were found where others will be sent (A18, SECURITY.md 1.6). */
import { afterEach, describe, expect, test } from "bun:test";
import { ProbeTurns } from "../../src/index-server/probe-turns.ts";
import { Reach } from "../../src/index-server/reach.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { IndexClient } from "../../src/net/index-client.ts";
import { Listener } from "../../src/net/listener.ts";
import type { Membership } from "../../src/trust/membership.ts";
import { reachIntervalMs, reachRetryMs } from "../../src/wire/limits.ts";
import { fileEntry } from "../helpers/file-entries.ts";
import { alice, bob, mallory } from "../helpers/memberships.ts";
import { until } from "../helpers/until.ts";

const host = "127.0.0.1";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What a peer's serving side is to an index: something that proves itself, and counts who comes. */
function serving(membership: Membership): { port: number; came: () => number } {
  const listener = new Listener({
    host,
    port: 0,
    limits: peerConnectionLimits,
    secure: { identity: membership.identity, purpose: "peer", membership: () => membership },
    accept: () => ({ greeted: true, onLine: () => 0, onClose: () => {} }),
  });
  cleanups.push(() => listener.stop());
  return { port: listener.port, came: () => listener.acceptedCount };
}

async function startIndex(mayAdvertise?: (host: string) => boolean): Promise<number> {
  const log = { info() {}, warn() {}, error() {} };
  const secure = { identity: alice.identity, purpose: "index" as const, membership: () => alice };
  const server = await IndexServer.start({
    host,
    port: 0,
    databasePath: ":memory:",
    log,
    secure,
    ...(mayAdvertise && { mayAdvertise }),
  });
  cleanups.push(() => server.stop());
  return server.port;
}

async function asMember(port: number, membership: Membership): Promise<IndexClient> {
  const { fingerprint } = alice.identity;
  const client = await IndexClient.open({
    indexes: [{ host, port, fingerprints: [fingerprint] }],
    membership,
  });
  cleanups.push(() => client.close());
  return client;
}

const asAlice = (port: number) => asMember(port, alice);
const asBob = (port: number) => asMember(port, bob);

const files = [fileEntry("a.iso", 1)];

describe("a peer", () => {
  test("A15: that says it is another is named as what TLS has shown of it, and the other's files stay", async () => {
    const index = await startIndex();
    const [honest, liar] = [await asAlice(index), await asBob(index)];
    await honest.register(serving(alice).port, [fileEntry("hers.iso", 1)]);
    const claims = { fingerprint: alice.identity.fingerprint, peer: "1" };
    await liar.register(serving(bob).port, [{ ...fileEntry("his.iso", 2), ...claims }]);
    const [his] = await honest.query("his.iso");
    expect(his?.sources.map(({ fingerprint }) => fingerprint)).toEqual([bob.identity.fingerprint]);
    const [hers] = await liar.query("hers.iso");
    expect(hers?.sources.map(({ fingerprint }) => fingerprint)).toEqual([alice.identity.fingerprint]);
  });

  test("that is found is named with its fingerprint, and told where", async () => {
    const client = await asBob(await startIndex());
    const { port } = serving(bob);
    await client.register(port, files);
    expect(client.foundAt).toBe(host);
    const [found] = await client.query("a.iso");
    expect(found?.sources).toMatchObject([{ host, port, fingerprint: bob.identity.fingerprint }]);
  });

  test.each([
    ["nobody answers", () => unused()],
    ["another machine of the network answers", () => serving(alice).port],
    ["somebody of another network answers", () => serving(mallory).port],
    ["something else answers", () => somethingElse()],
  ])("where %s is in no answer, and is not told what is there", async (_, portOf) => {
    const client = await asBob(await startIndex());
    const port = portOf();
    expect(client.register(port, files)).rejects.toThrow(
      `the index has not found this peer at ${host}:${port} (UNREACHABLE)`,
    );
    expect(await client.query("a.iso")).toEqual([]);
    expect(await client.stats()).toMatchObject({ peers: 0 });
  });

  test("that was refused is refused again at once, whatever it says", async () => {
    const client = await asBob(await startIndex());
    const { port, came } = serving(bob);
    expect(client.register(1_023, files)).rejects.toThrow("a port from 1024 on");
    expect(client.register(port, files)).rejects.toThrow("a port from 1024 on");
    expect(came()).toBe(0);
  });

  test("is not looked for at a port of the system", async () => {
    const client = await asBob(await startIndex());
    expect(client.register(1_023, files)).rejects.toThrow("a port from 1024 on");
  });

  test("that says another address is not believed, and that is not connected to", async () => {
    const client = await asBob(await startIndex());
    const { port, came } = serving(bob);
    expect(client.register(port, files, "127.0.0.2")).rejects.toThrow("--allow-advertise");
    expect(await client.query("a.iso")).toEqual([]);
    expect(came()).toBe(0);
  });

  test("that says an address which is allowed is looked for there", async () => {
    const client = await asBob(await startIndex((advertised) => advertised === "127.0.0.2"));
    // It listens at 127.0.0.1 alone.
    expect(client.register(serving(bob).port, files, "127.0.0.2")).rejects.toThrow("127.0.0.2");
  });
});

/** Of something that has just ended. */
function unused(): number {
  const listener = Bun.listen({ hostname: host, port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

function somethingElse(): number {
  const server = Bun.serve({ hostname: host, port: 0, fetch: () => new Response("hello") });
  cleanups.push(() => server.stop(true));
  return server.port!;
}

describe("an address and port", () => {
  const place = (port: number) => ({ host, port, fingerprint: bob.identity.fingerprint });

  const started = (nowMs: () => number) =>
    new Reach({ membership: () => alice, mayAdvertise: () => false, nowMs });

  test("is tried once a minute for one machine, however often it asks", async () => {
    let nowMs = 0;
    const reach = started(() => nowMs);
    const { port, came } = serving(bob);
    await Promise.all(Array.from({ length: 50 }, () => reach.check(place(port))));
    nowMs = reachIntervalMs - 1;
    await reach.check(place(port));
    expect(came()).toBe(1);
    nowMs = reachIntervalMs;
    await reach.check(place(port));
    expect(came()).toBe(2);
  });

  test("is not held by who was not found there: the one who is, is", async () => {
    const reach = started(() => 0);
    const { port } = serving(bob);
    expect(reach.check({ ...place(port), fingerprint: mallory.identity.fingerprint })).rejects.toThrow(
      "not found",
    );
    await reach.check(place(port));
  });

  test("where nobody was found is tried again after ten seconds", async () => {
    let nowMs = 0;
    const reach = started(() => nowMs);
    const listener = serving(mallory);
    for (let i = 0; i < 3; i++) expect(reach.check(place(listener.port))).rejects.toThrow("not found");
    await until(() => listener.came() === 1);
    nowMs = reachRetryMs;
    await reach.check(place(listener.port)).catch(() => {});
    expect(listener.came()).toBe(2);
  });

  test("of another machine is tried sixteen times and then one in two seconds", async () => {
    const reach = started(() => 0);
    const outcomes: string[] = [];
    for (let port = 20_000; port < 20_020; port++) {
      const far = { host: "203.0.113.9", port, fingerprint: bob.identity.fingerprint };
      void reach.check(far).catch((error: Error) => outcomes.push(error.message));
    }
    const isRefused = (outcome: string) => outcome.includes("looked for; try again later");
    await until(() => outcomes.filter(isRefused).length === 4);
  });
});

describe("turns", () => {
  test("are a few of one group, and others are not kept waiting by it", async () => {
    const turns = new ProbeTurns(4, 2);
    const ends: (() => void)[] = [];
    const begun: string[] = [];
    const run = (group: string) =>
      turns.run(group, () => {
        begun.push(group);
        return new Promise<void>((end) => ends.push(end));
      });
    const all = ["a", "a", "a", "a", "b", "c", "d"].map(run);
    await until(() => begun.length === 4);
    expect(begun).toEqual(["a", "a", "b", "c"]);
    ends[2]!();
    await until(() => begun.length === 5);
    expect(begun.at(-1)).toBe("d");
    ends[0]!();
    await until(() => begun.length === 6);
    expect(begun.at(-1)).toBe("a");
    await until(() => {
      for (const end of ends) end();
      return begun.length === 7;
    });
    for (const end of ends) end();
    await Promise.all(all);
  });
});

/** Who is named to others in a private network: those who were found where others will be sent (A18, SECURITY.md 1.6). */
import { afterEach, describe, expect, test } from "bun:test";
import { Reach } from "../../src/index-server/reach.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { IndexClient } from "../../src/net/index-client.ts";
import { Listener } from "../../src/net/listener.ts";
import type { Membership } from "../../src/trust/membership.ts";
import { reachIntervalMs } from "../../src/wire/limits.ts";
import { fileEntry } from "../helpers/file-entries.ts";
import { alice, bob, mallory } from "../helpers/memberships.ts";

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
  const client = await IndexClient.open({ indexes: [{ host, port, fingerprint }], membership });
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
    ["nobody answers", () => 9, "connection refused"],
    ["another machine of the network answers", () => serving(alice).port, "another machine answers there"],
    ["somebody of another network answers", () => serving(mallory).port, "another machine answers there"],
    ["something else answers", () => somethingElse(), "another machine answers there"],
  ])("where %s is in no answer, and told why", async (_, portOf, why) => {
    const client = await asBob(await startIndex());
    expect(client.register(portOf(), files)).rejects.toThrow(why);
    expect(await client.query("a.iso")).toEqual([]);
    expect(await client.stats()).toMatchObject({ peers: 0 });
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

function somethingElse(): number {
  const server = Bun.serve({ hostname: host, port: 0, fetch: () => new Response("hello") });
  cleanups.push(() => server.stop(true));
  return server.port!;
}

describe("an address and port", () => {
  const place = (port: number) => ({ host, port, fingerprint: bob.identity.fingerprint });

  test("is tried once a minute, whoever asks and however often", async () => {
    let nowMs = 0;
    const reach = new Reach({ membership: () => alice, mayAdvertise: () => false, nowMs: () => nowMs });
    const { port, came } = serving(bob);
    await Promise.all(Array.from({ length: 50 }, () => reach.check(place(port))));
    nowMs = reachIntervalMs - 1;
    await reach.check(place(port));
    expect(reach.check({ ...place(port), fingerprint: mallory.identity.fingerprint })).rejects.toThrow(
      "another machine",
    );
    expect(came()).toBe(1);
    nowMs = reachIntervalMs;
    await reach.check(place(port));
    expect(came()).toBe(2);
  });

  test("waits for its turn when many are tried", async () => {
    const reach = new Reach({ membership: () => alice, mayAdvertise: () => false, nowMs: () => 0 });
    const many = Array.from({ length: 40 }, () => serving(bob));
    await Promise.all(many.map(({ port }) => reach.check(place(port))));
    expect(many.map(({ came }) => came())).toEqual(many.map(() => 1));
  });
});

/** Whom a serving side lets in when the token of its network is changed. */
import { afterEach, expect, test } from "bun:test";
import { connect } from "../../src/net/connect.ts";
import { Uploader } from "../../src/transfer/uploader.ts";
import { Membership } from "../../src/trust/membership.ts";
import { alice, bob, otherToken, token } from "../helpers/memberships.ts";
import { until } from "../helpers/until.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serving(membership: Membership): Promise<number> {
  const uploader = await Uploader.start({
    host: "127.0.0.1",
    port: 0,
    anyPortIfTaken: false,
    membership,
    threads: 2,
    contentOf: () => undefined,
    onChanged: () => {},
    onFailed: (error) => {
      throw error;
    },
  });
  cleanups.push(() => uploader.stop());
  return uploader.port;
}

/** Of somebody who is let in; undefined when not. */
async function visit(port: number, membership: Membership) {
  const visit = { isOver: false };
  const user = {
    onLine: () => 0,
    onClose: () => {
      visit.isOver = true;
    },
  };
  const secure = { membership, purpose: "peer" as const, expected: [alice.identity.fingerprint] };
  const connection = await connect({ host: "127.0.0.1", port }, user, { secure }).catch(() => undefined);
  if (connection === undefined) return undefined;
  cleanups.push(() => connection.destroy());
  return visit;
}

const newBob = new Membership(bob.identity, otherToken);

test("a new token lets in those who have it, and cuts off those who came with the old one", async () => {
  const membership = new Membership(alice.identity, token);
  const port = await serving(membership);
  const visits = await Promise.all(Array.from({ length: 8 }, () => visit(port, bob)));
  expect(visits.every((each) => each?.isOver === false)).toBe(true);
  expect([membership.renew(token), membership.renew(otherToken)]).toEqual([false, true]);
  await until(() => visits.every((each) => each?.isOver === true));
  expect(await visit(port, bob)).toBeUndefined();
  expect(await visit(port, newBob)).toEqual({ isOver: false });
});

test("a token that the index says is old lets nobody in, until it is the right one after all", async () => {
  const membership = new Membership(alice.identity, token);
  const port = await serving(membership);
  const before = await visit(port, bob);
  expect([membership.setOld(true), membership.setOld(true)]).toEqual([true, false]);
  await until(() => before?.isOver === true);
  expect([await visit(port, bob), await visit(port, newBob)]).toEqual([undefined, undefined]);
  // The index is asked with it all the same.
  expect(membership.posted().token).toBe(token.reveal());
  membership.setOld(false);
  await until(async () => (await visit(port, bob)) !== undefined);
});

test("who begins to serve with an old token lets nobody in", async () => {
  const membership = new Membership(alice.identity, token);
  membership.setOld(true);
  expect(await visit(await serving(membership), bob)).toBeUndefined();
});

/** What is remembered of a network once its link was pasted: a link is believed as far as the index bears it out. */
import { describe, expect, test } from "bun:test";
import { afterJoining } from "../../src/commands/join.ts";
import { UsageError, WouldOverwriteError } from "../../src/errors.ts";
import { defaultNetworkName as name, type StoredNetwork } from "../../src/trust/stored-network.ts";
import { newToken } from "../../src/trust/token.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";

const [ours, a, b] = ["0", "a", "b"].map((digit) => digit.repeat(64)) as [
  Fingerprint,
  Fingerprint,
  Fingerprint,
];
const [token, otherToken] = [newToken(), newToken()];
const of = (some: StoredNetwork["token"], host: string, fingerprint: Fingerprint): StoredNetwork => ({
  token: some,
  indexes: [{ host, port: 7766, fingerprint }],
});
const known = of(token, "10.0.0.5", a);

function after(joined: StoredNetwork, changes: object = {}): StoredNetwork {
  return afterJoining({ name, known, joined, isProved: false, force: false, own: ours, ...changes });
}

describe("joining", () => {
  test("what is new, also when its index cannot be reached", () => {
    expect(after(known, { known: undefined })).toBe(known);
  });

  test("again, with other addresses or another index of the network", () => {
    expect(after(of(token, "nas", a)).indexes.map(({ host }) => host)).toEqual(["nas"]);
    expect(after(of(token, "nas", b)).indexes.map(({ host }) => host)).toEqual(["nas", "10.0.0.5"]);
  });

  test("with another token takes it from the index that is known, or with --force (A22)", () => {
    const joined = of(otherToken, "10.66.6.6", a);
    expect(() => after(joined)).toThrow(WouldOverwriteError);
    expect(() => after(joined)).toThrow("add --force if you know who the link is from");
    expect(after(joined, { isProved: true }).token).toBe(otherToken);
    expect(after(joined, { force: true })).toBe(joined);
  });

  test("another network takes a name of its own, or --force", () => {
    const joined = of(otherToken, "nas", b);
    expect(() => after(joined, { isProved: true })).toThrow("another network is called default here");
    expect(after(joined, { force: true })).toBe(joined);
  });

  test("on the machine of the index changes no token", () => {
    const own = of(token, "10.0.0.5", ours);
    const changes = { known: own, isProved: true, force: true };
    expect(() => after(of(otherToken, "10.0.0.5", ours), changes)).toThrow(UsageError);
    expect(() => after(of(otherToken, "10.0.0.5", ours), changes)).toThrow("`p2p token rotate` changes it");
    expect(after(of(token, "nas", ours), { known: own }).token).toBe(token);
  });
});

/** Which network a command takes part in, and where it listens there. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { isLocal, listenHost, type NetworkOptions, networkOf } from "../../src/commands/network.ts";
import { UsageError } from "../../src/errors.ts";
import type { Network } from "../../src/trust/network.ts";
import { anyIndexAt, openNetwork } from "../../src/trust/network.ts";
import { NetworkStore } from "../../src/trust/network-store.ts";
import { Secret } from "../../src/trust/secret.ts";
import { defaultNetworkName, type NetworkName } from "../../src/trust/stored-network.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";
import { alice } from "../helpers/memberships.ts";
import { until } from "../helpers/until.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const a = "a".repeat(64) as Fingerprint;
const b = "b".repeat(64) as Fingerprint;
const local = { host: "127.0.0.1", port: 7766 };
const lab = "lab" as NetworkName;
const at = (host: string) => ({ host, port: 7766 });
const known = (host: string, fingerprint: Fingerprint) => ({ host, port: 7766, fingerprint });
const [defaultToken, labToken, givenToken] = ["d", "l", "g"].map((letter) => letter.repeat(30)) as [
  string,
  string,
  string,
];

let folder: TemporaryFolder;
let store: NetworkStore;
beforeEach(() => {
  folder = temporaryFolder();
  process.env.P2P_HOME = folder.path;
  store = new NetworkStore(folder.path);
});
afterEach(() => {
  folder[Symbol.dispose]();
  delete process.env.P2P_HOME;
  delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
});

function joinBoth(): void {
  store.change(defaultNetworkName, () => ({
    token: new Secret(defaultToken),
    indexes: [known("10.0.0.5", a), known("nas", a), known("fd00::5", a)],
  }));
  store.change(lab, () => ({
    token: new Secret(labToken),
    indexes: [known("10.0.0.9", a), known("10.0.0.10", b)],
  }));
}

async function chosen(options: Partial<NetworkOptions>, given?: string) {
  const all: NetworkOptions = {
    index: undefined,
    network: undefined,
    tokenFile: undefined,
    open: false,
    ...options,
  };
  const { indexes, membership } = await networkOf(all, {
    givenToken: given === undefined ? undefined : new Secret(given),
    signal: new AbortController().signal,
  });
  return [indexes.map(({ host, fingerprints }) => [host, fingerprints]), membership?.posted().token];
}

describe("a command takes part in", () => {
  test("the open network of this machine when nothing was said or joined, and makes no identity for it", async () => {
    expect(await chosen({})).toEqual([[["127.0.0.1", undefined]], undefined]);
    expect(await Bun.file(folder.at("identity.pem")).exists()).toBe(false);
  });

  test("the default network when nothing was said", async () => {
    joinBoth();
    expect(await chosen({})).toEqual([
      [
        ["10.0.0.5", [a]],
        ["nas", [a]],
        ["fd00::5", [a]],
      ],
      defaultToken,
    ]);
  });

  test("the network of the index that was said", async () => {
    joinBoth();
    expect(await chosen({ index: [at("10.0.0.10")] })).toEqual([[["10.0.0.10", [b]]], labToken]);
    expect(await chosen({ index: [at("nas")] })).toEqual([[["nas", [a]]], defaultToken]);
  });

  test.each(["NAS", "nas.", "::ffff:10.0.0.5", "FD00:0:0::0005"])("which may be spelled %p", async (host) => {
    joinBoth();
    expect(await chosen({ index: [at(host)] })).toEqual([[[host, [a]]], defaultToken]);
  });

  test("an open network when that index is of none and on this machine", async () => {
    joinBoth();
    expect(await chosen({ index: [local] })).toEqual([[["127.0.0.1", undefined]], undefined]);
  });

  test("the default network when that index is of none and elsewhere: it has to be one of those known (A22)", async () => {
    joinBoth();
    for (const index of [[at("10.0.0.77")], [local, at("files.example.org")]]) {
      const indexes = index.map(({ host }) => [host, [a]]);
      expect(await chosen({ index })).toEqual([indexes, defaultToken]);
    }
  });

  test("the network that was said, also at an address that its link did not name", async () => {
    joinBoth();
    expect(await chosen({ network: lab })).toEqual([
      [
        ["10.0.0.9", [a]],
        ["10.0.0.10", [b]],
      ],
      labToken,
    ]);
    const others = [at("10.0.0.77"), at("nas")];
    expect(await chosen({ network: defaultNetworkName, index: others })).toEqual([
      [
        ["10.0.0.77", [a]],
        ["nas", [a]],
      ],
      defaultToken,
    ]);
    // It may be the one or the other, and nobody else.
    expect(await chosen({ network: lab, index: others.slice(0, 1) })).toEqual([
      [["10.0.0.77", [a, b]]],
      labToken,
    ]);
  });

  test("the network of the token that a machine was given", async () => {
    joinBoth();
    const path = folder.write("token", givenToken);
    chmodSync(path, 0o600);
    expect(await chosen({ tokenFile: path, index: [at("10.0.0.5")] })).toEqual([
      [["10.0.0.5", undefined]],
      givenToken,
    ]);
    expect(await chosen({}, givenToken)).toEqual([[["127.0.0.1", undefined]], givenToken]);
  });

  test("an open one when that is said", async () => {
    joinBoth();
    expect(await chosen({ open: true })).toEqual([[["127.0.0.1", undefined]], undefined]);
    expect(await chosen({ open: true, index: [at("10.0.0.5")] })).toEqual([
      [["10.0.0.5", undefined]],
      undefined,
    ]);
  });
});

describe("one line for", () => {
  test.each([
    [{ network: lab }, undefined, /^there is no network lab here \(none was joined\): `p2p join` joins one/],
    [{ network: lab, open: true }, undefined, /^--network and --open each say which network/],
    [{ network: lab, tokenFile: "x" }, undefined, /^--token-file and --network each say/],
    [{ tokenFile: "x" }, givenToken, /^--token-file and P2P_TOKEN each say/],
    [{ open: true }, givenToken, /^P2P_TOKEN and --open each say/],
    [{}, "", /^P2P_TOKEN is empty/],
    [{}, "short-s3cret", /^P2P_TOKEN is no token/],
  ])("%p with %p", async (options, given, problem) => {
    const error = await chosen(options, given).catch((reason) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(problem);
    expect(error.message).not.toContain("s3cret");
  });

  test("an index elsewhere when nothing says whether it is private", async () => {
    const index = [local, at("10.0.0.5")];
    const refused = chosen({ index });
    expect(refused).rejects.toThrow(UsageError);
    expect(refused).rejects.toThrow(
      /^index 10\.0\.0\.5:7766 is of no network .* `p2p join` .* or add --open/,
    );
    await refused.catch(() => {});
    expect(await chosen({ index, open: true })).toMatchObject([{ length: 2 }, undefined]);
    store.change(lab, () => ({ token: new Secret(labToken), indexes: [known("10.0.0.9", a)] }));
    expect(chosen({ index })).rejects.toThrow("say --network NAME if it is of one (lab)");
  });

  test("a network that is not known, among those that are", async () => {
    joinBoth();
    expect(chosen({ network: "x" as NetworkName })).rejects.toThrow(
      "no network x here (known here: default, lab)",
    );
  });

  test.each(["0", "1", ""])(
    "NODE_TLS_REJECT_UNAUTHORIZED=%p in a private network, and only there (A37)",
    async (value) => {
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = value;
      expect(await chosen({})).toEqual([[["127.0.0.1", undefined]], undefined]);
      expect(chosen({}, givenToken)).rejects.toThrow(UsageError);
      expect(chosen({}, givenToken)).rejects.toThrow("NODE_TLS_REJECT_UNAUTHORIZED is set");
    },
  );
});

describe("it listens", () => {
  const secret = (...hosts: string[]): Network => ({
    indexes: anyIndexAt(hosts.map((host) => ({ host, port: 1 }))),
    membership: alice,
  });
  test.each([
    ["on this machine alone where the network is open", openNetwork([local]), "127.0.0.1"],
    ["also when the index of an open one is elsewhere", openNetwork([at("10.0.0.5")]), "127.0.0.1"],
    ["on this machine alone in its own private network", secret("127.0.0.1"), "127.0.0.1"],
    ["for all in a private one of several machines", secret("10.0.0.5"), "0.0.0.0"],
    ["for all when one of its indexes is elsewhere", secret("127.0.0.1", "10.0.0.5"), "0.0.0.0"],
    ["by IPv6 where there is nothing else", secret("fd00::5"), "::"],
    ["by both where there is both", secret("10.0.0.5", "fd00::5"), "::"],
    ["by both where a name may mean both", secret("nas"), "::"],
  ])("%s", (_, network, host) => {
    const nothingSaid = { host: undefined, open: false };
    expect(listenHost(nothingSaid, network, true)).toBe(host);
    expect(listenHost(nothingSaid, network, false)).toBe(host.replace("::", "0.0.0.0"));
  });

  test.skipIf(!networkInterfaces().lo?.some(({ family }) => family === "IPv6"))(
    "by both where it listens on ::",
    async () => {
      let accepted = 0;
      const open = () => {
        accepted++;
      };
      using server = Bun.listen({ hostname: "::", port: 0, socket: { open, data() {} } });
      for (const hostname of ["127.0.0.1", "::1"])
        (await Bun.connect({ hostname, port: server.port, socket: { data() {} } })).end();
      await until(() => accepted === 2);
    },
  );

  test("where it is told to, when the network is private or that was said to be meant", () => {
    const wanted = { host: "10.0.0.7", open: false };
    expect(listenHost(wanted, secret("10.0.0.5"))).toBe("10.0.0.7");
    expect(listenHost({ ...wanted, open: true }, openNetwork([local]))).toBe("10.0.0.7");
    expect(() => listenHost(wanted, openNetwork([at("10.0.0.5")]))).toThrow(UsageError);
    expect(listenHost({ host: "::1", open: false }, openNetwork([local]))).toBe("::1");
  });

  test("and knows whether that is on one machine", () => {
    expect([isLocal(secret("127.0.0.1", "::1")), isLocal(secret("127.0.0.1", "nas"))]).toEqual([true, false]);
  });
});

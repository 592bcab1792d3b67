/** When an index is private, what is kept of its network, and what becomes of a token that is changed. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { IndexNetwork, type IndexNetworkOptions } from "../../src/commands/index-network.ts";
import { UsageError } from "../../src/errors.ts";
import { Output } from "../../src/output/output.ts";
import { Terminal } from "../../src/output/terminal.ts";
import { identityIn } from "../../src/trust/identity.ts";
import { NetworkStore } from "../../src/trust/network-store.ts";
import type { Secret } from "../../src/trust/secret.ts";
import { defaultNetworkName, type NetworkName, type StoredNetwork } from "../../src/trust/stored-network.ts";
import { newToken } from "../../src/trust/token.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";
import { FakeScreen, FakeStdout } from "../helpers/fake-screen.ts";
import { until } from "../helpers/until.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const lab = "lab" as NetworkName;
const elsewhere: StoredNetwork = {
  token: newToken(),
  indexes: [{ host: "10.0.0.9", port: 7766, fingerprint: "a".repeat(64) as Fingerprint }],
};

let folder: TemporaryFolder;
let store: NetworkStore;
const opened: IndexNetwork[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  process.env.P2P_HOME = folder.path;
  store = new NetworkStore(folder.path);
});
afterEach(() => {
  for (const network of opened.splice(0)) network.stop();
  folder[Symbol.dispose]();
  delete process.env.P2P_HOME;
});

async function network(
  options: Partial<IndexNetworkOptions>,
  givenToken?: Secret,
): Promise<IndexNetwork | undefined> {
  const usual = {
    open: false,
    network: undefined,
    tokenFile: undefined,
    linkHosts: undefined,
    isShared: false,
  };
  const all = { host: "127.0.0.1", stateFolder: folder.path, ...usual, ...options };
  const made = await IndexNetwork.of(all, { givenToken, signal: new AbortController().signal });
  if (made !== undefined) opened.push(made);
  return made;
}

/** What it says, a line each. */
class Lines {
  readonly lines: string[] = [];
  readonly info = (line: string) => this.lines.push(line);
  readonly warn = (line: string) => this.lines.push(line);
}

describe("an index", () => {
  test("is for all who use this machine, or for all when that is said: nothing is made", async () => {
    expect(await network({})).toBeUndefined();
    expect(await network({ host: "0.0.0.0", open: true })).toBeUndefined();
    expect(await Bun.file(folder.at("identity.pem")).exists()).toBe(false);
  });

  test("that others can reach is private, and the same when it is started again", async () => {
    const first = await network({ host: "10.0.0.5" });
    first?.keep(7766, new Lines());
    const { fingerprint } = await identityIn(folder.path);
    const kept = store.read(defaultNetworkName);
    expect(kept?.indexes).toEqual([{ host: "10.0.0.5", port: 7766, fingerprint }]);
    const again = await network({ host: "10.0.0.6" });
    again?.keep(7777, new Lines());
    const moved = store.read(defaultNetworkName);
    expect(moved?.indexes).toEqual([{ host: "10.0.0.6", port: 7777, fingerprint }]);
    expect(moved?.token.reveal()).toBe(kept!.token.reveal());
    expect(again?.shown()).toEqual({ network: "default", fingerprint });
  });

  test("on loopback is private when a network is named", async () => {
    (await network({ network: lab }))?.keep(1, new Lines());
    expect(store.read(lab)?.indexes.map(({ host }) => host)).toEqual(["127.0.0.1"]);
    expect(store.read(defaultNetworkName)).toBeUndefined();
  });

  test("has the addresses in its link that were said", async () => {
    (await network({ host: "0.0.0.0", linkHosts: ["nas", "fd00::5"] }))?.keep(1, new Lines());
    expect(store.read(defaultNetworkName)?.indexes.map(({ host }) => host)).toEqual(["nas", "fd00::5"]);
  });

  test.each([
    ["none is made", { linkHosts: ["nas"] }],
    ["it is open", { host: "10.0.0.5", open: true, linkHosts: ["nas"] }],
    ["they are too many", { network: lab, linkHosts: Array.from({ length: 17 }, () => "nas") }],
    ["they mean something here alone", { network: lab, linkHosts: ["fe80::1%eth0"] }],
  ])("has no addresses for a link when %s", async (_, options) => {
    const refused = network(options);
    expect(refused).rejects.toThrow(UsageError);
    expect(refused).rejects.toThrow("--link-host");
    await refused.catch(() => {});
  });

  test("that is given a token keeps nothing of it", async () => {
    const given = await network({ host: "10.0.0.5" }, newToken());
    given?.keep(7766, new Lines());
    const { fingerprint } = await identityIn(folder.path);
    expect([given?.shown(), store.names()]).toEqual([{ fingerprint }, []]);
  });

  test("is no second one of a network that was joined, unless they are one over a database", async () => {
    store.change(defaultNetworkName, () => elsewhere);
    const second = network({ host: "10.0.0.5" });
    expect(second).rejects.toThrow(UsageError);
    expect(second).rejects.toThrow("was joined here, and its index is elsewhere: --network NAME");
    await second.catch(() => {});
    (await network({ host: "10.0.0.5", isShared: true }))?.keep(7766, new Lines());
    const { token, indexes } = store.read(defaultNetworkName)!;
    expect([token.reveal(), indexes.map(({ host }) => host)]).toEqual([
      elsewhere.token.reveal(),
      ["10.0.0.5", "10.0.0.9"],
    ]);
  });
});

describe("a token that is changed", () => {
  test("is taken at once, and told once", async () => {
    const running = (await network({ host: "10.0.0.5" }))!;
    running.keep(7766, new Lines());
    const log = new Lines();
    let changes = 0;
    running.follow(() => changes++, log);
    const before = running.secure.membership();
    const known = store.read(defaultNetworkName)!;
    // Written anew, and the same.
    store.change(defaultNetworkName, () => known);
    const token = newToken();
    store.change(defaultNetworkName, () => ({ ...known, token }));
    await until(() => changes > 0);
    expect(running.secure.membership()).not.toBe(before);
    expect(running.secure.membership().posted().token).toBe(token.reveal());
    expect([changes, log.lines.length]).toEqual([1, 1]);
    expect(running.secure.membership().identity).toBe(before.identity);
  });

  test("before the index listens is kept, and taken then", async () => {
    (await network({ host: "10.0.0.5" }))?.keep(7766, new Lines());
    const starting = (await network({ host: "10.0.0.6" }))!;
    const token = newToken();
    store.change(defaultNetworkName, (known) => ({ ...known!, token }));
    starting.keep(7766, new Lines());
    const kept = store.read(defaultNetworkName)!;
    expect([kept.token.reveal(), kept.indexes[0]?.host]).toEqual([token.reveal(), "10.0.0.6"]);
    let changes = 0;
    starting.follow(() => changes++, new Lines());
    await until(() => changes > 0);
    expect(starting.secure.membership().posted().token).toBe(token.reveal());
  });

  test("and cannot be read, or was forgotten, leaves the index as it is", async () => {
    const running = (await network({ host: "10.0.0.5" }))!;
    running.keep(7766, new Lines());
    const log = new Lines();
    running.follow(() => expect.unreachable(), log);
    const before = running.secure.membership();
    writeFileSync(folder.at("networks/default.json"), "{");
    await until(() => log.lines.length === 1);
    store.remove(defaultNetworkName);
    await until(() => log.lines.length === 2);
    expect(log.lines[0]).toContain("the index goes on with the token it has: ");
    expect(log.lines[1]).toContain("network default was forgotten here");
    expect(running.secure.membership()).toBe(before);
  });
});

test("the link is not told to what is no terminal", async () => {
  const made = (await network({ host: "10.0.0.5" }))!;
  made.keep(7766, new Lines());
  const log = new Lines();
  const stdout = new FakeStdout();
  const output = new Output({ stream: stdout, terminal: new Terminal(new FakeScreen(false), {}) });
  made.tellLink({ output, log: log as never });
  await output.flush();
  expect(log.lines).toEqual(["the network is private: `p2p token show` prints the link to join it with"]);
  expect(stdout.written).toBe("");
});

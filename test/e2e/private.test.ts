/** One link to join, and nobody in who does not belong: the built binary on one machine with several homes. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/net/connect.ts";
import { formatJoinLink, type JoinLink, parseJoinLink } from "../../src/trust/join-link.ts";
import { Membership } from "../../src/trust/membership.ts";
import { newToken, parseToken } from "../../src/trust/token.ts";
import type { BinaryProcess } from "../helpers/binary-process.ts";
import { mallory } from "../helpers/memberships.ts";
import { PrivateNetwork } from "../helpers/private-network.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { tlsRelay } from "../helpers/tls-relay.ts";
import { until } from "../helpers/until.ts";

const bytes = randomBytes(3_000_000);

/** One line, on standard error alone. */
function expectFailure(run: BinaryProcess, exit: number, says: string | RegExp): void {
  expect(run.exitCode, run.said()).toBe(exit);
  expect(run.stdout, run.said()).toBe("");
  expect(run.stderr, run.said()).toMatch(/^p2p: .*\n$/);
  expect(run.stderr, run.said()).toMatch(says);
}

/** The link, made to say something else. */
function altered(link: string, changes: Partial<JoinLink>): string {
  return formatJoinLink({ ...parseJoinLink(link), ...changes });
}

describe("with one link", () => {
  test("machines join, share and fetch without another word", async () => {
    await using network = await PrivateNetwork.start();
    const [there, here] = [await network.machine(), await network.machine()];
    await network.peer(there, "a.bin", bytes);
    const cwd = network.box.newFolder("here");
    for (const home of [here, network.home]) {
      const run = await network.run(home, ["query", "a.bin", "--force"], { cwd });
      expect(run.exitCode, run.said()).toBe(0);
      expect(readFileSync(join(cwd, "a.bin")).equals(bytes)).toBe(true);
    }
    for (const verb of [["search", "bin"], ["ls"], ["peers"], ["stats"]]) {
      const run = await network.run(here, verb);
      expect([run.exitCode, run.stdout === ""], run.said()).toEqual([0, false]);
    }
    // Who was told of the index's address alone finds the network by it.
    expect((await network.run(here, ["ls", "--index", network.index.address])).stdout).toBe("a.bin\n");
  });

  test("a peer that others reach elsewhere says so, and is believed where the index allows it", async () => {
    await using network = await PrivateNetwork.start("--allow-advertise", "127.0.0.2/32");
    const folder = network.box.newFolder("shared");
    network.box.put(folder, "a.bin", bytes);
    const share = async (host: string, ...flags: string[]) => {
      const argv = ["peer", folder, "--host", host, "--port", "0", "--json", "--no-prompt", "--settle", "0"];
      return network.start(await network.machine(), [...argv, ...flags]);
    };
    const believed = await share("127.0.0.2", "--advertise", "127.0.0.2");
    const { port } = await believed.waitForEvent("listening");
    const { foundAt } = await believed.waitForEvent("registered", { timeoutMs: 20_000 });
    expect(foundAt).toBe(`127.0.0.2:${port}`);
    const other = await share("127.0.0.3", "--advertise", "127.0.0.3");
    await until(() => other.stderr.includes("not among the addresses that it allows"));
    const { stdout } = await network.run(await network.machine(), ["peers", "--json"]);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).host),
    ).toEqual(["127.0.0.2"]);
  });

  test("is what `join` says in a line, and an event", async () => {
    await using network = await PrivateNetwork.start();
    const home = network.box.newFolder("state");
    const first = await network.join(home, network.link);
    expect([first.exitCode, first.stderr], first.said()).toEqual([0, ""]);
    expect(first.stdout).toBe(
      `joined default (index ${network.index.address}): \`p2p peer DIR\` shares a folder, \`p2p query NAME\` fetches\n`,
    );
    const again = await network.join(home, network.link, "--json");
    const { fingerprint } = parseJoinLink(network.link);
    const indexes = [network.index.address];
    expect(again.events).toEqual([
      { event: "joined", network: "default", indexes, fingerprint, reached: true },
    ]);
    expect(statSync(PrivateNetwork.fileIn(home)).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, "networks")).mode & 0o777).toBe(0o700);
    const shown = await network.run(home, ["token", "show", "--json"]);
    expect(shown.events).toEqual([{ event: "link", network: "default", link: network.link }]);
  });

  test("is kept when the index cannot be reached, with a warning", async () => {
    await using box = new Sandbox();
    const state = box.newFolder("state");
    const link = formatJoinLink({
      addresses: [{ host: "127.0.0.1", port: 1 }],
      token: newToken(),
      fingerprint: mallory.identity.fingerprint,
    });
    const run = await box.run(["join"], { env: { P2P_HOME: state }, stdin: { text: link } });
    expect([run.exitCode, run.stderr], run.said()).toEqual([
      0,
      expect.stringMatching(
        /^warning: cannot reach index 127\.0\.0\.1:1: connection refused .* the network is kept/,
      ),
    ]);
    expect(existsSync(PrivateNetwork.fileIn(state))).toBe(true);
  });

  test("several networks are told apart by name, and left by name", async () => {
    await using one = await PrivateNetwork.start();
    await using other = await PrivateNetwork.start();
    const home = await one.machine();
    expectFailure(
      await one.join(home, other.link),
      9,
      "another network is called default here: --network NAME",
    );
    expect((await one.join(home, other.link, "--network", "lab")).exitCode).toBe(0);
    await one.peer(await one.machine(), "of-one", bytes);
    await other.peer(await other.machine(), "of-other", bytes);
    expect((await one.run(home, ["ls"])).stdout).toBe("of-one\n");
    expect((await one.run(home, ["ls", "--network", "lab"])).stdout).toBe("of-other\n");
    expect((await one.run(home, ["ls"], { env: { P2P_NETWORK: "lab" } })).stdout).toBe("of-other\n");

    expect((await one.run(home, ["leave", "--network", "lab"])).stdout).toContain("left lab");
    expectFailure(await one.run(home, ["ls", "--network", "lab"]), 2, "there is no network lab here");
    expectFailure(await one.run(home, ["leave", "--network", "lab"]), 2, "there is no network lab here");
    const forced = await one.join(home, other.link, "--force", "--json");
    expect(forced.events).toMatchObject([{ event: "joined", network: "default", reached: true }]);
    expect((await one.run(home, ["ls"])).stdout).toBe("of-other\n");
    expectFailure(await one.run(one.home, ["leave"]), 2, "the index of network default is this machine");
  });
});

describe("not let in, in one line (A22, A23, A35)", () => {
  test.each([
    ["another token", { token: newToken() }, 10, "does not know the token of this network"],
    [
      "another index",
      { fingerprint: mallory.identity.fingerprint },
      10,
      "it is not the machine that is meant",
    ],
  ] as const)("a link with %s; nothing of it is kept", async (_, changes, exit, says) => {
    await using network = await PrivateNetwork.start();
    const home = network.box.newFolder("state");
    expectFailure(await network.join(home, altered(network.link, changes)), exit, says);
    expect(existsSync(PrivateNetwork.fileIn(home))).toBe(false);
    // Nor does it replace what was right.
    const joined = await network.machine();
    expectFailure(await network.join(joined, altered(network.link, changes)), exit, says);
    expect((await network.run(joined, ["stats"])).exitCode).toBe(0);
    expect(network.index.process.stderr).not.toContain("error");
  });

  test("a link with a known fingerprint and another token, when nobody bears it out (A22)", async () => {
    await using network = await PrivateNetwork.start();
    const home = await network.machine();
    // A fingerprint is seen by everybody who connects.
    const addresses = [{ host: "127.0.0.1", port: 1 }];
    const link = altered(network.link, { token: newToken(), addresses });
    expectFailure(await network.join(home, link), 9, "its index cannot be reached to say which one is right");
    expect((await network.run(home, ["stats"])).exitCode).toBe(0);
    expectFailure(await network.join(network.home, link, "--force"), 2, "`p2p token rotate` changes it");
    expect((await network.run(network.home, ["stats"])).exitCode).toBe(0);
  });

  test("a link that was cut, and what is no link", async () => {
    await using network = await PrivateNetwork.start();
    const home = network.box.newFolder("state");
    const cases = [
      [network.link.slice(0, -1), "the link is not whole, or was mistyped"],
      [network.link.slice(0, 60), "the link is not whole, or was mistyped"],
      [network.link.replace("#", " "), "a space or a line break"],
      ["", "there is no link"],
      [network.token, "this is no link to join with"],
    ] as const;
    for (const [text, says] of cases) {
      const run = await network.join(home, text);
      expectFailure(run, 2, says);
      expect(run.stderr).not.toContain(network.token);
    }
    const argv = await network.run(home, ["join", network.link]);
    expectFailure(argv, 2, "p2p join takes no link on its command line");
    expect(argv.stderr).not.toContain(network.token);
    expect(existsSync(join(home, "networks"))).toBe(false);
  });

  test("through somebody in between, who learns nothing", async () => {
    await using network = await PrivateNetwork.start();
    using relay = tlsRelay(mallory.identity, network.index.port);
    const home = network.box.newFolder("state");
    const addresses = [{ host: "127.0.0.1", port: relay.port }];
    expectFailure(
      await network.join(home, altered(network.link, { addresses })),
      10,
      "somebody is in between",
    );
    expect(relay.passed).toEqual([]);
    // Where only the token is known it is the proof that does not fit.
    const env = { P2P_TOKEN: network.token };
    const run = await network.run(home, ["stats", "--index", `127.0.0.1:${relay.port}`], { env });
    expectFailure(run, 10, "somebody is in between");
  });

  test("without encryption where there is some, and the other way round", async () => {
    await using network = await PrivateNetwork.start();
    const home = await network.machine();
    const plain = await network.run(home, ["query", "x", "--open", "--index", network.index.address]);
    expectFailure(plain, 10, "it belongs to a private network: get its link and run `p2p join`");
    const open = await network.box.index();
    const encrypted = await network.run(home, [
      "query",
      "x",
      "--network",
      "default",
      "--index",
      open.address,
    ]);
    expectFailure(encrypted, 10, "it does not encrypt, so it is not of this private network");
  });

  test("by a secret that others could have read, or checks that were switched off (A37, A38)", async () => {
    await using network = await PrivateNetwork.start();
    const home = await network.machine();
    const unchecked = await network.run(home, ["stats"], { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
    expectFailure(unchecked, 2, "NODE_TLS_REJECT_UNAUTHORIZED is set");
    const file = network.box.put(network.box.newFolder("given"), "token", `${network.token}\n`);
    chmodSync(file, 0o644);
    const at = ["--index", network.index.address, "--token-file", file];
    expectFailure(await network.run(home, ["stats", ...at]), 2, "others may read (mode 0644)");
    chmodSync(file, 0o600);
    expect((await network.run(home, ["stats", ...at])).exitCode).toBe(0);
    chmodSync(PrivateNetwork.fileIn(home), 0o604);
    expectFailure(await network.run(home, ["stats"]), 2, "others may read (mode 0604)");
    chmodSync(PrivateNetwork.fileIn(home), 0o600);
    writeFileSync(PrivateNetwork.fileIn(home), "{");
    expectFailure(await network.run(home, ["stats"]), 7, "is not the file of a network any more");
  });
});

test("a token that is changed is taken by the running index within a second, and the old one is worth nothing", async () => {
  await using network = await PrivateNetwork.start();
  const there = await network.machine();
  const peer = await network.peer(there, "a.bin", bytes);
  expectFailure(await network.run(there, ["token", "rotate"]), 2, "is changed on the machine of its index");
  const startMs = performance.now();
  const rotated = await network.run(network.home, ["token", "rotate"]);
  const link = rotated.stdout.trimEnd();
  expect(parseJoinLink(link)).toMatchObject({ fingerprint: parseJoinLink(network.link).fingerprint });
  expect(parseJoinLink(link).token.reveal()).not.toBe(network.token);
  expect(rotated.stderr).toContain("the running index has taken it");
  await peer.waitUntil(() => peer.stderr.includes("is gone"), "the end of the connection");
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect(network.index.process.stderr).toContain("the token of network default was changed");

  const old = await network.run(there, ["stats"]);
  expectFailure(old, 10, "the token was changed (ask for a new link and run `p2p join`)");
  expectFailure(
    await network.join(network.box.newFolder("state"), network.link),
    10,
    "the token was changed",
  );
  await peer.waitUntil(() => peer.stderr.includes("the token was changed"), "notice");
  expect(peer.stderr.split("ask for a new link")).toHaveLength(2);
  // The peer believes its index, and lets nobody in by the old one either.
  await peer.waitUntil(() => peer.stderr.includes("nobody is let in by the old token"), "notice");
  const { port } = await peer.waitForEvent("listening");
  const isLetIn = async (text: string) => {
    const membership = new Membership(mallory.identity, parseToken(text, "it"));
    const user = { onLine: () => 0, onClose: () => {} };
    const secure = { membership, purpose: "peer" as const, expected: undefined };
    return connect({ host: "127.0.0.1", port: Number(port) }, user, { secure }).then(
      (connection) => {
        connection.destroy();
        return true;
      },
      () => false,
    );
  };
  await until(async () => !(await isLetIn(network.token)));

  // The new link is of the same network: no --force is needed, and what runs takes the token from there.
  expect((await network.join(there, link)).exitCode).toBe(0);
  await peer.waitUntil(() => peer.stdout.split('"registered"').length === 3, "registered again");
  expect(await isLetIn(network.token)).toBe(false);
  expect(await isLetIn(parseJoinLink(link).token.reveal())).toBe(true);
  const cwd = network.box.newFolder("here");
  expect((await network.run(await network.machine(link), ["query", "a.bin"], { cwd })).exitCode).toBe(0);
  expect((await network.run(there, ["stats"])).exitCode).toBe(0);
  expect((await network.run(network.home, ["stats"])).exitCode).toBe(0);
});

test("an index that does not follow a new token is told of", async () => {
  await using network = await PrivateNetwork.start();
  // Given the old one: it looks nowhere.
  await network.index.process.end();
  const env = { P2P_HOME: network.home, P2P_TOKEN: network.token };
  const { port } = network.index;
  await network.box.index(["--db", ":memory:", "--port", String(port)], { env });
  const rotated = await network.run(network.home, ["token", "rotate"]);
  expect([rotated.exitCode, rotated.stderr], rotated.said()).toEqual([
    0,
    expect.stringContaining("the running index lets in by the old token still"),
  ]);
});

test("machines are given the token: the index makes nothing of its own, and no child gets it", async () => {
  await using box = new Sandbox();
  const token = newToken().reveal();
  const env = { P2P_TOKEN: token };
  const file = box.put(box.newFolder("secrets"), "token", `${token}\n`);
  chmodSync(file, 0o600);
  const index = await box.index(["--db", ":memory:"], { env });
  expect(index.process.stderr).not.toContain("token show");
  const folder = box.newFolder("shared");
  box.put(folder, "a.bin", bytes);
  await box.peer(index, folder, ["--token-file", file, "--settle", "0"]);
  const at = ["--index", index.address];
  const cwd = box.newFolder("here");
  const fetched = await box.run(["query", "a.bin", ...at], { env, cwd });
  expect(fetched.exitCode, fetched.said()).toBe(0);
  expect(readFileSync(join(cwd, "a.bin")).equals(bytes)).toBe(true);
  expectFailure(await box.run(["query", "a.bin", ...at]), 10, "private network");
  expectFailure(await box.run(["stats", ...at], { env: { P2P_TOKEN: "" } }), 2, "P2P_TOKEN is empty");
  expectFailure(await box.run(["stats", ...at, "--open"], { env }), 2, "P2P_TOKEN and --open each say");

  // What it runs gets no token, and would be in no network.
  const bare = await box.run(["watch", "later", "--exec", "env", ...at], { env });
  expectFailure(bare, 2, "give the token with --token-file instead");
  const given = ["--token-file", file];
  const watch = box.start(["watch", "later", "--exec", "env", "--count", "1", ...at, ...given]);
  await watch.waitUntil(() => watch.stderr.includes("waiting for files"), "start");
  box.put(folder, "later", "x");
  expect(await watch.exit(), watch.said()).toBe(0);
  expect(watch.stdout).toContain("P2P_NAME=later");
  expect(watch.stdout).not.toContain("P2P_TOKEN=");
  expect(watch.said()).not.toContain(token);
});

test.each(["network", "token-file"])(
  "what `watch --exec` runs is in the same network, by --%s",
  async (option) => {
    await using network = await PrivateNetwork.start();
    const home = network.box.newFolder("state");
    const file = network.box.put(network.box.newFolder("given"), "token", network.token);
    chmodSync(file, 0o600);
    const flags = option === "network" ? [] : ["--index", network.index.address];
    if (option === "network") await network.join(home, network.link, "--network", "lab");
    const cwd = network.box.newFolder("here");
    const exec = `${network.box.binary} query -- {}`;
    const chosen = [`--${option}`, option === "network" ? "lab" : file];
    const watch = network.start(
      home,
      ["watch", "later", "--exec", exec, "--count", "1", ...chosen, ...flags],
      { cwd },
    );
    await watch.waitUntil(() => watch.stderr.includes("waiting for files"), "start");
    await network.peer(await network.machine(), "later", bytes);
    expect(await watch.exit(), watch.said()).toBe(0);
    expect(readFileSync(join(cwd, "later")).equals(bytes), watch.said()).toBe(true);
  },
);

/** The binary at a terminal of its own. */
async function atTerminal(box: Sandbox, argv: readonly string[], home: string) {
  let screen = "";
  const child = Bun.spawn([box.binary, ...argv], {
    env: box.environment(home, { TERM: "xterm", P2P_HOME: home }),
    cwd: box.folder,
    terminal: {
      cols: 250,
      rows: 50,
      data: (_terminal, some) => {
        screen += Buffer.from(some).toString();
      },
    },
  });
  const shows = async (text: string) => {
    for (const endMs = performance.now() + 10_000; !screen.includes(text); ) {
      if (performance.now() > endMs) throw new Error(`not on the screen: ${text}\n${screen}`);
      await Bun.sleep(10);
    }
  };
  return {
    child,
    shows,
    screen: () => screen,
    type: (text: string) => child.terminal?.write(text),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      child.terminal?.close();
    },
  };
}

test("a person at a terminal sees the link of a new index, and nothing of what is pasted", async () => {
  await using box = new Sandbox();
  const home = box.newFolder("state");
  const flags = ["--db", ":memory:", "--port", "0", "--network", "default"];
  await using index = await atTerminal(box, ["serve-index", ...flags], home);
  await index.shows("p2p://127.0.0.1:");
  const link = /p2p:\/\/\S+/.exec(index.screen())?.[0] ?? "";
  expect(parseJoinLink(link).addresses[0]?.host).toBe("127.0.0.1");
  expect(index.screen()).toContain("run `p2p join` on another machine and paste this line");

  await using joining = await atTerminal(box, ["join"], box.newFolder("state"));
  await joining.shows("Paste the link");
  joining.type(`${link}\r`);
  expect(await joining.child.exited, joining.screen()).toBe(0);
  await joining.shows("joined default");
  expect(joining.screen()).not.toContain(parseJoinLink(link).token.reveal());

  await using left = await atTerminal(box, ["join"], box.newFolder("state"));
  await left.shows("Paste the link");
  left.type("p2p://abc\u0003");
  expect(await left.child.exited, left.screen()).toBe(130);
  expect(left.screen()).not.toContain("abc");
});

/** A network of its own, in which there is nobody: for what listens on all addresses. */
const alone = ["unshare", "--map-root-user", "--net"];
const canBeAlone = Bun.which("unshare") !== null && Bun.spawnSync([...alone, "true"]).success;

describe("an index that others can reach", () => {
  test.skipIf(!canBeAlone)("is private by itself, and its link says where it is", async () => {
    await using box = new Sandbox();
    const home = box.newFolder("state");
    const env = { P2P_HOME: home };
    const argv = ["serve-index", "--host", "0.0.0.0", "--port", "0", "--db", ":memory:", "--json"];
    const index = box.start([...argv, "--link-host", "files.example.org", "--link-host", "127.0.0.1"], {
      env,
      under: alone,
    });
    const { port, network } = await index.waitForEvent("listening");
    expect(network).toBe("default");
    expect(index.stderr).toContain("`p2p token show` prints the link");
    expect(index.said()).not.toContain("p2p://");
    const { stdout } = await box.run(["token", "show"], { env });
    expect(parseJoinLink(stdout.trimEnd()).addresses).toEqual([
      { host: "files.example.org", port: Number(port) },
      { host: "127.0.0.1", port: Number(port) },
    ]);
    index.kill("SIGTERM");
    expect(await index.exit()).toBe(0);
    // Started again it is the same: whoever has joined need not join again.
    const again = box.start(argv, { env, under: alone });
    await again.waitForEvent("listening");
    expect(again.stderr).toContain(
      "this machine has no address that others could reach: say with --link-host",
    );
    const shown = await box.run(["token", "show"], { env });
    const [before, after] = [parseJoinLink(stdout.trimEnd()), parseJoinLink(shown.stdout.trimEnd())];
    expect([after.token.reveal(), after.fingerprint]).toEqual([before.token.reveal(), before.fingerprint]);
    expect(after.addresses.map(({ host }) => host)).toEqual(["127.0.0.1"]);
  });

  test("is open when that is said, and is not both", async () => {
    await using network = await PrivateNetwork.start();
    const argv = ["serve-index", "--port", "0", "--db", ":memory:"];
    const both = await network.run(network.home, [...argv, "--open", "--network", "lab"]);
    expectFailure(both, 2, "--network and --open each say which network is meant");
    const joined = await network.machine();
    const second = await network.run(joined, [...argv, "--host", "0.0.0.0"]);
    expectFailure(second, 2, "network default was joined here, and its index is elsewhere");
    const metrics = await network.run(network.home, [...argv, "--network", "default", "--http", "0.0.0.0:0"]);
    expectFailure(metrics, 2, "--http 0.0.0.0 tells its numbers to everybody");
  });
});

/** `--allow` and `--deny`: who may connect to an index and to a peer, and who is fetched from. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { LineClient } from "../helpers/line-client.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { complaints, delivered, entryOf, holds, Swarm } from "../helpers/swarm.ts";

/** `WELCOME`, or the code of what it is told instead. */
async function answerTo(port: number, from: string): Promise<unknown> {
  await using client = await LineClient.open(port, from);
  client.send({ type: "HELLO", version: 1, agent: "test" });
  const { type, code } = await client.answerWhere(() => true);
  return code ?? type;
}

test("an index: with anything allowed all others are denied, deny wins, and this machine is let in", async () => {
  await using box = new Sandbox();
  const flags = [
    "--db",
    ":memory:",
    "--allow",
    "127.0.0.2",
    "--allow",
    "10.0.0.0/8",
    "--deny",
    "127.0.0.4/31",
  ];
  const { port, address } = await box.index(flags);
  expect(await answerTo(port, "127.0.0.2")).toBe("WELCOME");
  // All of loopback is this machine.
  expect(await answerTo(port, "127.0.0.3")).toBe("WELCOME");
  expect(await answerTo(port, "127.0.0.4")).toBe("DENIED");
  expect(await answerTo(port, "127.0.0.5")).toBe("DENIED");
  const stats = await box.run(["stats", "--index", address]);
  expect(stats.exitCode, stats.said()).toBe(0);
});

test("an index that denies this machine says so in one line to each who asks: exit 10", async () => {
  await using box = new Sandbox();
  const { address } = await box.index(["--db", ":memory:"], { env: { P2P_DENY: "127.0.0.1" } });
  for (const argv of [
    ["query", "a.bin"],
    ["search", "a"],
    ["peer", "--port", "0", "--wait"],
  ]) {
    const asker = await box.run([...argv, "--index", address]);
    expect(asker.exitCode, asker.said()).toBe(10);
    expect(asker.stderr).toBe(
      `p2p: index ${address} does not let this machine in: whoever runs it has denied or banned it\n`,
    );
  }
});

test("a peer serves those whom it allows, and tells the others", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(100_000);
  const { port } = await swarm.peer({ "a.bin": bytes }, ["--deny", "127.0.0.2"]);
  expect(await answerTo(port, "127.0.0.2")).toBe("DENIED");
  const end = await swarm.fetch(["a.bin"]);
  expect(end.code, end.process.said()).toBe(0);
});

test("a peer that denies us is no source: exit 10 and one line", async () => {
  await using swarm = await Swarm.start();
  const { address } = await swarm.peer({ "a.bin": randomBytes(100_000) }, ["--deny", "127.0.0.1"]);
  const end = await swarm.fetch(["a.bin"]);
  expect(end.code, end.process.said()).toBe(10);
  expect(complaints(end)).toEqual([`warning: source ${address} dropped: it does not let this machine in`]);
  expect(end.last).toMatchObject({ event: "error", code: "AUTHENTICATION" });
});

test("a download leaves out sources that are denied, and connects to no other than those allowed", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(3 * 1024 * 1024);
  const files = { "a.bin": bytes };
  const good = await swarm.peer(files);
  // Of another address, where nobody is: whoever connects there is refused.
  await using liar = await LineClient.greeted(swarm.index.port, "127.0.0.9");
  await liar.request({ type: "REGISTER", id: 1, port: 1, files: [entryOf("a.bin", bytes)] });
  for (const flags of [
    ["--deny", "127.0.0.9"],
    ["--deny", "127.0.0.8/30"],
  ]) {
    const end = await swarm.fetch(["a.bin", ...flags]);
    expect(end.code, end.process.said()).toBe(0);
    expect(holds(`${end.folder}/a.bin`, bytes)).toBe(true);
    expect(end.last?.sources).toHaveLength(1);
    expect(delivered(end, good.port)?.bytes).toBe(bytes.length);
    expect(complaints(end)).toEqual([]);
  }
  const listed = await swarm.fetch(["a.bin", "--list", "--deny", "127.0.0.9"]);
  expect(listed.process.events).toMatchObject([
    { event: "found", sources: 1 },
    { event: "source", port: good.port },
  ]);
  const nobody = await swarm.fetch(["a.bin", "--deny", "127.0.0.0/8"]);
  expect(nobody.code, nobody.process.said()).toBe(3);
  expect(nobody.process.stderr).toContain(
    "some are left out: they are banned (`p2p ban --list`), or denied here\n",
  );
  const folder = await swarm.fetch(["**", "-o", "all/", "--deny", "127.0.0.0/8"]);
  expect(folder.code, folder.process.said()).toBe(3);
});

test.each(["10.0.0.5/8", "10.0.0.0/33", "example.org", ""])(
  "--allow %p is an error of one line: exit 2",
  async (given) => {
    await using box = new Sandbox();
    for (const argv of [["serve-index"], ["peer"], ["query", "a"]]) {
      const run = await box.run([...argv, `--allow=${given}`]);
      expect(run.exitCode, run.said()).toBe(2);
      expect(run.stderr).toMatch(
        /^p2p: bad value "?.*"? for --allow: expected an address or a network such as [^\n]*\n$/,
      );
    }
  },
);

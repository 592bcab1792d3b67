/** Machines on a network of several hosts, joined by one pasted link, and what somebody on the line sees of them. */
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseJoinLink } from "../../../src/trust/join-link.ts";
import { type Host, Lan } from "../../helpers/lan.ts";
import { longTest, system } from "../../helpers/long-test.ts";
import { Sandbox } from "../../helpers/sandbox.ts";
import { holds } from "../../helpers/swarm.ts";
import { until } from "../../helpers/until.ts";

const needs = ["namespace", "ip", "nft", "tc", "tcpdump"] as const;
const name = "a-name-that-nobody-else-has.bin";

/** A machine: a host of the network with a state folder of its own. */
interface Machine {
  host: Host;
  state: string;
}

class Machines implements AsyncDisposable {
  readonly lan = new Lan();
  readonly box = new Sandbox();

  add(): Machine {
    return { host: this.lan.host(1_000), state: this.box.newFolder("state") };
  }

  start({ host, state }: Machine, ...argv: string[]) {
    return this.box.start(argv, { under: host.under, env: { P2P_HOME: state } });
  }

  async run({ host, state }: Machine, argv: string[], text = "", cwd = this.box.newFolder("here")) {
    const run = await this.box.run(argv, {
      under: host.under,
      env: { P2P_HOME: state },
      stdin: { text },
      cwd,
    });
    expect(run.exitCode, run.said()).toBe(0);
    return run.stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.box[Symbol.asyncDispose]();
    this.lan[Symbol.dispose]();
  }
}

const lastWord = "the-last-packet-of-all";

/** All packets of the network, from now on. */
async function capture(path: string) {
  const tcpdump = Bun.spawn(["tcpdump", "-i", "lan", "-U", "-s", "0", "-Z", "root", "-w", path], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const decoder = new TextDecoder();
  let said = "";
  for await (const bytes of tcpdump.stderr) {
    said += decoder.decode(bytes, { stream: true });
    if (said.includes("listening on")) break;
  }
  return {
    async packets(from: Host, to: Host): Promise<Buffer> {
      // It is behind: the last packet says that it has seen all others.
      system(...from.under, "bash", "-c", `echo ${lastWord} >/dev/udp/${to.address}/9`);
      await until(() => readFileSync(path).includes(lastWord));
      tcpdump.kill("SIGTERM");
      await tcpdump.exited;
      return readFileSync(path);
    },
  };
}

/** What `fetching` fetches from `sharing` goes over the line. In the open it takes a few more flags. */
async function fetched(
  machines: Machines,
  sharing: Machine,
  fetching: Machine,
  file: { name: string; bytes: Uint8Array; flags?: string[] },
) {
  const { name, bytes, flags = [] } = file;
  const folder = machines.box.newFolder("shared");
  machines.box.put(folder, name, bytes);
  const where = flags.length === 0 ? [] : ["--host", sharing.host.address];
  const peer = machines.start(sharing, "peer", folder, "--no-prompt", "--json", ...where, ...flags);
  await peer.waitForEvent("registered");
  const here = machines.box.newFolder("here");
  await machines.run(fetching, ["query", name, ...flags], "", here);
  expect(holds(join(here, name), bytes)).toBe(true);
}

longTest(
  "A38: joined by one link, nobody on the line sees token, name or a byte of the file",
  { needs, timeoutMs: 120_000 },
  async () => {
    await using machines = new Machines();
    const [a, b, c] = [machines.add(), machines.add(), machines.add()];
    const bytes = randomBytes(8_000_000);
    const seen = await capture(join(machines.box.folder, "private.pcap"));
    const index = machines.start(a, "serve-index", "--host", "0.0.0.0", "--db", ":memory:", "--json");
    await index.waitForEvent("listening");
    const link = (await machines.run(a, ["token", "show"])).trimEnd();
    // It found out by itself where it is.
    const { addresses, token, fingerprint } = parseJoinLink(link);
    expect(addresses).toEqual([{ host: a.host.address, port: 7766 }]);
    for (const machine of [b, c]) await machines.run(machine, ["join"], `${link}\n`);
    await fetched(machines, b, c, { name, bytes });
    // The machine of the index needs no link, and others reach what it shares.
    const others = randomBytes(bytes.length);
    await fetched(machines, a, b, { name: `other-${name}`, bytes: others });
    const packets = await seen.packets(c.host, b.host);
    expect(packets.length).toBeGreaterThan(2 * bytes.length);
    const secrets = [token.reveal(), fingerprint, name, "HELLO", "REGISTER"];
    for (const secret of secrets) expect(packets.includes(secret), secret).toBe(false);
    for (let at = 0; at < bytes.length; at += 1_000_000)
      expect(packets.includes(bytes.subarray(at, at + 16))).toBe(false);
  },
);

longTest(
  "A38: the same in the open is seen, so the search finds",
  { needs, timeoutMs: 120_000 },
  async () => {
    await using machines = new Machines();
    const [a, b, c] = [machines.add(), machines.add(), machines.add()];
    const bytes = randomBytes(8_000_000);
    const seen = await capture(join(machines.box.folder, "open.pcap"));
    const index = machines.start(
      a,
      "serve-index",
      "--host",
      "0.0.0.0",
      "--open",
      "--db",
      ":memory:",
      "--json",
    );
    await index.waitForEvent("listening");
    await fetched(machines, b, c, { name, bytes, flags: ["--open", "--index", `${a.host.address}:7766`] });
    const packets = await seen.packets(c.host, b.host);
    expect([packets.includes(name), packets.includes(bytes.subarray(1_000_000, 1_000_016))]).toEqual([
      true,
      true,
    ]);
  },
);

/**
 * The network that everything runs in: a namespace of its own, so that every port is free, all programs have the
 * same TCP congestion control and nothing of the machine's own network is touched. Linux only.
 */
import { readFileSync } from "node:fs";

const marker = "P2P_BENCH_NAMESPACE";
/** The fastest on loopback of those that every kernel has; bbr paces, which costs a third there. */
export const congestionControl = "cubic";

export function insideNamespace(): boolean {
  return process.env[marker] === "1";
}

/** Runs this very command again inside a namespace. Returns its exit code. */
export async function runInsideNamespace(): Promise<number> {
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const child = Bun.spawn(["unshare", ...asRoot, "--net", process.execPath, ...process.argv.slice(1)], {
    stdio: ["inherit", "inherit", "inherit"],
    env: { ...process.env, [marker]: "1" },
  });
  // The terminal sends Ctrl-C to both, others perhaps to this one only; it waits until the other has tidied up.
  process.on("SIGINT", () => child.kill("SIGINT"));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return await child.exited;
}

export function setUpNamespace(): void {
  runOrThrow(["sh", "-c", setUpCommands]);
}

/** What a fresh namespace needs, as shell commands: also for those of single hosts. */
export const setUpCommands = `set -e
ip link set lo up
echo ${congestionControl} > /proc/sys/net/ipv4/tcp_congestion_control
[ ! -e /proc/sys/net/ipv6/conf/all/disable_ipv6 ] || echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6`;

export function runOrThrow(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0)
    throw new Error(`${argv.join(" ")} ended with ${exitCode}: ${stderr.toString().trim()}`);
}

/** Where a program runs: behind which address, and what to put before its command line to get there. */
export interface Place {
  address: string;
  enter: readonly string[];
  /** Bytes that this place has sent, headers included; only for a place with a network card of its own. */
  sentBytes?: () => number;
}

/** All on one machine and loopback, each behind an address of its own. */
export function loopbackPlaces(count: number, first: number): Place[] {
  return Array.from({ length: count }, (_, at) => ({ address: `127.0.0.${first + at}`, enter: [] }));
}

/**
 * Hosts with an address and a network card each, joined by a bridge on which this process is
 * `hubAddress`. The cards take packets of 64 KiB, as loopback does: the wire is to be no limit.
 */
export class HostNetwork implements Disposable {
  readonly places: Place[] = [];
  private readonly holders: Bun.Subprocess[] = [];

  private constructor() {}

  static async of(count: number): Promise<HostNetwork> {
    const network = new HostNetwork();
    try {
      runOrThrow(["sh", "-c", `set -e; ip link add ${bridge} type bridge; ip link set ${bridge} up`]);
      for (let number = 1; number <= count; number++) await network.add(number);
      runOrThrow(["sh", "-c", `set -e; ip addr add ${hubAddress}/24 dev ${bridge}`]);
    } catch (error) {
      network[Symbol.dispose]();
      throw error;
    }
    return network;
  }

  private async add(number: number): Promise<void> {
    // Nothing but a process keeps a nameless namespace; it ends with this one's input, even if that is killed.
    const holder = Bun.spawn(["unshare", "--net", "cat"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.holders.push(holder);
    holder.stdin.write("ready\n");
    holder.stdin.flush();
    await holder.stdout.getReader().read();
    const { pid } = holder;
    const address = `198.18.0.${number}`;
    const enter = ["nsenter", `--net=/proc/${pid}/ns/net`];
    runOrThrow([
      "sh",
      "-c",
      `set -e; ip link add host${number} type veth peer name ${card} netns ${pid}
ip link set host${number} mtu ${cardMtu} master ${bridge} up`,
    ]);
    const commands = `${setUpCommands}
ip link set ${card} mtu ${cardMtu} up; ip addr add ${address}/24 dev ${card}`;
    runOrThrow([...enter, "sh", "-c", commands]);
    this.places.push({ address, enter, sentBytes: () => sentBytesOf(pid) });
  }

  [Symbol.dispose](): void {
    for (const holder of this.holders) holder.kill("SIGKILL");
    Bun.spawnSync(["ip", "link", "del", bridge], { stderr: "ignore" });
  }
}

export const hubAddress = "198.18.0.250";
const bridge = "bench";
const card = "eth0";
const cardMtu = 65_535;

function sentBytesOf(pid: number): number {
  const line = readFileSync(`/proc/${pid}/net/dev`, "utf8")
    .split("\n")
    .find((each) => each.includes(`${card}:`));
  return Number(line?.split(":")[1]?.trim().split(/\s+/)[8]);
}

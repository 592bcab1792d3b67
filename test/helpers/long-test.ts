/**
 * Tests that take minutes, or need what a user does not have: run by `bun run test:faults` (scripts/test-faults.ts),
 * which puts each file of them into namespaces of its own. What a machine lacks is said in the title of the test that
 * is skipped for it.
 */
import { test } from "bun:test";
import { findLibfaketime } from "./fake-clock.ts";
import { canLimitMemory } from "./memory-group.ts";

/** `namespace`: a private network and private mounts, as root. The others are programs. */
export type Need =
  | "namespace"
  | "ip"
  | "nft"
  | "tc"
  | "ss"
  | "tcpdump"
  | "mkfs.ext4"
  | "cgroup"
  | "libfaketime";

/** Set by the runner inside of the namespaces it made: outside of them nothing may be dropped or mounted. */
const inNamespace = process.env.P2P_TEST_NAMESPACE === "1";

export function longTest(
  title: string,
  options: { needs?: readonly Need[]; timeoutMs: number },
  run: () => Promise<void>,
): void {
  const missing = (options.needs ?? []).filter((need) => !has(need));
  if (missing.length === 0) test(title, run, options.timeoutMs);
  else test.skip(`${title} (${missing.map((need) => lack[need] ?? `${need} is missing`).join(", ")})`, run);
}

const lack: Partial<Record<Need, string>> = {
  namespace: "needs a network of its own: root, Linux, `bun run test:faults`",
  "mkfs.ext4": "mkfs.ext4 is missing: apt-get install e2fsprogs",
  nft: "nft is missing: apt-get install nftables",
  ip: "ip is missing: apt-get install iproute2",
  tc: "tc is missing: apt-get install iproute2",
  ss: "ss is missing: apt-get install iproute2",
  tcpdump: "tcpdump is missing: apt-get install tcpdump",
  cgroup: "no control group of memory can be made: root, Linux",
  libfaketime: "libfaketime is missing: apt-get install libfaketime",
};

function has(need: Need): boolean {
  if (need === "namespace") return inNamespace;
  if (need === "cgroup") return canLimitMemory();
  if (need === "libfaketime") return findLibfaketime() !== undefined;
  return Bun.which(need) !== null;
}

/** Runs a command of the system to its end and returns what it printed; throws when it fails. */
export function system(...argv: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
  return stdout.toString();
}

/** p2p itself: the built binary as index, as peer of each source and as the command that downloads. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./namespace.ts";
import { pathOf } from "./payload.ts";
import type { MeasuredProcess } from "./processes.ts";
import { type Contender, isCrowd, type Plan, type Stage } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

export interface P2pVariant {
  label?: string;
  /** Further flags of `p2p query`. */
  queryFlags?: readonly string[];
  /** Further flags of `p2p peer`. */
  peerFlags?: readonly string[];
  /** In a private network, encrypted, with a token that the machines were given. */
  isPrivate?: boolean;
  /** Put before the command lines, to watch the processes. */
  wrapQuery?: readonly string[];
  wrapPeer?: readonly string[];
  /** Instead of into a file: `>/dev/null`, or a shell command that reads the bytes. */
  pipeTo?: "null" | ((stage: Stage) => string);
}

export const p2pName = "p2p";
const settledMs = 1_500;
const benchToken = crypto.randomUUID().replaceAll("-", "");

export function p2p(variant: P2pVariant = {}): Contender {
  return {
    name: variant.label === undefined ? p2pName : `${p2pName} ${variant.label}`,
    verifies: "each chunk, SHA-256",
    leavesOutput: variant.pipeTo === undefined,
    absent: (workspace) =>
      variant.pipeTo === undefined || workspace.features.stdout ? undefined : notInThisBuild,
    prepare: async (stage) => {
      const lacking = whatItLacks(stage);
      if (lacking !== undefined) throw new Error(`${lacking} ${notInThisBuild}`);
      const index = await startIndex(stage, variant);
      // One after the other: the first hashes, all may keep what they found for the next run.
      for (const at of stage.plan.sources.keys()) await startPeer(stage, at, index, variant);
      return (at) => {
        const place = stage.plan.downloaders[at]!;
        const argv = queryArgv(stage, at, index, variant);
        const process = stage.start("downloader", place, argv, { env: tokenOf(variant) });
        return staysAfterwards(stage) ? stage.completed(process) : stage.exited(process);
      };
    },
  };
}

export const notInThisBuild = "not in this build";

/** What of p2p a plan needs and this binary has not, or undefined. */
export function whatP2pLacks({ features }: Workspace, plan: Pick<Plan, "payload" | "capBytesPerSecond">) {
  if (plan.payload.files !== undefined && !features.folders) return "`p2p query DIR/` is";
  if (plan.capBytesPerSecond !== undefined && !features.limits) return "`--up` and `--down` are";
  return undefined;
}

function whatItLacks(stage: Stage): string | undefined {
  return whatP2pLacks(stage.workspace, stage.plan);
}

/** Without swarming the others have nothing from a downloader that stays. */
function staysAfterwards({ plan, workspace }: Stage): boolean {
  return isCrowd(plan) && workspace.features.serving;
}

export async function startIndex(stage: Stage, variant: P2pVariant = {}): Promise<string> {
  const { hub } = stage.plan;
  const argv = [stage.workspace.settings.binary, "serve-index", "--db", ":memory:", "--port", "0", "--json"];
  const started = stage.start("helper", hub, [...argv, ...listenFlags(hub)], { env: tokenOf(variant) });
  return await listeningAddress(started);
}

/** Shares the payload and has registered all of it. Returns its port. */
export async function startPeer(
  stage: Stage,
  at: number,
  index: string,
  variant: P2pVariant = {},
): Promise<number> {
  const { peerFlags = [], wrapPeer = [] } = variant;
  const { plan, workspace } = stage;
  // Kept from run to run, so that only the first one hashes.
  const state = join(plan.cacheFolder, `p2p-source-${at}`);
  if (!existsSync(state)) mkdirSync(state);
  await untilSettled(pathOf(plan.payload));
  const place = plan.sources[at]!;
  const argv = [workspace.settings.binary, "peer", plan.payload.folder, "--index", index, "--port", "0"];
  const flags = ["--json", "--no-prompt", ...listenFlags(place), ...capFlags(plan), ...peerFlags];
  const started = stage.start("source", place, [...wrapPeer, ...argv, ...flags], {
    env: { ...tokenOf(variant), P2P_HOME: state },
  });
  const { port } = await started.process.waitForEvent("listening");
  await started.process.waitForEvent("registered", { timeoutMs: plan.timeoutMs });
  return Number(port);
}

/** What was written only now is hashed again in the next run, as a file that may have changed unnoticed. */
async function untilSettled(path: string): Promise<void> {
  const leftMs = statSync(path).ctimeMs + settledMs - Date.now();
  if (leftMs > 0) await Bun.sleep(leftMs);
}

function queryArgv(stage: Stage, at: number, index: string, variant: P2pVariant): string[] {
  const { plan, workspace } = stage;
  const { help } = workspace.features;
  const isFolder = plan.payload.files !== undefined;
  const output = variant.pipeTo === undefined ? `${stage.outputFolder(at)}/` : "-";
  const serve = staysAfterwards(stage) ? ["--serve-for", "10m"] : [];
  // One of many on a machine of its own listens there, for the others of the crowd.
  const listens = isCrowd(plan) && help.includes("--host=");
  // Off loopback an open network is said to be meant.
  const open = index.startsWith("127.") || variant.isPrivate || !help.includes("--open") ? [] : ["--open"];
  const listen = listens ? listenFlags(plan.downloaders[at]!) : open;
  const report = variant.pipeTo === undefined ? ["--json"] : ["--quiet"];
  const argv = [
    ...(variant.wrapQuery ?? []),
    ...[workspace.settings.binary, "query", isFolder ? `${plan.payload.name}/` : plan.payload.name],
    ...["--index", index, "-o", output, ...report],
    ...[...serve, ...listen, ...capFlags(plan), ...(variant.queryFlags ?? [])],
  ];
  if (variant.pipeTo === undefined) return argv;
  const command = argv.map((each) => `'${each}'`).join(" ");
  if (variant.pipeTo === "null") return ["sh", "-c", `exec ${command} > /dev/null`];
  return ["bash", "-o", "pipefail", "-c", `${command} | ${variant.pipeTo(stage)}`];
}

/** On loopback the index sees all of them as 127.0.0.1, so that is where they listen; only ports differ. */
function listenFlags({ address }: Place): string[] {
  return address.startsWith("127.") ? [] : ["--host", address, "--open"];
}

/** One for all of a benchmark: who listens to it gets random bytes. */
function tokenOf({ isPrivate }: P2pVariant): Record<string, string> {
  return isPrivate ? { P2P_TOKEN: benchToken } : {};
}

function capFlags({ capBytesPerSecond }: Plan): string[] {
  if (capBytesPerSecond === undefined) return [];
  return ["--up", String(capBytesPerSecond), "--down", String(capBytesPerSecond)];
}

async function listeningAddress({ process }: MeasuredProcess): Promise<string> {
  const { host, port } = await process.waitForEvent("listening");
  return `${String(host)}:${String(port)}`;
}

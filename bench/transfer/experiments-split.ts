/** Where p2p's CPU seconds go, on both sides of one transfer. The copies are told apart where perf is there. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gib, median, mib } from "../measure.ts";
import { compare, find, medianOf, type Series } from "./compare.ts";
import { p2p, p2pName } from "./contender-p2p.ts";
import { type CpuShares, cpuShares } from "./cpu-split.ts";
import { makeFilePayload, sizeText } from "./payload.ts";
import { isInstalled, pathOf, perf } from "./programs.ts";
import type { Section } from "./report.ts";
import { loopbackPlan, type Plan } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

export async function cpuSplit(workspace: Workspace): Promise<Section> {
  const payload = makeFilePayload(workspace.folder, workspace.settings.sizeBytes ?? 2 * gib);
  const plan = loopbackPlan(workspace, payload);
  const ours = find(await compare(workspace, [{ contender: p2p(), plan }]), p2pName);
  const title = `Where the CPU seconds go, ${sizeText(payload.bytes)} from one source`;
  if (ours === undefined) return { title, paragraphs: ["Not measured: no run succeeded."] };
  const profiled = isInstalled(perf) ? await profile(workspace, plan) : undefined;
  const hashSeconds = hashSecondsPerGib() * (payload.bytes / gib);
  const rows = [
    row("the downloader", ours, "downloaderCpu", profiled?.downloader, hashSeconds),
    row("the source", ours, "sourceCpu", profiled?.source, 0),
  ];
  const head = ["CPU s of", "in all", "hash", "copies", "rest of the system", "rest of the program"];
  return {
    title,
    paragraphs: [
      [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n"),
      "The hash is what SHA-256 of as many bytes costs in a bare loop of Bun. " +
        (profiled === undefined
          ? "Copies are in the system: perf is not there to tell (Debian: apt-get install -y linux-perf)."
          : "Copies are those between kernel and program, and fresh pages; told apart by perf in a run of its own."),
    ],
  };
}

function row(
  who: string,
  series: Series,
  whose: "downloaderCpu" | "sourceCpu",
  shares: CpuShares | undefined,
  hashSeconds: number,
): string[] {
  const user = medianOf(series, (run) => run[whose].user);
  const system = medianOf(series, (run) => run[whose].system);
  const all = user + system;
  const inProgram = shares === undefined ? user : shares.program * all;
  const hash = Math.min(hashSeconds, inProgram);
  const copies = shares === undefined ? "" : (shares.copies * all).toFixed(2);
  const rest = shares === undefined ? system : shares.system * all;
  return [who, all.toFixed(2), hash.toFixed(2), copies, rest.toFixed(2), (inProgram - hash).toFixed(2)];
}

interface Profile {
  downloader: CpuShares;
  source: CpuShares;
}

/** One run under perf. It makes the run slower, so only shares are taken from it; undefined when perf may not. */
async function profile(workspace: Workspace, plan: Plan): Promise<Profile | undefined> {
  const folder = join(workspace.folder, "perf");
  mkdirSync(folder, { recursive: true });
  const [query, peer] = [join(folder, "query"), join(folder, "peer")];
  const wrap = (path: string) => [pathOf(perf), "record", "-q", "-F", "997", "-o", path, "--"];
  const contender = p2p({ label: "under perf", wrapQuery: wrap(query), wrapPeer: wrap(peer) });
  const [series] = await compare(workspace, [{ contender, plan }], 1);
  if (series === undefined || series.runs.length === 0) return undefined;
  return { downloader: sharesIn(query), source: sharesIn(peer) };
}

function sharesIn(path: string): CpuShares {
  const argv = [pathOf(perf), "report", "-i", path, "--no-children", "-s", "dso,sym", "--stdio", "-t", "|"];
  return cpuShares(Bun.spawnSync(argv, { stderr: "ignore" }).stdout.toString());
}

/** The median of a few, since others may be at work. */
function hashSecondsPerGib(): number {
  const block = new Uint8Array(64 * mib);
  const seconds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    Bun.CryptoHasher.hash("sha256", block);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) / 1e6) * (gib / block.length);
  });
  return median(seconds);
}

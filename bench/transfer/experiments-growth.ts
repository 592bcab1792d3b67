/** How the cost of p2p grows with the size of the file, the number of sources and the number of threads. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";
import { gib, mib } from "../measure.ts";
import { compare, counted, find, medianOf, medianSeconds, type Series, type Task } from "./compare.ts";
import { p2p, p2pName } from "./contender-p2p.ts";
import { curlFromNginx } from "./contenders-http.ts";
import { makeFilePayload, removePayload, sizeText } from "./payload.ts";
import { type Line, plot } from "./plot.ts";
import { availableBytes } from "./processes.ts";
import type { Section } from "./report.ts";
import { loopbackPlan } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

const plotPath = join("docs", "transfer-growth.svg");
const largestBytes = 16 * gib;
/** The file of the steps that are not about its size. */
const fixedBytes = gib;
const sourceCounts = [1, 2, 4, 8, 16];
const threadCounts = [1, 2, 3, 4];

/** One measured step: a value on the x axis and what p2p needed there. */
interface Step {
  x: number;
  label: string;
  series: Series;
  /** The same by curl, where that says something. */
  curl?: Series | undefined;
}

export async function growth(workspace: Workspace): Promise<Section> {
  const limit = workspace.settings.sizeBytes ?? largestBytes;
  workspace.clear();
  const sizes = await bySize(workspace, limit);
  const largest = sizes.at(-1)?.x ?? 0;
  const file = makeFilePayload(workspace.folder, Math.min(fixedBytes, limit));
  const sources = await measureSteps(workspace, sourceCounts, "sources", (count) => ({
    contender: p2p(),
    plan: loopbackPlan(workspace, file, count),
  }));
  const threads = await measureSteps(workspace, threadCounts, "threads", (count) => {
    const flags = ["--threads", String(count)];
    return { contender: p2p({ queryFlags: flags, peerFlags: flags }), plan: loopbackPlan(workspace, file) };
  });
  writeFileSync(join(projectFolder, plotPath), drawing(sizes, sources, threads));
  const bounded =
    largest < limit ? [`Sizes end at ${sizeText(largest)}: file and copy must both fit into memory.`] : [];
  const what = `${sizeText(file.bytes)}`;
  return {
    title: `How cost grows: size of the file, sources and threads`,
    paragraphs: [
      `![GiB/s by size of the file, number of sources and number of threads](transfer-growth.svg)`,
      ...bounded,
      stepsTable("size of the file", sizes),
      `${what} from 1 to ${sourceCounts.at(-1)} sources:\n\n${stepsTable("sources", sources)}`,
      `${what} with 1 to ${threadCounts.at(-1)} threads on both sides:\n\n${stepsTable("threads", threads)}`,
    ],
  };
}

async function bySize(workspace: Workspace, limit: number): Promise<Step[]> {
  const steps: Step[] = [];
  for (let bytes = mib; bytes <= limit; bytes *= 4) {
    if (!fitsIntoMemory(bytes)) bytes /= 2;
    if (steps.some(({ x }) => x >= bytes) || !fitsIntoMemory(bytes)) break;
    const payload = makeFilePayload(workspace.folder, bytes);
    const plan = loopbackPlan(workspace, payload);
    const contenders = [p2p(), curlFromNginx];
    const series = await compare(
      workspace,
      contenders.map((contender) => ({ contender, plan })),
    );
    removePayload(payload);
    const ours = find(series, p2pName);
    const label = sizeText(bytes);
    if (ours !== undefined)
      steps.push({ x: bytes, label, series: ours, curl: find(series, curlFromNginx.name) });
  }
  return steps;
}

/** The file, its copy, and room for the programs. */
function fitsIntoMemory(bytes: number): boolean {
  return 2 * bytes + 2.5 * gib < availableBytes();
}

async function measureSteps(
  workspace: Workspace,
  counts: readonly number[],
  what: string,
  taskOf: (count: number) => Task,
): Promise<Step[]> {
  const steps: Step[] = [];
  for (const count of counts) {
    console.error(` ${count} ${what}`);
    const [series] = await compare(workspace, [taskOf(count)]);
    if (series !== undefined && series.runs.length > 0)
      steps.push({ x: count, label: String(count), series });
  }
  return steps;
}

function stepsTable(what: string, steps: readonly Step[]): string {
  const head = [
    what,
    "time",
    "GiB/s",
    "curl GiB/s",
    "CPU s a GiB, downloader",
    "sources",
    "peak MiB, downloader",
    "a source",
  ];
  const withCurl = steps.some(({ curl }) => curl !== undefined);
  const rows = steps.map(({ label, series, curl }) => {
    const perGib = (whose: "downloaderCpu" | "sourceCpu") =>
      medianOf(series, (run) => run[whose].user + run[whose].system) / (series.task.plan.payload.bytes / gib);
    const peak = (whose: "downloaderMib" | "sourceMib") =>
      medianOf(series, (run) => run[whose].peak).toFixed(0);
    const seconds = medianSeconds(series);
    const disturbed = counted(series).some((run) => run.disturbed) ? " (**disturbed**)" : "";
    const time = (seconds < 1 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(2)} s`) + disturbed;
    const byCurl = curl === undefined ? "" : rate(curl).toFixed(2);
    const cpu = [perGib("downloaderCpu").toFixed(2), perGib("sourceCpu").toFixed(2)];
    return [label, time, rate(series).toFixed(2), byCurl, ...cpu, peak("downloaderMib"), peak("sourceMib")];
  });
  const kept = [head, head.map(() => "---"), ...rows].map((cells) =>
    cells.filter((_, at) => withCurl || at !== 3),
  );
  return kept.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function drawing(sizes: readonly Step[], sources: readonly Step[], threads: readonly Step[]): string {
  const yLabel = "GiB/s";
  const curlSteps = sizes.flatMap(({ x, curl }) => (curl === undefined ? [] : [{ x, y: rate(curl) }]));
  const curlLine: Line[] = curlSteps.length === 0 ? [] : [{ name: "curl, unverified", points: curlSteps }];
  return plot([
    {
      title: "By size of the file",
      xLabel: "size",
      xText: sizeText,
      yLabel,
      lines: [line(sizes), ...curlLine],
    },
    { title: "By number of sources", xLabel: "sources", xText: String, yLabel, lines: [line(sources)] },
    {
      title: "By number of threads",
      xLabel: "threads on each side",
      xText: String,
      yLabel,
      lines: [line(threads)],
    },
  ]);
}

function line(steps: readonly Step[]): Line {
  return { name: "p2p", points: steps.map(({ x, series }) => ({ x, y: rate(series) })) };
}

function rate(series: Series): number {
  return series.task.plan.payload.bytes / gib / medianSeconds(series);
}

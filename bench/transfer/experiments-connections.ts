/** What a connection costs: a source that serves more and more of them, and one download over more and more. */
import { readFileSync } from "node:fs";
import { LineClient } from "../../test/helpers/line-client.ts";
import { gib, mib, type Row } from "../measure.ts";
import { compare, counted, medianOf, medianSeconds, type Series, type Task } from "./compare.ts";
import { p2p, startIndex, startPeer } from "./contender-p2p.ts";
import { makeFilePayload, type Payload, sizeText } from "./payload.ts";
import { type Range, Reader, type ReaderTarget } from "./reader.ts";
import { check, checksTable, type Section } from "./report.ts";
import { type Contender, loopbackPlan, type Stage } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

const counts = [1, 2, 8, 32, 100, 200];
const downloadSources = 4;

interface Step {
  asked: number;
  /** Connections that were up at once, as the kernel counts them. */
  seen: number;
  series: Series;
}

export async function connections(workspace: Workspace): Promise<Section> {
  const payload = makeFilePayload(workspace.folder, workspace.settings.sizeBytes ?? gib);
  const serving = await measure(workspace, payload, 1, (count) => readers(count));
  const downloading = await measure(workspace, payload, downloadSources, (count) =>
    p2p({ label: `over ${count} connections`, queryFlags: ["--connections", String(count)] }),
  );
  const size = sizeText(payload.bytes);
  return {
    title: `Cost of a connection: ${size} over 1 to ${counts.at(-1)} of them`,
    paragraphs: [
      `One \`p2p peer\`; as many clients that ask for one MiB after the other and drop it, ${size} together:`,
      stepsTable(serving, "sourceCpu", "sourceMib"),
      `One \`p2p query --connections N\` from ${downloadSources} sources:`,
      stepsTable(downloading, "downloaderCpu", "downloaderMib"),
      checksTable([
        flatCpu("a source", serving, "sourceCpu"),
        memoryOfOneMore(serving),
        mostMemory("a source", serving, "sourceMib", 100),
        flatCpu("a downloader", downloading, "downloaderCpu"),
        mostMemory("a downloader", downloading, "downloaderMib", 150),
      ]),
    ],
  };
}

async function measure(
  workspace: Workspace,
  payload: Payload,
  sources: number,
  contenderOf: (count: number) => Contender,
): Promise<Step[]> {
  const plan = loopbackPlan(workspace, payload, sources);
  const seen = new Map<Task, number>();
  const tasks = counts.map((count): Task => {
    const task: Task = {
      contender: contenderOf(count),
      plan,
      during: (stage) => seen.set(task, Math.max(seen.get(task) ?? 0, establishedConnections(stage))),
    };
    return task;
  });
  const series = await compare(workspace, tasks);
  return series.flatMap((each) => {
    const at = tasks.indexOf(each.task);
    return each.runs.length === 0
      ? []
      : [{ asked: counts[at]!, seen: seen.get(each.task) ?? 0, series: each }];
  });
}

/** Each of them connects before the clock runs; eight share an address, as those of one downloader would. */
function readers(count: number): Contender {
  return {
    name: `p2p peer, ${count} clients`,
    verifies: "nothing",
    leavesOutput: false,
    absent: () => undefined,
    prepare: async (stage) => {
      const index = await startIndex(stage);
      const port = await startPeer(stage, 0, index);
      const target: ReaderTarget = { host: "127.0.0.1", port, root: await rootAt(index, stage) };
      const next = rangesOf(stage.plan.payload.bytes);
      const open: Reader[] = [];
      stage.own({
        [Symbol.asyncDispose]: async () => {
          for (const each of open) each.close();
        },
      });
      for (let at = 0; at < count; at++) {
        open.push(await Reader.open(target, `127.0.1.${1 + Math.floor(at / 8)}`, next));
      }
      return async () => await Promise.all(open.map((each) => each.readAll()));
    },
  };
}

async function rootAt(index: string, stage: Stage): Promise<string> {
  await using client = await LineClient.greeted(Number(index.split(":")[1]));
  const { contents } = await client.request({ type: "QUERY", id: 1, name: stage.plan.payload.name });
  return (contents as { root: string }[])[0]!.root;
}

function rangesOf(bytes: number): () => Range | undefined {
  let offset = 0;
  return () => {
    if (offset >= bytes) return undefined;
    const range = { offset, length: Math.min(mib, bytes - offset) };
    offset += range.length;
    return range;
  };
}

type CpuField = "sourceCpu" | "downloaderCpu";
type MemoryField = "sourceMib" | "downloaderMib";

function stepsTable(steps: readonly Step[], cpu: CpuField, memory: MemoryField): string {
  const rows = steps.map(({ asked, seen, series }) => {
    const seconds = medianSeconds(series);
    const disturbed = counted(series).some((run) => run.disturbed) ? " (**disturbed**)" : "";
    const figures = [cpuPerGib(series, cpu).toFixed(2), peakMib(series, memory).toFixed(0)];
    return [asked, seen, `${seconds.toFixed(2)} s${disturbed}`, ...figures];
  });
  const head = ["connections", "up at once", "time", "CPU s a GiB", "peak MiB"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function cpuPerGib(series: Series, field: CpuField): number {
  const seconds = medianOf(series, (run) => run[field].user + run[field].system);
  return seconds / (series.task.plan.payload.bytes / gib);
}

function peakMib(series: Series, field: MemoryField): number {
  return medianOf(series, (run) => run[field].peak);
}

/** "Flat": a byte costs about the same over many connections as over a few. */
function flatCpu(who: string, steps: readonly Step[], cpu: CpuField): Row {
  const few = steps.find(({ asked }) => asked === 8);
  const many = steps.at(-1);
  const figure = `CPU of ${who} for a byte, ${many?.asked} connections against ${few?.asked}`;
  const ratio =
    few === undefined || many === undefined
      ? undefined
      : cpuPerGib(many.series, cpu) / cpuPerGib(few.series, cpu);
  return check(figure, "at most 1.5 ×", ratio, `${ratio?.toFixed(2)} ×`, (ratio ?? 0) <= 1.5);
}

function memoryOfOneMore(steps: readonly Step[]): Row {
  const [first, last] = [steps[0], steps.at(-1)];
  const figure = "memory of a source for a connection more";
  const more = (last?.seen ?? 0) - (first?.seen ?? 0);
  const kib =
    first === undefined || last === undefined || more < 1
      ? undefined
      : ((peakMib(last.series, "sourceMib") - peakMib(first.series, "sourceMib")) / more) * 1024;
  return check(figure, "under 256 KiB", kib, `${kib?.toFixed(0)} KiB`, (kib ?? 0) < 256);
}

function mostMemory(who: string, steps: readonly Step[], memory: MemoryField, limitMib: number): Row {
  const most = Math.max(...steps.map(({ series }) => peakMib(series, memory)));
  const value = steps.length === 0 ? undefined : most;
  return check(
    `most memory of ${who}`,
    `under ${limitMib} MiB`,
    value,
    `${most.toFixed(0)} MiB`,
    most < limitMib,
  );
}

const established = "01";

/** At the ports of the sources. */
function establishedConnections({ processes }: Stage): number {
  const ports = processes
    .filter(({ role }) => role === "source")
    .map(({ process }) => process.events.find(({ event }) => event === "listening")?.port)
    .map((port) => `:${Number(port).toString(16).toUpperCase().padStart(4, "0")}`);
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  return lines.filter((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    return state === established && ports.some((port) => local.endsWith(port));
  }).length;
}

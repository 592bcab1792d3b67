/** How the cost of a QUERY grows with what the index holds, in memory and on disk. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";
import type { Row } from "../measure.ts";
import { type Line, plot } from "../transfer/plot.ts";
import { checksTable, type Section } from "../transfer/report.ts";
import { filesPerPeer, Grown, measureStep, type Step } from "./growth-steps.ts";
import { medianOf, roundsText, spreadOf } from "./rounds.ts";
import { markdownTable, milliseconds, plainTarget, rates, target, thousands } from "./tables.ts";
import type { Storage, Workspace } from "./workspace.ts";

const plotPath = join("docs", "index-growth.svg");
const peersOfSteps = [100, 1_000, 10_000];

interface Growth {
  storage: Storage;
  steps: Step[];
}

export async function growth(workspace: Workspace): Promise<Section> {
  const all = [await grow(workspace, "memory"), await grow(workspace, "disk")];
  if (workspace.settings.scale === 1) writeFileSync(join(projectFolder, plotPath), drawing(all));
  const most = all[0]!.steps.at(-1)!.holdings;
  return {
    title: `Growth: from ${thousands(all[0]!.steps[0]!.holdings)} to ${thousands(most)} holdings`,
    paragraphs: [
      "![p50 and memory by holdings](index-growth.svg)",
      `Peers with ${thousands(filesPerPeer)} files each; 50 connections. The peers are the first ones of the same network each time. Each size was measured in turn with an index that stays at the first, and is compared with that. CPU is that of the server for each answer.`,
      ...all.map(stepsTable),
      checksTable(all.flatMap(checksOf)),
    ],
  };
}

async function grow(workspace: Workspace, storage: Storage): Promise<Growth> {
  const peers = peersOfSteps.map((each) => workspace.scaled(each));
  const network = { peers: peers.at(-1)!, filesPerPeer };
  await using small = await Grown.start(workspace, storage, network);
  await small.growTo(peers[0]!);
  await using grown = await Grown.start(workspace, storage, network);
  const steps: Step[] = [];
  for (const count of peers) {
    const label = `${storage}, ${thousands(count * filesPerPeer)} holdings`;
    if (count === peers[0]) {
      steps.push(await measureStep(workspace, label, count, { small, grown: small }));
      continue;
    }
    const seconds = await grown.growTo(count);
    console.error(`  ${label}: there after ${seconds.toFixed(0)} s`);
    steps.push(await measureStep(workspace, label, count, { small, grown }));
  }
  return { storage, steps };
}

/** Of the p50s of neighbouring measurements. */
const growthOf = (value: Step["rounds"][number]["value"]) =>
  value.grown.single.p50Us / value.small.single.p50Us;

const cpuGrowthOf = (value: Step["rounds"][number]["value"]) =>
  value.grown.single.cpuUs / value.small.single.cpuUs;

function stepsTable({ storage, steps }: Growth): string {
  const head = [
    "holdings",
    "one source: a second",
    "p50, ms",
    "p50 is",
    "CPU µs",
    "CPU is",
    "popular: a second",
    "p50, ms",
    "resident MB",
    "of it anonymous",
    "files, MB",
    "rounds",
  ];
  const rows = steps.map(({ holdings, rounds, memory, fileBytes }) => [
    ...[thousands(holdings), rates(rounds, ({ grown }) => grown.single.rate)],
    ...[
      milliseconds(rounds, ({ grown }) => grown.single.p50Us),
      `${medianOf(rounds, growthOf).toFixed(2)} ×`,
    ],
    ...[
      spreadOf(rounds, 1, ({ grown }) => grown.single.cpuUs),
      `${medianOf(rounds, cpuGrowthOf).toFixed(2)} ×`,
    ],
    ...[
      rates(rounds, ({ grown }) => grown.popular.rate),
      milliseconds(rounds, ({ grown }) => grown.popular.p50Us),
    ],
    ...[memory.all.toFixed(0), memory.anonymous.toFixed(0)],
    ...[(fileBytes / 1e6).toFixed(0), roundsText(rounds)],
  ]);
  return `In ${storage === "memory" ? "memory" : "a file on disk, warm"}:\n\n${markdownTable(head, rows)}`;
}

function checksOf({ storage, steps }: Growth): Row[] {
  const [first, last] = [steps[0]!, steps.at(-1)!];
  const grows = target(
    `QUERY p50 at ${thousands(last.holdings)} against ${thousands(first.holdings)}, ${storage}`,
    { atMost: 1.5 },
    "×",
    last.rounds,
    growthOf,
  );
  if (storage === "disk") {
    const megabytes = last.memory.all - first.memory.all;
    return [
      grows,
      {
        figure: "resident memory, disk: growth",
        target: "flat",
        measured: `${megabytes.toFixed(0)} MB more`,
        ratio: "",
        met: undefined,
      },
    ];
  }
  // Of a small one most is the program itself.
  const perMillion = Math.max(...steps.slice(1).map(({ memory, holdings }) => memory.all / (holdings / 1e6)));
  const most = plainTarget(
    "resident memory a million holdings",
    { atMost: 350 },
    "MB",
    perMillion,
    perMillion.toFixed(0),
  );
  return [grows, most];
}

function drawing(all: readonly Growth[]): string {
  const lines = (y: (step: Step) => number): Line[] =>
    all.map(({ storage, steps }) => ({
      name: storage,
      points: steps.map((step) => ({ x: step.holdings, y: y(step) })),
    }));
  const axis = { xLabel: "holdings", xText: (x: number) => (x >= 1e6 ? `${x / 1e6} M` : `${x / 1e3} k`) };
  return plot([
    {
      ...axis,
      title: "QUERY with one source",
      yLabel: "p50, ms",
      lines: lines((step) => medianOf(step.rounds, ({ grown }) => grown.single.p50Us / 1000)),
    },
    {
      ...axis,
      title: "QUERY of popular names",
      yLabel: "p50, ms",
      lines: lines((step) => medianOf(step.rounds, ({ grown }) => grown.popular.p50Us / 1000)),
    },
    { ...axis, title: "Resident memory", yLabel: "MB", lines: lines(({ memory }) => memory.all) },
  ]);
}

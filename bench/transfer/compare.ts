/** Several programs in turn, so that a slow minute of the machine is slow for all of them; disturbed runs again. */
import { median } from "../measure.ts";
import { notInThisBuild, whatP2pLacks } from "./contender-p2p.ts";
import type { Contender, Plan } from "./stage.ts";
import { type Measured, type TrialOptions, trial } from "./trial.ts";
import type { Workspace } from "./workspace.ts";

export interface Task extends TrialOptions {
  contender: Contender;
  plan: Plan;
}

/** All runs of one program. */
export interface Series {
  task: Task;
  runs: Measured[];
  /** Why there are fewer runs than wanted, in one line. */
  problem: string | undefined;
}

/** Runs of each that nothing disturbs; after as many again it takes what it has. */
export async function compare(workspace: Workspace, tasks: Task[], runs = workspace.settings.runs) {
  const series = chosen(workspace, tasks).map((task): Series => ({ task, runs: [], problem: undefined }));
  for (let round = 0; round < 2 * runs; round++) {
    for (const each of series) {
      if (each.runs.filter(({ disturbed }) => !disturbed).length >= runs) continue;
      if (failedTooOften(each)) continue;
      await runOnce(workspace, each);
    }
  }
  return series;
}

function chosen({ settings }: Workspace, tasks: Task[]): Task[] {
  if (settings.programs.length === 0) return tasks;
  return tasks.filter(({ contender }) => settings.programs.some((wanted) => contender.name.includes(wanted)));
}

/** Twice in a row at the start is no accident. */
function failedTooOften({ runs, problem }: Series): boolean {
  return problem !== undefined && runs.length === 0;
}

async function runOnce(workspace: Workspace, series: Series): Promise<void> {
  const { contender, plan } = series.task;
  const lacking = contender.name.startsWith("p2p") ? whatP2pLacks(workspace, plan) : undefined;
  const absent =
    contender.absent(workspace) ?? (lacking === undefined ? undefined : `${lacking} ${notInThisBuild}`);
  if (absent !== undefined) {
    series.problem = absent;
    return;
  }
  try {
    const measured = await trial(workspace, contender, plan, series.task);
    series.runs.push(measured);
    const mark = measured.disturbed ? `, others took ${measured.otherCpuSeconds.toFixed(1)} s of CPU` : "";
    console.error(`  ${contender.name}: ${measured.seconds.toFixed(3)} s${mark}`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`  ${contender.name} failed: ${message}`);
    series.problem = `failed: ${message.split("\n", 1)[0]}`;
  }
}

/** The undisturbed runs, or all where there are none. */
export function counted({ runs }: Series): Measured[] {
  const clean = runs.filter(({ disturbed }) => !disturbed);
  return clean.length > 0 ? clean : runs;
}

/** The median of one figure over the runs that count; NaN without any. */
export function medianOf(series: Series, figure: (run: Measured) => number): number {
  return median(counted(series).map(figure));
}

export function medianSeconds(series: Series): number {
  return medianOf(series, ({ seconds }) => seconds);
}

/** The series of one program, if it has runs. */
export function find(series: readonly Series[], name: string): Series | undefined {
  return series.find(({ task, runs }) => task.contender.name === name && runs.length > 0);
}

/** The fastest of those whose names begin with one of `prefixes`. */
export function fastest(series: readonly Series[], ...prefixes: string[]): Series | undefined {
  return series
    .filter(
      ({ task, runs }) => runs.length > 0 && prefixes.some((each) => task.contender.name.startsWith(each)),
    )
    .toSorted((a, b) => medianSeconds(a) - medianSeconds(b))[0];
}

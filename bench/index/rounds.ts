/** Everything in turn, several times, so that a slow minute is slow for all; disturbed rounds are repeated. */
import { median, quiet, spread } from "../measure.ts";
import { cpuOf, otherCpuSeconds } from "../transfer/processes.ts";
import type { Workspace } from "./workspace.ts";

export interface Round<T> {
  value: T;
  /** Others had more than 0.3 of a core meanwhile. */
  disturbed: boolean;
}

/** Measures until as many rounds were undisturbed as are wanted; after `spare` more it takes what it has. */
export async function rounds<T>(
  { settings }: Workspace,
  label: string,
  measure: () => Promise<T>,
  spare = settings.runs,
): Promise<Round<T>[]> {
  const all: Round<T>[] = [];
  while (undisturbed(all).length < settings.runs && all.length < settings.runs + spare) {
    await quiet();
    const [startedMs, before] = [performance.now(), foreignCpuSeconds()];
    const value = await measure();
    const seconds = (performance.now() - startedMs) / 1000;
    const cores = Math.max(0, foreignCpuSeconds() - before) / seconds;
    const disturbed = cores > 0.3;
    all.push({ value, disturbed });
    const mark = disturbed ? `, others took ${cores.toFixed(1)} cores` : "";
    console.error(`  ${label}, round ${all.length}: ${seconds.toFixed(1)} s${mark}`);
  }
  return all;
}

/** Of everything that this process has not started. */
function foreignCpuSeconds(): number {
  const started = cpuOf(process.pid) ?? { user: 0, system: 0 };
  const own = process.cpuUsage();
  return otherCpuSeconds() + (own.user + own.system) / 1e6 - started.user - started.system;
}

/** The undisturbed rounds, or all where there are none. */
export function counted<T>(all: readonly Round<T>[]): T[] {
  const clean = undisturbed(all);
  return (clean.length > 0 ? clean : all).map(({ value }) => value);
}

function undisturbed<T>(all: readonly Round<T>[]): Round<T>[] {
  return all.filter(({ disturbed }) => !disturbed);
}

/** `3`, or `6 **disturbed**`. */
export function roundsText(all: readonly Round<unknown>[]): string {
  const clean = undisturbed(all).length;
  return clean > 0 ? String(clean) : `${all.length} **disturbed**`;
}

export function medianOf<T>(all: readonly Round<T>[], figure: (value: T) => number): number {
  return median(counted(all).map(figure));
}

/** The median and the range. */
export function spreadOf<T>(
  all: readonly Round<T>[],
  digits: number,
  figure: (value: T) => number,
  unit = "",
): string {
  return spread(counted(all).map(figure), digits, unit);
}

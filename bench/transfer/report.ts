/** What a comparison looks like as Markdown: a table of the programs, and one of the targets. */
import { gib, type Row, spread, table } from "../measure.ts";
import { counted, find, medianOf, medianSeconds, type Series } from "./compare.ts";
import { p2pName } from "./contender-p2p.ts";
import type { Measured } from "./trial.ts";

/** One part of the document, ready to be written. */
export interface Section {
  title: string;
  paragraphs: string[];
}

/** A further column of the table of programs. */
export interface Column {
  title: string;
  value: (series: Series) => string;
}

export function programsTable(series: readonly Series[], columns: readonly Column[] = []): string {
  const p2p = find(series, p2pName);
  const all: Column[] = [
    { title: "program", value: ({ task }) => task.contender.name },
    { title: "verifies", value: ({ task }) => task.contender.verifies },
    { title: "time", value: timeText },
    { title: "GiB/s", value: (each) => rateText(medianSeconds(each), each) },
    { title: "p2p is", value: (each) => ratioText(p2p, each) },
    ...columns,
    { title: "CPU s of a downloader", value: (each) => cpuText(each, "downloaderCpu") },
    { title: "of the sources", value: (each) => cpuText(each, "sourceCpu") },
    { title: "peak MiB of a downloader", value: (each) => memoryText(each, "downloaderMib") },
    { title: "of a source", value: (each) => memoryText(each, "sourceMib") },
    { title: "runs", value: runsText },
  ];
  const lines = [all.map(({ title }) => title), all.map(() => "---")];
  for (const each of series) {
    const nothing = each.runs.length === 0;
    lines.push(
      all.map(({ value }, at) => (nothing && at > 1 ? (at === 2 ? (each.problem ?? "") : "") : value(each))),
    );
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function timeText(series: Series): string {
  const seconds = counted(series).map((run) => run.seconds);
  if (medianSeconds(series) < 0.5) {
    const milliseconds = seconds.map((each) => each * 1000);
    return spread(milliseconds, 0, " ms");
  }
  return spread(seconds, 2, " s");
}

function rateText(seconds: number, { task }: Series): string {
  const { payload, downloaders } = task.plan;
  return ((payload.bytes * downloaders.length) / gib / seconds).toFixed(2);
}

function ratioText(p2p: Series | undefined, other: Series): string {
  if (p2p === undefined || p2p === other) return "";
  return `${(medianSeconds(other) / medianSeconds(p2p)).toFixed(2)} × as fast`;
}

/** `2.10 (1.60 system)` */
function cpuText(series: Series, whose: "downloaderCpu" | "sourceCpu"): string {
  const total = medianOf(series, (run) => run[whose].user + run[whose].system);
  const system = medianOf(series, (run) => run[whose].system);
  return `${total.toFixed(2)} (${system.toFixed(2)} system)`;
}

/** `2105 (57 anonymous)`; short where there is little else. */
function memoryText(series: Series, whose: "downloaderMib" | "sourceMib"): string {
  const peak = medianOf(series, (run) => run[whose].peak);
  const anonymous = medianOf(series, (run) => run[whose].anonymous);
  return peak === 0 ? "" : `${peak.toFixed(0)} (${anonymous.toFixed(0)} anonymous)`;
}

function runsText({ runs, problem }: Series): string {
  const disturbed = runs.filter((run) => run.disturbed).length;
  const clean = runs.length - disturbed;
  const failed = problem === undefined ? "" : "; some failed";
  // Disturbed runs beside clean ones are left out of the figures.
  return (clean > 0 ? `${clean}` : `${disturbed} **disturbed**`) + failed;
}

/** A row of the table of targets. Without a value the target is neither met nor missed. */
export function check(
  figure: string,
  target: string,
  value: number | undefined,
  text: string,
  met: boolean,
): Row {
  if (value === undefined || Number.isNaN(value)) {
    return { figure, target, measured: "not measured", ratio: "", met: undefined };
  }
  return { figure, target, measured: text, ratio: "", met };
}

/** How many times as fast p2p is, or as slow when `atMost` is wanted, as another series. */
export function timesAsFast(
  p2p: Series | undefined,
  other: Series | undefined,
  what: string,
  atLeast: number,
): Row {
  const value = ratioOf(other, p2p);
  const target = `at least ${atLeast.toFixed(1)} × as fast`;
  return check(`p2p against ${what}`, target, value, `${value.toFixed(2)} ×`, value >= atLeast);
}

export function timeAgainst(
  p2p: Series | undefined,
  other: Series | undefined,
  what: string,
  atMost: number,
): Row {
  const value = ratioOf(p2p, other);
  const target = `at most ${atMost} × its time`;
  return check(`p2p against ${what}`, target, value, `${value.toFixed(2)} ×`, value <= atMost);
}

function ratioOf(one: Series | undefined, other: Series | undefined): number {
  return one === undefined || other === undefined ? Number.NaN : medianSeconds(one) / medianSeconds(other);
}

/** The worst run counts. */
export function memoryChecks(p2p: Series | undefined): Row[] {
  const most = (whose: "downloaderMib" | "sourceMib"): number | undefined =>
    p2p === undefined ? undefined : Math.max(...p2p.runs.map((run: Measured) => run[whose].peak));
  const row = (who: string, value: number | undefined, limit: number) =>
    check(
      `most memory of ${who}`,
      `under ${limit} MiB`,
      value,
      `${value?.toFixed(0)} MiB`,
      (value ?? 0) < limit,
    );
  return [row("a p2p downloader", most("downloaderMib"), 150), row("a p2p source", most("sourceMib"), 100)];
}

export function checksTable(rows: readonly Row[]): string {
  return table(rows);
}

export function markdown({ title, paragraphs }: Section): string {
  return [`### ${title}`, ...paragraphs].join("\n\n");
}

/** How figures are written: numbers, tables, and what was wanted against what was measured. */
import type { Row } from "../measure.ts";
import { check } from "../transfer/report.ts";
import { medianOf, type Round, roundsText, spreadOf } from "./rounds.ts";

/** `45,300` */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** `45,300 (41,000 to 47,100)` */
export function rates<T>(all: readonly Round<T>[], figure: (value: T) => number): string {
  return spreadOf(all, 0, figure).replace(/\d+/g, (digits) => thousands(Number(digits)));
}

export function milliseconds<T>(all: readonly Round<T>[], microseconds: (value: T) => number): string {
  return spreadOf(all, 2, (value) => microseconds(value) / 1000);
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

type Bound = { atLeast: number } | { atMost: number };

/** A row of the table of targets, from the median of rounds. */
export function target<T>(
  what: string,
  bound: Bound,
  unit: string,
  all: readonly Round<T>[],
  figure: (value: T) => number,
): Row {
  const digits = (value: number) => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
  const value = all.length === 0 ? undefined : medianOf(all, figure);
  const text =
    value === undefined
      ? ""
      : spreadOf(all, digits(value), figure).replace(/\d{4,}/g, (each) => thousands(Number(each)));
  const suffix = all.some(({ disturbed }) => !disturbed) || all.length === 0 ? "" : ` (${roundsText(all)})`;
  return plainTarget(what, bound, unit, value, text + suffix);
}

/** The same for a single figure. */
export function plainTarget(
  what: string,
  bound: Bound,
  unit: string,
  value: number | undefined,
  text?: string,
): Row {
  const wanted = "atLeast" in bound ? bound.atLeast : bound.atMost;
  const words = `${"atLeast" in bound ? "at least" : "at most"} ${wanted >= 1000 ? thousands(wanted) : wanted} ${unit}`;
  const measured = value === undefined ? Number.NaN : value;
  const met = "atLeast" in bound ? measured >= bound.atLeast : measured <= bound.atMost;
  return check(what, words, value, text ?? (value === undefined ? "" : value.toFixed(2)), met);
}

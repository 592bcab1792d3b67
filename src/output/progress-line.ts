/**
 * One line about how far a download (of a file, or of a folder) or the hashing of a folder is, made to fit. Pure; when
 * it is drawn and where is `progress.ts`.
 */

import { printable } from "../printable.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatWhole,
} from "./format.ts";

export interface ProgressState {
  /** What it is about: a name from elsewhere, or words such as "hashing". */
  label: string;
  sizeBytes: number;
  bytes: number;
  bytesPerSecond: number;
  /** Peers delivering now; for downloads. */
  sources?: number;
  /** Files done and in all; for hashing and for folders. */
  files?: { done: number; total: number };
}

const barWidth = { min: 8, max: 40 };

/**
 * At most `columns` wide: label, bar and all details if there is room; else shorter details and, before the label, a
 * bar, for which the least wanted details go; else what fits of the details. `drawBar` makes a bar of a given width.
 */
export function progressLine(
  state: ProgressState,
  columns: number,
  drawBar: (share: number, width: number) => string,
): string {
  const label = printable(state.label);
  const leastLabel = Math.min(Bun.stringWidth(label), minLabelWidth);
  const mostLabel = Math.min(Bun.stringWidth(label), Math.max(minLabelWidth, Math.floor(columns / 3)));
  for (const details of [wideDetails(state), shortDetails(state)]) {
    const room = columns - details.join(gap).length - 2 * gap.length;
    const labelWidth = Math.min(mostLabel, room - barWidth.min);
    if (labelWidth < leastLabel) continue;
    const bar = drawBar(shareOf(state), clampBar(room - labelWidth));
    return [fit(label, labelWidth), bar, ...details].join(gap);
  }
  for (let details = shortDetails(state); details.length >= leastDetails; details = details.slice(0, -1)) {
    const room = columns - details.join(gap).length - gap.length;
    if (room >= barWidth.min) return [drawBar(shareOf(state), clampBar(room)), ...details].join(gap);
  }
  const details = shortDetails(state);
  while (details.length > 1 && details.join(gap).length > columns) details.pop();
  return fit(details.join(gap), columns);
}

/** The same for a log, where lines are not redrawn. */
export function progressSummary(state: ProgressState): string {
  return `${printable(state.label)}: ${wideDetails(state)
    .map((detail) => detail.trim())
    .join(", ")}`;
}

const gap = "  ";
const minLabelWidth = 12;
/** How far it is, how fast, how long still: a bar is not worth more than these. */
const leastDetails = 4;

/** The most wanted first. Padded to the width they can grow to, so that the line does not jitter. */
function wideDetails(state: ProgressState): string[] {
  const { bytes, sizeBytes, bytesPerSecond } = state;
  return inOrder(state, {
    percent: percentOf(state).padStart(5),
    bytes: `${formatBytes(bytes).padStart(7)} of ${formatBytes(sizeBytes)}`,
    rate: formatRate(bytesPerSecond).padStart(9),
    left: leftOf(state).padStart(10),
    sources: (count) => formatCount(count, "source"),
    files: (done, total) =>
      `${formatWhole(done).padStart(formatWhole(total).length)} of ${formatCount(total, "file")}`,
  });
}

function shortDetails(state: ProgressState): string[] {
  const whole = formatBytes(state.sizeBytes);
  const part = formatBytes(state.bytes);
  const unit = whole.slice(whole.indexOf(" "));
  return inOrder(state, {
    percent: percentOf(state),
    bytes: `${part.endsWith(unit) ? part.slice(0, -unit.length) : part}/${whole}`,
    rate: formatRate(state.bytesPerSecond),
    left: leftOf(state),
    sources: (count) => `${count} src`,
    files: (done, total) => `${formatWhole(done)}/${formatCount(total, "file")}`,
  });
}

interface Details {
  percent: string;
  bytes: string;
  rate: string;
  left: string;
  sources: (count: number) => string;
  files: (done: number, total: number) => string;
}

/** Of many files people count the files, of one its bytes. */
function inOrder({ sources, files }: ProgressState, details: Details): string[] {
  const { percent, bytes, rate, left } = details;
  return [
    percent,
    files === undefined ? bytes : details.files(files.done, files.total),
    rate,
    left,
    ...(files === undefined ? [] : [bytes]),
    ...(sources === undefined ? [] : [details.sources(sources)]),
  ];
}

function leftOf(state: ProgressState): string {
  const left = secondsLeft(state);
  return left === undefined ? "stalled" : `${formatDuration(left)} left`;
}

/** Whole seconds; undefined when at this rate it never ends. */
function secondsLeft(state: ProgressState): number | undefined {
  const leftBytes = Math.max(0, state.sizeBytes - state.bytes);
  if (leftBytes === 0) return 0;
  return state.bytesPerSecond > 0 ? Math.ceil(leftBytes / state.bytesPerSecond) : undefined;
}

function percentOf(state: ProgressState): string {
  return formatPercent(state.bytes, state.sizeBytes);
}

function shareOf(state: ProgressState): number {
  return state.sizeBytes === 0 ? 1 : Math.min(1, state.bytes / state.sizeBytes);
}

function clampBar(room: number): number {
  return Math.min(room, barWidth.max);
}

/** Cut to `width` columns, a wide character counting two. */
export function fit(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let cut = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (Bun.stringWidth(cut + segment) > width - 1) break;
    cut += segment;
  }
  return width > 0 ? `${cut}…` : "";
}

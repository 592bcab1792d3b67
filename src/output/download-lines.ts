/**
 * What a download is going to do and what came of it, in words: of one file, and of all files of a folder. Pure. A part
 * of `event-lines.ts`.
 */

import type { Address } from "../address.ts";
import { printable } from "../printable.ts";
import type {
  CompleteEvent,
  CompleteSource,
  FailedEvent,
  FolderPlanEvent,
  MatchedEvent,
  PlanEvent,
  SummaryEvent,
} from "./events.ts";
import { formatBytes, formatCount, formatDuration, formatRate, formatWhole } from "./format.ts";
import { column, hostAndPort, nameLimit, pathLimit } from "./line-parts.ts";

/** More sources than these are a number. */
const namedSources = 8;

export function planLines(event: PlanEvent): string[] {
  const partial = event.sources.filter((source) => source.partial).length;
  const sources = `${formatCount(event.totalSources, "source")}${partial > 0 ? ` (${partial} still fetching it)` : ""}`;
  const there =
    event.partialBytes > 0 ? `; ${formatBytes(event.partialBytes)} of an earlier run are checked first` : "";
  return [
    `plan: ${formatBytes(event.size)} in ${formatCount(event.chunks, "chunk")} from ${sources}`,
    `  from     ${named(event.sources, event.totalSources)}`,
    `  how      ${meansOf(event)}`,
    `  to       ${printable(event.path, pathLimit)}${there}`,
    `  besides  ${servingOf(event)}`,
  ];
}

export function folderPlanLines(event: FolderPlanEvent): string[] {
  const { files, bytes, small, alreadyThere, sources } = event;
  const large = files - small;
  const kinds = [
    ...(small > 0 ? [`${formatCount(small, "file")} of at most 1 MiB together`] : []),
    ...(large > 0 ? [`${formatCount(large, "file")} of more than 1 MiB`] : []),
  ];
  const there =
    alreadyThere.files > 0
      ? `; ${formatCount(alreadyThere.files, "file")}, ${formatBytes(alreadyThere.bytes)}, already there`
      : "";
  return [
    `plan: ${formatCount(files, "file")}, ${formatBytes(bytes)} from ${formatCount(sources.length, "source")}`,
    ...(kinds.length > 0 ? [`  what     ${kinds.join(", ")}`] : []),
    ...(sources.length > 0 ? [`  from     ${named(sources, sources.length)}`] : []),
    `  how      ${meansOf(event)}`,
    `  to       ${printable(event.path, pathLimit)}${there}`,
    `  besides  ${servingOf(event)}`,
  ];
}

function named(sources: readonly Address[], total: number): string {
  const shown = sources.slice(0, namedSources).map(hostAndPort);
  return `${shown.join(", ")}${total > shown.length ? `, ${total - shown.length} more` : ""}`;
}

function meansOf(
  event: Pick<PlanEvent, "connections" | "threads" | "requestBytes" | "downBytesPerSecond">,
): string {
  const connections = formatCount(event.connections, "connection");
  const threads = formatCount(event.threads, "thread");
  const limit = event.downBytesPerSecond === null ? "" : `, at most ${formatRate(event.downBytesPerSecond)}`;
  return `at most ${connections} and ${threads}, ${formatBytes(event.requestBytes)} a request${limit}`;
}

function servingOf({ serves }: { serves: boolean }): string {
  return serves ? "others may fetch from here what is verified" : "nothing is served to others";
}

/** What a finished download comes to: one line, then one a source that was used or that lied. */
export function completeLines(event: CompleteEvent): string[] {
  const path = printable(event.path, pathLimit);
  if (event.alreadyThere) return [`${path}: already there, ${formatBytes(event.size)}, verified`];
  const fetchedBytes = event.size - event.resumedBytes;
  return [
    `${path}: ${formatBytes(event.size)} in ${effortOf(event, fetchedBytes)}, every chunk verified`,
    ...sourceLines(event.sources, fetchedBytes),
  ];
}

/** `7 s (100 MB/s), 34.0 MB were there` */
function effortOf(
  { seconds, resumedBytes }: { seconds: number; resumedBytes: number },
  fetchedBytes: number,
) {
  const rate = seconds > 0 ? ` (${formatRate(fetchedBytes / seconds)})` : "";
  const resumed = resumedBytes > 0 ? `, ${formatBytes(resumedBytes)} were there` : "";
  return `${formatDuration(seconds)}${rate}${resumed}`;
}

/** Shares are those of `wholeBytes`. */
function sourceLines(sources: readonly CompleteSource[], wholeBytes: number): string[] {
  const used = sources.filter((source) => source.bytes > 0 || source.badChunks > 0);
  const width = Math.max(0, ...used.map((source) => hostAndPort(source).length));
  return used
    .toSorted((a, b) => b.bytes - a.bytes)
    .map((source) => {
      const share = `${Math.round((source.bytes / Math.max(1, wholeBytes)) * 100)} %`.padStart(5);
      const bad =
        source.badChunks > 0 ? `  sent ${formatCount(source.badChunks, "wrong chunk")}, dropped` : "";
      return `  ${hostAndPort(source).padEnd(width)}  ${column(source.bytes)}  ${share}${bad}`;
    });
}

export function matchedLines({ pattern, files, bytes, problems }: MatchedEvent): string[] {
  const besides = problems > 0 ? `; ${formatCount(problems, "other")} cannot be fetched` : "";
  return [`${printable(pattern, nameLimit)}: ${formatCount(files, "file")}, ${formatBytes(bytes)}${besides}`];
}

/** Failed files that people are told of one by one: more than fit on a screen are a number. */
export const namedFailures = 20;

/** For standard error. */
export function failedLine({ name, message }: FailedEvent): string {
  return `${printable(name, nameLimit)}: ${printable(message, pathLimit)}`;
}

/** What a folder comes to: one line, then one a source that was used or that lied. */
export function summaryLines(event: SummaryEvent): string[] {
  const { fetched, alreadyThere, failed, resumedBytes, seconds, sources } = event;
  if (fetched.files + failed === 0) {
    const all =
      alreadyThere.files === 1 ? "the 1 file is" : `all ${formatCount(alreadyThere.files, "file")} are`;
    return [`${printable(event.pattern, nameLimit)}: ${all} already there, verified`];
  }
  const effort = effortOf(event, Math.max(0, fetched.bytes - resumedBytes));
  const what =
    fetched.files === 0
      ? `nothing fetched in ${formatDuration(seconds)}`
      : `${formatCount(fetched.files, "file")}, ${formatBytes(fetched.bytes)} in ${effort}, every chunk verified`;
  const others = [
    ...(alreadyThere.files > 0 ? [`${formatCount(alreadyThere.files, "was", "were")} already there`] : []),
    ...(failed > 0 ? [`${formatWhole(failed)} failed`] : []),
  ];
  const more = failed > namedFailures ? " (--json names all of them)" : "";
  const whole = [what, ...(others.length > 0 ? [others.join(", ")] : [])].join("; ");
  // Of all that came: with failures that is more than what is complete.
  const receivedBytes = sources.reduce((sum, source) => sum + source.bytes, 0);
  return [`${printable(event.path, pathLimit)}: ${whole}${more}`, ...sourceLines(sources, receivedBytes)];
}

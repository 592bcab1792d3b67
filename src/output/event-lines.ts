/**
 * The events of `events.ts` in words, for people. Pure. Names, hosts and paths come from elsewhere and pass through
 * `printable` here, so that callers need not think of it.
 */

import { type Address, formatAddress } from "../address.ts";
import { printable } from "../printable.ts";
import type {
  AmbiguousEvent,
  CompleteEvent,
  OutputEvent,
  PlanEvent,
  StatusEvent,
  UpdatedEvent,
} from "./events.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "./format.ts";

/** Longest a legal name can be (wire/limits.ts); a path may be longer. */
const nameLimit = 1024;
const pathLimit = 4096;

/** Hex digits of a root that people are shown: 48 bits do not collide by accident, and fit into a line. */
const shownRootDigits = 12;

export function eventLines(event: OutputEvent): string[] {
  switch (event.event) {
    case "listening": {
      const what = event.db === undefined ? "peer" : `index (database ${printable(event.db, pathLimit)})`;
      return [`${what} listening on ${hostAndPort(event)}`];
    }
    case "registered": {
      const files = `${formatCount(event.files, "file")}, ${formatBytes(event.bytes)}`;
      return [`${event.again ? "registered again" : "registered"} with ${printable(event.index)}: ${files}`];
    }
    case "updated":
      return updatedLines(event);
    case "file":
      return [`${column(event.size)}  ${shortRoot(event.root)}  ${printable(event.name, nameLimit)}`];
    case "status":
      return statusLines(event);
    case "limits": {
      const rate = (value: number | null) => (value === null ? "off" : formatRate(value));
      return [`limits: up ${rate(event.up)}, down ${rate(event.down)}`];
    }
    case "plan":
      return planLines(event);
    case "served":
      return [`served ${formatBytes(event.bytes)} to others meanwhile`];
    case "found": {
      const details = `${formatBytes(event.size)}, root ${shortRoot(event.root)}, ${formatCount(event.sources, "source")}`;
      return [`${printable(event.name, nameLimit)}: ${details}`];
    }
    case "source":
      return [`from ${hostAndPort(event)}`];
    case "ambiguous":
      return ambiguousLines(event);
    case "progress":
      // The progress bar says it.
      return [];
    case "complete":
      return completeLines(event);
    case "match": {
      const sources = formatCount(event.sources, "source").padStart(10);
      return [
        `${column(event.size)}  ${shortRoot(event.root)}  ${sources}  ${printable(event.name, nameLimit)}`,
      ];
    }
    case "error":
      return [`p2p: ${printable(event.message, pathLimit)}`];
  }
}

/** More sources than these are a number. */
const namedSources = 8;

function planLines(event: PlanEvent): string[] {
  const partial = event.sources.filter((source) => source.partial).length;
  const sources = `${formatCount(event.totalSources, "source")}${partial > 0 ? ` (${partial} still fetching it)` : ""}`;
  const named = event.sources.slice(0, namedSources).map(hostAndPort);
  const more = event.totalSources > named.length ? `, ${event.totalSources - named.length} more` : "";
  const connections = formatCount(event.connections, "connection");
  const threads = formatCount(event.threads, "thread");
  const limit = event.downBytesPerSecond === null ? "" : `, at most ${formatRate(event.downBytesPerSecond)}`;
  const there =
    event.partialBytes > 0 ? `; ${formatBytes(event.partialBytes)} of an earlier run are checked first` : "";
  return [
    `plan: ${formatBytes(event.size)} in ${formatCount(event.chunks, "chunk")} from ${sources}`,
    `  from     ${named.join(", ")}${more}`,
    `  how      at most ${connections} and ${threads}, ${formatBytes(event.requestBytes)} a request${limit}`,
    `  to       ${printable(event.path, pathLimit)}${there}`,
    `  besides  ${event.serves ? "others may fetch from here what is verified" : "nothing is served to others"}`,
  ];
}

/** What a finished download comes to: one line, then one a source that was used or that lied. */
export function completeLines(event: CompleteEvent): string[] {
  const path = printable(event.path, pathLimit);
  if (event.alreadyThere) return [`${path}: already there, ${formatBytes(event.size)}, verified`];
  const fetchedBytes = event.size - event.resumedBytes;
  const rate = event.seconds > 0 ? ` (${formatRate(fetchedBytes / event.seconds)})` : "";
  const resumed = event.resumedBytes > 0 ? `, ${formatBytes(event.resumedBytes)} were there` : "";
  const took = `${formatDuration(event.seconds)}${rate}`;
  const lines = [`${path}: ${formatBytes(event.size)} in ${took}${resumed}, every chunk verified`];
  const used = event.sources.filter((source) => source.bytes > 0 || source.badChunks > 0);
  const width = Math.max(0, ...used.map((source) => hostAndPort(source).length));
  for (const source of used.toSorted((a, b) => b.bytes - a.bytes)) {
    const share = `${Math.round((source.bytes / Math.max(1, fetchedBytes)) * 100)} %`.padStart(5);
    const bad = source.badChunks > 0 ? `  sent ${formatCount(source.badChunks, "wrong chunk")}, dropped` : "";
    lines.push(`  ${hostAndPort(source).padEnd(width)}  ${column(source.bytes)}  ${share}${bad}`);
  }
  return lines;
}

function ambiguousLines(event: AmbiguousEvent): string[] {
  const lines = [
    `${printable(event.name, nameLimit)} stands for ${event.contents.length} contents; choose one with --root:`,
  ];
  const roots = event.contents.map(({ root }) => root);
  for (const content of event.contents) {
    // Two sizes of one root, of which one is a lie: --size takes the exact number.
    const size = roots.filter((root) => root === content.root).length > 1 ? ` (--size ${content.size})` : "";
    const sources = formatCount(content.sources, "source").padStart(10);
    const names = content.names.slice(0, 3).map((name) => printable(name, nameLimit));
    const more = content.names.length > 3 ? `, ${content.names.length - 3} more` : "";
    lines.push(
      `${column(content.size)}  ${shortRoot(content.root)}  ${sources}  ${names.join(", ")}${more}${size}`,
    );
  }
  return lines;
}

/** Beyond this many changes at once people want the number, not the names. */
const listedChanges = 10;

function updatedLines(event: UpdatedEvent): string[] {
  const { added, removed } = event;
  if (added.length + removed.length > listedChanges) {
    const parts = [
      ...(added.length > 0 ? [`${formatCount(added.length, "file")} added or changed`] : []),
      ...(removed.length > 0 ? [`${formatCount(removed.length, "file")} removed`] : []),
    ];
    return [parts.join(", ")];
  }
  return [
    ...added.map((name) => `+ ${printable(name, nameLimit)}`),
    ...removed.map((name) => `- ${printable(name, nameLimit)}`),
  ];
}

function statusLines(event: StatusEvent): string[] {
  const hashing = event.hashing > 0 ? `, ${formatCount(event.hashing, "file")} to be hashed` : "";
  const transfers = (count: number, bytes: number) => `${count} running, ${formatBytes(bytes)} in all`;
  return [
    `listening   ${hostAndPort(event)}, for ${formatDuration(event.uptimeSeconds)}`,
    ...event.indexes.map(
      (one) =>
        `index       ${printable(one.index)}, ${one.connected ? "connected" : "not connected, trying again"}`,
    ),
    `folder      ${printable(event.folder, pathLimit)}`,
    `sharing     ${formatCount(event.files, "file")}, ${formatBytes(event.bytes)}${hashing}`,
    `uploads     ${transfers(event.uploads, event.uploadedBytes)}`,
    `downloads   ${transfers(event.downloads, event.downloadedBytes)}`,
  ];
}

function column(sizeBytes: number): string {
  return formatBytes(sizeBytes).padStart(7);
}

function shortRoot(root: string): string {
  return printable(root.slice(0, shownRootDigits));
}

function hostAndPort({ host, port }: Address): string {
  return formatAddress({ host: printable(host), port });
}

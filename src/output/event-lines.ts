/**
 * The events of `events.ts` in words, for people. Pure. Names, hosts and paths come from elsewhere and pass through
 * `printable` here, so that callers need not think of it.
 */

import { printable } from "../printable.ts";
import { banLines } from "./ban-events.ts";
import { completeLines, folderPlanLines, matchedLines, planLines, summaryLines } from "./download-lines.ts";
import type { AmbiguousEvent, OutputEvent, StatusEvent, UpdatedEvent } from "./events.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "./format.ts";
import { indexLines } from "./index-lines.ts";
import { column, hostAndPort, nameLimit, pathLimit, shortRoot, whoIs } from "./line-parts.ts";

export function eventLines(event: OutputEvent): string[] {
  switch (event.event) {
    case "listening": {
      const what = event.db === undefined ? "peer" : `index (database ${printable(event.db, pathLimit)})`;
      const where = event.network === undefined ? "" : `, of private network ${event.network}`;
      const line = `${what} listening on ${hostAndPort(event)}${where}`;
      return event.http === undefined ? [line] : [line, `metrics on http://${printable(event.http)}/metrics`];
    }
    case "registered": {
      const files = `${formatCount(event.files, "file")}, ${formatBytes(event.bytes)}`;
      const where = event.foundAt === undefined ? "" : `; others reach them at ${printable(event.foundAt)}`;
      const what = event.again ? "registered again" : "registered";
      return [`${what} with ${printable(event.index)}: ${files}${where}`];
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
      return [`from ${hostAndPort(event)}${whoIs(event)}`];
    case "ambiguous":
      return ambiguousLines(event);
    case "progress":
      // The progress bar says it.
      return [];
    case "complete":
      return completeLines(event);
    case "matched":
      return matchedLines(event);
    case "folder-plan":
      return folderPlanLines(event);
    case "stored":
      // A folder of a million files must not scroll by; the progress bar counts them.
      return [];
    case "failed":
      // Standard error says it, where it is seen when standard output goes to a file.
      return [];
    case "summary":
      return summaryLines(event);
    case "entry":
    case "peer":
    case "stats":
    case "executed":
    case "check":
    case "checked":
    case "problem":
    case "vacuumed":
      return indexLines(event);
    case "ban":
    case "banned":
    case "unbanned":
      return banLines(event);
    case "match": {
      const sources = formatCount(event.sources, "source").padStart(10);
      return [
        `${column(event.size)}  ${shortRoot(event.root)}  ${sources}  ${printable(event.name, nameLimit)}`,
      ];
    }
    case "joined": {
      const name = event.network === "default" ? "" : ` --network ${event.network}`;
      const at = event.indexes.map((index) => printable(index, nameLimit)).join(", ");
      return [
        `joined ${event.network} (index ${at}): \`p2p peer DIR${name}\` shares a folder, \`p2p query NAME${name}\` fetches`,
      ];
    }
    case "left":
      return [`left ${event.network}: its token is forgotten here`];
    case "link":
      return [event.link];
    case "token":
      return [event.token];
    case "error":
      return [`p2p: ${printable(event.message, pathLimit)}`];
  }
}

function ambiguousLines(event: AmbiguousEvent): string[] {
  const lines = [
    `${printable(event.name, nameLimit)} stands for ${event.contents.length} contents; choose one with --root:`,
  ];
  const roots = event.contents.map(({ root }) => root);
  for (const content of event.contents) {
    // Two sizes of one root, of which one is a lie: --size takes the exact number.
    const size = roots.filter((root) => root === content.root).length > 1 ? ` (--size ${content.size})` : "";
    const { sources: count, addresses = count } = content;
    const where =
      addresses < count && count <= 64 ? ` at ${formatCount(addresses, "address", "addresses")}` : "";
    const sources = `${formatCount(count, "source").padStart(10)}${where}`;
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

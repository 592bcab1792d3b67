/** The events of `index-events.ts` in words, for people. Pure. */
import { printable } from "../printable.ts";
import { formatBytes, formatCount, formatDuration, formatWhole } from "./format.ts";
import type { IndexEvent, StatsEvent } from "./index-events.ts";
import { column, hostAndPort, nameLimit, pathLimit, shortRoot, whoIs } from "./line-parts.ts";

export function indexLines(event: IndexEvent): string[] {
  switch (event.event) {
    case "entry": {
      const name = printable(lastPart(event.name), nameLimit);
      if (event.folder) return [`${"folder".padStart(7)}  ${" ".repeat(24)}  ${name}/`];
      const sources = formatCount(event.sources, "source").padStart(10);
      return [`${column(event.size)}  ${shortRoot(event.root)}  ${sources}  ${name}`];
    }
    case "peer": {
      const since = formatDuration(event.seconds);
      const files = formatCount(event.files, "file");
      return [`${hostAndPort(event)}  ${files}, registered for ${since}${whoIs(event)}`];
    }
    case "stats":
      return statsLines(event);
    case "check": {
      const found = `${event.status.padEnd(8)}${event.check}: ${printable(event.detail, pathLimit)}`;
      return event.mend === undefined
        ? [found]
        : [found, `${" ".repeat(8)}→ ${printable(event.mend, pathLimit)}`];
    }
    case "executed":
      // What the command says is enough; a failure is on standard error.
      return [];
    case "checked": {
      const { peers, entries, holdings } = event;
      const counts = `${formatCount(peers, "peer")}, ${formatCount(entries, "name")}, ${formatCount(holdings, "holding")}`;
      const verdict =
        event.problems === 0 ? "nothing is wrong" : `${formatCount(event.problems, "problem")} found`;
      return [
        `${printable(event.db, pathLimit)}: schema ${event.schema}, ${formatBytes(event.bytes)}, ${counts}: ${verdict}`,
      ];
    }
    case "problem":
      return [`problem: ${printable(event.message, pathLimit)}`];
    case "vacuumed": {
      const sizes = `${formatBytes(event.bytesBefore)} before, ${formatBytes(event.bytes)} now`;
      return [`${printable(event.db, pathLimit)}: ${sizes}, in ${formatDuration(event.seconds)}`];
    }
  }
}

function statsLines(event: StatsEvent): string[] {
  const perPeer = event.peers === 0 ? "" : ` of ${formatCount(event.peers, "peer")}`;
  return [
    `index        ${printable(event.index)}, for ${formatDuration(event.seconds)}`,
    `files        ${formatCount(event.files, "file")}${perPeer}, ${formatCount(event.names, "name")}`,
    `connections  ${formatWhole(event.connections)}`,
    `queries      ${formatWhole(event.queries)}`,
    `memory       ${formatBytes(event.memoryBytes)}`,
    `storage      ${printable(event.storage, 40)}`,
  ];
}

/** Of a folder's entry; output/ stands below wire/. */
function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The events of `index-events.ts` in words, for people. Pure. */
import { printable } from "../printable.ts";
import { formatBytes, formatCount, formatDuration } from "./format.ts";
import type { IndexEvent } from "./index-events.ts";
import { pathLimit } from "./line-parts.ts";

export function indexLines(event: IndexEvent): string[] {
  switch (event.event) {
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

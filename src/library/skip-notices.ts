/** Says of each thing that is not shared that it is not, once, and not endlessly. Pure. */
import { printable } from "../printable.ts";

/** A folder full of dot-files is no reason for thousands of lines. */
const maxPerReason = 20;

export class SkipNotices {
  private readonly said = new Map<string, Set<string>>();

  /** The line to show, or undefined when nothing new is to be said. `name` may be anything. */
  line(name: string, reason: string): string | undefined {
    let names = this.said.get(reason);
    if (names === undefined) {
      names = new Set();
      this.said.set(reason, names);
    }
    if (names.has(name) || names.size > maxPerReason) return undefined;
    names.add(name);
    if (names.size > maxPerReason) return `not shared: more of these (${reason}), not named one by one`;
    return `not shared: ${printable(name)}: ${reason}`;
  }
}

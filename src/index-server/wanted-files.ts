/**
 * Which files somebody may want to hear of when they arrive, in memory that threads share: a filter that lets through
 * all that are wanted, and a few others. Who wants what exactly is subscriptions.ts and watches.ts.
 */
import { lastPart } from "../wire/file-name.ts";
import type { FileEntry } from "../wire/messages.ts";

const counters = 1 << 16;
const allAt = counters;
const totalAt = counters + 1;

export class WantedFiles {
  /** How many want what falls on each place; in the last one, how many want everything. */
  private readonly counts: Int32Array;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4 * (counters + 2))) {
    this.counts = new Int32Array(shared);
  }

  /** Files with that name, or that last part of one, are wanted; or no longer, with -1. */
  wantName(name: string, by: 1 | -1): void {
    this.want(placeOf(name), by);
  }

  wantRoot(root: string, by: 1 | -1): void {
    this.want(placeOf(root), by);
  }

  wantAll(by: 1 | -1): void {
    this.want(allAt, by);
  }

  /** Whether anything is. */
  get any(): boolean {
    return Atomics.load(this.counts, totalAt) > 0;
  }

  mayWant({ name, root }: FileEntry): boolean {
    const { counts } = this;
    if (Atomics.load(counts, allAt) > 0) return true;
    const isWanted = (text: string) => Atomics.load(counts, placeOf(text)) > 0;
    return isWanted(root) || isWanted(name) || isWanted(lastPart(name));
  }

  private want(place: number, by: 1 | -1): void {
    Atomics.add(this.counts, place, by);
    Atomics.add(this.counts, totalAt, by);
  }
}

function placeOf(text: string): number {
  return Bun.hash.xxHash32(text) & (counters - 1);
}

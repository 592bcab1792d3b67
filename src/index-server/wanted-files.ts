/**
 * Which files somebody may want to hear of when they arrive, in memory that threads share: a filter that lets through
 * all that are wanted, and a few others. Who wants what exactly is subscriptions.ts and watches.ts.
 */
import { lastPart } from "../wire/file-name.ts";
import type { FileEntry } from "../wire/messages.ts";
import { FoldedName } from "../wire/search-fold.ts";
import { hasKeyAt, keyPlaces, placeOfKey } from "./watch-keys.ts";

/** For names and roots. */
const counters = 1 << 16;
const allAt = counters;
const totalAt = counters + 1;
const anyKeyAt = counters + 2;
const keysAt = counters + 3;

/** One file in 16 passes as long as any key is wanted: so that it is known how frequent keys are. */
const isSample = (root: string) => root.startsWith("0");

export class WantedFiles {
  /** How many want what falls on each place. */
  private readonly counts: Int32Array;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4 * (keysAt + keyPlaces))) {
    this.counts = new Int32Array(shared);
  }

  /** Files with that name, or that last part of one, are wanted; or no longer, with -1. */
  wantName(name: string, by: 1 | -1): void {
    this.want(placeOf(name), by);
  }

  wantRoot(root: string, by: 1 | -1): void {
    this.want(placeOf(root), by);
  }

  /** Files whose names have the key (watch-keys.ts). */
  wantKey(key: string, by: 1 | -1): void {
    Atomics.add(this.counts, anyKeyAt, by);
    this.want(keysAt + placeOfKey(key), by);
  }

  wantAll(by: 1 | -1): void {
    this.want(allAt, by);
  }

  /** Whether anything is. */
  get any(): boolean {
    return this.isWanted(totalAt);
  }

  mayWant({ name, root }: FileEntry): boolean {
    if (this.isWanted(allAt)) return true;
    if (this.isWanted(placeOf(root)) || this.isWanted(placeOf(name))) return true;
    if (this.isWanted(placeOf(lastPart(name)))) return true;
    if (!this.isWanted(anyKeyAt)) return false;
    return isSample(root) || hasKeyAt(new FoldedName(name), (place) => this.isWanted(keysAt + place));
  }

  private isWanted(place: number): boolean {
    return Atomics.load(this.counts, place) > 0;
  }

  private want(place: number, by: 1 | -1): void {
    Atomics.add(this.counts, place, by);
    Atomics.add(this.counts, totalAt, by);
  }
}

function placeOf(text: string): number {
  return Bun.hash.xxHash32(text) & (counters - 1);
}

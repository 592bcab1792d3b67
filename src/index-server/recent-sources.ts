/** The sources of one content that came lately, and a choice by chance of those that somebody has not heard of. Pure. */
import { maxNewSourcesPerContent } from "../wire/limits.ts";
import type { Source } from "../wire/messages.ts";

interface Arrival {
  /** Larger than that of everything that came before. */
  seq: number;
  source: Source;
}

/** More are not needed for chance to be fair: a crowd of a thousand is told of 8 each. */
const maxArrivals = 1_024;

export class RecentSources {
  private arrivals: Arrival[] = [];
  lastMs = 0;

  add(arrival: Arrival, nowMs: number): void {
    this.lastMs = nowMs;
    this.arrivals.push(arrival);
    if (this.arrivals.length >= 2 * maxArrivals) this.arrivals.splice(0, maxArrivals);
  }

  forget(): void {
    this.arrivals = [];
  }

  /** At most 8 peers that came after `seq`, are not `asker` itself and are still there; whether these are all. */
  choose(
    seq: number,
    asker: string | undefined,
    isLive: (peer: string) => boolean,
    chance: () => number,
  ): { sources: Source[]; isAll: boolean } {
    const from = this.firstAfter(seq);
    const count = this.arrivals.length - from;
    const chosen = new Map<string, Source>();
    /** Who stands where another one was before, as if the list were shuffled. */
    const moved = new Map<number, number>();
    let drawn = 0;
    for (; drawn < count && chosen.size < maxNewSourcesPerContent; drawn++) {
      const at = drawn + Math.floor(chance() * (count - drawn));
      const arrival = this.arrivals[from + (moved.get(at) ?? at)]!;
      moved.set(at, moved.get(drawn) ?? drawn);
      const { peer } = arrival.source;
      // It may have come in part and then whole.
      if (peer === asker || chosen.get(peer)?.partial === false || !isLive(peer)) continue;
      chosen.set(peer, arrival.source);
    }
    return { sources: [...chosen.values()], isAll: drawn === count };
  }

  private firstAfter(seq: number): number {
    let low = 0;
    let high = this.arrivals.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.arrivals[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

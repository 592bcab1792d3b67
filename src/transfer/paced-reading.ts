/**
 * Reads the connections of one download thread no faster than a limit allows: while there is one, none of them is
 * brought what comes, but all are read in turn, by as much as is granted. Timers are the worker's.
 */
import type { RateLimit } from "../net/rate-limit.ts";

export interface PacedLink {
  /** From now on only `pull` reads. */
  pause(): void;
  resume(): void;
  /** Reads at most so many bytes; returns how many. */
  pull(most: number): number;
}

/** Asked for at once; the limit grants about 20 ms worth of it. */
const pieceBytes = 256 * 1024;
/** When nothing has come for anybody. */
const emptyWaitMs = 5;
/** So often a limit is looked for while there is none. */
const lookIntervalMs = 100;

export class PacedReading {
  private isOn = false;
  /** Who is read next, by its place; connections come and go, and nobody minds. */
  private next = 0;
  private waitingSinceMs: number | undefined;

  constructor(
    private readonly limit: RateLimit,
    private readonly links: () => Iterable<PacedLink>,
  ) {}

  /** A connection is up. */
  opened(link: PacedLink): void {
    if (this.isOn) link.pause();
  }

  /** Reads what may be read now; returns after how many milliseconds to do so again. */
  turn(nowMs: number): number {
    this.look();
    while (this.isOn) {
      // A copy: a link may end while it is read.
      const links = [...this.links()];
      let isEmpty = true;
      for (let i = 0; i < links.length; i++) {
        this.waitingSinceMs ??= nowMs;
        const granted = this.limit.take(pieceBytes, nowMs, this.waitingSinceMs);
        if (granted === 0) return this.limit.waitMs();
        this.waitingSinceMs = undefined;
        const read = links[this.next++ % links.length]!.pull(granted);
        if (read < granted) this.limit.refund(granted - read);
        if (read > 0) isEmpty = false;
      }
      if (!isEmpty) continue;
      this.limit.giveUp();
      return emptyWaitMs;
    }
    return lookIntervalMs;
  }

  /** The limit may have been set or lifted. */
  private look(): void {
    const isWanted = this.limit.bytesPerSecond > 0;
    if (isWanted === this.isOn) return;
    this.isOn = isWanted;
    for (const link of this.links()) {
      if (isWanted) link.pause();
      else link.resume();
    }
  }
}

/**
 * How long one connection's lines are worked on before others get their share: what slows a flood down. Whoever has
 * used up its turn is not read from until the next one, and loses nothing. Turns come round in the order in which they
 * were begun, a slice of them between two looks at what has arrived: so whoever asks a single question is answered
 * after a slice, and not after all who never stop asking. Pure; pausing is index-connection.ts's.
 *
 * A number of messages a second for each connection would be no such limit: ten thousand questions in one write are
 * legitimate and answered in a fraction of a second, fifty lines of 1 MiB are half a second of work.
 */

/** The longest turn, when few have anything to say. */
const maxTurnMs = 3;
/** How long a round is to be, as far as `minTurnMs` allows. */
const roundMs = 20;
/** Beginning and ending a shorter one would be most of it. */
const minTurnMs = 0.25;
/** What somebody with a single question should wait for all the others. */
const sliceMs = 3;

export class Rounds {
  /** What begins the next turn of each who has begun one, in this order. */
  private readonly waiting = new Set<() => void>();
  /** Given out since the last slice. */
  private grantedMs = 0;
  private isComing = false;

  /** `soon` runs something once what is ready has been read. */
  constructor(
    private readonly soon: (run: () => void) => void,
    readonly nowMs: () => number,
  ) {}

  /** Somebody begins its turn. Returns how long it may work; `onNext`, a function of its own: a new one may begin. */
  begin(onNext: () => void): number {
    this.waiting.add(onNext);
    this.come();
    const fairMs = Math.min(maxTurnMs, roundMs / this.waiting.size, roundMs - this.grantedMs);
    const lengthMs = Math.max(minTurnMs, fairMs);
    this.grantedMs += lengthMs;
    return lengthMs;
  }

  private come(): void {
    if (this.isComing || this.waiting.size === 0) return;
    this.isComing = true;
    this.soon(() => this.slice());
  }

  private slice(): void {
    this.isComing = false;
    this.grantedMs = 0;
    const endMs = this.nowMs() + sliceMs;
    let left = this.waiting.size;
    for (const onNext of this.waiting) {
      // Who begins again meanwhile comes behind all the others, in another slice.
      if (left-- === 0 || this.nowMs() >= endMs) break;
      this.waiting.delete(onNext);
      onNext();
    }
    this.come();
  }
}

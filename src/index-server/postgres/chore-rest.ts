/**
 * How long to rest between two slices of what nobody waits for. Whoever does it for all processes may have nothing else to
 * do, while others write what their peers register, or are asked: that is seen in the database. No clock.
 */

const maxRestMs = 500;
/** Somebody who is at work is not always so in the moment of a look. */
const lullMs = 1_000;

export class ChoreRest {
  private busyUntilMs = Number.NEGATIVE_INFINITY;
  private seenMs = 0;

  /** So many others were at work as the slice began. */
  saw(others: number, nowMs: number): void {
    if (others > 0) this.busyUntilMs = nowMs + lullMs;
    this.seenMs = nowMs;
  }

  /** After a slice; `isBusy`: somebody waits for this process. What nobody waits for gets a fifth of the time. */
  ms(tookMs: number, isBusy: boolean): number {
    return isBusy || this.seenMs < this.busyUntilMs ? Math.min(maxRestMs, 4 * tookMs) : 0;
  }
}

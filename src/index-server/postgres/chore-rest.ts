/**
 * How long to rest between two slices of what nobody waits for. Whoever does it for all processes may have nothing else to
 * do, while another one writes what its peers register: that is seen by the rows it leaves for us. No clock.
 */

const maxRestMs = 500;
/** A change of the most files that are written in one go takes less. */
const lullMs = 1_000;

export class ChoreRest {
  private newest: string | undefined;
  private isChangedUntilMs = Number.NEGATIVE_INFINITY;
  private seenMs = 0;

  /** `newest`: the last of what waits to be done. */
  saw(newest: string, nowMs: number): void {
    if (this.newest !== undefined && newest !== this.newest) this.isChangedUntilMs = nowMs + lullMs;
    this.newest = newest;
    this.seenMs = nowMs;
  }

  /** After a slice; `isBusy`: somebody waits for this process. What nobody waits for gets a fifth of the time. */
  ms(tookMs: number, isBusy: boolean): number {
    return isBusy || this.seenMs < this.isChangedUntilMs ? Math.min(maxRestMs, 4 * tookMs) : 0;
  }
}

/** How fast bytes come: an exponentially weighted mean with a memory of about a second. Pure. */

/** After this long a past byte counts for 1/e. Long enough to smooth 1 MiB steps, short enough to notice a stall. */
const memoryMs = 1_000;

export class RateMeter {
  private bytes = 0;
  private sinceMs: number;
  private pausedMs: number | undefined;

  constructor(private startMs: number) {
    this.sinceMs = startMs;
  }

  add(bytes: number, nowMs: number): void {
    this.decay(nowMs);
    this.bytes += bytes;
  }

  /** Mean over the last second or so; over the time since the start while that is shorter. */
  bytesPerSecond(nowMs: number): number {
    this.decay(nowMs);
    const weightMs = memoryMs * (1 - Math.exp(-(this.sinceMs - this.startMs) / memoryMs));
    return weightMs <= 0 ? 0 : (this.bytes / weightMs) * 1000;
  }

  /** Forgets everything. */
  restart(nowMs: number): void {
    this.bytes = 0;
    this.startMs = nowMs;
    this.sinceMs = nowMs;
    this.pausedMs = undefined;
  }

  /** Until `resume` no time passes for the meter: nothing is asked for, so that nothing comes says nothing. */
  pause(nowMs: number): void {
    this.decay(nowMs);
    this.pausedMs ??= nowMs;
  }

  resume(nowMs: number): void {
    if (this.pausedMs === undefined) return;
    this.startMs += nowMs - this.pausedMs;
    this.sinceMs = nowMs;
    this.pausedMs = undefined;
  }

  private decay(nowMs: number): void {
    const untilMs = this.pausedMs ?? nowMs;
    this.bytes *= Math.exp(-(untilMs - this.sinceMs) / memoryMs);
    this.sinceMs = untilMs;
  }
}

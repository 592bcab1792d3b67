/**
 * How many of a kind may pass in a second. Pure: it is told the time.
 */
export class RateLimit {
  private readonly perSecond: number;
  private readonly windows = new Map<string, { startMs: number; passed: number; suppressed: number }>();

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** Whether one more of `kind` may pass now. If not, it is counted. */
  allows(kind: string, nowMs: number): boolean {
    const window = this.windows.get(kind);
    if (window === undefined || nowMs - window.startMs >= 1000) {
      this.windows.set(kind, { startMs: nowMs, passed: 1, suppressed: window?.suppressed ?? 0 });
      return true;
    }
    if (window.passed < this.perSecond) {
      window.passed++;
      return true;
    }
    window.suppressed++;
    return false;
  }

  /** What was held back in windows that are over by now, each told once. `atOnce` also ends the running ones. */
  takeSuppressed(nowMs: number, atOnce = false): { kind: string; count: number }[] {
    const taken: { kind: string; count: number }[] = [];
    for (const [kind, window] of this.windows) {
      if (!atOnce && nowMs - window.startMs < 1000) continue;
      if (window.suppressed > 0) taken.push({ kind, count: window.suppressed });
      this.windows.delete(kind);
    }
    return taken;
  }
}

/** Timers of one owner, which end with it. */
export class Timers {
  private readonly running = new Set<Timer>();

  /** Runs something once after a time, unless what it returns is called before, or `stop`. */
  readonly later = (run: () => void, delayMs: number): (() => void) => {
    const timer = setTimeout(() => {
      this.running.delete(timer);
      run();
    }, delayMs);
    this.running.add(timer);
    return () => {
      clearTimeout(timer);
      this.running.delete(timer);
    };
  };

  stop(): void {
    for (const timer of this.running) clearTimeout(timer);
    this.running.clear();
  }
}

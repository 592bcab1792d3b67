/**
 * Who searches now: a SEARCH reads all names, so a few run at a time and the others wait in the order in which they
 * came; who would wait so long that nobody listens any more is told to come again. Knows neither names nor messages.
 */

/** All take about as long, so that few at a time are answered earlier than many; two, so that a short one gets by. */
const maxRunning = 2;
/** Below the 4 s after which a client gives a SEARCH up, with time left to run it. */
const patienceMs = 2_000;

interface Waiting {
  start(): void;
  /** Of what is to happen when it has waited for too long. */
  cancel(): void;
}

export class SearchTurns {
  private readonly running = new Set<object>();
  private readonly waiting = new Map<object, Waiting>();

  /** `later` runs something once after a time, unless what it returns is called before. */
  constructor(private readonly later: (run: () => void, delayMs: number) => () => void) {}

  /** One at a time for each owner. `start` is called once, at once or later, or `giveUp` is. */
  enter(owner: object, start: () => void, giveUp: () => void): void {
    if (this.running.size < maxRunning) {
      this.running.add(owner);
      start();
      return;
    }
    const cancel = this.later(() => {
      this.waiting.delete(owner);
      giveUp();
    }, patienceMs);
    this.waiting.set(owner, { start, cancel });
  }

  /** Its SEARCH is done, or nobody wants it any more. Idempotent. */
  leave(owner: object): void {
    this.waiting.get(owner)?.cancel();
    this.waiting.delete(owner);
    if (!this.running.delete(owner)) return;
    const next = this.waiting.entries().next();
    if (next.done) return;
    const [nextOwner, { start, cancel }] = next.value;
    cancel();
    this.waiting.delete(nextOwner);
    this.running.add(nextOwner);
    start();
  }
}

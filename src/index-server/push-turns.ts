/** Sends what is to be pushed to whom, in time and in short turns. Whom, of what and when is decided elsewhere. */

/** What decides. */
export interface PushSource<Push> {
  /** When `nextPush` is to be asked again: infinity for not before something arrives. */
  readonly nextWakeMs: number;
  /** Undefined: nothing until `nextWakeMs`, which may be now. */
  nextPush(nowMs: number): Push | undefined;
}

export interface PushTurnsOptions {
  /** Monotonic. */
  nowMs(): number;
  /** Runs something once after a time (0: soon, after what is waiting outside has been looked at). */
  later(run: () => void, delayMs: number): () => void;
}

/** As long as a turn of slow questions: a QUERY waits for one at most. */
const turnMs = 3;

export class PushTurns<Push> {
  private cancel: (() => void) | undefined;
  private wakeMs = Number.POSITIVE_INFINITY;

  /** `send` must not throw, whatever it does. */
  constructor(
    private readonly source: PushSource<Push>,
    private readonly send: (push: Push) => void,
    private readonly options: PushTurnsOptions,
  ) {}

  /** Something has arrived. */
  changed(): void {
    const { nextWakeMs } = this.source;
    if (nextWakeMs >= this.wakeMs) return;
    this.cancel?.();
    this.wakeMs = nextWakeMs;
    const delayMs = Math.max(0, nextWakeMs - this.options.nowMs());
    this.cancel = this.options.later(() => this.turn(), delayMs);
  }

  // --- internal ---

  private turn(): void {
    this.cancel = undefined;
    this.wakeMs = Number.POSITIVE_INFINITY;
    const endMs = this.options.nowMs() + turnMs;
    let nowMs = this.options.nowMs();
    do {
      const push = this.source.nextPush(nowMs);
      if (push !== undefined) this.send(push);
      nowMs = this.options.nowMs();
    } while (nowMs < endMs && this.source.nextWakeMs <= nowMs);
    this.changed();
  }
}

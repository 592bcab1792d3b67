/**
 * Tells subscribed connections of new sources, in time and in short turns. Whom, of what and when is decided by
 * subscriptions.ts.
 */
import type { Subscriber } from "./subscription-state.ts";
import type { Push, Subscriptions } from "./subscriptions.ts";

export interface NewsReader extends Subscriber {
  /** Whatever it does, it must not throw. */
  tell(id: number, contents: Push<NewsReader>["contents"]): void;
}

export interface SourceNewsOptions {
  /** Monotonic. */
  nowMs(): number;
  /** Runs something once after a time (0: soon, after what is waiting outside has been looked at). */
  later(run: () => void, delayMs: number): () => void;
}

/** As long as a turn of the work queue: a QUERY waits for one at most. */
const turnMs = 3;

export class SourceNews {
  private cancel: (() => void) | undefined;
  private wakeMs = Number.POSITIVE_INFINITY;

  constructor(
    readonly subscriptions: Subscriptions<NewsReader>,
    private readonly options: SourceNewsOptions,
  ) {}

  /** Something has arrived. */
  changed(): void {
    const { nextWakeMs } = this.subscriptions;
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
      const push = this.subscriptions.nextPush(nowMs);
      if (push !== undefined) push.owner.tell(push.id, push.contents);
      nowMs = this.options.nowMs();
    } while (nowMs < endMs && this.subscriptions.nextWakeMs <= nowMs);
    this.changed();
  }
}

/**
 * Questions that take long, on the thread that also answers the short ones: in turns of a few milliseconds, and of few
 * askers at a time (search-turns.ts).
 */
import { monotonicMs } from "../../clock.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { Timers } from "../timers.ts";
import { SearchTurns } from "./search-turns.ts";
import { WorkQueue } from "./work-queue.ts";

export class SlowReads {
  private readonly timers = new Timers();
  private readonly queue = new WorkQueue({
    nowMs: monotonicMs,
    soon: (run) => setImmediate(run),
    later: this.timers.later,
  });
  private readonly turns = new SearchTurns(this.timers.later);

  /** `explain` says what the asker is told when a read fails. */
  constructor(private readonly explain: (error: unknown) => Error) {}

  /** Begun and not done. */
  get size(): number {
    return this.queue.size;
  }

  /** One at a time for each owner. Rejects with ProtocolError RETRY when the others would take too long. */
  run<Result>(owner: object, steps: Iterator<void, Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const start = () =>
      this.queue.add<Result>({
        owner,
        steps: () => steps,
        finished: (result) => {
          this.turns.leave(owner);
          resolve(result);
        },
        failed: (error) => {
          this.turns.leave(owner);
          reject(error instanceof ProtocolError ? error : this.explain(error));
        },
      });
    this.turns.enter(owner, start, () => reject(new ProtocolError("RETRY")));
    return promise;
  }

  /** It does not want an answer any more. */
  drop(owner: object): void {
    this.queue.drop(owner);
    this.turns.leave(owner);
  }

  stop(): void {
    this.queue.stop();
    this.timers.stop();
  }
}

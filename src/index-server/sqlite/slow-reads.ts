/**
 * Questions that take long, on the thread that also answers the short ones: in turns of a few milliseconds, and of few
 * askers at a time (search-turns.ts).
 */
import { monotonicMs } from "../../clock.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { SearchTurns } from "./search-turns.ts";
import { WorkQueue } from "./work-queue.ts";

export class SlowReads {
  private readonly timers = new Set<Timer>();
  private readonly queue = new WorkQueue({
    nowMs: monotonicMs,
    soon: (run) => setImmediate(run),
    later: (run, delayMs) => void this.later(run, delayMs),
  });
  private readonly turns = new SearchTurns((run, delayMs) => this.later(run, delayMs));

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
        steps,
        slice: runAtOnce,
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
    for (const timer of this.timers) clearTimeout(timer);
  }

  // --- internal ---

  private later(run: () => void, delayMs: number): () => void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, delayMs);
    this.timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.timers.delete(timer);
    };
  }
}

function runAtOnce(run: () => void): boolean {
  run();
  return true;
}

/**
 * Long work in short turns: jobs are cut where they can rest, a turn ends after a few milliseconds, and between
 * turns everything else (a QUERY, an accept) gets its share. Jobs of one owner run in order, owners take turns, so
 * that a small UPDATE does not wait for the large libraries of others. Knows neither tables nor messages.
 */

export interface Job<Result = unknown> {
  /** Whose job it is; its jobs run one after the other. */
  readonly owner: object;
  /** Rests wherever it can be interrupted. */
  readonly steps: Iterator<void, Result>;
  /**
   * Calls `run` once, inside a transaction where the job needs one, and throws what that throws. False when it
   * could not begin because somebody else has the lock: tried again later.
   */
  slice(run: () => void): boolean;
  finished(result: Result): void;
  /** A step failed, or the lock did not come in time (`LockedError`). No step runs any more. */
  failed(error: unknown): void;
}

/** The lock was somebody else's for too long. */
export class LockedError extends Error {}

export interface WorkQueueOptions {
  /** Monotonic. */
  nowMs(): number;
  /** Runs something soon, after what is waiting outside has been looked at. */
  soon(run: () => void): void;
  later(run: () => void, delayMs: number): void;
  /** Length of a turn, which those who wait share; of each a few milliseconds at least. */
  turnMs?: number;
}

/** Length of a turn on the thread that answers: a QUERY waits for one at most. */
const shortTurnMs = 3;
/** How often a locked database is tried, and how long. */
const lockedRetryMs = 20;
const lockedPatienceMs = 5_000;

export class WorkQueue {
  /** In the order in which their next turn comes. */
  private readonly jobs = new Map<object, Job[]>();
  private scheduled = false;
  private stopped = false;
  /** Since when a job has been waiting for the lock. */
  private readonly lockedSinceMs = new WeakMap<Job, number>();
  turnsTaken = 0;

  private readonly turnMs: number;

  constructor(private readonly options: WorkQueueOptions) {
    this.turnMs = options.turnMs ?? shortTurnMs;
  }

  add<Result>(job: Job<Result>): void {
    if (this.stopped) return;
    const waiting = this.jobs.get(job.owner);
    if (waiting === undefined) this.jobs.set(job.owner, [job as Job]);
    else waiting.push(job as Job);
    this.schedule();
  }

  /** Forgets the owner's jobs, begun or not; nobody is told. */
  drop(owner: object): void {
    this.jobs.delete(owner);
  }

  /** Owners whose jobs are begun or wait. */
  get size(): number {
    return this.jobs.size;
  }

  get idle(): boolean {
    return this.jobs.size === 0;
  }

  /** Forgets everything. No job runs afterwards. */
  stop(): void {
    this.stopped = true;
    this.jobs.clear();
  }

  // --- internal ---

  private schedule(delayMs = 0): void {
    if (this.scheduled || this.stopped || this.idle) return;
    this.scheduled = true;
    const run = () => {
      this.scheduled = false;
      this.turn();
    };
    if (delayMs > 0) this.options.later(run, delayMs);
    else this.options.soon(run);
  }

  private turn(): void {
    if (this.stopped) return;
    this.turnsTaken++;
    const endMs = this.options.nowMs() + this.turnMs;
    const shareMs = Math.max(shortTurnMs, this.turnMs / Math.max(1, this.jobs.size));
    let delayMs = 0;
    do {
      const next = this.jobs.entries().next();
      if (next.done) break;
      const [owner, waiting] = next.value;
      if (!this.advance(waiting, Math.min(endMs, this.options.nowMs() + shareMs))) delayMs = lockedRetryMs;
      // To the end of the row, unless `finished` or `failed` have dropped the owner meanwhile.
      if (this.jobs.get(owner) === waiting) {
        this.jobs.delete(owner);
        if (waiting.length > 0) this.jobs.set(owner, waiting);
      }
    } while (delayMs === 0 && this.options.nowMs() < endMs);
    this.schedule(delayMs);
  }

  /** Runs a slice of an owner's first job. False when the lock is somebody else's. */
  private advance(waiting: Job[], endMs: number): boolean {
    const job = waiting[0]!;
    let end: { result: unknown } | undefined;
    try {
      const began = job.slice(() => {
        do {
          const step = job.steps.next();
          if (step.done === true) end = { result: step.value };
        } while (end === undefined && this.options.nowMs() < endMs);
      });
      if (!began) return this.wait(waiting);
    } catch (error) {
      waiting.shift();
      job.failed(error);
      return true;
    }
    this.lockedSinceMs.delete(job);
    if (end !== undefined) {
      waiting.shift();
      job.finished(end.result);
    }
    return true;
  }

  private wait(waiting: Job[]): boolean {
    const job = waiting[0]!;
    const nowMs = this.options.nowMs();
    const sinceMs = this.lockedSinceMs.get(job) ?? nowMs;
    this.lockedSinceMs.set(job, sinceMs);
    if (nowMs - sinceMs >= lockedPatienceMs) {
      waiting.shift();
      job.failed(
        new LockedError("another program keeps the index database locked: end that program; queries go on"),
      );
    }
    return false;
  }
}

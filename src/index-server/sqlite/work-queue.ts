/**
 * Long work in short turns: jobs are cut where they can rest, a turn ends after a few milliseconds, and between
 * turns everything else (a QUERY, an accept) gets its share. Jobs of one owner run in order, owners take turns, so
 * that a small UPDATE does not wait for the large libraries of others. Knows neither tables nor messages.
 *
 * Where there are transactions a turn is one, whoever has a part in it: to commit the small changes of many costs little
 * more than to commit one of them. A job that fails undoes the turn, and must not be the end of the others in it: whoever
 * began in this turn begins once more, alone.
 */

export interface Job<Result = unknown> {
  /** Whose job it is; its jobs run one after the other. */
  readonly owner: object;
  /** Rests wherever it can be interrupted. May be begun again when what it has done so far was undone. */
  steps(): Iterator<void, Result>;
  /** What it has done is there to stay. */
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
  /**
   * Calls `run` once, throws what that throws, and then nothing of it has happened. False when it could not begin because
   * somebody else has the lock: tried again later. Without it each job is on its own.
   */
  transaction?(run: () => void): boolean;
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
  /** Of jobs that have begun, what is left. */
  private readonly begun = new WeakMap<Job, Iterator<void, unknown>>();
  /** They have been undone with others, and are to have a turn of their own. */
  private readonly alone = new WeakSet<Job>();
  /** While the lock is somebody else's: since when a job has been waiting for it. */
  private readonly lockedSinceMs = new Map<Job, number>();
  private scheduled = false;
  private stopped = false;
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
    const turn = new Turn();
    let isLocked = false;
    const { transaction } = this.options;
    if (transaction === undefined) this.work(turn);
    else {
      try {
        isLocked = !transaction(() => this.work(turn));
      } catch (error) {
        this.undo(turn, error);
      }
    }
    if (isLocked) this.wait(turn);
    else this.lockedSinceMs.clear();
    for (const tell of turn.ended) tell();
    this.schedule(isLocked ? lockedRetryMs : 0);
  }

  private work(turn: Turn): void {
    const { nowMs } = this.options;
    const endMs = nowMs() + this.turnMs;
    const shareMs = Math.max(shortTurnMs, this.turnMs / Math.max(1, this.jobs.size));
    do {
      const next = this.jobs.entries().next();
      if (next.done) break;
      const [owner, waiting] = next.value;
      const isAlone = this.alone.has(waiting[0]!);
      if (isAlone && turn.jobs.size > 0) break;
      this.advance(waiting, turn, Math.min(endMs, nowMs() + shareMs));
      // To the end of the row, unless somebody who was told of an end has dropped the owner.
      if (this.jobs.get(owner) === waiting) {
        this.jobs.delete(owner);
        if (waiting.length > 0) this.jobs.set(owner, waiting);
      }
      if (isAlone) break;
    } while (nowMs() < endMs);
  }

  /** Runs an owner's first job for a while. */
  private advance(waiting: Job[], turn: Turn, endMs: number): void {
    const job = waiting[0]!;
    const known = this.begun.get(job);
    if (!turn.jobs.has(job)) turn.jobs.set(job, known === undefined);
    let end: () => void;
    try {
      const steps = known ?? job.steps();
      this.begun.set(job, steps);
      let step = steps.next();
      while (step.done !== true && this.options.nowMs() < endMs) step = steps.next();
      if (step.done !== true) return;
      const { value } = step;
      end = () => job.finished(value);
    } catch (error) {
      if (this.options.transaction !== undefined) throw error;
      end = () => job.failed(error);
    }
    waiting.shift();
    // With a transaction what it has done is there to stay only when that is committed.
    if (this.options.transaction === undefined) end();
    else turn.ended.push(end);
  }

  /** Of all jobs of the turn nothing has happened in it. */
  private undo({ jobs, ended }: Turn, error: unknown): void {
    ended.length = 0;
    // It could not even begin: whose turn it was.
    const [first] = this.jobs.values();
    if (jobs.size === 0 && first !== undefined) jobs.set(first[0]!, true);
    // The last one first, so that those of one owner stand in their order again.
    for (const [job, isNew] of [...jobs].reverse()) {
      const others = (this.jobs.get(job.owner) ?? []).filter((other) => other !== job);
      const isAgain = isNew && jobs.size > 1;
      if (isAgain) {
        this.begun.delete(job);
        this.alone.add(job);
        others.unshift(job);
      } else ended.unshift(() => job.failed(error));
      if (others.length > 0) this.jobs.set(job.owner, others);
      else this.jobs.delete(job.owner);
    }
  }

  /** Nobody's turn has come. */
  private wait({ ended }: Turn): void {
    const nowMs = this.options.nowMs();
    for (const [owner, waiting] of this.jobs) {
      const job = waiting[0]!;
      const sinceMs = this.lockedSinceMs.get(job) ?? nowMs;
      this.lockedSinceMs.set(job, sinceMs);
      if (nowMs - sinceMs < lockedPatienceMs) continue;
      waiting.shift();
      if (waiting.length === 0) this.jobs.delete(owner);
      ended.push(() => job.failed(new LockedError(lockedTooLong)));
    }
  }
}

/** What happens in one turn. */
class Turn {
  /** That had a part in it, in their order; whether they began in it. */
  readonly jobs = new Map<Job, boolean>();
  /** Tells those that are over. */
  readonly ended: (() => void)[] = [];
}

const lockedTooLong = "another program keeps the index database locked: end that program; queries go on";

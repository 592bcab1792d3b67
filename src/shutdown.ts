/**
 * How things end: signals become one AbortSignal, and what was started is stopped in reverse order, each once and
 * within a bound. What a command does about the signal is its own business.
 */
import { InterruptedError } from "./errors.ts";

/** Exit codes a shell gives to processes ended by these (128 and the number of the signal). */
const signalExits = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof signalExits;

export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

export interface ShutdownOptions {
  source: SignalSource;
  /** A second signal: end now, nothing is waited for. */
  endAtOnce: (exit: number) => void;
}

/**
 * The owner of the signals. Its `signal` is aborted by the first of them, with an `InterruptedError` that carries
 * the exit code: `query` throws it on, servers stop cleanly and forget it.
 */
export class Shutdown {
  private readonly controller = new AbortController();
  private readonly source: SignalSource;
  private readonly listeners = new Map<StopSignal, () => void>();
  private interrupted = false;

  constructor(options: ShutdownOptions) {
    this.source = options.source;
    for (const name of Object.keys(signalExits) as StopSignal[]) {
      const exit = signalExits[name];
      const listener = (): void => {
        if (this.interrupted) options.endAtOnce(exit);
        this.interrupted = true;
        this.abort(new InterruptedError(`interrupted by ${name}`, exit));
      };
      this.listeners.set(name, listener);
      this.source.on(name, listener);
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Ends the command for another reason than a signal. The first reason counts. */
  abort(reason: Error): void {
    this.controller.abort(reason);
  }

  /** From here on signals do what they do by default. */
  close(): void {
    for (const [name, listener] of this.listeners) this.source.off(name, listener);
    this.listeners.clear();
  }
}

/** Resolves when `signal` is aborted: how a server waits for its end. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

/** What `work` comes to; rejects with the signal's reason when that comes first. The work itself goes on. */
export async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const aborting = Promise.withResolvers<never>();
  const abort = () => aborting.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborting.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Longest that one thing may take to stop: peers and users are told, then it is left behind. */
const stopTimeoutMs = 5_000;

/** Things that were started, to be stopped in reverse order. */
export class Stopper {
  private readonly started: { name: string; stop: () => Promise<void> | void }[] = [];
  private readonly complain: (problem: string) => void;
  private readonly timeoutMs: number;
  private stopping: Promise<void> | undefined;

  /** `complain` gets one line for each thing that fails to stop, or not in time. */
  constructor(complain: (problem: string) => void, timeoutMs: number = stopTimeoutMs) {
    this.complain = complain;
    this.timeoutMs = timeoutMs;
  }

  /** `name` completes "cannot stop …". After `stop` it is too late: throws, and the caller stops it. */
  add(name: string, stop: () => Promise<void> | void): void {
    if (this.stopping !== undefined) throw new Error(`${name} was started while everything is being stopped`);
    this.started.push({ name, stop });
  }

  /** Never rejects. Called again, it answers with the same stop. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    for (const { name, stop } of this.started.toReversed()) {
      const late = Promise.withResolvers<"late">();
      const timer = setTimeout(() => late.resolve("late"), this.timeoutMs);
      try {
        const outcome = await Promise.race([stop(), late.promise]);
        if (outcome === "late") this.complain(`${name} did not stop within ${this.timeoutMs / 1000} s`);
      } catch (error) {
        this.complain(`cannot stop ${name}: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        clearTimeout(timer);
      }
    }
  }
}

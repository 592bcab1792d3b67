/**
 * Drafts on their way to their names: while the disk is waited for, the next ones gather, and go together. So one wait
 * serves as many as come meanwhile, and on a fast disk nobody waits long.
 */
import { LocalIoError } from "../errors.ts";
import { workerUrl } from "../worker-url.ts";
import { type Draft, removeDraft, type StoreFailure } from "./drafts.ts";
import type { FromNameWorker } from "./name-worker.ts";

/** For others to come: each message wakes two threads and has the disk looked at. */
const gatherMs = 25;
/** In one message: more only make others wait for what could be told. */
const mostAtOnce = 1_024;
/** For what is being written when the user wants no more. */
const patienceMs = 5_000;

interface Waiting extends Draft {
  named: (failure: StoreFailure | undefined) => void;
}

export class FileNaming {
  private worker: Worker | undefined;
  private waiting: Waiting[] = [];
  private atWork: Waiting[] = [];
  private readonly end = Promise.withResolvers<void>();
  private isClosing = false;
  private isHurried = false;
  private gathering: Timer | undefined;
  private isBroken = false;

  constructor() {
    // It may be rejected before anybody waits for it.
    this.end.promise.catch(() => {});
  }

  /** `named` is called once, unless `ended` rejects before. */
  add(draft: Waiting): void {
    this.waiting.push(draft);
    this.nextSoon();
  }

  /** No others are to come: nobody is kept waiting for them. */
  hurry(): void {
    this.isHurried = true;
    this.next();
  }

  /** Rejects with LocalIoError when nothing more can be stored; resolves after `close`. */
  get ended(): Promise<void> {
    return this.end.promise;
  }

  /**
   * Resolves when all that were added are named, or cannot be; soon after `signal` also when a disk hangs. Nothing is
   * added afterwards. Never rejects.
   */
  async close(signal: AbortSignal): Promise<void> {
    this.isClosing = true;
    this.hurry();
    const given = Promise.withResolvers<void>();
    let timer: Timer | undefined;
    const onAbort = () => {
      timer = setTimeout(given.resolve, patienceMs);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
    await Promise.race([this.ended.catch(() => {}), given.promise]);
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
    clearTimeout(this.gathering);
    // Those that have their names are drafts no more.
    for (const { draft } of [...this.atWork, ...this.waiting]) removeDraft(draft);
    this.worker?.terminate();
  }

  private nextSoon(): void {
    if (this.isHurried || this.waiting.length >= mostAtOnce) this.next();
    else if (this.waiting.length > 0) this.gathering ??= setTimeout(() => this.next(), gatherMs);
  }

  private next(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    if (this.isBroken || this.atWork.length > 0) return;
    if (this.waiting.length === 0) {
      if (this.isClosing) this.end.resolve();
      return;
    }
    this.atWork = this.waiting.splice(0, mostAtOnce);
    this.worker ??= this.start();
    this.worker.postMessage(this.atWork.map(({ draft, path, replace }): Draft => ({ draft, path, replace })));
  }

  private start(): Worker {
    const worker = new Worker(workerUrl("transfer/name-worker.ts"));
    worker.onmessage = ({ data }: MessageEvent<FromNameWorker>) => this.receive(data);
    worker.onerror = (event) => this.fail(new Error(`the naming thread failed: ${event.message}`));
    // After the end, or when it was ended, this comes too late to matter.
    worker.addEventListener("close", () => this.fail(new Error("the naming thread ended by itself")));
    return worker;
  }

  private fail(error: Error): void {
    this.isBroken = true;
    this.end.reject(error);
  }

  private receive(message: FromNameWorker): void {
    const done = this.atWork;
    this.atWork = [];
    for (const [i, failure] of message.failures.entries()) done[i]?.named(failure);
    if (message.fatal === undefined) this.nextSoon();
    else this.fail(new LocalIoError(`cannot store files: ${message.fatal}`));
  }
}

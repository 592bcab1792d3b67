/**
 * The worker threads of one download: started, spoken to, and ended so that none touches the file afterwards.
 * A connection belongs to one worker for its life; which one follows from its number.
 */
import { workerUrl } from "../worker-url.ts";
import type { DownloadJob, DownloadNews, FromDownloadWorker, ToDownloadWorker } from "./download-messages.ts";
import type { ThreadTimes } from "./receipt.ts";

/** How long a worker may take to answer `stop` before it is cut: one write to a slow disk. */
const stopTimeoutMs = 5_000;

export class DownloadWorkers {
  private readonly workers: Worker[] = [];
  private readonly stopped = Promise.withResolvers<void>();
  private running = 0;
  private stopping = false;
  private check: { left: number; found: (chunk: number) => void; done: () => void } | undefined;

  /** Of all that have ended. */
  readonly times: ThreadTimes = { hashingMs: 0, writingMs: 0 };

  constructor(
    readonly count: number,
    private readonly onMessage: (message: DownloadNews) => void,
  ) {}

  start(job: DownloadJob): void {
    for (let i = 0; i < this.count; i++) {
      const worker = new Worker(workerUrl("transfer/download-worker.ts"));
      worker.onmessage = (event: MessageEvent<FromDownloadWorker>) => this.receive(event.data);
      // A worker catches what it can name; this is a bug in it, and without a handler nobody would hear of it.
      worker.onerror = (event) => this.died(event.message);
      worker.addEventListener("close", () => this.died("it ended by itself"));
      worker.postMessage(job);
      this.workers.push(worker);
    }
    this.running = this.count;
  }

  send(connection: number, message: ToDownloadWorker): void {
    this.workers[connection % this.workers.length]?.postMessage(message);
  }

  broadcast(message: ToDownloadWorker): void {
    for (const worker of this.workers) worker.postMessage(message);
  }

  /** Has the first `count` chunks on disk checked, shared among the workers; `found` hears of each right one. */
  checkDisk(count: number, found: (chunk: number) => void): Promise<void> {
    const share = Math.ceil(count / this.workers.length);
    return new Promise((done) => {
      this.check = { left: count, found, done };
      for (const [i, worker] of this.workers.entries()) {
        const first = i * share;
        const own = Math.min(share, count - first);
        if (own > 0) worker.postMessage({ kind: "check-disk", first, count: own } satisfies ToDownloadWorker);
      }
    });
  }

  /**
   * Ends the workers. False when one did not answer in time (a write that hangs, say): it may still write to the
   * file. Idempotent.
   */
  async stop(): Promise<boolean> {
    if (!this.stopping) {
      this.stopping = true;
      this.broadcast({ kind: "stop" });
      if (this.running === 0) this.stopped.resolve();
    }
    const timer = setTimeout(() => this.stopped.resolve(), stopTimeoutMs);
    await this.stopped.promise;
    clearTimeout(timer);
    for (const worker of this.workers.splice(0)) worker.terminate();
    return this.running === 0;
  }

  private receive(message: FromDownloadWorker): void {
    if (message.kind === "stopped") {
      this.times.hashingMs += message.times.hashingMs;
      this.times.writingMs += message.times.writingMs;
      if (--this.running === 0) this.stopped.resolve();
      return;
    }
    if (this.stopping) return;
    if (message.kind !== "on-disk") {
      this.onMessage(message);
      return;
    }
    const { check } = this;
    if (check === undefined) return;
    for (const [i, right] of message.right.entries()) if (right) check.found(message.first + i);
    check.left -= message.right.length;
    if (check.left === 0) check.done();
  }

  private died(reason: string): void {
    if (this.stopping) return;
    this.onMessage({ kind: "worker-died", reason });
  }
}

/**
 * The worker threads of one download: borrowed, spoken to, and given back so that none touches the file afterwards.
 * A connection belongs to one worker for its life; which one follows from its number.
 */
import type { EngineOptions } from "./download.ts";
import type { DownloadJob, DownloadNews, FromDownloadWorker, ToDownloadWorker } from "./download-messages.ts";
import type { DownloadThread, DownloadThreads } from "./download-threads.ts";
import type { ThreadTimes } from "./receipt.ts";

/** How long a worker may take to answer `end-job` before it is cut: one write to a slow disk. */
const stopTimeoutMs = 5_000;

export class DownloadWorkers {
  private threads: DownloadThread[] = [];
  private readonly running = new Set<DownloadThread>();
  private readonly stopped = Promise.withResolvers<void>();
  private stopping = false;
  private unwatchGate: (() => void) | undefined;
  private check: { left: number; found: (chunk: number) => void; done: () => void } | undefined;

  /** Of all that have ended. */
  readonly times: ThreadTimes = { hashingMs: 0, writingMs: 0 };

  constructor(
    private readonly pool: DownloadThreads,
    private readonly onMessage: (message: DownloadNews) => void,
  ) {}

  get count(): number {
    return this.threads.length;
  }

  /** As many as there are free, up to `wanted`; waits for one. */
  async start(
    wanted: number,
    content: DownloadJob["content"],
    { limit, membership, gate }: Pick<EngineOptions, "limit" | "membership" | "gate">,
  ): Promise<void> {
    const { session } = this.pool;
    this.unwatchGate = gate?.onChange(() => this.broadcast({ kind: "bans", bans: gate.posted().bans }));
    const threads = await this.pool.take(wanted);
    const job = {
      kind: "job",
      content,
      session,
      limit: limit.shared,
      membership: membership?.posted(),
      gate: gate?.posted(),
    } as const;
    if (this.stopping) {
      this.pool.giveBack(threads);
      return;
    }
    this.threads = threads;
    for (const thread of this.threads) {
      this.running.add(thread);
      thread.user = {
        onMessage: (message) => this.receive(message, thread),
        onDied: (reason) => this.died(reason, thread),
      };
      if (!thread.isAlive) this.died("it had ended", thread);
      thread.send(job);
    }
  }

  send(connection: number, message: ToDownloadWorker): void {
    this.threads[connection % this.threads.length]?.send(message);
  }

  broadcast(message: ToDownloadWorker): void {
    for (const thread of this.threads) thread.send(message);
  }

  /** Has the first `count` chunks on disk checked, shared among the workers; `found` hears of each right one. */
  checkDisk(count: number, found: (chunk: number) => void): Promise<void> {
    const share = Math.ceil(count / this.threads.length);
    return new Promise((done) => {
      this.check = { left: count, found, done };
      for (const [i, thread] of this.threads.entries()) {
        const first = i * share;
        const own = Math.min(share, count - first);
        if (own > 0) thread.send({ kind: "check-disk", first, count: own });
      }
    });
  }

  /**
   * Has the workers end their job, and gives them back. False when one did not answer in time (a write that hangs,
   * say): it may still write to the file. Idempotent.
   */
  async stop(): Promise<boolean> {
    if (!this.stopping) {
      this.stopping = true;
      this.unwatchGate?.();
      this.broadcast({ kind: "end-job", keepConnections: this.pool.keepsConnections });
      this.checkStopped();
    }
    const timer = setTimeout(() => this.stopped.resolve(), stopTimeoutMs);
    await this.stopped.promise;
    clearTimeout(timer);
    for (const thread of this.running) thread.terminate();
    this.pool.giveBack(this.threads);
    this.threads = [];
    return this.running.size === 0;
  }

  private receive(message: FromDownloadWorker, thread: DownloadThread): void {
    if (message.kind === "stopped") {
      this.times.hashingMs += message.times.hashingMs;
      this.times.writingMs += message.times.writingMs;
      this.running.delete(thread);
      this.checkStopped();
      return;
    }
    if (this.stopping) return;
    if (message.kind === "closed-all") return;
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

  private died(reason: string, thread: DownloadThread): void {
    this.running.delete(thread);
    if (this.stopping) this.checkStopped();
    else this.onMessage({ kind: "worker-died", reason });
  }

  private checkStopped(): void {
    if (this.running.size === 0) this.stopped.resolve();
  }
}

/**
 * The threads that downloads of a command run on: started when first needed, lent to one download at a time, kept with
 * their connections for the next one. Whoever made the pool stops it.
 */
import { workerUrl } from "../worker-url.ts";
import type { FromDownloadWorker, ToDownloadWorker } from "./download-messages.ts";

/** Who has a thread at the moment hears what it says, and if it ends by itself. */
export interface ThreadUser {
  onMessage(message: FromDownloadWorker): unknown;
  onDied(reason: string): void;
}

/** A thread without a job has nothing to do but to close. */
const closingTimeoutMs = 1_000;

export class DownloadThread {
  private readonly worker = new Worker(workerUrl("transfer/download-worker.ts"));
  private unsent: ToDownloadWorker[] = [];
  private death: string | undefined;
  user: ThreadUser | undefined;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromDownloadWorker[]>) => {
      for (const message of data) this.user?.onMessage(message);
    };
    // A worker catches what it can name; this is a bug in it, and without a handler nobody would hear of it.
    this.worker.onerror = (event) => this.died(event.message);
    this.worker.addEventListener("close", () => this.died("it ended by itself"));
  }

  get isAlive(): boolean {
    return this.death === undefined;
  }

  /** Leaves with all that is said in the same turn of the event loop. */
  send(message: ToDownloadWorker): void {
    if (this.unsent.length === 0) queueMicrotask(() => this.flush());
    this.unsent.push(message);
  }

  /** Ends it in order: nothing that it holds open is left to chance. For one that has no job. */
  async stop(): Promise<void> {
    if (!this.isAlive) return;
    const closed = Promise.withResolvers<void>();
    const timer = setTimeout(closed.resolve, closingTimeoutMs);
    this.user = {
      onMessage: ({ kind }) => kind === "closed-all" && closed.resolve(),
      onDied: () => closed.resolve(),
    };
    this.send({ kind: "close-all" });
    await closed.promise;
    clearTimeout(timer);
    this.terminate();
  }

  /** For one that does not answer. */
  terminate(): void {
    this.user = undefined;
    this.death ??= "it was ended";
    this.worker.terminate();
  }

  private flush(): void {
    const messages = this.unsent;
    this.unsent = [];
    this.worker.postMessage(messages);
  }

  private died(reason: string): void {
    if (this.death !== undefined) return;
    this.death = reason;
    this.user?.onDied(reason);
  }
}

export class DownloadThreads {
  /** For HELLO: tells sources that all these connections belong together. */
  readonly session = crypto.randomUUID();
  private readonly idle: DownloadThread[] = [];
  private readonly waiting: (() => void)[] = [];
  private lent = 0;

  /** `most` for all downloads together; `keepsConnections`: there will be several, from the same sources. */
  constructor(
    private readonly most: number,
    readonly keepsConnections: boolean,
  ) {}

  /** Starts so many that nobody has to wait for them later, and has them make ready for much to hash. */
  prepare(count: number): void {
    while (this.idle.length + this.lent < Math.min(count, this.most)) {
      const thread = new DownloadThread();
      thread.send({ kind: "prepare" });
      this.idle.push(thread);
    }
  }

  /** Up to `wanted` threads, at least one, as soon as there is one. */
  async take(wanted: number): Promise<DownloadThread[]> {
    while (this.lent >= this.most) await new Promise<void>((resolve) => this.waiting.push(resolve));
    const count = Math.max(1, Math.min(wanted, this.most - this.lent));
    this.lent += count;
    return Array.from({ length: count }, () => this.takeIdle() ?? new DownloadThread());
  }

  /** Some may have ended while nobody heard of it. */
  private takeIdle(): DownloadThread | undefined {
    for (let thread = this.idle.pop(); thread !== undefined; thread = this.idle.pop()) {
      if (thread.isAlive) return thread;
    }
    return undefined;
  }

  /** Those that do nothing more for the download that had them; what does not answer must have been ended before. */
  giveBack(threads: readonly DownloadThread[]): void {
    this.lent -= threads.length;
    for (const thread of threads) {
      thread.user = undefined;
      if (thread.isAlive) this.idle.push(thread);
    }
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** When all downloads are over. Idempotent, never rejects. */
  async stop(): Promise<void> {
    await Promise.all(this.idle.splice(0).map((thread) => thread.stop()));
  }
}

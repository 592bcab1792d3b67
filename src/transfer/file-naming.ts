/**
 * Drafts on their way to their names: while the disk is waited for, the next ones gather, and go together. So one wait
 * serves as many as come meanwhile, and on a fast disk nobody waits long.
 */
import { LocalIoError } from "../errors.ts";
import { workerUrl } from "../worker-url.ts";
import type { Draft, StoreFailure } from "./drafts.ts";
import type { FromNameWorker } from "./name-worker.ts";

/** In one message: more only make others wait for what could be told. */
const mostAtOnce = 1_024;

interface Waiting extends Draft {
  named: (failure: StoreFailure | undefined) => void;
}

export class FileNaming {
  private worker: Worker | undefined;
  private waiting: Waiting[] = [];
  private atWork: Waiting[] = [];
  private readonly end = Promise.withResolvers<void>();
  private isClosing = false;

  constructor() {
    // It may be rejected before anybody waits for it.
    this.end.promise.catch(() => {});
  }

  /** `named` is called once, unless `ended` rejects before. */
  add(draft: Waiting): void {
    this.waiting.push(draft);
    if (this.atWork.length === 0) this.next();
  }

  /** Rejects with LocalIoError when nothing more can be stored; resolves after `close`. */
  get ended(): Promise<void> {
    return this.end.promise;
  }

  /** Resolves when all that were added are named, or cannot be. Nothing is added afterwards. Never rejects. */
  async close(): Promise<void> {
    this.isClosing = true;
    this.next();
    await this.ended.catch(() => {});
    this.worker?.terminate();
  }

  private next(): void {
    if (this.atWork.length > 0) return;
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
    worker.onerror = (event) => this.end.reject(new Error(`the naming thread failed: ${event.message}`));
    // After the end, or when it was ended, this comes too late to matter.
    worker.addEventListener("close", () => this.end.reject(new Error("the naming thread ended by itself")));
    return worker;
  }

  private receive(message: FromNameWorker): void {
    const done = this.atWork;
    this.atWork = [];
    if (message.kind === "failed") {
      this.end.reject(new LocalIoError(`cannot store files: ${message.reason}`));
      return;
    }
    for (const [i, { named }] of done.entries()) named(message.failures[i]);
    this.next();
  }
}

/**
 * One upload worker as the uploader sees it: starts it, carries messages, waits for its answers, ends it. What the
 * messages mean is the uploader's.
 */
import { LocalIoError } from "../errors.ts";
import { workerUrl } from "../worker-url.ts";
import type { FromUploadWorker, ToUploadWorker } from "./upload-messages.ts";

export type UploadReport = Extract<FromUploadWorker, { kind: "find" | "news" | "changed" | "served" }>;

export interface UploadThreadListener {
  /** What the worker asks or tells. */
  onReport(report: UploadReport, from: UploadThread): void;
  /** It failed in a way it should not have. */
  onFailed(error: Error): void;
}

const stopTimeoutMs = 2_000;

export class UploadThread {
  private readonly worker = new Worker(workerUrl("transfer/upload-worker.ts"));
  private readonly listening = Promise.withResolvers<void>();
  private readonly stopped = Promise.withResolvers<void>();
  private readonly forgetting = new Map<string, PromiseWithResolvers<void>>();
  private isEnding = false;
  private isOver = false;

  constructor(
    listen: ToUploadWorker & { kind: "listen" },
    private readonly listener: UploadThreadListener,
  ) {
    this.worker.onerror = (event) => this.failed(event.message);
    this.worker.addEventListener("close", () => this.failed("it ended by itself"));
    this.worker.onmessage = (event: MessageEvent<FromUploadWorker>) => this.receive(event.data);
    this.send(listen);
  }

  /** Rejects when the port cannot be listened on: LocalIoError whose message is the reason alone. */
  started(): Promise<void> {
    return this.listening.promise;
  }

  send(message: ToUploadWorker): void {
    this.worker.postMessage(message);
  }

  /** Resolves when it has let go of what was offered under that root. */
  forget(root: string): Promise<void> {
    if (this.isOver) return Promise.resolve();
    const known = this.forgetting.get(root);
    if (known !== undefined) return known.promise;
    const forgotten = Promise.withResolvers<void>();
    this.forgetting.set(root, forgotten);
    this.send({ kind: "forget", root });
    return forgotten.promise;
  }

  /** Cuts its connections. Idempotent. */
  async stop(): Promise<void> {
    if (!this.isEnding) {
      this.isEnding = true;
      if (this.isOver) this.stopped.resolve();
      else this.send({ kind: "stop" });
    }
    const timer = setTimeout(() => this.stopped.resolve(), stopTimeoutMs);
    await this.stopped.promise;
    clearTimeout(timer);
    this.worker.terminate();
    this.end();
  }

  private receive(message: FromUploadWorker): void {
    switch (message.kind) {
      case "listening":
        this.listening.resolve();
        return;
      case "listen-failed":
        this.listening.reject(new LocalIoError(message.reason));
        return;
      case "forgotten":
        this.forgetting.get(message.root)?.resolve();
        this.forgetting.delete(message.root);
        return;
      case "bug":
        this.listener.onFailed(new Error(`an upload failed: ${message.reason}`));
        return;
      case "stopped":
        this.stopped.resolve();
        return;
      default:
        this.listener.onReport(message, this);
    }
  }

  private failed(reason: string): void {
    if (this.isEnding) return;
    const error = new Error(`an upload worker failed: ${reason}`);
    this.listening.reject(error);
    this.end();
    this.listener.onFailed(error);
  }

  /** Nobody waits for a thread that is no more. */
  private end(): void {
    this.isOver = true;
    for (const forgotten of this.forgetting.values()) forgotten.resolve();
    this.forgetting.clear();
  }
}

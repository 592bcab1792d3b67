/**
 * A peer's serving side as the rest of the program sees it: worker threads that share one port, and the answers
 * to their question what is shared here. Bytes never pass through this thread.
 */

import { formatAddress } from "../address.ts";
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import type { SharedContent } from "../library/library.ts";
import { connectionsWithin } from "../net/file-limit.ts";
import { SharedPort } from "../net/shared-port.ts";
import { workerUrl } from "../worker-url.ts";
import type { FromUploadWorker, ToUploadWorker } from "./upload-messages.ts";

export interface UploaderOptions {
  host: string;
  port: number;
  /** Take any free port when that one is in use: nobody asked for it in particular. */
  anyPortIfTaken: boolean;
  threads: number;
  contentOf: (root: string) => SharedContent | undefined;
  /** A file is not what it was when it was hashed. */
  onChanged: (path: string) => void;
  /** A worker failed in a way it should not have; it no longer serves. */
  onFailed: (error: Error) => void;
}

/** Connections at once and from one address that is not loopback. Each thread takes its share of both. */
const maxConnections = 512;
const maxConnectionsPerHost = 64;
const stopTimeoutMs = 2_000;

export class Uploader {
  private readonly workers: Worker[] = [];
  private readonly stopped = Promise.withResolvers<void>();
  private running = 0;
  private stopping = false;
  private servedSoFar = 0;
  /** As each worker said last. */
  private readonly connections = new Map<Worker, number>();
  private readonly threads: number;

  private constructor(
    private readonly options: UploaderOptions,
    private readonly taken: SharedPort,
  ) {
    // Windows knows no port that several sockets listen on.
    this.threads = process.platform === "win32" ? 1 : options.threads;
  }

  /** Throws LocalIoError when the port cannot be listened on. */
  static async start(options: UploaderOptions): Promise<Uploader> {
    const uploader = new Uploader(options, takePort(options));
    try {
      await Promise.all(Array.from({ length: uploader.threads }, () => uploader.startWorker()));
    } catch (error) {
      await uploader.stop();
      throw error;
    }
    return uploader;
  }

  get port(): number {
    return this.taken.port;
  }

  /** Bytes of contents handed out since the start (as of about a second ago). */
  get servedBytes(): number {
    return this.servedSoFar;
  }

  /** Downloaders connected now (as of about a second ago). */
  get connectionCount(): number {
    return this.connections.values().reduce((sum, count) => sum + count, 0);
  }

  /** Cuts every connection. Idempotent. */
  async stop(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      for (const worker of this.workers) send(worker, { kind: "stop" });
      if (this.running === 0) this.stopped.resolve();
    }
    const timer = setTimeout(() => this.stopped.resolve(), stopTimeoutMs);
    await this.stopped.promise;
    clearTimeout(timer);
    for (const worker of this.workers.splice(0)) worker.terminate();
    this.taken.release();
  }

  private startWorker(): Promise<void> {
    const { host } = this.options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const worker = new Worker(workerUrl("transfer/upload-worker.ts"));
    const failed = (reason: string) => {
      const error = new Error(`an upload worker failed: ${reason}`);
      reject(error);
      if (!this.stopping) this.options.onFailed(error);
    };
    worker.onerror = (event) => failed(event.message);
    worker.addEventListener("close", () => failed("it ended by itself"));
    worker.onmessage = (event: MessageEvent<FromUploadWorker>) => {
      const message = event.data;
      if (message.kind === "listening") resolve();
      else if (message.kind === "listen-failed") reject(this.cannotListen(message.reason));
      else this.receive(worker, message);
    };
    send(worker, {
      kind: "listen",
      host,
      port: this.port,
      reusePort: this.threads > 1,
      maxConnections: Math.ceil(connectionsWithin(maxConnections) / this.threads),
      maxConnectionsPerHost: Math.ceil(maxConnectionsPerHost / this.threads),
    });
    this.workers.push(worker);
    this.running++;
    return promise;
  }

  private receive(worker: Worker, message: FromUploadWorker): void {
    switch (message.kind) {
      case "find":
        send(worker, { kind: "content", root: message.root, content: this.find(message.root) });
        return;
      case "changed":
        this.options.onChanged(message.path);
        return;
      case "served":
        this.servedSoFar += message.bytes;
        this.connections.set(worker, message.connections);
        return;
      case "bug":
        this.options.onFailed(new Error(`an upload failed: ${message.reason}`));
        return;
      case "stopped":
        if (--this.running === 0) this.stopped.resolve();
        return;
    }
  }

  private find(root: string): (ToUploadWorker & { kind: "content" })["content"] {
    const content = this.options.contentOf(root);
    if (content === undefined) return undefined;
    const { hashedInThisRun: trusted, ...found } = content;
    return { ...found, root, trusted };
  }

  private cannotListen(reason: string): LocalIoError {
    return cannotListen(this.options.host, this.port, reason);
  }
}

function send(worker: Worker, message: ToUploadWorker): void {
  worker.postMessage(message);
}

function cannotListen(host: string, port: number, reason: string): LocalIoError {
  return new LocalIoError(`cannot listen on ${formatAddress({ host, port })}: ${reason}`);
}

function takePort({ host, port, anyPortIfTaken }: UploaderOptions): SharedPort {
  try {
    return SharedPort.take(host, port);
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE" || !anyPortIfTaken)
      throw cannotListen(host, port, reasonOf(error));
  }
  return SharedPort.take(host, 0);
}

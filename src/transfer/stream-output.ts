/**
 * A download that goes to a stream instead of a file: keeps the chunks that are ahead of their turn in a ring of
 * memory, and has them written in order. Nothing of it is kept, so there is nothing to resume.
 */
import { LocalIoError } from "../errors.ts";
import { chunkBytes } from "../wire/limits.ts";
import { workerUrl } from "../worker-url.ts";
import { type ChunkMap, mapOfContent } from "./chunk-map.ts";
import type { ChunkSink } from "./chunk-sink.ts";
import type { DownloadStore } from "./download-store.ts";

export interface ToStreamWorker {
  fd: number;
  slots: SharedArrayBuffer;
  chunk: number;
  sizeBytes: number;
}

export type FromStreamWorker =
  | { kind: "written" }
  | { kind: "failed"; code: string | undefined; reason: string };

/** How far ahead of the reader is fetched: what a line of 1 Gbit/s and 200 ms holds. All of it is memory. */
const ringChunks = 24;
/** Given to the writing thread in advance, so that it need not wait for us between two chunks. */
const maxGiven = 4;

/** The reader of the stream has left, which is its right: there is no use in going on. */
export class ReaderGone extends Error {}

export class StreamOutput implements DownloadStore {
  readonly name = "standard output";
  readonly windowChunks: number;
  readonly sink: ChunkSink & { kind: "ring" };
  readonly chunks: ChunkMap;
  private readonly worker: Worker;
  private readonly ahead = new Set<number>();
  private readonly end = Promise.withResolvers<void>();
  private given = 0;
  private written = 0;
  private onWritten: () => void = () => {};

  constructor(
    private readonly fd: number,
    content: { root: string; sizeBytes: number },
  ) {
    this.chunks = mapOfContent(content);
    this.windowChunks = Math.max(1, Math.min(ringChunks, this.chunks.count));
    this.sink = { kind: "ring", slots: new SharedArrayBuffer(this.windowChunks * chunkBytes) };
    this.worker = new Worker(workerUrl("transfer/stream-worker.ts"));
    this.worker.onmessage = ({ data }: MessageEvent<FromStreamWorker>) => this.receive(data);
    this.worker.onerror = (event) =>
      this.end.reject(new Error(`the writing thread failed: ${event.message}`));
    // After the end, or when it was ended, this comes too late to matter.
    this.worker.addEventListener("close", () =>
      this.end.reject(new Error("the writing thread ended by itself")),
    );
    // It may be rejected before anybody waits for it.
    this.end.promise.catch(() => {});
    if (this.chunks.count === 0) this.end.resolve();
  }

  /** Of an earlier run there is nothing. */
  readonly chunksOnDisk = 0;
  readChunkHashes(): undefined {}
  saveChunkHashes(): void {}
  abandon(): void {}

  /** Hears at once, and whenever a chunk has left, so that another one may come. */
  follow(handedOn: (count: number) => void): void {
    this.onWritten = () => handedOn(this.written);
    this.onWritten();
  }

  /** The chunk is verified and lies in its slot. */
  keep(chunk: number): void {
    this.ahead.add(chunk);
    this.advance();
  }

  /** Resolves when all has been written; rejects with ReaderGone or LocalIoError, also long before the end. */
  get finished(): Promise<void> {
    return this.end.promise;
  }

  close(): void {
    this.worker.terminate();
  }

  private advance(): void {
    while (this.given - this.written < maxGiven && this.ahead.delete(this.given)) {
      const chunk = this.given++;
      const message: ToStreamWorker = {
        fd: this.fd,
        slots: this.sink.slots,
        chunk,
        sizeBytes: this.chunks.lengthOf(chunk),
      };
      this.worker.postMessage(message);
    }
  }

  private receive(message: FromStreamWorker): void {
    if (message.kind === "failed") {
      const isGone = message.code === "EPIPE";
      this.end.reject(
        isGone ? new ReaderGone() : new LocalIoError(`cannot write to ${this.name}: ${message.reason}`),
      );
      return;
    }
    this.written++;
    this.onWritten();
    if (this.written === this.chunks.count) this.end.resolve();
    else this.advance();
  }
}

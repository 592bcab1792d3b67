/**
 * The body that is arriving on one connection to a source: chunks, each verified before it is kept, or the chunk
 * hashes, checked against the root. Knows no socket and no message.
 */
import { monotonicMs } from "../clock.ts";
import { chunkCountOf, chunkLength } from "../content/chunks.ts";
import { hashBytes, rootOfChunkHashes } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { ChunkIntake } from "./chunk-intake.ts";
import { type ChunkSink, keepChunk } from "./chunk-sink.ts";
import type { ThreadTimes } from "./receipt.ts";

/** What the bodies of one download have in common. */
export interface BodyContext {
  readonly root: string;
  readonly sizeBytes: number;
  readonly sink: ChunkSink;
  /** Undefined until known; a content of one chunk has its root instead. */
  chunkHashes: Uint8Array | undefined;
  /** Added to here. */
  readonly times: ThreadTimes;
}

export type BodyNews =
  /** Verified and kept. */
  | { kind: "chunk"; request: number; chunk: number }
  | { kind: "bad-chunk"; chunk: number }
  | { kind: "disk-failed"; reason: string }
  /** Undefined when they do not add up to the root. */
  | { kind: "hashes"; hashes: Uint8Array | undefined };

type Body =
  | { kind: "data"; request: number; chunk: number; left: number }
  | { kind: "hashes"; hashes: Uint8Array; filled: number };

/** Takes what still comes when nothing is expected any more. */
const nowhere = new Uint8Array(4096);

export class LinkBody {
  private body: Body | undefined;
  private readonly intake = new ChunkIntake();

  constructor(private readonly context: BodyContext) {}

  /** Whole chunks follow, from `chunk` on. */
  startData(request: number, chunk: number, length: number): void {
    this.body = { kind: "data", request, chunk, left: length };
    this.intake.start(this.lengthOf(chunk));
  }

  startHashes(length: number): void {
    this.body = { kind: "hashes", hashes: new Uint8Array(length), filled: 0 };
  }

  /** Where the next bytes are to go; never beyond what makes a chunk whole. */
  room(): Uint8Array {
    if (this.body === undefined) return nowhere;
    return this.body.kind === "data" ? this.intake.room() : this.body.hashes.subarray(this.body.filled);
  }

  /** So many bytes have come and lie in the room given last. */
  took(length: number): BodyNews | undefined {
    if (this.body === undefined) return undefined;
    return this.body.kind === "data" ? this.tookData(this.body, length) : this.tookHashes(this.body, length);
  }

  /** Nothing more is expected. */
  close(): void {
    this.body = undefined;
    this.intake.close();
  }

  private tookData(body: Body & { kind: "data" }, length: number): BodyNews | undefined {
    const startMs = monotonicMs();
    this.intake.filled(length);
    this.context.times.hashingMs += monotonicMs() - startMs;
    body.left -= length;
    if (!this.intake.isWhole) return undefined;
    const news = this.endChunk(body);
    body.chunk++;
    if (body.left > 0) this.intake.start(this.lengthOf(body.chunk));
    else this.body = undefined;
    return news;
  }

  private endChunk({ request, chunk }: Body & { kind: "data" }): BodyNews {
    const { sizeBytes, sink, chunkHashes } = this.context;
    const hash = this.intake.hash(chunkCountOf(sizeBytes) === 1);
    const expected = chunkHashes?.subarray(chunk * hashBytes, (chunk + 1) * hashBytes);
    if (expected === undefined || Buffer.compare(hash, expected) !== 0) return { kind: "bad-chunk", chunk };
    const startMs = monotonicMs();
    try {
      keepChunk(sink, chunk, this.intake.bytes);
      this.context.times.writingMs += monotonicMs() - startMs;
    } catch (error) {
      return { kind: "disk-failed", reason: reasonOf(error) };
    }
    return { kind: "chunk", request, chunk };
  }

  private tookHashes(body: Body & { kind: "hashes" }, length: number): BodyNews | undefined {
    body.filled += length;
    if (body.filled < body.hashes.length) return undefined;
    this.body = undefined;
    const right = Buffer.from(rootOfChunkHashes(body.hashes)).toString("hex") === this.context.root;
    return { kind: "hashes", hashes: right ? body.hashes : undefined };
  }

  private lengthOf(chunk: number): number {
    return chunkLength(chunk, this.context.sizeBytes);
  }
}

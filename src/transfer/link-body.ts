/**
 * The body that is arriving on one connection to a source: chunks, each verified before it is kept, or the chunk
 * hashes, checked against the root. Knows no socket and no message.
 */
import { monotonicMs } from "../clock.ts";
import { rootOfChunkHashes } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import type { ChunkHome } from "./chunk-home.ts";
import { ChunkIntake } from "./chunk-intake.ts";
import type { StoreFailure } from "./drafts.ts";
import type { ThreadTimes } from "./receipt.ts";

export type BodyNews =
  /** Verified and kept. */
  | { kind: "chunk"; request: number; chunk: number }
  /** Verified, but it cannot be kept; others may. */
  | { kind: "not-stored"; request: number; chunk: number; failure: StoreFailure }
  | { kind: "bad-chunk"; chunk: number }
  | { kind: "disk-failed"; reason: string }
  /** Undefined when they do not add up to the root. */
  | { kind: "hashes"; hashes: Uint8Array | undefined };

type Body =
  | { kind: "data"; home: ChunkHome; request: number; chunk: number; left: number }
  | { kind: "hashes"; root: string; hashes: Uint8Array; filled: number };

/** Takes what still comes when nothing is expected any more. */
const nowhere = new Uint8Array(4096);

export class LinkBody {
  private body: Body | undefined;
  private readonly intake = new ChunkIntake();

  /** What its thread spends its time with is added to `times`. */
  constructor(private readonly times: ThreadTimes) {}

  /** Whole chunks follow, from `chunk` on. */
  startData(home: ChunkHome, request: number, chunk: number, length: number): void {
    this.body = { kind: "data", home, request, chunk, left: length };
    this.intake.start(home.lengthOf(chunk));
  }

  startHashes(root: string, length: number): void {
    this.body = { kind: "hashes", root, hashes: new Uint8Array(length), filled: 0 };
  }

  /** Nothing is expected at the moment. */
  get isIdle(): boolean {
    return this.body === undefined;
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
    this.times.hashingMs += monotonicMs() - startMs;
    body.left -= length;
    if (!this.intake.isWhole) return undefined;
    const news = this.endChunk(body);
    body.chunk++;
    if (body.left > 0) this.intake.start(body.home.lengthOf(body.chunk));
    else this.body = undefined;
    return news;
  }

  private endChunk({ home, request, chunk }: Body & { kind: "data" }): BodyNews {
    const hash = this.intake.hash(home.isAlone);
    const expected = home.hashOf(chunk);
    if (expected === undefined || Buffer.compare(hash, expected) !== 0) return { kind: "bad-chunk", chunk };
    const startMs = monotonicMs();
    try {
      const failure = home.keep(chunk, this.intake.bytes);
      this.times.writingMs += monotonicMs() - startMs;
      if (failure !== undefined) return { kind: "not-stored", request, chunk, failure };
    } catch (error) {
      return { kind: "disk-failed", reason: reasonOf(error) };
    }
    return { kind: "chunk", request, chunk };
  }

  private tookHashes(body: Body & { kind: "hashes" }, length: number): BodyNews | undefined {
    body.filled += length;
    if (body.filled < body.hashes.length) return undefined;
    this.body = undefined;
    const right = Buffer.from(rootOfChunkHashes(body.hashes)).toString("hex") === body.root;
    return { kind: "hashes", hashes: right ? body.hashes : undefined };
  }
}

/**
 * One connection to a source, inside a download worker: asks, checks that exactly what was asked comes, hashes
 * the bytes as they arrive and writes a chunk once it is verified. Which chunks, and what a failure means, is
 * decided elsewhere.
 *
 * Cost of a byte: received by Bun into a fresh buffer, hashed there, written from there; no copy of ours. What
 * has arrived of one chunk (at most 1 MiB) is kept until its hash is known, because no wrong byte is to reach
 * the disk.
 */
import { writeSync, writevSync } from "node:fs";
import { Bitfield } from "../content/bitfield.ts";
import { byteRange, chunkCountOf, chunkLength, chunkOffset } from "../content/chunks.ts";
import { ChunkHasher, hashBytes, rootOfChunkHashes } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { connect } from "../net/connect.ts";
import type { Connection, ConnectionUser } from "../net/connection.ts";
import { printable } from "../printable.ts";
import { agent } from "../version.ts";
import { decodePeerAnswer } from "../wire/decode.ts";
import { encodeHello, encodePeerRequest } from "../wire/encode.ts";
import { maxPeerAnswerLineBytes } from "../wire/limits.ts";
import type { PeerAnswer } from "../wire/messages.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import type { FromDownloadWorker } from "./download-messages.ts";

/** What the links of one worker share. */
export interface LinkContext {
  readonly root: string;
  readonly sizeBytes: number;
  readonly fd: number;
  /** Undefined until known; a content of one chunk has its root instead. */
  chunkHashes: Uint8Array | undefined;
  tell(message: FromDownloadWorker): void;
}

type Asked =
  | { kind: "get"; request: number; offset: number; length: number }
  | { kind: "hashes"; length: number }
  | { kind: "have" };

/** The body that is arriving. */
type Body =
  | { kind: "data"; request: number; chunk: number; chunkLeft: number; left: number; pieces: Uint8Array[] }
  | { kind: "hashes"; hashes: Uint8Array; filled: number };

export class SourceLink implements ConnectionUser {
  private connection: Connection | undefined;
  private welcomed = false;
  private over = false;
  private lastId = 0;
  private readonly asked = new Map<number, Asked>();
  private body: Body | undefined;
  private readonly hasher = new ChunkHasher();
  private unreportedBytes = 0;
  /** HAVE was asked, so news of single chunks may come. */
  private toldOfNews = false;

  constructor(
    private readonly id: number,
    private readonly context: LinkContext,
    private readonly ended: () => void,
  ) {}

  /** Tells `connected` once the source has said WELCOME, or `closed`. Never rejects. */
  async open(host: string, port: number): Promise<void> {
    try {
      const connection = await connect({ host, port }, this);
      if (this.over) return connection.destroy();
      this.connection = connection;
      connection.maxLineBytes = maxPeerAnswerLineBytes;
      connection.send(encodeHello(agent));
    } catch (error) {
      this.failed(reasonOf(error));
    }
  }

  get(request: number, first: number, count: number): void {
    const { root, sizeBytes } = this.context;
    const { offset, length } = byteRange(first, count, sizeBytes);
    const id = this.ask({ kind: "get", request, offset, length });
    this.connection?.send(encodePeerRequest({ type: "GET", id, root, offset, length }));
  }

  hashes(): void {
    const id = this.ask({ kind: "hashes", length: chunkCountOf(this.context.sizeBytes) * hashBytes });
    this.connection?.send(encodePeerRequest({ type: "HASHES", id, root: this.context.root }));
  }

  have(): void {
    this.toldOfNews = true;
    const id = this.ask({ kind: "have" });
    this.connection?.send(encodePeerRequest({ type: "HAVE", id, root: this.context.root }));
  }

  /** Says nothing more to anybody, closes at once. */
  close(): void {
    if (this.over) return;
    this.over = true;
    this.body = undefined;
    this.connection?.destroy();
    this.ended();
  }

  /** Bytes of bodies that arrived since the last report (lines are no progress); reporting is the worker's. */
  takeUnreported(): number {
    const bytes = this.unreportedBytes;
    this.unreportedBytes = 0;
    return bytes;
  }

  // --- what the connection says ---

  onLine(line: Uint8Array): number {
    if (this.over) return 0;
    const answer = decodePeerAnswer(line);
    if (this.welcomed) return this.take(answer);
    if (answer.type === "ERROR") {
      this.failed(`it said ${printable(answer.code, 40)}`);
    } else if (answer.type === "WELCOME") {
      this.welcomed = true;
      this.context.tell({ kind: "connected", connection: this.id });
    } else {
      this.failed("it does not speak our protocol: it did not say WELCOME");
    }
    return 0;
  }

  onBody(piece: Uint8Array): void {
    this.unreportedBytes += piece.length;
    const body = this.body;
    if (body === undefined) return;
    if (body.kind === "data") this.takeData(body, piece);
    else this.takeHashes(body, piece);
  }

  /** Who has not said WELCOME has sent no wrong data: somebody else may be on the port by now. */
  onProtocolError(error: ProtocolError): void {
    if (this.welcomed) this.wrong(error.message);
    else this.failed(`it does not speak our protocol: ${error.message}`);
  }

  onClose(error: Error | undefined): void {
    this.failed(error === undefined ? "it closed the connection" : reasonOf(error));
  }

  // --- internal ---

  private ask(asked: Asked): number {
    this.asked.set(++this.lastId, asked);
    return this.lastId;
  }

  /** Returns how many bytes of body follow. */
  private take(answer: PeerAnswer): number {
    switch (answer.type) {
      case "DATA": {
        const asked = this.answered(answer.id, "get");
        if (asked?.kind !== "get" || answer.offset !== asked.offset || answer.length !== asked.length) break;
        const chunk = asked.offset / chunkOffset(1);
        const chunkLeft = chunkLength(chunk, this.context.sizeBytes);
        this.body = {
          kind: "data",
          request: asked.request,
          chunk,
          chunkLeft,
          left: asked.length,
          pieces: [],
        };
        return asked.length;
      }
      case "HASHES": {
        const asked = this.answered(answer.id, "hashes");
        if (asked?.kind !== "hashes" || answer.length !== asked.length) break;
        this.body = { kind: "hashes", hashes: new Uint8Array(asked.length), filled: 0 };
        return asked.length;
      }
      case "HAVE": {
        const asked = this.answered(answer.id, "have");
        const held = Bitfield.from(answer.chunks, chunkCountOf(this.context.sizeBytes));
        if (asked === undefined || answer.root !== this.context.root || held === undefined) break;
        this.context.tell({ kind: "held", connection: this.id, chunks: answer.chunks });
        return 0;
      }
      case "HAVE_NEWS":
        if (!this.toldOfNews || answer.root !== this.context.root) break;
        if (answer.chunk >= chunkCountOf(this.context.sizeBytes)) break;
        this.context.tell({ kind: "held-news", connection: this.id, chunk: answer.chunk });
        return 0;
      case "ERROR":
        this.refused(answer.id, answer.code);
        return 0;
      case "WELCOME":
        break;
    }
    this.wrong(`it sent ${answer.type} that was not asked for`);
    return 0;
  }

  private answered(id: number, kind: Asked["kind"]): Asked | undefined {
    const asked = this.asked.get(id);
    if (asked?.kind !== kind) return undefined;
    this.asked.delete(id);
    return asked;
  }

  private refused(id: number | null, code: string): void {
    const known = id !== null && this.asked.delete(id);
    if (known && (code === "GONE" || code === "NOT_FOUND")) {
      this.finish({ kind: "gone", connection: this.id });
    } else {
      this.failed(`it said ${printable(code, 40)}`);
    }
  }

  private takeData(body: Body & { kind: "data" }, piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      const part = piece.subarray(at, at + body.chunkLeft);
      this.hasher.update(part);
      body.pieces.push(part);
      body.chunkLeft -= part.length;
      body.left -= part.length;
      at += part.length;
      if (body.chunkLeft > 0) return;
      if (!this.endChunk(body)) return;
      body.pieces = [];
      body.chunk++;
      body.chunkLeft = chunkLength(body.chunk, this.context.sizeBytes);
    }
    if (body.left === 0) this.body = undefined;
  }

  /** False when the link is over: the chunk was wrong, or could not be written. */
  private endChunk({ request, chunk, pieces }: Body & { kind: "data" }): boolean {
    const hash = this.hasher.finish(chunkCountOf(this.context.sizeBytes) === 1);
    if (!this.isExpected(hash, chunk)) {
      this.finish({ kind: "bad-chunk", connection: this.id, chunk });
      return false;
    }
    try {
      writeAll(this.context.fd, pieces, chunkOffset(chunk));
    } catch (error) {
      this.finish({ kind: "disk-failed", reason: reasonOf(error) });
      return false;
    }
    this.context.tell({ kind: "chunk", connection: this.id, request, chunk, bytes: this.takeUnreported() });
    return true;
  }

  private isExpected(hash: Uint8Array, chunk: number): boolean {
    const hashes = this.context.chunkHashes;
    return (
      hashes !== undefined &&
      Buffer.compare(hash, hashes.subarray(chunk * hashBytes, (chunk + 1) * hashBytes)) === 0
    );
  }

  private takeHashes(body: Body & { kind: "hashes" }, piece: Uint8Array): void {
    body.hashes.set(piece, body.filled);
    body.filled += piece.length;
    if (body.filled < body.hashes.length) return;
    this.body = undefined;
    const right = Buffer.from(rootOfChunkHashes(body.hashes)).toString("hex") === this.context.root;
    this.context.tell({ kind: "hashes", connection: this.id, hashes: right ? body.hashes : undefined });
  }

  /** It may be tried again. */
  private failed(reason: string): void {
    this.finish({ kind: "closed", connection: this.id, reason });
  }

  /** It lied. */
  private wrong(reason: string): void {
    this.finish({ kind: "wrong-answer", connection: this.id, reason });
  }

  /** The link's last message. */
  private finish(message: FromDownloadWorker): void {
    if (this.over) return;
    this.context.tell(message);
    this.close();
  }
}

/** Writes the pieces one after the other at `position`, all of them or throws the system's error. */
function writeAll(fd: number, pieces: Uint8Array[], position: number): void {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  let written = writevSync(fd, pieces, position);
  if (written === total) return;
  // Rare (a signal, a nearly full disk): go on after what was taken; the next call says why it cannot.
  const rest = Buffer.concat(pieces);
  while (written < total) written += writeSync(fd, rest, written, total - written, position + written);
}

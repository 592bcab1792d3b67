/**
 * One connection to a source, inside a download worker: asks, checks that exactly what was asked comes, and has it
 * verified and kept (`link-body.ts`). Which chunks, and what a failure means, is decided elsewhere.
 *
 * Cost of a byte: received, hashed and written from the one buffer of the chunk (`chunk-intake.ts`); copied there
 * first where Bun brings it, which on a fast line is the smaller part.
 */
import { Bitfield } from "../content/bitfield.ts";
import { byteRange, chunkCountOf, chunkOffset } from "../content/chunks.ts";
import { hashBytes } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { connect } from "../net/connect.ts";
import type { Connection } from "../net/connection.ts";
import type { ConnectionUser } from "../net/connection-user.ts";
import { printable } from "../printable.ts";
import { agent } from "../version.ts";
import { decodePeerAnswer } from "../wire/decode-peer.ts";
import { encodeHello, encodePeerRequest } from "../wire/encode.ts";
import { maxPeerAnswerLineBytes } from "../wire/limits.ts";
import type { ErrorMessage, PeerAnswer } from "../wire/messages.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import type { FromDownloadWorker } from "./download-messages.ts";
import { type BodyContext, LinkBody } from "./link-body.ts";
import type { PacedLink } from "./paced-reading.ts";

/** What the links of one worker share. */
export interface LinkContext extends BodyContext {
  /** For HELLO. */
  readonly session: string;
  tell(message: FromDownloadWorker): void;
}

type Asked =
  | { kind: "get"; request: number; offset: number; length: number }
  | { kind: "hashes"; length: number }
  | { kind: "have" };

/** When a source does not say. */
const retryUsuallyMs = 250;

export class SourceLink implements ConnectionUser, PacedLink {
  private connection: Connection | undefined;
  private welcomed = false;
  private over = false;
  private lastId = 0;
  private readonly asked = new Map<number, Asked>();
  private readonly body: LinkBody;
  private unreportedBytes = 0;
  /** HAVE was asked, so news of single chunks may come. */
  private toldOfNews = false;

  constructor(
    private readonly id: number,
    private readonly context: LinkContext,
    private readonly ended: () => void,
  ) {
    this.body = new LinkBody(context);
  }

  /** Tells `connected` once the source has said WELCOME, or `closed`. Never rejects. */
  async open(host: string, port: number): Promise<void> {
    try {
      const connection = await connect({ host, port }, this);
      if (this.over) return connection.destroy();
      this.connection = connection;
      connection.maxLineBytes = maxPeerAnswerLineBytes;
      connection.send(encodeHello(agent, this.context.session));
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
    this.connection?.send(encodePeerRequest({ type: "HAVE", id, root: this.context.root, sent: true }));
  }

  /** Says nothing more to anybody, closes at once. */
  close(): void {
    if (this.over) return;
    this.over = true;
    this.body.close();
    this.connection?.destroy();
    this.ended();
  }

  /** From now on it is read by `pull` alone; see PacedReading. */
  pause(): void {
    this.connection?.pause();
  }

  resume(): void {
    this.connection?.resume();
  }

  pull(most: number): number {
    return this.connection?.pull(most) ?? 0;
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

  bodyRoom(): Uint8Array {
    return this.body.room();
  }

  onBody(length: number): void {
    this.unreportedBytes += length;
    const news = this.body.took(length);
    if (news === undefined) return;
    const connection = this.id;
    if (news.kind === "chunk") this.context.tell({ ...news, connection, bytes: this.takeUnreported() });
    else if (news.kind === "hashes") this.context.tell({ ...news, connection });
    else if (news.kind === "bad-chunk") this.finish({ ...news, connection });
    else this.finish(news);
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
        this.body.startData(asked.request, chunk, asked.length);
        return asked.length;
      }
      case "HASHES": {
        const asked = this.answered(answer.id, "hashes");
        if (asked?.kind !== "hashes" || answer.length !== asked.length) break;
        this.body.startHashes(asked.length);
        return asked.length;
      }
      case "HAVE": {
        const asked = this.answered(answer.id, "have");
        const { root, chunks, sent } = answer;
        const areWhole = [chunks, sent].every((bits) => bits === undefined || this.fits(bits));
        if (asked === undefined || root !== this.context.root || !areWhole) break;
        this.context.tell({ kind: "held", connection: this.id, chunks, sent });
        return 0;
      }
      case "HAVE_NEWS":
      case "SENT": {
        const { type, root, chunk } = answer;
        if (!this.toldOfNews || root !== this.context.root) break;
        if (chunk >= chunkCountOf(this.context.sizeBytes)) break;
        this.context.tell({
          kind: type === "SENT" ? "sent-news" : "held-news",
          connection: this.id,
          chunk,
        });
        return 0;
      }
      case "ERROR":
        this.refused(answer);
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

  private fits(bits: Uint8Array): boolean {
    return Bitfield.from(bits, chunkCountOf(this.context.sizeBytes)) !== undefined;
  }

  private refused({ id, code, retryMs }: ErrorMessage): void {
    const asked = id === null ? undefined : this.asked.get(id);
    if (id !== null) this.asked.delete(id);
    if (asked !== undefined && (code === "GONE" || code === "NOT_FOUND")) {
      this.finish({ kind: "gone", connection: this.id });
    } else if (asked?.kind === "get" && (code === "RETRY" || (code === "BUSY" && retryMs !== undefined))) {
      // RETRY: not there as yet; its own download is not so far.
      const soon = retryMs ?? retryUsuallyMs;
      this.context.tell({ kind: "busy", connection: this.id, request: asked.request, retryMs: soon });
    } else {
      this.failed(`it said ${printable(code, 40)}`);
    }
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

/**
 * One connection to a source, inside a download worker: asks, checks that exactly what was asked comes, and has it
 * verified and kept (`link-body.ts`). Which chunks, and what a failure means, is decided elsewhere.
 *
 * Cost of a byte: received, hashed and written from the one buffer of the chunk; see `chunk-intake.ts`.
 */
import { monotonicMs } from "../clock.ts";
import { Bitfield } from "../content/bitfield.ts";
import { byteRange } from "../content/chunks.ts";
import type { Connection } from "../net/connection.ts";
import type { ConnectionUser } from "../net/connection-user.ts";
import type { Membership } from "../trust/membership.ts";
import { agent } from "../version.ts";
import { decodePeerAnswer } from "../wire/decode-peer.ts";
import { encodeHello } from "../wire/encode.ts";
import { maxPeerAnswerLineBytes } from "../wire/limits.ts";
import type { ErrorMessage } from "../wire/messages.ts";
import type { PeerAnswer } from "../wire/peer-messages.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import { AskedRequests, refusalOf } from "./asked.ts";
import { type ContentHome, FileHome, type FileToFetch } from "./chunk-home.ts";
import { connectToSource, endOf, type MeantSource } from "./connect-source.ts";
import type { FromDownloadWorker } from "./download-messages.ts";
import { LinkBody } from "./link-body.ts";
import type { PacedLink } from "./paced-reading.ts";
import type { ParkedConnection } from "./parked-connections.ts";
import type { ThreadTimes } from "./receipt.ts";

/** What the links of one download share, in one worker. */
export interface LinkContext {
  /** Undefined: the download consists of files. */
  readonly content: ContentHome | undefined;
  /** For HELLO. */
  readonly session: string;
  /** Undefined: nothing is encrypted. */
  readonly membership: Membership | undefined;
  /** Added to. */
  readonly times: ThreadTimes;
  tell(message: FromDownloadWorker): void;
}

export class SourceLink implements ConnectionUser, PacedLink {
  private connection: Connection | undefined;
  private welcomed = false;
  private openedMs = 0;
  private greetedMs = 0;
  private roundTripMs = 0;
  private over = false;
  private readonly asked = new AskedRequests();
  private readonly body: LinkBody;
  private unreportedBytes = 0;
  private unsent = "";
  /** Of these HAVE was asked, in this download or another one before, so that news of single chunks may come. */
  private watched = new Set<string>();

  constructor(
    private readonly id: number,
    private readonly context: LinkContext,
    private readonly ended: () => void,
  ) {
    this.body = new LinkBody(context.times);
  }

  /** Tells `connected` once the source has said WELCOME, or `closed`, or `another-machine`. Never rejects. */
  async open(source: MeantSource): Promise<void> {
    this.openedMs = monotonicMs();
    try {
      const connection = await connectToSource(source, this.context.membership, this);
      this.greetedMs = monotonicMs();
      if (this.over) return connection.destroy();
      this.connection = connection;
      connection.maxLineBytes = maxPeerAnswerLineBytes;
      // What was asked meanwhile leaves with it, and is answered after WELCOME.
      this.unsent = encodeHello(agent, this.context.session) + this.unsent;
      this.flush();
    } catch (error) {
      this.finish({ ...endOf(error), connection: this.id });
    }
  }

  /** Takes over a connection that an earlier download left. Tells `connected`. */
  adopt({ connection, roundTripMs, watched }: ParkedConnection): void {
    this.connection = connection;
    this.roundTripMs = roundTripMs;
    this.watched = watched;
    this.welcomed = true;
    connection.use(this);
    this.context.tell({ kind: "connected", connection: this.id, roundTripMs });
  }

  /** Says nothing more to anybody. Leaves the connection to a later download, if it is one that can be left. */
  release(): ParkedConnection | undefined {
    const { connection, roundTripMs, watched } = this;
    const isFit = this.welcomed && !this.over && this.asked.isEmpty && this.body.isIdle;
    if (connection === undefined || !isFit) return this.close();
    this.over = true;
    this.connection = undefined;
    this.body.close();
    this.ended();
    return { connection, roundTripMs, watched };
  }

  get(request: number, first: number, count: number): void {
    const { content } = this.context;
    if (content === undefined) return;
    const range = byteRange(first, count, content.sizeBytes);
    this.send(this.asked.get(content.root, { home: content, request, chunk: first, ...range }));
  }

  getFile(request: number, chunk: number, file: FileToFetch): void {
    const { root, sizeBytes } = file;
    const home = new FileHome(file);
    this.send(this.asked.get(root, { home, request, chunk, offset: 0, length: sizeBytes }));
  }

  hashes(): void {
    const { content } = this.context;
    if (content === undefined) return;
    this.send(this.asked.hashes(content.root, content.chunkCount));
  }

  have(): void {
    const { content } = this.context;
    if (content === undefined) return;
    this.watched.add(content.root);
    this.send(this.asked.have(content.root));
  }

  /** Says nothing more to anybody, closes at once. */
  close(): undefined {
    if (this.over) return;
    this.over = true;
    this.body.close();
    this.connection?.destroy();
    this.ended();
  }

  /** We are not to have to do with the source. */
  unwanted(): void {
    this.finish({ kind: "another-machine", connection: this.id, reason: "it is denied or banned here" });
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
      this.finish({ ...refusalOf(undefined, answer, undefined), connection: this.id });
    } else if (answer.type === "WELCOME") {
      this.welcomed = true;
      // Once to and fro for the connection itself, once for HELLO and WELCOME; more often where both prove themselves.
      const nowMs = monotonicMs();
      this.roundTripMs = Math.min((nowMs - this.openedMs) / 2, nowMs - this.greetedMs);
      this.context.tell({ kind: "connected", connection: this.id, roundTripMs: this.roundTripMs });
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
    if (news.kind === "chunk" || news.kind === "not-stored")
      this.context.tell({ ...news, connection, bytes: this.takeUnreported() });
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
    this.finish({ ...endOf(error), connection: this.id });
  }

  // --- internal ---

  /** Requests made in one turn of the event loop leave together. */
  private send(line: string): void {
    if (this.unsent === "") queueMicrotask(() => this.flush());
    this.unsent += line;
  }

  /** What is asked before there is a connection waits for it. */
  private flush(): void {
    if (this.connection === undefined || this.unsent === "") return;
    this.connection.send(this.unsent);
    this.unsent = "";
  }

  /** Returns how many bytes of body follow. */
  private take(answer: PeerAnswer): number {
    switch (answer.type) {
      case "DATA": {
        const asked = this.asked.answered(answer.id, "get");
        if (asked === undefined || answer.offset !== asked.offset || answer.length !== asked.length) break;
        this.body.startData(asked.home, asked.request, asked.chunk, asked.length);
        return asked.length;
      }
      case "HASHES": {
        const asked = this.asked.answered(answer.id, "hashes");
        if (asked === undefined || answer.length !== asked.length) break;
        this.body.startHashes(asked.root, asked.length);
        return asked.length;
      }
      case "HAVE": {
        const asked = this.asked.answered(answer.id, "have");
        const { root, chunks, sent } = answer;
        const areWhole = [chunks, sent].every((bits) => bits === undefined || this.fits(bits));
        if (asked === undefined || root !== this.context.content?.root || !areWhole) break;
        this.context.tell({ kind: "held", connection: this.id, chunks, sent });
        return 0;
      }
      case "HAVE_NEWS":
      case "SENT": {
        const { type, root, chunk } = answer;
        const { content } = this.context;
        if (!this.watched.has(root)) break;
        // Of an earlier download over this connection.
        if (root !== content?.root) return 0;
        if (chunk >= content.chunkCount) break;
        const kind = type === "SENT" ? "sent-news" : "held-news";
        this.context.tell({ kind, connection: this.id, chunk });
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

  private fits(bits: Uint8Array): boolean {
    return Bitfield.from(bits, this.context.content?.chunkCount ?? 0) !== undefined;
  }

  private refused(error: ErrorMessage): void {
    const asked = error.id === null ? undefined : this.asked.refused(error.id);
    const news = { ...refusalOf(asked, error, this.context.content), connection: this.id };
    if (news.kind === "lacks" || news.kind === "busy") this.context.tell(news);
    else this.finish(news);
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

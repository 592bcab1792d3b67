/**
 * One downloader's connection inside an upload worker: does what its `UploadSession` says, when the `UploadQueue` lets
 * it. Keeps no bytes: the kernel sends them from the file by itself, or takes what was read for it; what it does not take
 * is read again when it has room. What may be sent of a content is `ServedContent`'s to say.
 */
import { monotonicMs } from "../clock.ts";
import { chunkCountOf } from "../content/chunks.ts";
import { systemCode } from "../errors.ts";
import type { Connection } from "../net/connection.ts";
import type { AcceptedUser } from "../net/listener.ts";
import { canSendFiles } from "../net/send-file.ts";
import { agent } from "../version.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { Get } from "../wire/peer-messages.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import type { OpenContents } from "./open-contents.ts";
import type { ServedContent } from "./served-content.ts";
import type { Uploading, UploadQueue } from "./upload-queue.ts";
import { type OfferedContent, UploadSession, type UploadStep } from "./upload-session.ts";

/** Read and sent at a time: large enough that system calls cost little, small enough to stay in the CPU's cache. */
const blockBytes = 256 * 1024;
/** What is shorter is cheaper read and written than sent by the kernel but for its end (measured). */
const leastByKernelBytes = 128 * 1024;
/** What is read at the end of what the kernel sends of a chunk. */
const lastPieceBytes = 16 * 1024;
/** Read to find out whether the kernel has no room: it will seldom take it. */
const probeBytes = 4 * 1024;
/** After so many failures in a row the files are of a kind that the kernel cannot send by itself. */
const maxSendFailures = 4;
/** Then the other connections of this thread have their turn. */
const maxStepsPerTurn = 16;

/** One for the thread: what is read is written at once or forgotten. In front of it is room for a header. */
const scratch = new Uint8Array(1024 + blockBytes);
const encoder = new TextEncoder();

/** What all connections of a thread have in common. */
export interface UploadContext {
  readonly contents: OpenContents;
  readonly queue: UploadQueue;
  /** The kernel has taken bytes of a content. */
  served(root: string, bytes: number): void;
  /** Chunks were promised to somebody for the first time (in their round). */
  promised(root: string): void;
  bug(error: Error): void;
}

export class UploadConnection implements AcceptedUser, Uploading {
  private readonly id: number;
  private readonly session: UploadSession;
  /** GETs of contents that were not known when they came: whether they can be kept is not known yet. */
  private readonly unpromised = new Map<string, Get[]>();
  private host: string | undefined;
  private sendFailures = 0;
  private over = false;
  private scheduled: NodeJS.Immediate | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly context: UploadContext,
    private readonly onClosed: () => void,
  ) {
    const { queue } = context;
    const id = queue.enter(this);
    this.id = id;
    this.session = new UploadSession(agent, {
      ask: (get) => this.ask(get),
      get mayServe() {
        return queue.mayServe(id);
      },
      done: () => queue.done(id),
    });
  }

  get greeted(): boolean {
    return this.session.greeted;
  }

  get downloadSession(): string | undefined {
    return this.session.downloadSession;
  }

  get remoteHost(): string {
    this.host ??= this.connection.remoteHost;
    return this.host;
  }

  onLine(line: Uint8Array): number {
    this.session.onLine(line);
    this.goOn();
    if (this.session.full) this.connection.pause();
    return 0;
  }

  onProtocolError(error: ProtocolError): void {
    this.session.onProtocolError(error);
    this.goOn();
    if (this.session.full) this.connection.pause();
  }

  onDrain(): void {
    this.context.queue.drained(this.id);
    this.goOn();
  }

  onClose(error: Error | undefined): void {
    // Connections break; anything else that ended this one is a bug, and must not go unheard.
    if (error !== undefined && systemCode(error) === undefined) this.context.bug(error);
    this.over = true;
    clearImmediate(this.scheduled);
    this.session.news.endAll();
    this.context.queue.leave(this.id);
    this.onClosed();
  }

  /** Something has happened to a content that this connection may want to hear of. */
  onNews(root: string): void {
    if (this.session.news.stir(root)) this.goOnLater();
  }

  /** Takes steps until there is none, the kernel is full, or others should have a turn. */
  goOn(): void {
    for (let steps = 0; !this.over && !this.connection.blocked; steps++) {
      if (steps === maxStepsPerTurn) {
        this.goOnLater();
        break;
      }
      const step = this.session.next();
      if (step === undefined || !this.perform(step)) break;
    }
    if (this.over) return;
    if (this.connection.blocked) this.context.queue.blocked(this.id);
    if (this.session.hasRoom) this.connection.resume();
  }

  goOnLater(): void {
    this.scheduled ??= setImmediate(() => {
      this.scheduled = undefined;
      this.goOn();
    });
  }

  /** False when a limit of ours wants it to wait. */
  private perform(step: UploadStep): boolean {
    switch (step.do) {
      case "send":
        this.connection.send(step.text);
        if (step.body !== undefined && step.body.length > 0) this.connection.send(step.body);
        return true;
      case "find":
        this.find(step.root);
        return true;
      case "send-range":
        return this.sendRange(step);
      case "close":
        this.connection.end();
        this.over = true;
        this.context.queue.leave(this.id);
        return true;
    }
  }

  private ask(get: Get): number | undefined {
    const retryMs = this.context.queue.ask(this.id, get.length);
    if (retryMs !== undefined) return retryMs;
    const content = this.context.contents.expect(get.root, monotonicMs());
    if (content === undefined) this.promiseLater(get);
    else this.promise(content, get);
    return undefined;
  }

  private find(root: string): void {
    let now = true;
    this.context.contents.find(root, monotonicMs(), (content) => {
      if (content === undefined) this.session.onMissing();
      else this.session.onFound(content);
      this.promiseWhatWaits(root, content);
      if (!now) this.goOn();
    });
    now = false;
  }

  private promiseLater(get: Get): void {
    const waiting = this.unpromised.get(get.root);
    if (waiting === undefined) this.unpromised.set(get.root, [get]);
    else waiting.push(get);
  }

  private promiseWhatWaits(root: string, content: OfferedContent | undefined): void {
    const waiting = this.unpromised.get(root);
    if (waiting === undefined) return;
    this.unpromised.delete(root);
    if (content !== undefined) for (const get of waiting) this.promise(content, get);
  }

  /** Whoever asks for `sent` is to hear of what others will get, before they do. */
  private promise({ root, board, chunkCount }: OfferedContent, { offset, length }: Get): void {
    // Of a single chunk there is no other to be asked for instead.
    if (chunkCount < 2) return;
    const first = Math.floor(offset / chunkBytes);
    if (board.add(first, chunkCountOf(offset + length) - first)) this.context.promised(root);
  }

  private sendRange(step: UploadStep & { do: "send-range" }): boolean {
    const { root, offset, length, header } = step;
    const content = this.context.contents.get(root, monotonicMs())?.served;
    if (content === undefined) {
      // Idle for too long behind a slow reader, or one too many open.
      this.session.onForgotten();
      return true;
    }
    const allowed = this.context.queue.allow(this.id, length);
    if (allowed === 0) {
      this.session.onHeld();
      return false;
    }
    const byKernel = Math.min(allowed, length - lastPieceBytes);
    const taken =
      allowed >= leastByKernelBytes && canSendFiles() && this.sendFailures < maxSendFailures
        ? this.sendByKernel(content, offset, byKernel, header)
        : this.sendRead(content, offset, Math.min(allowed, blockBytes), header);
    this.context.queue.unused(allowed - (taken ?? 0));
    if (taken !== undefined) {
      this.context.queue.sent(this.id, taken);
      this.context.served(root, taken);
      return true;
    }
    this.context.contents.drop(root);
    this.session.onGone();
    return true;
  }

  /** How much was taken; undefined when the bytes are not those that were hashed. */
  private sendByKernel(
    content: ServedContent,
    offset: number,
    length: number,
    header: string | undefined,
  ): number | undefined {
    const fd = content.descriptorFor(offset, length);
    if (fd === undefined) return undefined;
    if (header !== undefined) this.connection.send(header);
    const taken = this.connection.writeFile(fd, offset, length);
    this.session.onSent(taken);
    if (taken > 0) this.sendFailures = 0;
    if (taken === length) return taken;
    // Whether there is no room, or something else is the matter, shows when it is written.
    const probeLength = Math.min(probeBytes, length - taken);
    const probed = this.sendRead(content, offset + taken, probeLength, undefined);
    if (taken === 0 && probed === probeLength) this.sendFailures++;
    return probed === undefined ? undefined : taken + probed;
  }

  /** As `sendByKernel`, by copying. */
  private sendRead(
    content: ServedContent,
    offset: number,
    length: number,
    header: string | undefined,
  ): number | undefined {
    const headerBytes = header === undefined ? 0 : encoder.encodeInto(header, scratch).written;
    if (!content.read(scratch.subarray(headerBytes, headerBytes + length), offset)) return undefined;
    const written = this.connection.write(scratch, 0, headerBytes + length);
    if (written < headerBytes) this.connection.send(scratch.slice(written, headerBytes));
    const taken = Math.max(0, written - headerBytes);
    this.session.onSent(taken);
    return taken;
  }
}

/**
 * One framed TCP connection, in either direction: lines and bodies in, lines and bytes out (`outbox.ts`), with
 * back-pressure both ways. Knows no message. Facts about Bun's sockets that shape it (measured with 1.4.5):
 *
 * - `end` closes both directions at once and can lose what was accepted: a last word is said with `shutdown`;
 * - handlers must not throw or be async: an exception in one leaves the socket open;
 * - what arrives comes in a fresh buffer of up to 512 KiB, a copy: a fast body is read into its place (`direct-read.ts`).
 */
import { monotonicMs } from "../clock.ts";
import { encodeError } from "../wire/encode.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { FrameReader, type FrameSink } from "../wire/framing.ts";
import { maxBufferedBytes, maxShortLineBytes } from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Budgets } from "./budgets.ts";
import type { ByteAccount } from "./byte-budget.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { descriptorOf, fastBytes, type Pulled, pull, readOn } from "./direct-read.ts";
import { Outbox } from "./outbox.ts";

/** Of a body that nobody waits for. */
const nowhere = new Uint8Array(64 * 1024);
/** How long the other side may take to end the connection after our last word, before it is cut. */
const lastWordMs = 1_000;

export class Connection implements FrameSink {
  private readonly reader: FrameReader;
  private user: ConnectionUser | undefined;
  private socket: Bun.Socket<Connection> | undefined;
  /** Past Bun; negative when that cannot be. */
  private descriptor = -1;
  private readonly outbox: Outbox;
  private pausedByUser = false;
  private readonly account: ByteAccount | undefined;
  private userBytes = 0;
  private ending: Timer | undefined;
  private failure: Error | undefined;

  /** Of the other side, once TLS has shown it; undefined: it showed none, or nothing is encrypted. */
  fingerprint: Fingerprint | undefined;
  /**
   * The other side's address, without the prefix of an IPv4 address in IPv6 form, as the kernel had it at first: of a
   * connection that was reset it has none, and what was said on it is judged by the address. Empty: it was reset by then.
   */
  remoteHost = "";
  /** On the monotonic clock: when something last arrived. */
  lastReadMs = monotonicMs();
  bytesRead = 0;
  closed = false;
  /** It is we who do not read, because others keep too much. */
  heldBack = false;
  /** Since when the other side has been in a line so long that it takes room from others; undefined: it is not. */
  longLineSinceMs: number | undefined;

  constructor(user?: ConnectionUser, maxLineBytes: number = maxShortLineBytes, budgets?: Budgets) {
    this.user = user;
    this.account = budgets?.received.open(this);
    this.outbox = new Outbox(budgets?.unsent.open(this));
    this.reader = new FrameReader(this, maxLineBytes);
  }

  /** For an accepted connection, whose user is made with it. Must come before anything arrives. */
  use(user: ConnectionUser): void {
    this.user = user;
  }

  set maxLineBytes(bytes: number) {
    this.reader.maxLineBytes = bytes;
  }

  /** What waits for the kernel. */
  get bufferedBytes(): number {
    return this.outbox.bytes;
  }

  /** On the monotonic clock: when the kernel last took something of ours. */
  get lastWriteMs(): number {
    return this.outbox.lastWriteMs;
  }

  /** Of what has been read: so much more (or less) the user keeps and has not dealt with. */
  keptByUser(byBytes: number): void {
    this.userBytes += byBytes;
    this.applyPause();
  }

  /** The kernel has no room for more at the moment. */
  get blocked(): boolean {
    return this.outbox.full;
  }

  /** Queues a line or bytes, which must not be changed until they are sent. */
  send(data: string | Uint8Array): void {
    if (this.closed || this.ending !== undefined) return;
    this.outbox.send(data);
  }

  /** As `send`; the bytes may be changed afterwards. */
  sendCopy(bytes: Buffer, from: number, to: number): void {
    if (this.closed || this.ending !== undefined) return;
    this.outbox.sendCopy(bytes, from, to);
  }

  /** Without queueing, see `Outbox.write`: after a short count `onDrain` follows. */
  write(bytes: Uint8Array, offset: number, length: number): number {
    return this.outbox.write(bytes, offset, length);
  }

  /** As `write`, but from a file, see `Outbox.writeFile`: after a short count the next bytes must be written. */
  writeFile(fd: number, offset: number, length: number): number {
    return this.outbox.writeFile(fd, offset, length);
  }

  /** Stops and restarts reading. Bytes that have arrived already wait as well. */
  pause(): void {
    this.pausedByUser = true;
    this.applyPause();
  }

  resume(): void {
    this.pausedByUser = false;
    this.applyPause();
  }

  /** For who is paused and wants so many bytes at most: returns how many came. At the stream's end it is resumed. */
  pull(most: number): number {
    const { socket, descriptor } = this;
    if (this.closed || socket === undefined || this.ending !== undefined) return 0;
    let pulled: Pulled = { bytes: 0, ended: false };
    this.reading(monotonicMs(), () => {
      pulled = pull(descriptor, this.reader, most);
    });
    if (descriptor >= 0) this.bytesRead += pulled.bytes;
    if (pulled.bytes > 0) this.lastReadMs = monotonicMs();
    if (pulled.ended) this.resume();
    // What Bun brings next is held back, and the socket paused again.
    else if (descriptor < 0 && !this.reader.holdsBack) socket.resume();
    return pulled.bytes;
  }

  /** Sends what is queued, says no more, and closes when the other side does or after a second. */
  end(): void {
    if (this.closed || this.ending !== undefined) return;
    this.reader.stop();
    this.account?.close();
    this.socket?.pause();
    this.ending = setTimeout(() => this.destroy(), lastWordMs);
    this.outbox.flush();
    this.shutdownWhenFlushed();
  }

  /** Closes at once; what is queued is lost. */
  destroy(error?: Error): void {
    if (this.closed) return;
    this.failure ??= error;
    this.reader.stop();
    if (this.socket === undefined) this.finish(undefined);
    else this.socket.terminate();
  }

  /** Says what was wrong; ends the connection when the stream cannot be trusted any more. */
  refuse(error: ProtocolError): void {
    this.send(encodeError(error));
    if (error.fatal) this.end();
  }

  // --- what the socket says (see socketHandlers) ---

  /** Of an encrypted one: what is sent waits until TLS is ready. */
  opened(socket: Bun.Socket<Connection>, isEncrypted: boolean): void {
    this.socket = socket;
    this.remoteHost = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    this.descriptor = isEncrypted ? -1 : descriptorOf(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    this.lastReadMs = monotonicMs();
    this.outbox.open(socket, this.descriptor);
  }

  received(bytes: Uint8Array): void {
    this.lastReadMs = monotonicMs();
    this.bytesRead += bytes.length;
    this.reading(this.lastReadMs, () => {
      this.reader.push(bytes);
      if (bytes.length >= fastBytes) this.bytesRead += readOn(this.descriptor, this.reader);
    });
  }

  drained(): void {
    this.outbox.drained();
    if (this.outbox.full) return;
    this.shutdownWhenFlushed();
    this.applyPause();
    this.user?.onDrain?.();
  }

  finish(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.ending);
    this.reader.stop();
    this.account?.close();
    this.outbox.close();
    this.user?.onClose(this.failure ?? error);
  }

  // --- what the reader says ---

  /** What is wrong with one message says nothing about the next, which may be in the same packet. */
  onLine(line: Uint8Array): number {
    this.longLineSinceMs = undefined;
    let bodyBytes = 0;
    try {
      bodyBytes = this.user!.onLine(line);
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.fatal) throw error;
      this.complain(error);
    }
    this.pauseWhenFull();
    return bodyBytes;
  }

  takeLines(bytes: Uint8Array, from: number): number {
    const end = this.user?.takeLines?.(bytes, from) ?? from;
    if (end > from) {
      this.longLineSinceMs = undefined;
      this.pauseWhenFull();
    }
    return end;
  }

  bodyRoom(): Uint8Array {
    return this.user?.bodyRoom?.() ?? nowhere;
  }

  onBody(length: number): void {
    this.user?.onBody?.(length);
  }

  // --- internal ---

  /** Runs the reader; all that is sent meanwhile leaves in one write. */
  private reading(nowMs: number, read: () => void): void {
    this.user?.readingBegins?.(nowMs);
    this.outbox.cork();
    try {
      read();
    } catch (error) {
      this.complain(error);
    } finally {
      this.outbox.uncork();
    }
    this.user?.readingEnds?.();
    this.applyPause();
  }

  private complain(error: unknown): void {
    if (!(error instanceof ProtocolError))
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    else if (this.user?.onProtocolError !== undefined) this.user.onProtocolError(error);
    else this.refuse(error);
  }

  private shutdownWhenFlushed(): void {
    if (this.ending === undefined || this.closed || this.bufferedBytes > 0) return;
    this.socket?.shutdown();
  }

  /** Who does not take our answers is not read from, nor who would have us keep too much: that bounds our memory. */
  applyPause(): void {
    if (this.outbox.isBroken) this.destroy();
    if (this.closed || this.socket === undefined || this.ending !== undefined) return;
    this.heldBack = !this.hasRoom();
    if (this.pausedByUser || this.heldBack || this.bufferedBytes > maxBufferedBytes) {
      this.longLineSinceMs = undefined;
      this.reader.pause();
      this.socket.pause();
      return;
    }
    const isLong = this.reader.isInLine && (this.account?.countedBytes ?? 0) > 0;
    this.longLineSinceMs = isLong ? (this.longLineSinceMs ?? monotonicMs()) : undefined;
    if (this.reader.isPaused && !this.outbox.corked) {
      this.socket.resume();
      this.reading(monotonicMs(), () => this.reader.resume());
    }
  }

  private hasRoom(): boolean {
    return this.account?.keep(this.reader.keptBytes + this.userBytes, this.userBytes === 0) ?? true;
  }

  /** One packet may hold thousands of requests: reading stops between two of them when the answers pile up. */
  private pauseWhenFull(): void {
    if (!this.hasRoom()) this.reader.pause();
    if (this.bufferedBytes <= maxBufferedBytes) return;
    this.outbox.flush();
    if (this.bufferedBytes > maxBufferedBytes) this.reader.pause();
  }
}

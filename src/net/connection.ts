/**
 * One framed TCP connection, in either direction: lines and bodies in, lines and bytes out, with back-pressure
 * both ways. Knows no message. Facts about Bun's sockets that shape it (measured with 1.4.5):
 *
 * - `write` does not buffer: it returns what the kernel took, the rest is ours to send from `drain`;
 * - `end` closes both directions at once and can lose what was accepted: a last word is said with `shutdown`;
 * - handlers must not throw or be async: an exception in one leaves the socket open.
 */
import { monotonicMs } from "../clock.ts";
import { encodeError } from "../wire/encode.ts";
import { FrameReader } from "../wire/framing.ts";
import { maxBufferedBytes, maxShortLineBytes } from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { ByteAccount, ByteBudget } from "./byte-budget.ts";

/** Whoever uses a connection. All methods are called synchronously and must not throw, but for ProtocolError. */
export interface ConnectionUser {
  /** One line; returns how many raw bytes follow it. A ProtocolError thrown here goes to `onProtocolError`. */
  onLine(line: Uint8Array): number;
  /** A piece of the body that `onLine` announced; the bytes may be kept. */
  onBody?(piece: Uint8Array): void;
  /** The line was too long, or `onLine` or `onBody` threw a ProtocolError. Without it the connection ends with an ERROR. */
  onProtocolError?(error: ProtocolError): void;
  /** Everything handed to `send` has been taken by the kernel, after it had once been full. */
  onDrain?(): void;
  /** Exactly once, whoever closed; `error` when it was not an orderly end. */
  onClose(error: Error | undefined): void;
}

/** How long the other side may take to end the connection after our last word, before it is cut. */
const lastWordMs = 1_000;

export class Connection {
  private readonly reader: FrameReader;
  private user: ConnectionUser | undefined;
  private socket: Bun.Socket<Connection> | undefined;
  private readonly outgoing: Uint8Array[] = [];
  private texts: string[] = [];
  private textBytes = 0;
  private outgoingBytes = 0;
  private corked = false;
  private full = false;
  private pausedByUser = false;
  private pausedByBacklog = false;
  private pausedForRoom = false;
  private readonly account: ByteAccount | undefined;
  private userBytes = 0;
  private isClosed = false;
  private ending: Timer | undefined;
  private failure: Error | undefined;

  /** On the monotonic clock: when something last arrived, and when the kernel last took something of ours. */
  lastReadMs = monotonicMs();
  lastWriteMs = monotonicMs();
  bytesRead = 0;
  /** Since when the other side has been in a line so long that it takes room from others; undefined: it is not. */
  longLineSinceMs: number | undefined;

  /** With a budget it is not read from while too much of all connections is kept. */
  constructor(user?: ConnectionUser, maxLineBytes: number = maxShortLineBytes, budget?: ByteBudget) {
    this.user = user;
    this.account = budget?.open(() => this.applyPause());
    this.reader = new FrameReader(
      { onLine: (line) => this.takeLine(line), onBody: (piece) => this.user?.onBody?.(piece) },
      maxLineBytes,
    );
  }

  /** For an accepted connection, whose user is made with it. Must come before anything arrives. */
  use(user: ConnectionUser): void {
    this.user = user;
  }

  set maxLineBytes(bytes: number) {
    this.reader.maxLineBytes = bytes;
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /** The other side's address as the kernel has it, without the prefix of an IPv4 address in IPv6 form. */
  get remoteHost(): string {
    return (this.socket?.remoteAddress ?? "").replace(/^::ffff:/, "");
  }

  /** What waits to be taken by the kernel (texts counted in UTF-16 units: a bound, not an account). */
  get bufferedBytes(): number {
    return this.outgoingBytes + this.textBytes;
  }

  /** Of what has been read: so much more (or less) the user keeps and has not dealt with. */
  keptByUser(byBytes: number): void {
    this.userBytes += byBytes;
    this.applyPause();
  }

  /** It is we who do not read, because others keep too much. */
  get heldBack(): boolean {
    return this.pausedForRoom;
  }

  /** The kernel has no room for more at the moment. */
  get blocked(): boolean {
    return this.full;
  }

  /** Queues a line or raw bytes. Bytes must not be changed afterwards until they are sent. */
  send(data: string | Uint8Array): void {
    if (this.isClosed || this.ending !== undefined) return;
    if (typeof data === "string") {
      this.texts.push(data);
      this.textBytes += data.length;
    } else {
      this.joinTexts();
      this.outgoing.push(data);
      this.outgoingBytes += data.length;
    }
    if (!this.corked) this.flush();
  }

  /**
   * Writes at once, without queueing: returns how many bytes the kernel took, 0 while it is full or something is
   * queued. After a short count `onDrain` follows.
   */
  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.isClosed || this.full || this.socket === undefined || length === 0) return 0;
    this.flush();
    if (this.full) return 0;
    const taken = this.socket.write(bytes, offset, length);
    if (taken < length) this.full = true;
    if (taken > 0) this.lastWriteMs = monotonicMs();
    return Math.max(0, taken);
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

  /** Sends what is queued, says no more, and closes when the other side does or after a second. */
  end(): void {
    if (this.isClosed || this.ending !== undefined) return;
    this.reader.stop();
    this.account?.close();
    this.socket?.pause();
    this.ending = setTimeout(() => this.destroy(), lastWordMs);
    this.flush();
    this.shutdownWhenFlushed();
  }

  /** Closes at once; what is queued is lost. */
  destroy(error?: Error): void {
    if (this.isClosed) return;
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

  opened(socket: Bun.Socket<Connection>): void {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    this.lastReadMs = this.lastWriteMs = monotonicMs();
    this.flush();
  }

  received(bytes: Uint8Array): void {
    this.lastReadMs = monotonicMs();
    this.bytesRead += bytes.length;
    this.reading(() => this.reader.push(bytes));
  }

  drained(): void {
    this.full = false;
    // The kernel has room again, so the other side has taken something.
    this.lastWriteMs = monotonicMs();
    this.flush();
    if (this.full) return;
    this.shutdownWhenFlushed();
    this.applyPause();
    this.user?.onDrain?.();
  }

  finish(error: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.ending);
    this.reader.stop();
    this.account?.close();
    this.outgoing.length = 0;
    this.texts = [];
    this.user?.onClose(this.failure ?? error);
  }

  // --- internal ---

  /** Runs the reader; all that is sent meanwhile leaves in one write. */
  private reading(read: () => void): void {
    this.corked = true;
    try {
      read();
    } catch (error) {
      if (!(error instanceof ProtocolError))
        this.destroy(error instanceof Error ? error : new Error(String(error)));
      else if (this.user?.onProtocolError !== undefined) this.user.onProtocolError(error);
      else this.refuse(error);
    }
    this.corked = false;
    this.flush();
    this.applyPause();
  }

  private joinTexts(): void {
    if (this.texts.length === 0) return;
    const bytes = Buffer.from(this.texts.join(""));
    this.texts = [];
    this.textBytes = 0;
    this.outgoing.push(bytes);
    this.outgoingBytes += bytes.length;
  }

  private flush(): void {
    if (this.socket === undefined || this.isClosed || this.full) return;
    this.joinTexts();
    while (this.outgoing.length > 0) {
      const next = this.outgoing[0]!;
      const taken = next.length === 0 ? 0 : this.socket.write(next, 0, next.length);
      if (taken < 0) return;
      if (taken > 0) this.lastWriteMs = monotonicMs();
      this.outgoingBytes -= taken;
      if (taken < next.length) {
        this.outgoing[0] = next.subarray(taken);
        this.full = true;
        return;
      }
      this.outgoing.shift();
    }
  }

  private shutdownWhenFlushed(): void {
    if (this.ending === undefined || this.isClosed || this.bufferedBytes > 0) return;
    this.socket?.shutdown();
  }

  /**
   * Who does not take our answers is not read from, nor who would have us keep too much: that bounds our memory.
   */
  private applyPause(): void {
    if (this.isClosed || this.socket === undefined || this.ending !== undefined) return;
    this.pausedByBacklog = this.bufferedBytes > maxBufferedBytes;
    this.pausedForRoom = !this.hasRoom();
    if (this.pausedByUser || this.pausedByBacklog || this.pausedForRoom) {
      this.longLineSinceMs = undefined;
      this.reader.pause();
      this.socket.pause();
      return;
    }
    const isLong = this.reader.isInLine && (this.account?.countedBytes ?? 0) > 0;
    this.longLineSinceMs = isLong ? (this.longLineSinceMs ?? monotonicMs()) : undefined;
    if (this.reader.isPaused && !this.corked) {
      this.socket.resume();
      this.reading(() => this.reader.resume());
    }
  }

  private hasRoom(): boolean {
    return this.account?.keep(this.reader.keptBytes + this.userBytes, this.userBytes === 0) ?? true;
  }

  /** One packet may hold thousands of requests: reading stops between two of them when the answers pile up. */
  private takeLine(line: Uint8Array): number {
    if (this.user === undefined) throw new Error("a connection without a user received a line");
    this.longLineSinceMs = undefined;
    const bodyBytes = this.user.onLine(line);
    if (!this.hasRoom()) this.reader.pause();
    if (this.bufferedBytes > maxBufferedBytes) {
      this.flush();
      if (this.bufferedBytes > maxBufferedBytes) this.reader.pause();
    }
    return bodyBytes;
  }
}

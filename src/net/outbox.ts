/**
 * The writing half of a connection: what waits to be taken by the kernel, in order. Bun's `write` does not buffer: it
 * returns what the kernel took, the rest is ours to send after the next `drain`.
 */
import { monotonicMs } from "../clock.ts";
import { sendFile } from "./send-file.ts";
import type { UnsentAccount } from "./unsent-budget.ts";

/** What the outbox needs of a socket. */
export interface WritableSocket {
  write(bytes: Uint8Array, offset: number, length: number): number;
}

export class Outbox {
  private socket: WritableSocket | undefined;
  /** Negative: bytes of a file go the way of all others. */
  private descriptor = -1;
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private texts: string[] = [];
  private textBytes = 0;
  private isFull = false;
  private hasFailed = false;

  /** While set, what is sent waits for one flush. */
  corked = false;
  /** On the monotonic clock: when the kernel last took something. */
  lastWriteMs = monotonicMs();

  /** `account`: of what waits on all connections together. */
  constructor(private readonly account?: UnsentAccount | undefined) {}

  /** The connection is no more. Of one that is not read from nothing else tells. */
  get isBroken(): boolean {
    return this.hasFailed;
  }

  /** The kernel has no room for more at the moment. */
  get full(): boolean {
    return this.isFull;
  }

  /** What waits (texts counted in UTF-16 units: a bound, not an account). */
  get bytes(): number {
    return this.queuedBytes + this.textBytes;
  }

  /** `descriptor`: what the kernel may send files to, see `descriptorOf`. */
  open(socket: WritableSocket, descriptor: number): void {
    this.socket = socket;
    this.descriptor = descriptor;
    this.lastWriteMs = monotonicMs();
    this.flush();
  }

  /** From now on nothing is taken or kept. */
  close(): void {
    this.socket = undefined;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.texts = [];
    this.textBytes = 0;
    this.account?.close();
  }

  /** Bytes must not be changed afterwards until they are sent. */
  send(data: string | Uint8Array): void {
    if (typeof data === "string") {
      this.texts.push(data);
      this.textBytes += data.length;
    } else {
      this.joinTexts();
      this.queue.push(data);
      this.queuedBytes += data.length;
    }
    if (!this.corked) this.flush();
  }

  /** Without queueing: returns how many bytes the kernel took, 0 while it is full. After a short count a drain follows. */
  write(bytes: Uint8Array, offset: number, length: number): number {
    if (!this.isReady() || length === 0) return 0;
    const taken = this.socket!.write(bytes, offset, length);
    if (taken < length) this.isFull = true;
    if (taken > 0) this.lastWriteMs = monotonicMs();
    return Math.max(0, taken);
  }

  /**
   * As `write`, but from a file, and the kernel takes it by itself. After a short count no drain follows: what comes next
   * is to be written, which then is taken or brings one.
   */
  writeFile(fd: number, offset: number, length: number): number {
    if (!this.isReady() || length === 0) return 0;
    const taken = sendFile(this.descriptor, fd, offset, length);
    if (taken > 0) this.lastWriteMs = monotonicMs();
    return taken;
  }

  /** The kernel has room again, so the other side has taken something. */
  drained(): void {
    this.isFull = false;
    this.lastWriteMs = monotonicMs();
    this.flush();
  }

  flush(): void {
    this.hand();
    this.account?.set(this.bytes, this.lastWriteMs);
  }

  /** To the kernel, what it takes. */
  private hand(): void {
    if (this.socket === undefined || this.isFull) return;
    this.joinTexts();
    while (this.queue.length > 0) {
      const next = this.queue[0]!;
      const taken = next.length === 0 ? 0 : this.socket.write(next, 0, next.length);
      if (taken < 0) {
        this.hasFailed = true;
        return;
      }
      if (taken > 0) this.lastWriteMs = monotonicMs();
      this.queuedBytes -= taken;
      if (taken < next.length) {
        this.queue[0] = next.subarray(taken);
        this.isFull = true;
        return;
      }
      this.queue.shift();
    }
  }

  /** Nothing waits, and the kernel may take more. */
  private isReady(): boolean {
    this.flush();
    return this.socket !== undefined && !this.isFull && this.bytes === 0;
  }

  private joinTexts(): void {
    if (this.texts.length === 0) return;
    const bytes = Buffer.from(this.texts.join(""));
    this.texts = [];
    this.textBytes = 0;
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
  }
}

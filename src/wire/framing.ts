/**
 * Bytes of a connection to lines and bodies and nothing more: no JSON, no messages, no sockets. Synchronous, so
 * that back-pressure stays where the bytes come from.
 *
 * Cost: every byte of a line is looked at once for the newline; a body is copied once to where the sink wants it, or
 * not at all when the caller reads it from the socket right there (`fill`); a line that lies in several pieces is
 * joined once, at its end.
 */
import { ProtocolError } from "./protocol-error.ts";

export interface FrameSink {
  /**
   * One line without its newline (and without a carriage return before it). Returns how many raw bytes follow
   * before the next line.
   */
  onLine(line: Uint8Array): number;
  /**
   * Whole lines lie in `bytes` from `from` on: those that need no looking at each by itself may be taken here. Returns
   * where the first line begins that was not.
   */
  takeLines?(bytes: Uint8Array, from: number): number;
  /** Where the next bytes of the body are to go; at least one byte long. */
  bodyRoom(): Uint8Array;
  /** So many bytes of the body lie in the room given last. Never 0. */
  onBody(length: number): void;
}

/** One for all: of an array of its own each would have the buffer, too, which takes a kilobyte. */
const nothing = new Uint8Array(0);
const newline = 0x0a;
const carriageReturn = 0x0d;

export class FrameReader {
  /** The beginning of a line whose end has not come; grows by doubling, so that drips cost no more than bursts. */
  private unfinished: Uint8Array = nothing;
  /** What is kept for it: of a packet that is kept as it is all of that. */
  private unfinishedRoomBytes = 0;
  private unfinishedBytes = 0;
  private bodyLeft = 0;
  private stopped = false;
  private paused = false;
  /** What had arrived when reading was paused. */
  private waiting: Uint8Array | undefined;

  /** `maxLineBytes` may be raised later, after a handshake. */
  constructor(
    private readonly sink: FrameSink,
    public maxLineBytes: number,
  ) {}

  /** Feeds what arrived. Throws `ProtocolError` LINE_TOO_LONG, and whatever the sink throws. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.stopped) {
      if (this.paused) {
        const rest = bytes.subarray(at);
        this.waiting = this.waiting === undefined ? rest : Buffer.concat([this.waiting, rest]);
        return;
      }
      if (this.bodyLeft > 0) {
        const from = at;
        at += this.fill((room) => {
          const length = Math.min(room.length, bytes.length - from);
          room.set(bytes.subarray(from, from + length));
          return length;
        });
        continue;
      }
      const taken = this.unfinishedBytes === 0 ? this.sink.takeLines?.(bytes, at) : undefined;
      if (taken !== undefined && taken > at) {
        at = taken;
        continue;
      }
      const end = bytes.indexOf(newline, at);
      const stop = end === -1 ? bytes.length : end;
      if (this.unfinishedBytes + stop - at > this.maxLineBytes) throw new ProtocolError("LINE_TOO_LONG");
      if (end === -1) {
        this.keep(bytes.subarray(at));
        return;
      }
      const line = this.endLine(bytes.subarray(at, end));
      at = end + 1;
      this.bodyLeft = this.sink.onLine(line);
    }
  }

  /** Bytes of a body come next. */
  get isInBody(): boolean {
    return this.bodyLeft > 0 && !this.paused && !this.stopped;
  }

  /**
   * Inside a body: lets `read` put its next bytes where they belong, and returns what that returns: how many they were,
   * 0 or less for none. Throws whatever the sink throws.
   */
  fill(read: (room: Uint8Array) => number): number {
    const room = this.sink.bodyRoom();
    const length = read(room.length > this.bodyLeft ? room.subarray(0, this.bodyLeft) : room);
    if (length <= 0) return length;
    this.bodyLeft -= length;
    this.sink.onBody(length);
    return length;
  }

  /** A line has begun whose end has not come. */
  get isInLine(): boolean {
    return this.unfinishedBytes > 0;
  }

  /** Memory that is kept for what has not been handed on. */
  get keptBytes(): number {
    return this.unfinishedRoomBytes + (this.waiting?.buffer.byteLength ?? 0);
  }

  /** From now on nothing is handed to the sink, also of what has arrived already. The caller pauses the socket. */
  pause(): void {
    this.paused = true;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  /** Hands on what was held back. Throws as `push` does; the sink may pause again meanwhile. */
  resume(): void {
    this.paused = false;
    const waiting = this.waiting;
    this.waiting = undefined;
    if (waiting !== undefined) this.push(waiting);
  }

  /** Something has arrived that is held back. */
  get holdsBack(): boolean {
    return this.waiting !== undefined;
  }

  /** While paused: hands on at most so many bytes of what is held back, and returns how many. Throws as `push` does. */
  handOn(most: number): number {
    const { waiting } = this;
    if (waiting === undefined) return 0;
    const now = waiting.subarray(0, most);
    this.waiting = undefined;
    this.paused = false;
    this.push(now);
    this.paused = true;
    const refused: Uint8Array = this.waiting ?? new Uint8Array(0);
    if (!this.stopped && (now.length < waiting.length || refused.length > 0))
      this.waiting = waiting.subarray(now.length - refused.length);
    return now.length - refused.length;
  }

  /** Nothing more is handed to the sink: the connection is being closed. */
  stop(): void {
    this.stopped = true;
    this.waiting = undefined;
    this.forgetUnfinished();
  }

  private keep(part: Uint8Array): void {
    if (this.unfinishedBytes === 0 && 2 * part.length > part.buffer.byteLength) {
      // It is most of a packet: kept as it is, since a copy would take its memory twice for a while.
      this.unfinished = part;
      this.unfinishedBytes = part.length;
      this.unfinishedRoomBytes = part.buffer.byteLength;
      return;
    }
    const needed = this.unfinishedBytes + part.length;
    if (needed > this.unfinished.length) {
      const larger = new Uint8Array(
        Math.min(this.maxLineBytes, Math.max(needed, 2 * this.unfinished.length)),
      );
      larger.set(this.unfinished.subarray(0, this.unfinishedBytes));
      this.unfinished = larger;
      this.unfinishedRoomBytes = larger.length;
    }
    this.unfinished.set(part, this.unfinishedBytes);
    this.unfinishedBytes = needed;
  }

  private forgetUnfinished(): void {
    this.unfinished = nothing;
    this.unfinishedBytes = 0;
    this.unfinishedRoomBytes = 0;
  }

  private endLine(last: Uint8Array): Uint8Array {
    let line = last;
    if (this.unfinishedBytes > 0) {
      this.keep(last);
      line = this.unfinished.subarray(0, this.unfinishedBytes);
      this.forgetUnfinished();
    }
    return line.length > 0 && line[line.length - 1] === carriageReturn ? line.subarray(0, -1) : line;
  }
}

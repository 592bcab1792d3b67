/**
 * Which connection may send next: the queue of one upload thread. Told what each connection was asked for and what
 * became of it, it gives out *turns*: a turn is one GET, sent from its first byte to its last. Pure; sockets, files and
 * what a request contains are the upload worker's. STATES.md draws the states.
 *
 * To be checked again with every change here:
 * - As few are sent to at a time as fill the line: a chunk that is whole sooner is passed on sooner. Two, and one more
 *   whenever all of them take nothing for the moment, up to `slots`.
 * - Downloaders take turns, not connections: all of one address together are one in the round.
 * - Who takes nothing, or takes its time, keeps no slot from others; it goes on beside them, within `total`.
 * - Small requests have slots that big ones cannot take, and are never refused.
 * - Nobody waits for long: who would, is told when to come back (`busyRetryMs`) and may ask others meanwhile.
 * - What is remembered is bounded by what the caller lets in: connections, and requests waiting on each.
 */

import type { AddressLimit } from "../net/address-limits.ts";
import { chunkBytes } from "../wire/limits.ts";
import { RateMeter } from "./rate-meter.ts";
import {
  type Downloader,
  isCountedByAddress,
  keepsSlotUntilMs,
  keyOf,
  type UploadingConnection,
} from "./upload-parties.ts";

export interface TurnLimits {
  /** Turns at a time, beside such as keep no slot any more. */
  slots: number;
  /** At a time to one address, and in all, also such as take nothing. */
  perHost: AddressLimit;
  total: number;
}

/** A request of at most so many bytes is small: one block. */
export const smallRequestBytes = 256 * 1024;
/** Of the turns, so many may be taking what we send. */
const takingTurns = 2;
/** Beside `slots`, for small requests only. */
const smallSlots = 2;
/** On a slow line as few slots as give each a chunk in this time, but not fewer than two. */
const chunkInMs = 2_000;
const leastSlots = 2;
/**
 * A request that would wait longer than this is refused, unless hardly any wait: what waits here could be had from
 * others, and a line that is slow must not run dry. It is told to come back within these.
 */
const longestWaitMs = 100;
const leastQueued = 1;
const leastRetryMs = 60;
const longestRetryMs = 5_000;
/**
 * Of those who are refused, one in so many comes back when it may: the others have it from elsewhere by then, or are
 * owed enough. With too few of them the line has nothing to send.
 */
const returning = 8;

export class UploadTurns {
  private readonly connections = new Map<number, UploadingConnection>();
  /** Everybody with a request; those at the front have waited longest. */
  private readonly downloaders = new Map<string, Downloader>();
  private readonly serving = new Set<UploadingConnection>();
  /** Of all connections, those being served as well. */
  private requests = 0;
  private readonly rate: RateMeter;
  /** When the last one who was refused is to come back, beside what he would have waited for. */
  private refusedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly limits: TurnLimits,
    nowMs: number,
  ) {
    this.rate = new RateMeter(nowMs);
    this.rate.pause(nowMs);
  }

  // --- admission ---

  /**
   * Undefined: the request may be queued (`onGet`). Else the answer is BUSY with this `retryMs`, and the request was
   * never there.
   */
  busyRetryMs(
    connection: number,
    host: string,
    bytes: number,
    nowMs: number,
    session?: string,
  ): number | undefined {
    if (bytes <= smallRequestBytes || this.requests - this.serving.size < leastQueued || this.hasSlot(nowMs))
      return undefined;
    const rate = this.rate.bytesPerSecond(nowMs) / 1000;
    const known = this.connections.get(connection)?.downloader;
    const own = known ?? this.downloaders.get(keyOf(connection, host, session, this.limits.perHost));
    // Nobody else is here whom it would be in the way of.
    if (own !== undefined && this.downloaders.size === 1) return undefined;
    // Nothing has been sent yet: soon we shall know.
    if (rate === 0) return leastRetryMs;
    const mine = (own?.owedBytes ?? 0) + bytes;
    let aheadBytes = mine - bytes;
    for (const other of this.downloaders.values()) {
      if (other !== own) aheadBytes += Math.min(other.owedBytes, mine);
    }
    const waitMs = aheadBytes / rate;
    if (waitMs <= longestWaitMs) return undefined;
    this.refusedUntilMs = Math.max(this.refusedUntilMs, nowMs) + bytes / rate / returning;
    const retryMs = waitMs - longestWaitMs + this.refusedUntilMs - nowMs;
    return Math.round(Math.min(longestRetryMs, Math.max(leastRetryMs, retryMs)));
  }

  // --- facts ---

  /** A GET is queued on the connection; those of one connection are served in this order. */
  onGet(id: number, host: string, bytes: number, nowMs: number, session?: string): void {
    const connection = this.connections.get(id) ?? this.open(id, host, session);
    connection.requests.push(bytes);
    this.requests++;
    connection.downloader.owedBytes += bytes;
    if (connection.turn === undefined) connection.downloader.waiting.add(connection);
    this.rate.resume(nowMs);
  }

  /** The kernel took bytes of the request being served. */
  onSent(id: number, bytes: number, nowMs: number): void {
    const connection = this.connections.get(id);
    if (connection === undefined || connection.requests.length === 0) return;
    const sent = Math.min(bytes, connection.requests[0]!);
    connection.requests[0]! -= sent;
    connection.downloader.owedBytes -= sent;
    if (connection.blockedSinceMs !== undefined) connection.blockedSinceMs = nowMs;
    this.rate.add(bytes, nowMs);
  }

  /** The first request of the connection is over: sent, or answered with an ERROR. Its turn ends. */
  onRequestDone(id: number, nowMs: number): void {
    const connection = this.connections.get(id);
    if (connection === undefined || connection.requests.length === 0) return;
    connection.downloader.owedBytes -= connection.requests.shift()!;
    this.requests--;
    connection.blockedSinceMs = undefined;
    this.endTurn(connection);
    if (connection.requests.length > 0) connection.downloader.waiting.add(connection);
    else this.forget(connection, nowMs);
  }

  /** The kernel takes nothing at the moment. Waiting for a limit of our own (`--up`) is no such thing. */
  onBlocked(id: number, nowMs: number): void {
    const connection = this.connections.get(id);
    if (connection !== undefined) connection.blockedSinceMs ??= nowMs;
  }

  onDrained(id: number): void {
    const connection = this.connections.get(id);
    if (connection !== undefined) connection.blockedSinceMs = undefined;
  }

  onClosed(id: number, nowMs: number): void {
    const connection = this.connections.get(id);
    if (connection === undefined) return;
    for (const bytes of connection.requests) connection.downloader.owedBytes -= bytes;
    this.requests -= connection.requests.length;
    this.endTurn(connection);
    this.forget(connection, nowMs);
  }

  // --- questions ---

  /** It has the turn: the bytes of its first request may be sent. Kept until the request is done. */
  mayServe(id: number): boolean {
    return this.connections.get(id)?.turn !== undefined;
  }

  /** Those who have the turn, the first to get it first: the line is theirs in this order, as far as they take it. */
  *inTurn(): Iterable<number> {
    for (const { id } of this.serving) yield id;
  }

  /** Gives out one turn; undefined: nobody is due. To be asked until then, after every fact and at `nextWakeupMs`. */
  nextToServe(nowMs: number): number | undefined {
    const small = !this.hasSlot(nowMs);
    const connection = this.due(small);
    if (connection !== undefined) this.beginTurn(connection, small, nowMs);
    return connection?.id;
  }

  /** When `nextToServe` may have somebody, if it is not asked before. Infinity: never without a fact. */
  nextWakeupMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.serving.size === this.connections.size) return next;
    if (this.due(!this.hasSlot(nowMs)) !== undefined) return nowMs;
    for (const connection of this.serving) {
      const atMs = keepsSlotUntilMs(connection);
      if (atMs > nowMs) next = Math.min(next, atMs);
    }
    return next;
  }

  // --- internal ---

  private open(id: number, host: string, session: string | undefined): UploadingConnection {
    const key = keyOf(id, host, session, this.limits.perHost);
    const known = this.downloaders.get(key);
    const downloader = known ?? {
      key,
      isLimited: isCountedByAddress(host, this.limits.perHost),
      waiting: new Set(),
      turns: 0,
      owedBytes: 0,
      connections: 0,
    };
    if (known === undefined) this.downloaders.set(key, downloader);
    downloader.connections++;
    const connection = { id, downloader, requests: [], turn: undefined, blockedSinceMs: undefined };
    this.connections.set(id, connection);
    return connection;
  }

  /** Who gets the next turn; `small`: there is room for a small request only. */
  private due(small: boolean): UploadingConnection | undefined {
    if (this.serving.size >= this.limits.total) return undefined;
    if (small && this.smallTurns >= smallSlots) return undefined;
    for (const downloader of this.downloaders.values()) {
      if (downloader.isLimited && downloader.turns >= this.limits.perHost.most) continue;
      for (const connection of downloader.waiting) {
        if (!small || connection.requests[0]! <= smallRequestBytes) return connection;
      }
    }
    return undefined;
  }

  private beginTurn(connection: UploadingConnection, small: boolean, nowMs: number): void {
    const { downloader } = connection;
    downloader.waiting.delete(connection);
    downloader.turns++;
    this.downloaders.delete(downloader.key);
    this.downloaders.set(downloader.key, downloader);
    connection.turn = { sinceMs: nowMs, small };
    this.serving.add(connection);
  }

  private endTurn(connection: UploadingConnection): void {
    if (connection.turn === undefined) return;
    connection.turn = undefined;
    connection.downloader.turns--;
    this.serving.delete(connection);
  }

  /** It has no request: until the next one it is nobody. */
  private forget(connection: UploadingConnection, nowMs: number): void {
    const { downloader } = connection;
    downloader.waiting.delete(connection);
    this.connections.delete(connection.id);
    if (--downloader.connections === 0) this.downloaders.delete(downloader.key);
    // Nothing is asked for: that nothing is sent says nothing about the line.
    if (this.connections.size === 0) this.rate.pause(nowMs);
  }

  private slots(nowMs: number): number {
    const rate = this.rate.bytesPerSecond(nowMs) / 1000;
    if (rate === 0) return this.limits.slots;
    const enough = Math.floor((rate * chunkInMs) / chunkBytes);
    return Math.min(this.limits.slots, Math.max(leastSlots, enough));
  }

  private hasSlot(nowMs: number): boolean {
    let taken = 0;
    let taking = 0;
    for (const connection of this.serving) {
      if (connection.turn?.small === true || nowMs >= keepsSlotUntilMs(connection)) continue;
      taken++;
      if (connection.blockedSinceMs === undefined) taking++;
    }
    return taking < takingTurns && taken < this.slots(nowMs);
  }

  private get smallTurns(): number {
    let turns = 0;
    for (const { turn } of this.serving) if (turn?.small === true) turns++;
    return turns;
  }
}

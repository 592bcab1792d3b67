/**
 * Who of one upload thread's connections sends now: asks `upload-turns.ts` whose turn it is and the rate limit how much
 * may go, keeps the timers of both, and tells a connection to go on when it may. What is sent is the connection's.
 */
import { monotonicMs } from "../clock.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import { type TurnLimits, UploadTurns } from "./upload-turns.ts";

/** A connection, as the queue sees it. */
export interface Uploading {
  readonly remoteHost: string;
  /** What it says of whose connection it is. */
  readonly downloadSession: string | undefined;
  /** It has the turn now. Comes from the middle of another connection's doing: nothing may be sent at once. */
  goOnLater(): void;
  /** It may send a piece, now and not later. */
  goOn(): void;
}

/** The limit may be changed at any time by another thread, which nobody tells us. */
const longestHoldMs = 100;

export class UploadQueue {
  private readonly turns: UploadTurns;
  private readonly connections = new Map<number, Uploading>();
  private lastId = 0;
  /** Waiting for the rate limit, in the order in which they get a piece each. */
  private readonly held: { id: number; sinceMs: number }[] = [];
  /** The one whose piece it is, while it is told so. */
  private dealt: { id: number; sinceMs: number } | undefined;
  private turnTimer: Timer | undefined;
  private turnTimerMs = Number.POSITIVE_INFINITY;
  private holdTimer: Timer | undefined;

  constructor(
    limits: TurnLimits,
    private readonly rateLimit: RateLimit | undefined,
  ) {
    this.turns = new UploadTurns(limits, monotonicMs());
  }

  enter(connection: Uploading): number {
    this.connections.set(++this.lastId, connection);
    return this.lastId;
  }

  /** It sends nothing any more. Idempotent. */
  leave(id: number): void {
    this.connections.delete(id);
    const at = this.held.findIndex((each) => each.id === id);
    if (at !== -1) this.held.splice(at, 1);
    if (this.held.length === 0) this.rateLimit?.giveUp();
    this.turns.onClosed(id, monotonicMs());
    this.deal();
  }

  stop(): void {
    clearTimeout(this.turnTimer);
    clearTimeout(this.holdTimer);
    this.connections.clear();
  }

  // --- turns ---

  /** A GET of so many bytes: undefined, or when to come back with it. */
  ask(id: number, bytes: number): number | undefined {
    const connection = this.connections.get(id);
    if (connection === undefined) return undefined;
    const nowMs = monotonicMs();
    const { remoteHost, downloadSession: session } = connection;
    const retryMs = this.turns.busyRetryMs(id, remoteHost, bytes, nowMs, session);
    if (retryMs !== undefined) return retryMs;
    this.turns.onGet(id, remoteHost, bytes, nowMs, session);
    this.deal(id);
    return undefined;
  }

  mayServe(id: number): boolean {
    return this.turns.mayServe(id);
  }

  sent(id: number, bytes: number): void {
    this.turns.onSent(id, bytes, monotonicMs());
  }

  blocked(id: number): void {
    this.turns.onBlocked(id, monotonicMs());
    this.wakeUpForTurns();
  }

  drained(id: number): void {
    this.turns.onDrained(id);
  }

  done(id: number): void {
    this.turns.onRequestDone(id, monotonicMs());
    this.deal(id);
  }

  // --- rate ---

  /** How many of the bytes may be sent now. After 0 the connection is told to go on when it may send some. */
  allow(id: number, bytes: number): number {
    const { rateLimit } = this;
    if (rateLimit === undefined) return bytes;
    const nowMs = monotonicMs();
    const sinceMs = this.dealt?.id === id ? this.dealt.sinceMs : nowMs;
    const isFirst = this.held.length === 0 || this.dealt?.id === id;
    const allowed = isFirst ? rateLimit.take(bytes, nowMs, sinceMs) : 0;
    if (allowed > 0) {
      this.dealt = undefined;
      return allowed;
    }
    if (this.held.some((each) => each.id === id)) return 0;
    // Who was first and got nothing stays first.
    if (isFirst) {
      this.held.unshift({ id, sinceMs });
      this.holdTimer ??= setTimeout(() => this.release(), Math.min(longestHoldMs, rateLimit.waitMs()));
    } else {
      this.held.push({ id, sinceMs });
    }
    return 0;
  }

  /** Of what was allowed so much was not sent. */
  unused(bytes: number): void {
    if (bytes > 0) this.rateLimit?.refund(bytes);
  }

  // --- internal ---

  /** Gives out what turns there are. `asking` finds out by itself. */
  private deal(asking?: number): void {
    const nowMs = monotonicMs();
    for (let id = this.turns.nextToServe(nowMs); id !== undefined; id = this.turns.nextToServe(nowMs)) {
      if (id !== asking) this.connections.get(id)?.goOnLater();
    }
    this.wakeUpForTurns();
  }

  private wakeUpForTurns(): void {
    const nowMs = monotonicMs();
    const atMs = this.turns.nextWakeupMs(nowMs);
    // A timer that fires too early does no harm.
    if (atMs >= this.turnTimerMs) return;
    clearTimeout(this.turnTimer);
    this.turnTimerMs = atMs;
    this.turnTimer = setTimeout(
      () => {
        this.turnTimerMs = Number.POSITIVE_INFINITY;
        this.deal();
      },
      Math.max(1, Math.ceil(atMs - nowMs)),
    );
  }

  /** Lets those go on that wait for the rate limit, one piece each, until it has no more. */
  private release(): void {
    this.holdTimer = undefined;
    while (this.holdTimer === undefined) {
      this.dealt = this.held.shift();
      if (this.dealt === undefined) {
        this.rateLimit?.giveUp();
        break;
      }
      this.connections.get(this.dealt.id)?.goOn();
    }
    this.dealt = undefined;
  }
}

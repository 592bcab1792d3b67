/**
 * So many bytes a second for all threads of the process together: a token bucket in shared memory, of which each thread
 * has a view. Says how much may go now and when to ask again; who asks keeps the timers. Told the time, which need not
 * be the same in all threads (the clocks of workers begin with them).
 *
 * - What is granted is exact: over any second at most 1.05 times the rate (the bucket holds 50 ms of it), and no less
 *   than the rate as long as somebody asks at least every 50 ms.
 * - Pieces are of about 20 ms, so that many can take turns and none is too small to be worth a system call.
 * - Among threads the one whose request has waited longest comes first. Who does not come for what is his by then is
 *   not waited for: a thread may end at any time.
 */

const pieceMs = 20;
const bucketMs = 50;
/** On lines so slow that this is more than the above, it counts instead. */
const leastPieceBytes = 1024;
/** A waiting thread that has not asked for so long is passed over. */
const patienceMs = 30;
/** Whose turn comes after another thread's looks again after this: not so late that the bucket overflows meanwhile. */
const nextPleaseMs = 5;
/** A thread behind the latest time seen by more than this has another clock, not only been interrupted. */
const clockToleranceMs = 20;

const maxThreads = 32;
const nsPerMs = 1e6;

/** Places of the shared integers. */
const rateAt = 0;
const emptySinceAt = 1;
const latestAt = 2;
const threadsAt = 3;
const integers = 4;

export class RateLimit {
  private readonly state: BigInt64Array;
  /** Per thread: since when its request has waited (0: none waits), and when it asked last. Hints. */
  private readonly waiting: Float64Array;
  private thread: number | undefined;
  private clockAheadNs = 0;
  private nextPieceMs = 0;

  /** `shared` is another view's `shared`; without it a new limit is made, which is off. */
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(8 * (integers + 2 * maxThreads))) {
    this.state = new BigInt64Array(shared, 0, integers);
    this.waiting = new Float64Array(shared, 8 * integers);
  }

  /** 0: off. Any thread may change it at any time. */
  get bytesPerSecond(): number {
    return Number(Atomics.load(this.state, rateAt));
  }

  set bytesPerSecond(rate: number) {
    Atomics.store(this.state, rateAt, BigInt(Math.round(rate)));
  }

  /**
   * How many bytes may go now: all that are wanted or a piece of them, or 0. `sinceMs` is when the request that wants
   * them began to wait.
   */
  take(wantedBytes: number, nowMs: number, sinceMs = nowMs): number {
    const rate = this.bytesPerSecond;
    if (rate === 0 || wantedBytes === 0) return wantedBytes;
    const nowNs = this.commonTimeNs(nowMs);
    const sinceNs = nowNs - (nowMs - sinceMs) * nsPerMs;
    const bytesPerNs = rate / 1e9;
    const pieceBytes = Math.max(leastPieceBytes, Math.floor(pieceMs * nsPerMs * bytesPerNs));
    const bucketNs = Math.max(bucketMs * nsPerMs, pieceBytes / bytesPerNs);
    const bytes = Math.min(wantedBytes, pieceBytes);
    const costNs = bytes / bytesPerNs;
    for (;;) {
      const stored = Atomics.load(this.state, emptySinceAt);
      const emptySinceNs = Math.max(Number(stored), nowNs - bucketNs);
      const missingNs = emptySinceNs + costNs - nowNs;
      const isAnotherFirst = this.isAnotherFirst(sinceNs, nowNs);
      if (missingNs > 0 || isAnotherFirst) {
        this.nextPieceMs = Math.max(isAnotherFirst ? nextPleaseMs : 1, missingNs / nsPerMs);
        this.waits(sinceNs, nowNs);
        return 0;
      }
      const next = BigInt(Math.round(emptySinceNs + costNs));
      if (Atomics.compareExchange(this.state, emptySinceAt, stored, next) === stored) break;
    }
    if (this.thread !== undefined) this.waiting[2 * this.thread] = 0;
    return bytes;
  }

  /** Of what was granted so much was not sent after all. */
  refund(bytes: number): void {
    const rate = this.bytesPerSecond;
    if (rate > 0) Atomics.sub(this.state, emptySinceAt, BigInt(Math.round((bytes * 1e9) / rate)));
  }

  /** After a `take` of so many bytes that granted none: how long to wait before the next. The rate may change meanwhile. */
  waitMs(): number {
    return this.nextPieceMs;
  }

  /** Whoever waited in this thread does so no longer. */
  giveUp(): void {
    if (this.thread !== undefined) this.waiting[2 * this.thread] = 0;
  }

  /** The latest time that any thread has seen, or later. */
  private commonTimeNs(nowMs: number): number {
    let nowNs = Math.round(nowMs * nsPerMs + this.clockAheadNs);
    const latest = Atomics.load(this.state, latestAt);
    const behindNs = Number(latest) - nowNs;
    if (behindNs > clockToleranceMs * nsPerMs) {
      this.clockAheadNs += behindNs;
      nowNs += behindNs;
    } else if (behindNs < 0) {
      // When another thread is faster it has seen much the same time.
      Atomics.compareExchange(this.state, latestAt, latest, BigInt(nowNs));
    }
    return nowNs;
  }

  private isAnotherFirst(sinceNs: number, nowNs: number): boolean {
    for (let thread = 0; thread < maxThreads; thread++) {
      const since = this.waiting[2 * thread]!;
      if (since === 0 || since >= sinceNs || thread === this.thread) continue;
      if (nowNs - this.waiting[2 * thread + 1]! < patienceMs * nsPerMs) return true;
    }
    return false;
  }

  private waits(sinceNs: number, nowNs: number): void {
    this.thread ??= Number(Atomics.add(this.state, threadsAt, 1n)) % maxThreads;
    this.waiting[2 * this.thread] = sinceNs;
    this.waiting[2 * this.thread + 1] = nowNs;
  }
}

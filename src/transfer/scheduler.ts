/**
 * Decides everything in a download: whom to connect to, whom to ask for which chunks, when somebody is too slow,
 * wrong or gone, when to ask the index again, and when it is over. Opens nothing, reads no clock, rolls no dice:
 * it is told facts (`on…`), each with the time, and asked `nextActions`, `nextWakeupMs` and `outcome`. Bytes
 * never come near it. STATES.md draws the states of chunks, connections and sources.
 *
 * To be checked again with every change here:
 * - A chunk counts only by `onChunk`: its hash was right and it is on disk.
 * - Nothing depends on one source. A silent one loses what it owes after 2 s to whoever has room, is cut after
 *   10 s (dripping is silence); a wrong one is out at once, with all its connections; a busy one is left alone for as
 *   long as it asks, and blamed for nothing.
 * - A slow source holds little: who has delivered nothing yet is asked for one chunk on one connection; after
 *   that for what its line holds by its own rate, and 0.2 s more. Nor does what it owes keep others from being asked.
 * - A fast source never waits for us: several requests are under way on each proven connection.
 * - Many who fetch the same help each other: all ask a whole source for what it has not sent yet, and each other for
 *   what is rarest, a little at a time.
 * - The end is not held up by the slowest: who is idle races for what would take the others twice as long; in a swarm
 *   against slow ones only, so that nobody is flooded.
 * - Every source gets its chance: one without a connection takes the place of another's second one, or of one that has
 *   had nothing for us.
 * - Every wait ends: `nextWakeupMs` names the moment of the next decision, whatever does not happen until then.
 */
import type { Bitfield } from "../content/bitfield.ts";
import { hashBytes } from "../content/merkle.ts";
import { type ChunkLengths, lengthOfChunk, usualChunkBytes } from "./chunk-lengths.ts";
import { type Connect, ConnectionLife } from "./connection-life.ts";
import { countWaiting, endOwing, endSilence, onBytesOwed, settleChunk, settleRequest } from "./debts.ts";
import { DownloadLife } from "./download-life.ts";
import { Holdings } from "./holdings.ts";
import type { HostLimited } from "./host-limits.ts";
import { IndexAsking } from "./index-asking.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { ChunkPicker } from "./pick.ts";
import { type Ask, RequestPlan } from "./request-plan.ts";
import type { Exclusion, Source, SourceAddress } from "./source.ts";
import { SourceTable } from "./source-table.ts";

export interface SchedulerOptions extends ChunkLengths, HostLimited {
  /** What a resumed download has on disk already; becomes the scheduler's own. */
  verified: Bitfield;
  /** The chunk hashes are not known yet. */
  needsHashes: boolean;
  /** Chunks of one request at most (`--chunk-size`). */
  maxRequestChunks: number;
  /** Of all sources together (`--connections`). */
  maxConnections: number;
  /** How long without one verified byte before giving up (`--timeout`). */
  timeoutMs: number;
  /** From 0 to below 1: for the jitter of retries, and for whom and what is asked first. */
  random: () => number;
  /**
   * The chunks are wanted in order (`-o -`): none is asked for that is so many or more after the first one that has
   * not been handed on (`onHandedOn`; until that is told for the first time: after the first missing one).
   * Undefined: in any order.
   */
  windowChunks?: number | undefined;
}

export type Action =
  | Connect
  | Ask
  | { do: "close"; connection: number }
  | { do: "ask-index"; nobodyIsLeft: boolean };

export class Scheduler {
  private readonly picker: ChunkPicker;
  private readonly table: SourceTable;
  private readonly holdings: Holdings;
  private readonly connections: ConnectionLife;
  private readonly life: DownloadLife;
  private readonly index: IndexAsking;
  private readonly requests: RequestPlan;
  private needsHashes: boolean;
  private ended: Outcome | undefined;

  constructor(
    private readonly options: SchedulerOptions,
    nowMs: number,
  ) {
    this.picker = new ChunkPicker(options.verified, options);
    this.table = new SourceTable(options.random, usualChunkBytes(options), options.hostLimits);
    this.holdings = new Holdings(this.picker);
    this.connections = new ConnectionLife(this.table, this.picker, this.holdings, options.maxConnections);
    const hashesBytes = options.needsHashes ? this.picker.size * hashBytes : 0;
    this.life = new DownloadLife({ ...options, hashesBytes }, nowMs);
    this.index = new IndexAsking(nowMs);
    this.requests = new RequestPlan(this.table, this.picker, options, nowMs);
    this.needsHashes = options.needsHashes;
  }

  /** With what became of each, as its statistics tell; complete once there is an outcome. */
  get sources(): Iterable<Source> {
    return this.table.all;
  }

  /** How many sources are connected and not silent. */
  get activeSources(): number {
    return this.table.activeSources;
  }

  // --- facts ---

  /** `whole`: the answer names every source there is, not a sample. */
  onIndexAnswer(addresses: readonly SourceAddress[], whole: boolean, nowMs: number): void {
    this.index.onAnswered(nowMs, whole);
    this.list(addresses, whole);
  }

  /** The index tells of sources without being asked. */
  onNewSources(addresses: readonly SourceAddress[]): void {
    this.list(addresses, false);
  }

  /** The index could not be asked; what it said before stands. */
  onIndexFailed(nowMs: number): void {
    this.index.onAnswered(nowMs);
  }

  /**
   * The connection is up and the source has said WELCOME. Its round trip: of a new one half of what that took, once for
   * the connection itself, once for HELLO and WELCOME.
   */
  onConnected(id: number, nowMs: number, roundTripMs?: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    endSilence(connection, this.picker, nowMs);
    connection.ready = true;
    connection.roundTripMs = roundTripMs ?? (nowMs - connection.openedMs) / 2;
    connection.rate.restart(nowMs);
    endOwing(connection, nowMs);
  }

  /** The connection could not be made, or is no more. */
  onClosed(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.connections.drop(connection, nowMs);
  }

  /** The source's chunk hashes came; `right`: they add up to the root. */
  onHashes(id: number, right: boolean, nowMs: number): void {
    if (!right) {
      this.onWrongAnswer(id, nowMs);
      return;
    }
    this.needsHashes = false;
    this.life.onVerified(nowMs);
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    connection.owesHashes = false;
    endSilence(connection, this.picker, nowMs);
    endOwing(connection, nowMs);
  }

  /** The answer to HAVE: all that the source has, and what it has sent to anybody (undefined: it did not say). */
  onHave(id: number, held: Bitfield, sent?: Bitfield): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.holdings.onHave(connection, held, sent);
  }

  /** A partial source has one chunk more. */
  onHaveNews(id: number, chunk: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.holdings.onHaveNews(connection, chunk);
  }

  /** The source has sent the chunk to somebody, or is about to. */
  onSentNews(id: number, chunk: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.holdings.onSentNews(connection, chunk);
  }

  /** The source has too much to do for this request; it has not failed, and is not asked again before `retryMs`. */
  onBusy(id: number, request: number, retryMs: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    endSilence(connection, this.picker, nowMs);
    settleRequest(connection, request, this.picker, nowMs);
    this.table.busy(connection.source, retryMs, nowMs);
  }

  /** Bytes of chunks or of chunk hashes arrived on the connection. */
  onBytes(id: number, bytes: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    this.life.onBytes(bytes, nowMs);
    this.requests.onBytes(bytes, nowMs);
    onBytesOwed(connection, bytes, this.picker, nowMs);
  }

  /** A chunk of that request came, its hash is right, and it is on disk. False when another was faster. */
  onChunk(id: number, request: number, chunk: number, nowMs: number): boolean {
    const first = this.picker.verify(chunk);
    if (first) {
      this.life.onVerified(nowMs);
      this.holdings.onVerified(chunk);
    }
    const connection = this.table.connection(id);
    if (connection === undefined) return first;
    connection.proven = true;
    endSilence(connection, this.picker, nowMs);
    this.table.delivered(connection.source);
    if (first) connection.source.bytes += lengthOfChunk(chunk, this.options);
    settleChunk(connection, request, chunk, this.picker, nowMs);
    return first;
  }

  /** The first `count` chunks have been handed on in order, so that there is room for others. */
  onHandedOn(count: number): void {
    this.picker.handOn(count);
  }

  /** A chunk came and its hash is wrong: the source is out. */
  onBadChunk(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) connection.source.badChunks++;
    this.onWrongAnswer(id, nowMs);
  }

  /** It answered what was not asked, or hashes that do not add up: the source is out. */
  onWrongAnswer(id: number, nowMs: number): void {
    this.exclude(id, "wrong data", nowMs);
  }

  /** The connection's source is not asked again. */
  exclude(id: number, why: Exclusion, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    this.index.onExcluded();
    this.connections.exclude(connection.source, why, nowMs);
  }

  /** It said that it does not have this content, or not any more. */
  onGone(id: number, nowMs: number): void {
    this.exclude(id, "gone", nowMs);
  }

  /** It has not the file that the request was for, whatever the index says; it may have the others. */
  onLacks(id: number, request: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    endSilence(connection, this.picker, nowMs);
    for (const chunk of connection.requests.get(request)?.chunks ?? [])
      this.holdings.onLacks(connection.source, chunk);
    settleRequest(connection, request, this.picker, nowMs);
    this.index.onExcluded();
  }

  // --- questions ---

  /** How it ended; undefined while it goes on. */
  get outcome(): Outcome | undefined {
    return this.ended;
  }

  /** What to do now. The caller does all of it, in order, before it tells the next fact. */
  nextActions(nowMs: number): Action[] {
    const actions: Action[] = [];
    this.connections.expire(nowMs);
    if (this.ended === undefined)
      this.end(outcomeOf(this.picker, this.table, this.life, this.index, nowMs), nowMs);
    if (this.ended === undefined) {
      this.askIndex(nowMs, actions);
      actions.push(...this.connections.open(nowMs), ...this.requests.next(this.needsHashes, nowMs));
    }
    const closes = this.connections.takeClosing().map((connection): Action => ({ do: "close", connection }));
    return [...closes, ...actions];
  }

  /** When `nextActions` may have something new to say although no fact came. */
  nextWakeupMs(nowMs: number): number {
    if (this.ended !== undefined) return Number.POSITIVE_INFINITY;
    const next = Math.min(
      this.life.deadlineMs,
      this.table.nextRetryMs(nowMs),
      this.index.nextMs(this.table.hasCandidates),
      this.connections.nextMs(nowMs),
      this.requests.nextMs(nowMs),
    );
    return Math.max(next, nowMs);
  }

  // --- how it decides ---

  private list(addresses: readonly SourceAddress[], whole: boolean): void {
    this.table.list(addresses, whole);
    for (const source of this.table.all) this.holdings.onListed(source);
  }

  private end(outcome: Outcome | undefined, nowMs: number): void {
    this.ended = outcome;
    if (outcome === undefined) return;
    for (const connection of this.table.connections) countWaiting(connection, nowMs);
  }

  private askIndex(nowMs: number, actions: Action[]): void {
    if (nowMs < this.index.nextMs(this.table.hasCandidates)) return;
    this.index.onAsked();
    actions.push({ do: "ask-index", nobodyIsLeft: !this.table.hasCandidates });
  }
}

/**
 * Decides everything in a download: whom to connect to, whom to ask for which chunks, when somebody is too slow,
 * wrong or gone, when to ask the index again, and when it is over. Opens nothing, reads no clock, rolls no dice:
 * it is told facts (`on…`), each with the time, and asked `nextActions`, `nextWakeupMs` and `outcome`. Bytes
 * never come near it. STATES.md draws the states of chunks, connections and sources.
 *
 * To be checked again with every change here:
 * - A chunk counts only by `onChunk`: its hash was right and it is on disk.
 * - Nothing depends on one source. A silent one loses what it owes after 2 s to whoever has room, is cut after
 *   10 s (dripping is silence); a wrong one is out at once, with all its connections.
 * - A slow source holds little: who has delivered nothing yet is asked for one chunk on one connection; after
 *   that for about a second's worth of its own rate.
 * - A fast source never waits for us: several requests are under way on each proven connection.
 * - The end is not held up by the slowest: who is idle races for what would take the others twice as long.
 * - Every source gets its chance: one without a connection takes the place of another's second one.
 * - Every wait ends: `nextWakeupMs` names the moment of the next decision, whatever does not happen until then.
 */
import { Bitfield } from "../content/bitfield.ts";
import { chunkLength } from "../content/chunks.ts";
import { hashBytes } from "../content/merkle.ts";
import { planConnections } from "./connection-plan.ts";
import {
  endOwing,
  endSilence,
  isCutAtMs,
  isSlowAtMs,
  onBytesOwed,
  owes,
  releaseDebts,
  stall,
  stallsAtMs,
} from "./debts.ts";
import { DownloadLife } from "./download-life.ts";
import { IndexAsking } from "./index-asking.ts";
import { ChunkPicker } from "./pick.ts";
import { type Ask, RequestPlan } from "./request-plan.ts";
import { type Source, type SourceAddress, type SourceConnection, SourceTable } from "./source-table.ts";

export interface SchedulerOptions {
  sizeBytes: number;
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
  /** From 0 to below 1, for the jitter of retries. */
  random: () => number;
}

export type Action =
  | { do: "connect"; connection: number; host: string; port: number }
  | Ask
  | { do: "close"; connection: number }
  | { do: "ask-index" };

export type Outcome =
  | { kind: "complete" }
  /** No source is left and at least one sent wrong data. */
  | { kind: "wrong-data" }
  /** Every source that is left says that it no longer has this content. */
  | { kind: "gone" }
  | { kind: "timeout" };

export class Scheduler {
  private readonly picker: ChunkPicker;
  private readonly table: SourceTable;
  private readonly life: DownloadLife;
  private readonly index: IndexAsking;
  private readonly requests: RequestPlan;
  private needsHashes: boolean;
  private readonly closing: number[] = [];
  private ended: Outcome | undefined;

  constructor(
    private readonly options: SchedulerOptions,
    nowMs: number,
  ) {
    this.picker = new ChunkPicker(options.verified);
    this.table = new SourceTable(options.random);
    this.life = new DownloadLife({ ...options, hashesBytes: this.picker.size * hashBytes }, nowMs);
    this.needsHashes = options.needsHashes;
    this.index = new IndexAsking(nowMs);
    this.requests = new RequestPlan(this.table, this.picker, options.maxRequestChunks);
  }

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
    this.index.onAnswered(nowMs);
    this.table.list(addresses, whole);
  }

  /** The index could not be asked; what it said before stands. */
  onIndexFailed(nowMs: number): void {
    this.index.onAnswered(nowMs);
  }

  /** The connection is up and the source has said WELCOME. */
  onConnected(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    connection.ready = true;
    endSilence(connection, this.picker, nowMs);
    connection.rate.restart(nowMs);
    connection.rate.pause(nowMs);
  }

  /** The connection could not be made, or is no more. */
  onClosed(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.drop(connection, nowMs);
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

  /** All that a partial source has. */
  onHave(id: number, held: Bitfield): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) connection.held = held.isFull ? undefined : held;
  }

  /** A partial source has one chunk more. */
  onHaveNews(id: number, chunk: number): void {
    this.table.connection(id)?.held?.add(chunk);
  }

  /** Bytes of chunks or of chunk hashes arrived on the connection. */
  onBytes(id: number, bytes: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    this.life.onBytes(bytes, nowMs);
    onBytesOwed(connection, bytes, this.picker, nowMs);
  }

  /** A chunk of that request came, its hash is right, and it is on disk. False when another was faster. */
  onChunk(id: number, request: number, chunk: number, nowMs: number): boolean {
    const first = this.picker.verify(chunk);
    if (first) this.life.onVerified(nowMs);
    const connection = this.table.connection(id);
    if (connection === undefined) return first;
    connection.proven = true;
    endSilence(connection, this.picker, nowMs);
    this.table.delivered(connection.source);
    if (first) connection.source.bytes += chunkLength(chunk, this.options.sizeBytes);
    const asked = connection.requests.get(request);
    if (asked?.chunks.delete(chunk)) {
      this.picker.release(chunk);
      if (asked.chunks.size === 0) connection.requests.delete(request);
      endOwing(connection, nowMs);
    }
    return first;
  }

  /** A chunk came and its hash is wrong: the source is out. */
  onBadChunk(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) connection.source.badChunks++;
    this.onWrongAnswer(id, nowMs);
  }

  /** It answered what was not asked, or hashes that do not add up: the source is out. */
  onWrongAnswer(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.exclude(connection.source, "wrong data", nowMs);
  }

  /** It said that it does not have this content, or not any more. */
  onGone(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection !== undefined) this.exclude(connection.source, "gone", nowMs);
  }

  // --- questions ---

  /** How it ended; undefined while it goes on. */
  get outcome(): Outcome | undefined {
    return this.ended;
  }

  /** What to do now. The caller does all of it, in order, before it tells the next fact. */
  nextActions(nowMs: number): Action[] {
    const actions: Action[] = [];
    this.expire(nowMs);
    this.ended ??= this.findOutcome(nowMs);
    if (this.ended === undefined) {
      this.askIndex(nowMs, actions);
      this.connectMore(nowMs, actions);
      actions.push(...this.requests.next(this.needsHashes, nowMs));
    }
    const closes = this.closing.splice(0).map((connection): Action => ({ do: "close", connection }));
    return [...closes, ...actions];
  }

  /** When `nextActions` may have something new to say although no fact came. */
  nextWakeupMs(nowMs: number): number {
    if (this.ended !== undefined) return Number.POSITIVE_INFINITY;
    let next = Math.min(this.life.deadlineMs, this.table.nextRetryMs(nowMs));
    next = Math.min(next, this.index.nextMs(this.table.candidates.length > 0));
    for (const connection of this.table.connections) {
      if (!owes(connection)) continue;
      next = Math.min(next, connection.stalled ? isCutAtMs(connection) : stallsAtMs(connection));
      const slowAtMs = isSlowAtMs(connection);
      if (slowAtMs > nowMs) next = Math.min(next, slowAtMs);
    }
    return Math.max(next, nowMs);
  }

  // --- how it decides ---

  private expire(nowMs: number): void {
    for (const connection of [...this.table.connections]) {
      if (!owes(connection)) {
        if (connection.retiring) this.retire(connection);
      } else if (nowMs >= isCutAtMs(connection)) {
        this.closing.push(connection.id);
        this.drop(connection, nowMs);
      } else if (!connection.stalled && nowMs >= stallsAtMs(connection)) {
        stall(connection, this.picker);
      }
    }
  }

  private findOutcome(nowMs: number): Outcome | undefined {
    if (this.picker.done) return { kind: "complete" };
    const { exclusions, candidates } = this.table;
    const lied = exclusions.has("wrong data");
    if (candidates.length === 0 && exclusions.size > 0 && this.index.isCurrent) {
      return lied ? { kind: "wrong-data" } : { kind: "gone" };
    }
    if (nowMs < this.life.deadlineMs) return undefined;
    return lied && this.activeSources === 0 ? { kind: "wrong-data" } : { kind: "timeout" };
  }

  private askIndex(nowMs: number, actions: Action[]): void {
    if (nowMs < this.index.nextMs(this.table.candidates.length > 0)) return;
    this.index.onAsked();
    actions.push({ do: "ask-index" });
  }

  private connectMore(nowMs: number, actions: Action[]): void {
    const { connect, retire } = planConnections(this.table, this.picker, this.options.maxConnections, nowMs);
    for (const source of connect) {
      const held = source.partial ? new Bitfield(this.picker.size) : undefined;
      const { id } = this.table.openTo(source, held, nowMs);
      actions.push({ do: "connect", connection: id, host: source.host, port: source.port });
    }
    if (retire !== undefined) retire.retiring = true;
    if (retire === undefined || owes(retire)) return;
    this.retire(retire);
    this.connectMore(nowMs, actions);
  }

  private drop(connection: SourceConnection, nowMs: number): void {
    releaseDebts(connection, this.picker);
    connection.requests.clear();
    this.table.close(connection, nowMs);
  }

  private retire(connection: SourceConnection): void {
    this.closing.push(connection.id);
    this.table.retire(connection);
  }

  private exclude(source: Source, why: NonNullable<Source["excluded"]>, nowMs: number): void {
    source.excluded = why;
    this.index.onExcluded();
    for (const connection of this.table.connectionsOf(source)) {
      this.closing.push(connection.id);
      this.drop(connection, nowMs);
    }
  }
}

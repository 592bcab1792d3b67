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
import { chunkBytes, connectTimeoutMs } from "../wire/limits.ts";
import { IndexAsking } from "./index-asking.ts";
import { ChunkPicker, type ChunkRange } from "./pick.ts";
import { RateMeter } from "./rate-meter.ts";
import { claimNext, claimRace } from "./request-plan.ts";
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
  | { do: "have"; connection: number }
  | { do: "hashes"; connection: number }
  | { do: "get"; connection: number; request: number; first: number; count: number }
  | { do: "close"; connection: number }
  | { do: "ask-index" };

export type Outcome =
  | { kind: "complete" }
  /** No source is left and at least one sent wrong data. */
  | { kind: "wrong-data" }
  /** Every source that is left says that it no longer has this content. */
  | { kind: "gone" }
  | { kind: "timeout" };

/** Silence after which others may have what a connection owes, and after which it is cut (DESIGN.md, section 5). */
export const stallMs = 2_000;
export const cutMs = 10_000;
/** Fewer bytes than these are still silence: nobody holds what it owes by dripping. */
const leastBytes = 4 * 1024;
/** A connect that takes this long no longer keeps us from trying somebody else. */
const slowConnectMs = 1_000;
/** The security limits' number of connections to one address. */
const maxConnectionsPerSource = 4;
/** Below this rate of bytes of all sources together, only verified chunks count as life. */
const floorBytesPerSecond = 4 * 1024;

export class Scheduler {
  private readonly picker: ChunkPicker;
  private readonly table: SourceTable;
  private readonly arriving: RateMeter;
  private readonly index: IndexAsking;
  private needsHashes: boolean;
  private lastRequestId = 0;
  private closing: number[] = [];
  private lastLifeMs: number;
  private ended: Outcome | undefined;

  constructor(
    private readonly options: SchedulerOptions,
    nowMs: number,
  ) {
    this.picker = new ChunkPicker(options.verified);
    this.table = new SourceTable(options.random);
    this.arriving = new RateMeter(nowMs);
    this.needsHashes = options.needsHashes;
    this.lastLifeMs = nowMs;
    this.index = new IndexAsking(nowMs);
  }

  get sources(): Iterable<Source> {
    return this.table.all;
  }

  /** How many sources are connected and not silent. */
  get activeSources(): number {
    const active = new Set<Source>();
    for (const connection of this.table.connections) {
      if (connection.ready && !connection.stalled) active.add(connection.source);
    }
    return active.size;
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
    connection.stalled = false;
    connection.quietSinceMs = nowMs;
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
    this.lastLifeMs = nowMs;
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    connection.owesHashes = false;
    this.heard(connection, nowMs);
    this.pauseWhenIdle(connection, nowMs);
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
    this.arriving.add(bytes, nowMs);
    if (this.arriving.bytesPerSecond(nowMs) >= floorBytesPerSecond) this.lastLifeMs = nowMs;
    connection.rate.add(bytes, nowMs);
    connection.unheardBytes += bytes;
    if (connection.unheardBytes >= leastBytes) this.heard(connection, nowMs);
  }

  /** A chunk of that request came, its hash is right, and it is on disk. False when another was faster. */
  onChunk(id: number, request: number, chunk: number, nowMs: number): boolean {
    const first = this.picker.verify(chunk);
    if (first) this.lastLifeMs = nowMs;
    const connection = this.table.connection(id);
    if (connection === undefined) return first;
    connection.proven = true;
    this.heard(connection, nowMs);
    connection.source.failures = 0;
    if (first) connection.source.bytes += this.lengthOf(chunk);
    const asked = connection.requests.get(request);
    if (asked?.chunks.delete(chunk)) {
      this.picker.release(chunk);
      if (asked.chunks.size === 0) connection.requests.delete(request);
      this.pauseWhenIdle(connection, nowMs);
    }
    return first;
  }

  /** A chunk came and its hash is wrong: the source is out. */
  onBadChunk(id: number, nowMs: number): void {
    const connection = this.table.connection(id);
    if (connection === undefined) return;
    connection.source.badChunks++;
    this.exclude(connection.source, "wrong data", nowMs);
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
      this.askWhatTheyHave(actions);
      if (this.needsHashes) this.askForHashes(nowMs, actions);
      else this.askForChunks(nowMs, actions);
    }
    const closes = this.closing.map((connection): Action => ({ do: "close", connection }));
    this.closing = [];
    return [...closes, ...actions];
  }

  /** When `nextActions` may have something new to say although no fact came. */
  nextWakeupMs(nowMs: number): number {
    if (this.ended !== undefined) return Number.POSITIVE_INFINITY;
    let next = Math.min(this.lastLifeMs + this.options.timeoutMs, this.table.nextRetryMs(nowMs));
    next = Math.min(next, this.index.nextMs(this.table.candidates.length > 0));
    for (const connection of this.table.connections) {
      if (!owes(connection)) continue;
      const { quietSinceMs } = connection;
      if (!connection.stalled) next = Math.min(next, quietSinceMs + quietLimitMs(connection));
      else next = Math.min(next, quietSinceMs + (connection.ready ? cutMs : connectTimeoutMs));
    }
    return Math.max(next, nowMs);
  }

  // --- how it decides ---

  private lengthOf(chunk: number): number {
    return Math.min(chunkBytes, this.options.sizeBytes - chunk * chunkBytes);
  }

  private expire(nowMs: number): void {
    for (const connection of [...this.table.connections]) {
      if (!owes(connection)) {
        if (connection.retiring) this.retire(connection);
        continue;
      }
      const quietMs = nowMs - connection.quietSinceMs;
      if (quietMs >= (connection.ready ? cutMs : connectTimeoutMs)) {
        this.closing.push(connection.id);
        this.drop(connection, nowMs);
      } else if (!connection.stalled && quietMs >= quietLimitMs(connection)) {
        this.releaseAll(connection);
        connection.stalled = true;
        connection.source.stalls++;
      }
    }
  }

  private findOutcome(nowMs: number): Outcome | undefined {
    if (this.picker.done) return { kind: "complete" };
    const excluded = [...this.table.all].filter((source) => source.excluded !== undefined);
    const lied = excluded.some((source) => source.excluded === "wrong data");
    const noneLeft = this.table.candidates.length === 0;
    if (noneLeft && excluded.length > 0 && this.index.isCurrent) {
      return lied ? { kind: "wrong-data" } : { kind: "gone" };
    }
    if (nowMs - this.lastLifeMs < this.options.timeoutMs) return undefined;
    return lied && this.activeSources === 0 ? { kind: "wrong-data" } : { kind: "timeout" };
  }

  private askIndex(nowMs: number, actions: Action[]): void {
    if (nowMs < this.index.nextMs(this.table.candidates.length > 0)) return;
    this.index.onAsked();
    actions.push({ do: "ask-index" });
  }

  private connectMore(nowMs: number, actions: Action[]): void {
    const missing = this.picker.size - this.picker.verifiedCount;
    const useless = new Set<Source>();
    let working = 0;
    for (const connection of this.table.connections) {
      if (this.hasNothing(connection)) useless.add(connection.source);
      else if (!connection.stalled) working++;
    }
    while (working < Math.min(this.options.maxConnections, missing)) {
      const source = this.table.nextToConnect(maxConnectionsPerSource, useless, nowMs);
      if (source === undefined) return;
      const held = source.partial ? new Bitfield(this.picker.size) : undefined;
      const { id } = this.table.openTo(source, held, nowMs);
      actions.push({ do: "connect", connection: id, host: source.host, port: source.port });
      working++;
    }
    const waiting = this.table.nextToConnect(1, useless, nowMs);
    if (waiting?.failures === 0) this.makeRoom(nowMs);
  }

  /** A partial source that has nothing of what is missing takes nobody's place, and needs no second connection. */
  private hasNothing(connection: SourceConnection): boolean {
    const { held } = connection;
    return connection.ready && !owes(connection) && held !== undefined && !this.picker.lacksSomeOf(held);
  }

  /** All connections that we may have are taken, and a source that was never tried has none: one at a time goes. */
  private makeRoom(nowMs: number): void {
    const connections = [...this.table.connections];
    if (connections.some((connection) => connection.retiring && !connection.stalled)) return;
    let slowest: SourceConnection | undefined;
    for (const connection of connections) {
      if (connection.stalled || connection.source.connections < 2) continue;
      if (slowest === undefined || rateOf(connection, nowMs) < rateOf(slowest, nowMs)) slowest = connection;
    }
    if (slowest === undefined) return;
    slowest.retiring = true;
    if (!owes(slowest)) this.retire(slowest);
  }

  private retire(connection: SourceConnection): void {
    this.closing.push(connection.id);
    this.table.retire(connection);
  }

  private askWhatTheyHave(actions: Action[]): void {
    for (const connection of this.table.connections) {
      if (!connection.ready || connection.askedWhatItHas) continue;
      connection.askedWhatItHas = true;
      actions.push({ do: "have", connection: connection.id });
    }
  }

  private askForHashes(nowMs: number, actions: Action[]): void {
    const waiting = [...this.table.connections].some(
      (connection) => connection.owesHashes && !connection.stalled,
    );
    if (waiting) return;
    for (const connection of this.table.connections) {
      if (!connection.ready || connection.stalled || connection.owesHashes) continue;
      this.startOwing(connection, nowMs);
      connection.owesHashes = true;
      actions.push({ do: "hashes", connection: connection.id });
      return;
    }
  }

  private askForChunks(nowMs: number, actions: Action[]): void {
    // In rounds, so that all are asked before any is asked for much.
    for (let asked = true; asked; ) {
      asked = false;
      for (const connection of this.table.connections) {
        if (!connection.ready || connection.stalled) continue;
        const { maxRequestChunks } = this.options;
        const range = claimNext(connection, this.picker, this.table, maxRequestChunks, nowMs);
        if (range === undefined) continue;
        this.request(connection, range, nowMs, actions);
        asked = true;
      }
    }
    for (const connection of this.table.connections) {
      if (owes(connection)) continue;
      const range = claimRace(connection, this.picker, this.table, nowMs);
      if (range !== undefined) this.request(connection, range, nowMs, actions);
    }
  }

  /** The chunks are claimed already. */
  private request(
    connection: SourceConnection,
    { first, count }: ChunkRange,
    nowMs: number,
    actions: Action[],
  ): void {
    const id = ++this.lastRequestId;
    const chunks = new Set(Array.from({ length: count }, (_, i) => first + i));
    this.startOwing(connection, nowMs);
    connection.requests.set(id, { id, chunks });
    actions.push({ do: "get", connection: connection.id, request: id, first, count });
  }

  /** Silence and rate count from the first thing that is owed to the last. */
  private startOwing(connection: SourceConnection, nowMs: number): void {
    if (owes(connection)) return;
    connection.quietSinceMs = nowMs;
    connection.unheardBytes = 0;
    connection.rate.resume(nowMs);
  }

  private pauseWhenIdle(connection: SourceConnection, nowMs: number): void {
    if (!owes(connection)) connection.rate.pause(nowMs);
  }

  /** It is not silent; what others may have had in the meantime it owes again. */
  private heard(connection: SourceConnection, nowMs: number): void {
    connection.quietSinceMs = nowMs;
    connection.unheardBytes = 0;
    if (!connection.stalled) return;
    connection.stalled = false;
    for (const { chunks } of connection.requests.values())
      for (const chunk of chunks) this.picker.claim(chunk);
  }

  private releaseAll(connection: SourceConnection): void {
    if (connection.stalled) return;
    for (const { chunks } of connection.requests.values())
      for (const chunk of chunks) this.picker.release(chunk);
  }

  private drop(connection: SourceConnection, nowMs: number): void {
    this.releaseAll(connection);
    connection.requests.clear();
    this.table.close(connection, nowMs);
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

/** Whether silence of the connection means anything: it is being made, or was asked for something. */
function owes(connection: SourceConnection): boolean {
  return !connection.ready || connection.owesHashes || connection.requests.size > 0;
}

function rateOf(connection: SourceConnection, nowMs: number): number {
  return connection.rate.bytesPerSecond(nowMs);
}

function quietLimitMs(connection: SourceConnection): number {
  return connection.ready ? stallMs : slowConnectMs;
}

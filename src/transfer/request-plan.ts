/**
 * What each connection is asked for next: what it has, the chunk hashes, which chunks; how far ahead, how much at
 * once, and who races whom at the end. Pure; a part of the scheduler, which owns the states this looks at.
 */
import { chunkBytes } from "../wire/limits.ts";
import { isSlowAtMs, owes, startOwing } from "./debts.ts";
import type { ChunkPicker, ChunkRange } from "./pick.ts";
import type { SourceConnection, SourceTable } from "./source-table.ts";

export type Ask =
  | { do: "have"; connection: number }
  | { do: "hashes"; connection: number }
  | { do: "get"; connection: number; request: number; first: number; count: number };

/** Requests under way on one connection: enough that the source always knows the next one while it sends. */
const maxRequestsPerConnection = 4;
/** What a proven connection is asked for ahead, and how long one request should take it, by its own rate. */
const aheadMs = 1_000;
const requestMs = 250;
/** An idle connection takes over what would take its holder this many times longer. */
const raceFactor = 2;
/** What a chunk is supposed to take on a connection that has not shown it yet. */
const unprovenChunkMs = 2_000;

export class RequestPlan {
  private lastRequestId = 0;

  constructor(
    private readonly table: SourceTable,
    private readonly picker: ChunkPicker,
    private readonly maxRequestChunks: number,
  ) {}

  /** Everything that can be asked for now; it is owed from now on. */
  next(needsHashes: boolean, nowMs: number): Ask[] {
    const asks: Ask[] = [];
    this.askWhatTheyHave(asks);
    if (needsHashes) this.askForHashes(asks, nowMs);
    else this.askForChunks(asks, nowMs);
    return asks;
  }

  private askWhatTheyHave(asks: Ask[]): void {
    for (const connection of this.table.connections) {
      if (!connection.ready || connection.askedWhatItHas) continue;
      connection.askedWhatItHas = true;
      asks.push({ do: "have", connection: connection.id });
    }
  }

  /** One source at a time. */
  private askForHashes(asks: Ask[], nowMs: number): void {
    const connections = [...this.table.connections].filter(({ ready, stalled }) => ready && !stalled);
    if (connections.some(({ owesHashes }) => owesHashes)) return;
    const [first] = connections;
    if (first === undefined) return;
    startOwing(first, nowMs);
    first.owesHashes = true;
    asks.push({ do: "hashes", connection: first.id });
  }

  private askForChunks(asks: Ask[], nowMs: number): void {
    const { table, picker, maxRequestChunks } = this;
    // In rounds, so that all are asked before any is asked for much.
    for (let asked = true; asked; ) {
      asked = false;
      for (const connection of table.connections) {
        if (!connection.ready || connection.stalled) continue;
        const range = claimNext(connection, picker, table, maxRequestChunks, nowMs);
        if (range === undefined) continue;
        asks.push(this.request(connection, range, nowMs));
        asked = true;
      }
    }
    for (const connection of table.connections) {
      if (owes(connection)) continue;
      const range = claimRace(connection, picker, table, nowMs);
      if (range !== undefined) asks.push(this.request(connection, range, nowMs));
    }
  }

  /** The chunks are claimed already. */
  private request(connection: SourceConnection, { first, count }: ChunkRange, nowMs: number): Ask {
    const id = ++this.lastRequestId;
    const chunks = new Set(Array.from({ length: count }, (_, i) => first + i));
    startOwing(connection, nowMs);
    connection.requests.set(id, { id, chunks });
    return { do: "get", connection: connection.id, request: id, first, count };
  }
}

/**
 * Claims the next range for the connection; undefined when it has enough to do or nothing is left that nobody is
 * asked for. A source that has delivered nothing yet gets a single chunk on one of its connections, and a new
 * connection a single chunk as well, so that a slow source never holds many.
 */
function claimNext(
  connection: SourceConnection,
  picker: ChunkPicker,
  table: SourceTable,
  maxRequestChunks: number,
  nowMs: number,
): ChunkRange | undefined {
  if (connection.retiring || connection.requests.size >= maxRequestsPerConnection) return undefined;
  let owed = 0;
  for (const { chunks } of connection.requests.values()) owed += chunks.size;
  if (!connection.proven) {
    return owed > 0 || isOnTrial(connection, table) ? undefined : picker.claimNext(1, connection.held);
  }
  const chunksPerMs = connection.rate.bytesPerSecond(nowMs) / chunkBytes / 1000;
  if (owed >= Math.max(2, chunksPerMs * aheadMs)) return undefined;
  const count = Math.max(1, Math.floor(chunksPerMs * requestMs));
  return picker.claimNext(Math.min(count, maxRequestChunks), connection.held);
}

/**
 * Claims for an idle connection the chunk of other sources that would take them longest, if that is worth a race:
 * who joins must be twice as fast as everybody who is in it. Who has not shown how fast it is joins slow ones only.
 */
function claimRace(
  connection: SourceConnection,
  picker: ChunkPicker,
  table: SourceTable,
  nowMs: number,
): ChunkRange | undefined {
  if (connection.retiring || (!connection.proven && isOnTrial(connection, table))) return undefined;
  let slowestChunk: number | undefined;
  let slowestMs =
    raceFactor * (connection.proven ? chunkBytes / bytesPerMs(connection, nowMs) : unprovenChunkMs);
  for (const [chunk, expectedMs] of expectedOfOthers(connection, table, nowMs)) {
    if (expectedMs <= slowestMs || picker.isVerified(chunk) || connection.held?.has(chunk) === false)
      continue;
    slowestChunk = chunk;
    slowestMs = expectedMs;
  }
  if (slowestChunk === undefined) return undefined;
  picker.claim(slowestChunk);
  return { first: slowestChunk, count: 1 };
}

/** When each chunk that somebody is asked for will be here at the earliest; 0 for what is no matter of `racer`'s. */
function expectedOfOthers(racer: SourceConnection, table: SourceTable, nowMs: number): Map<number, number> {
  const expected = new Map<number, number>();
  for (const other of table.connections) {
    if (other.stalled) continue;
    const isMatter = other.source !== racer.source && (racer.proven || nowMs >= isSlowAtMs(other));
    let queuedBytes = 0;
    for (const { chunks } of other.requests.values()) {
      for (const chunk of chunks) {
        queuedBytes += chunkBytes;
        const ms = isMatter ? queuedBytes / bytesPerMs(other, nowMs) : 0;
        expected.set(chunk, Math.min(ms, expected.get(chunk) ?? ms));
      }
    }
  }
  return expected;
}

/** Its source has delivered nothing yet and is being asked for a chunk on another connection. */
function isOnTrial({ source }: SourceConnection, table: SourceTable): boolean {
  if (source.bytes > 0) return false;
  return table.connectionsOf(source).some(({ stalled, requests }) => !stalled && requests.size > 0);
}

/** Never 0: who has delivered nothing lately is infinitely slow, not undefined. */
function bytesPerMs(connection: SourceConnection, nowMs: number): number {
  return Math.max(0.001, connection.rate.bytesPerSecond(nowMs) / 1000);
}

/**
 * Which connection is asked for which chunks next: how far ahead, how much at once, and who races whom at the
 * end. Pure; a part of the scheduler, which owns the states this looks at.
 */
import { chunkBytes } from "../wire/limits.ts";
import type { ChunkPicker, ChunkRange } from "./pick.ts";
import type { Source, SourceConnection, SourceTable } from "./source-table.ts";

/** Requests under way on one connection: enough that the source always knows the next one while it sends. */
const maxRequestsPerConnection = 4;
/** What a proven connection is asked for ahead, and how long one request should take it, by its own rate. */
const aheadMs = 1_000;
const requestMs = 250;
/** An idle connection takes over what would take its holder this many times longer. */
const raceFactor = 2;

/**
 * Claims the next range for the connection; undefined when it has enough to do or nothing is left that nobody is
 * asked for. A source that has delivered nothing yet gets a single chunk on one of its connections, and a new
 * connection a single chunk as well, so that a slow source never holds many.
 */
export function claimNext(
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
    const busy = owed > 0 || (connection.source.bytes === 0 && isAsked(connection.source, table));
    return busy ? undefined : picker.claimNext(1, connection.held);
  }
  const chunksPerMs = connection.rate.bytesPerSecond(nowMs) / chunkBytes / 1000;
  if (owed >= Math.max(2, chunksPerMs * aheadMs)) return undefined;
  const count = Math.max(1, Math.floor(chunksPerMs * requestMs));
  return picker.claimNext(Math.min(count, maxRequestChunks), connection.held);
}

/**
 * Claims for an idle connection the chunk of other sources that would take them longest, if that is worth a race:
 * who joins must be twice as fast as everybody who is in it.
 */
export function claimRace(
  connection: SourceConnection,
  picker: ChunkPicker,
  table: SourceTable,
  nowMs: number,
): ChunkRange | undefined {
  if (!connection.proven || connection.retiring) return undefined;
  let slowestChunk: number | undefined;
  let slowestMs = (raceFactor * chunkBytes) / bytesPerMs(connection, nowMs);
  for (const [chunk, expectedMs] of expectedOfOthers(connection.source, table, nowMs)) {
    if (expectedMs <= slowestMs || picker.isVerified(chunk) || connection.held?.has(chunk) === false)
      continue;
    slowestChunk = chunk;
    slowestMs = expectedMs;
  }
  if (slowestChunk === undefined) return undefined;
  picker.claim(slowestChunk);
  return { first: slowestChunk, count: 1 };
}

/** When each chunk that somebody is asked for will be here at the earliest; 0 for what the source itself owes. */
function expectedOfOthers(source: Source, table: SourceTable, nowMs: number): Map<number, number> {
  const expected = new Map<number, number>();
  for (const other of table.connections) {
    if (other.stalled) continue;
    let queuedBytes = 0;
    for (const { chunks } of other.requests.values()) {
      for (const chunk of chunks) {
        queuedBytes += chunkBytes;
        const ms = other.source === source ? 0 : queuedBytes / bytesPerMs(other, nowMs);
        expected.set(chunk, Math.min(ms, expected.get(chunk) ?? ms));
      }
    }
  }
  return expected;
}

/** Whether a connection of the source owes chunks and is not silent. */
function isAsked(source: Source, table: SourceTable): boolean {
  return table.connectionsOf(source).some(({ stalled, requests }) => !stalled && requests.size > 0);
}

/** Never 0: who has delivered nothing lately is infinitely slow, not undefined. */
function bytesPerMs(connection: SourceConnection, nowMs: number): number {
  return Math.max(0.001, connection.rate.bytesPerSecond(nowMs) / 1000);
}

/**
 * How much a connection is asked for ahead, so that its line never runs dry and it holds no more than that. Pure; a
 * part of the request plan. Where the numbers come from is told in STATES.md.
 */
import type { SourceConnection } from "./source.ts";
import type { SourceTable } from "./source-table.ts";

/**
 * Under way on one connection. A server has 64 before it, the others wait on the line: of small files enough for both
 * sides to go on while news of those that came make their way to the decisions, and new requests back.
 */
export const maxRequestsPerConnection = 256;
/** Beside what is on the line, what a connection is asked for ahead, and what one request is to take it. */
const aheadMs = 200;
const requestMs = 100;
/** The same among many: what waits at one peer cannot be had sooner from another. */
const swarmAheadMs = 50;
const swarmRequestMs = 50;
/**
 * Of all sources together, in a swarm: what arrives while a request waits for its turn. Where little arrives yet, few:
 * what is claimed where many wait is not asked of who has it and nothing to do. Far away one for each 30 ms of the round
 * trip, or the line would take too long to fill.
 */
const swarmTotalAheadMs = 260;
const leastTotalChunks = 3;
const roundTripMsPerChunk = 30;
/** Who has less than the others may be owed up to so much more, and who has more of it so many chunks less. */
const catchUpMs = 400;
const mostChunksAhead = 2;
/** A chunk comes so many times sooner from who is asked beyond that. */
const farFaster = 4;
/** And another one that is not known is tried this long after the last. */
const trialMs = 200;
/** What has been owed for longer than this keeps nobody else from being asked. */
export const heldUpMs = 1_000;

/** Chunks of the next request to the connection, as far as it is concerned; 0: it has enough to do. */
export function nextRequestChunks(
  connection: SourceConnection,
  table: SourceTable,
  maxRequestChunks: number,
  nowMs: number,
): number {
  const { source, owedChunks } = connection;
  if (!connection.ready || connection.stalled || connection.retiring || nowMs < source.busyUntilMs) return 0;
  if (connection.requests.size >= maxRequestsPerConnection) return 0;
  // Nothing yet, a single chunk: so a slow source never holds many.
  if (!connection.proven) return owedChunks > 0 || isOnTrial(connection, table) ? 0 : 1;
  const isSwarm = table.isSwarm;
  const chunksPerMs = connection.rate.bytesPerSecond(nowMs) / table.chunkBytes / 1000;
  const ahead = chunksPerMs * (2 * connection.roundTripMs + (isSwarm ? swarmAheadMs : aheadMs));
  if (isSwarm ? source.owedChunks >= Math.max(1, ahead) : owedChunks >= Math.max(2, ahead)) return 0;
  const count = Math.floor(chunksPerMs * (isSwarm ? swarmRequestMs : requestMs));
  return Math.min(Math.max(1, count), maxRequestChunks);
}

/** Its source has delivered nothing yet and is being asked for a chunk on another connection. */
export function isOnTrial({ source }: SourceConnection, table: SourceTable): boolean {
  if (source.bytes > 0) return false;
  return table.connectionsOf(source).some(({ stalled, requests }) => !stalled && requests.size > 0);
}

/** How many chunks more a swarm may owe us, all together: what is claimed early is claimed from the wrong one. */
export function swarmRoomChunks(
  table: SourceTable,
  verifiedChunks: number,
  bytesPerSecond: number,
  nowMs: number,
): number {
  let owed = 0;
  let roundTripMs = 0;
  for (const connection of table.connections) {
    if (connection.owedChunks === 0 || connection.source.held === undefined) continue;
    roundTripMs = Math.max(roundTripMs, connection.roundTripMs);
    if (!connection.stalled && nowMs < isHeldUpAtMs(connection)) owed += connection.owedChunks;
  }
  const chunksPerMs = bytesPerSecond / table.chunkBytes / 1000;
  const least = Math.max(leastTotalChunks, roundTripMs / roundTripMsPerChunk);
  const evenly = Math.max(least, chunksPerMs * (swarmTotalAheadMs + roundTripMs));
  const behind = chunksBehind(table, verifiedChunks);
  return evenly + Math.min(chunksPerMs * catchUpMs, Math.max(-mostChunksAhead, behind)) - owed;
}

/**
 * How many chunks more than we the connected partial sources have on average (below 0: fewer). Who downloads together is
 * done together only if those behind have their line full all the time and the others leave them room.
 */
function chunksBehind(table: SourceTable, verifiedChunks: number): number {
  let chunks = 0;
  let sources = 0;
  for (const { source } of table.connections) {
    if (source.held === undefined || source.held.count === 0) continue;
    chunks += source.held.count;
    sources++;
  }
  return sources === 0 ? 0 : chunks / sources - verifiedChunks;
}

/**
 * Who may be asked although the swarm owes us enough: who owes nothing and is far faster than those who owe, or might
 * be, of whom one after the other is tried. So a fast one is not held back by many slow ones.
 */
export function exceptional(
  connections: readonly SourceConnection[],
  table: SourceTable,
  nowMs: number,
): SourceConnection[] {
  let owing = 0;
  let owingMs = 0;
  let isTrying = false;
  for (const connection of table.connections) {
    if (connection.owedChunks === 0) continue;
    if (nowMs < trialEndsAtMs(connection)) isTrying = true;
    owing++;
    owingMs += connection.chunkMs ?? heldUpMs;
  }
  const fastMs = owingMs / owing / farFaster;
  const idle = connections.filter(({ source }) => source.owedChunks === 0);
  const fast = idle.filter(({ chunkMs }) => chunkMs !== undefined && chunkMs <= fastMs);
  const untried = isTrying ? undefined : idle.find(({ chunkMs, ready }) => ready && chunkMs === undefined);
  return untried === undefined ? fast : [...fast, untried];
}

/** When the next one is tried, if this one has brought nothing until then. */
export function trialEndsAtMs({ chunklessSinceMs, owedChunks, chunkMs }: SourceConnection): number {
  return owedChunks > 0 && chunkMs === undefined ? chunklessSinceMs + trialMs : Number.NEGATIVE_INFINITY;
}

/** When what the connection owes counts no longer. Infinity: it owes no chunks. */
export function isHeldUpAtMs({ chunklessSinceMs, owedChunks }: SourceConnection): number {
  return owedChunks > 0 ? chunklessSinceMs + heldUpMs : Number.POSITIVE_INFINITY;
}

/**
 * Which sources get a connection, and which connection makes room for a source that has none. Pure; a part of the
 * scheduler, which owns the states this looks at.
 */
import { isSlowAtMs, owes } from "./debts.ts";
import type { ChunkPicker } from "./pick.ts";
import type { Source, SourceConnection } from "./source.ts";
import type { SourceTable } from "./source-table.ts";

/** To one source; what one address may be bothered with is `host-limits.ts`. */
const maxConnectionsPerSource = 4;
/** Peers of a swarm are many, and each has others to serve. */
const maxConnectionsPerPartial = 1;
/** Who has had nothing for us for so long makes room for somebody whom we do not know. */
const patienceMs = 10_000;

export interface ConnectionPlan {
  connect: Source[];
  /** Is asked for nothing more and closed once it owes nothing. */
  retire: SourceConnection | undefined;
}

/**
 * As many connections as may be, and not more than there are chunks missing, one by one to the source with the fewest.
 * Who is silent or slow keeps nobody else from being tried; nor does who has nothing that we miss, but of those there
 * are at most as many again.
 */
export function planConnections(
  table: SourceTable,
  picker: ChunkPicker,
  maxConnections: number,
  nowMs: number,
): ConnectionPlan {
  const useless = new Set<Source>();
  let working = 0;
  let slow = 0;
  for (const connection of table.connections) {
    if (hasNothing(connection)) useless.add(connection.source);
    else if (!connection.stalled) {
      working++;
      if (nowMs >= isSlowAtMs(connection)) slow++;
    }
  }
  const missing = picker.size - picker.verifiedCount;
  const room = Math.max(0, 2 * maxConnections - working - useless.size);
  const wanted = Math.min(maxConnections - working, missing + slow - working, room);
  const connect = table.nextToConnect(wanted, limitOf, useless, nowMs);
  if (connect.length > 0) return { connect, retire: undefined };
  if (working < maxConnections && room > 0) return { connect, retire: undefined };
  const isWaitedFor = table.hasUntried(nowMs) || table.hasOneToTryAgain(nowMs);
  return { connect, retire: isWaitedFor ? dispensable(table, room === 0, nowMs) : undefined };
}

function limitOf({ partial }: Source): number {
  return partial ? maxConnectionsPerPartial : maxConnectionsPerSource;
}

/** A partial source that has nothing of what is missing takes nobody's place, and needs no second connection. */
function hasNothing(connection: SourceConnection): boolean {
  const { held, useful } = connection.source;
  return connection.ready && !owes(connection) && held !== undefined && useful === 0;
}

/**
 * Unless one is retiring already, the slowest connection of those to sources with several; in a `crowd` of such as have
 * nothing for us, the one that has had nothing for the longest time.
 */
function dispensable(table: SourceTable, crowd: boolean, nowMs: number): SourceConnection | undefined {
  let least: SourceConnection | undefined;
  let leastMeasure = crowd ? nowMs : Number.POSITIVE_INFINITY;
  for (const connection of table.connections) {
    if (connection.stalled) continue;
    if (connection.retiring) return undefined;
    if (crowd ? !hasNothing(connection) : connection.source.connections < 2) continue;
    const measure = crowd ? isImpatientAtMs(connection) : connection.rate.bytesPerSecond(nowMs);
    if (measure > leastMeasure || (least !== undefined && measure === leastMeasure)) continue;
    least = connection;
    leastMeasure = measure;
  }
  return least;
}

/** When it may have to make room, if it has nothing for us until then. */
export function isImpatientAtMs({ idleSinceMs }: SourceConnection): number {
  return idleSinceMs === undefined ? Number.POSITIVE_INFINITY : idleSinceMs + patienceMs;
}

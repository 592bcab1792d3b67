/**
 * Which sources get a connection, and which connection makes room for a source that has none. Pure; a part of the
 * scheduler, which owns the states this looks at.
 */
import { isSlowAtMs, owes } from "./debts.ts";
import type { ChunkPicker } from "./pick.ts";
import type { Source, SourceConnection, SourceTable } from "./source-table.ts";

/** To one source; what one address may be bothered with is `host-limits.ts`. */
const maxConnectionsPerSource = 4;

export interface ConnectionPlan {
  connect: Source[];
  /** Is asked for nothing more and closed once it owes nothing. */
  retire: SourceConnection | undefined;
}

/**
 * As many connections as may be, and not more than there are chunks missing, one by one to the source with the fewest.
 * Who is silent or slow keeps nobody else from being tried.
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
    if (hasNothing(connection, picker)) useless.add(connection.source);
    else if (!connection.stalled) {
      working++;
      if (nowMs >= isSlowAtMs(connection)) slow++;
    }
  }
  const wanted = Math.min(maxConnections, picker.size - picker.verifiedCount + slow) - working;
  const connect = table.nextToConnect(wanted, maxConnectionsPerSource, useless, nowMs);
  if (connect.length > 0 || working < maxConnections) return { connect, retire: undefined };
  const [waiting] = table.nextToConnect(1, 1, useless, nowMs);
  const isNew = waiting !== undefined && waiting.failures === 0;
  return { connect, retire: isNew ? dispensable(table, nowMs) : undefined };
}

/** A partial source that has nothing of what is missing takes nobody's place, and needs no second connection. */
function hasNothing(connection: SourceConnection, picker: ChunkPicker): boolean {
  const { held } = connection;
  return connection.ready && !owes(connection) && held !== undefined && !picker.lacksSomeOf(held);
}

/** The slowest connection of those to sources with several, unless one is retiring already. */
function dispensable(table: SourceTable, nowMs: number): SourceConnection | undefined {
  const working = [...table.connections].filter(({ stalled }) => !stalled);
  if (working.some(({ retiring }) => retiring)) return undefined;
  const rateOf = ({ rate }: SourceConnection) => rate.bytesPerSecond(nowMs);
  return working
    .filter(({ source }) => source.connections > 1)
    .reduce<SourceConnection | undefined>(
      (slowest, each) => (slowest === undefined || rateOf(each) < rateOf(slowest) ? each : slowest),
      undefined,
    );
}

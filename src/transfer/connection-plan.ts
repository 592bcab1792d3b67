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
/**
 * So many keep two threads busy. More than one to a source are worth their cost only over a long round trip, where a
 * lost packet halves what one of them carries: 3 sources on one machine over 8 connections took 2.04 s for 2 GiB, over
 * 4 1.84 s.
 */
const enoughConnections = 4;
/**
 * With files so small one connection brings more than a thread can store, and a second one has the source compile all
 * of its code in a second thread: 2,000 files of 64 KiB cost it a tenth more CPU over four.
 */
const filesPerConnection = 4_096;
const longRoundTripMs = 5;
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
  const enough = enoughFor(table, picker);
  const mayHaveSeveral = hasPartial(table) ? () => true : (source: Source) => isFar(source, table);
  const limitOf = (source: Source): number => {
    if (source.partial) return maxConnectionsPerPartial;
    return working < enough || mayHaveSeveral(source) ? maxConnectionsPerSource : 1;
  };
  const connect = table.nextToConnect(wanted, limitOf, useless, nowMs).filter((source, at, all) => {
    const isItsFirst = source.connections === 0 && all.indexOf(source) === at;
    return isItsFirst || working + at < enough || mayHaveSeveral(source);
  });
  if (connect.length > 0) return { connect, retire: undefined };
  if (working < maxConnections && room > 0) return { connect, retire: undefined };
  const isWaitedFor = table.hasUntried(nowMs) || table.hasOneToTryAgain(nowMs);
  return { connect, retire: isWaitedFor ? dispensable(table, room === 0, nowMs) : undefined };
}

function enoughFor(table: SourceTable, picker: ChunkPicker): number {
  for (const { files } of table.all)
    if (files !== undefined) return Math.min(enoughConnections, Math.ceil(picker.size / filesPerConnection));
  return enoughConnections;
}

/** As far as a connection to it has told. */
function isFar(source: Source, table: SourceTable): boolean {
  for (const connection of table.connections)
    if (connection.source === source && connection.ready) return connection.roundTripMs >= longRoundTripMs;
  return false;
}

/** Others download this as well: who is asked for what is theirs to decide, too. */
function hasPartial(table: SourceTable): boolean {
  for (const { partial } of table.all) if (partial) return true;
  return false;
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

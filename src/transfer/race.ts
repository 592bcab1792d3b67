/**
 * Who races whom when nothing is left that nobody is asked for. Pure; a part of the request plan.
 */
import { isSlowAtMs } from "./debts.ts";
import type { ChunkPicker, ChunkRange } from "./pick.ts";
import { isHeldUpAtMs, isOnTrial } from "./pipeline.ts";
import type { SourceConnection } from "./source.ts";
import type { SourceTable } from "./source-table.ts";

/** An idle connection takes over what would take its holder this many times longer. */
const raceFactor = 2;
/** What a chunk is supposed to take on a connection that has not shown it yet. */
const unprovenChunkMs = 2_000;

/** Whether there is anybody to race against: in a swarm only who is held up. */
export function mayRace(table: SourceTable, nowMs: number): boolean {
  if (!table.hasSeveralSources) return false;
  if (!table.isSwarm) return true;
  for (const connection of table.connections) {
    if (!connection.stalled && nowMs >= isHeldUpAtMs(connection)) return true;
  }
  return false;
}

/**
 * Claims for an idle connection the chunk of other sources that would take them longest, if that is worth a race:
 * who joins must be twice as fast as everybody who is in it. Who has not shown how fast it is joins slow ones only;
 * in a swarm everybody joins those only that have brought nothing for a second, because there each chunk that comes
 * twice is one that somebody else does not get.
 */
export function claimRace(
  connection: SourceConnection,
  picker: ChunkPicker,
  table: SourceTable,
  nowMs: number,
): ChunkRange | undefined {
  const { source, proven } = connection;
  if (source.held !== undefined && source.useful === 0) return undefined;
  if (!connection.ready || connection.retiring || nowMs < source.busyUntilMs) return undefined;
  if (!proven && isOnTrial(connection, table)) return undefined;
  let slowestChunk: number | undefined;
  let slowestMs = raceFactor * (proven ? table.chunkBytes / bytesPerMs(connection, nowMs) : unprovenChunkMs);
  for (const [chunk, expectedMs] of expectedOfOthers(connection, table, nowMs)) {
    if (expectedMs <= slowestMs || picker.isVerified(chunk) || source.held?.has(chunk) === false) continue;
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
  const isMatterAtMs = table.isSwarm ? isHeldUpAtMs : isSlowAtMs;
  const joinsAll = racer.proven && !table.isSwarm;
  for (const other of table.connections) {
    if (other.stalled) continue;
    const isMatter = other.source !== racer.source && (joinsAll || nowMs >= isMatterAtMs(other));
    let queuedBytes = 0;
    for (const { chunks } of other.requests.values()) {
      for (const chunk of chunks) {
        queuedBytes += table.chunkBytes;
        const ms = isMatter ? queuedBytes / bytesPerMs(other, nowMs) : 0;
        expected.set(chunk, Math.min(ms, expected.get(chunk) ?? ms));
      }
    }
  }
  return expected;
}

/** Never 0: who has delivered nothing lately is infinitely slow, not undefined. */
function bytesPerMs(connection: SourceConnection, nowMs: number): number {
  return Math.max(0.001, connection.rate.bytesPerSecond(nowMs) / 1000);
}

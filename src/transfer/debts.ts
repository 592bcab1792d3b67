/**
 * What a connection owes us (its being made, the chunk hashes, chunks), since when it has been silent about it, and
 * what follows from that. Pure; a part of the scheduler, which owns the states.
 */
import { connectTimeoutMs } from "../wire/limits.ts";
import type { ChunkPicker } from "./pick.ts";
import type { SourceConnection } from "./source-table.ts";

/** Silence after which others may have what a connection owes, and after which it is cut. */
export const stallMs = 2_000;
export const cutMs = 10_000;
/** A connect that takes this long no longer keeps us from trying somebody else. */
const slowConnectMs = 1_000;
/** Who owes chunks and has delivered none for so long does not, either: less than 256 KiB a second. */
const slowChunkMs = 4_000;
/** Fewer bytes than these are still silence: nobody holds what it owes by dripping. */
const leastBytes = 4 * 1024;

/** Whether silence of the connection means anything. */
export function owes(connection: SourceConnection): boolean {
  return !connection.ready || connection.owesHashes || connection.requests.size > 0;
}

/** Comes before the debt is written down: silence and rate count from the first thing that is owed to the last. */
export function startOwing(connection: SourceConnection, nowMs: number): void {
  if (owes(connection)) return;
  connection.quietSinceMs = nowMs;
  connection.chunklessSinceMs = nowMs;
  connection.unheardBytes = 0;
  connection.rate.resume(nowMs);
}

/** Comes after something that was owed has been delivered. */
export function endOwing(connection: SourceConnection, nowMs: number): void {
  connection.chunklessSinceMs = nowMs;
  if (!owes(connection)) connection.rate.pause(nowMs);
}

export function onBytesOwed(
  connection: SourceConnection,
  bytes: number,
  picker: ChunkPicker,
  nowMs: number,
): void {
  connection.rate.add(bytes, nowMs);
  connection.unheardBytes += bytes;
  if (connection.unheardBytes >= leastBytes) endSilence(connection, picker, nowMs);
}

/** What others may have had in the meantime it owes again. */
export function endSilence(connection: SourceConnection, picker: ChunkPicker, nowMs: number): void {
  connection.quietSinceMs = nowMs;
  connection.unheardBytes = 0;
  if (!connection.stalled) return;
  connection.stalled = false;
  for (const { chunks } of connection.requests.values()) for (const chunk of chunks) picker.claim(chunk);
}

/** Others may have what it owes; it may deliver all the same. */
export function stall(connection: SourceConnection, picker: ChunkPicker): void {
  releaseDebts(connection, picker);
  connection.stalled = true;
  connection.source.stalls++;
}

/** It delivers nothing more, or is not waited for. */
export function releaseDebts(connection: SourceConnection, picker: ChunkPicker): void {
  if (connection.stalled) return;
  for (const { chunks } of connection.requests.values()) for (const chunk of chunks) picker.release(chunk);
}

/** When its silence has lasted so long that others may have what it owes. */
export function stallsAtMs(connection: SourceConnection): number {
  return connection.quietSinceMs + (connection.ready ? stallMs : slowConnectMs);
}

/** When its silence has lasted so long that it is closed. */
export function isCutAtMs(connection: SourceConnection): number {
  return connection.quietSinceMs + (connection.ready ? cutMs : connectTimeoutMs);
}

/** When it counts as slow, if it delivers nothing until then. Infinity: it owes no chunks. */
export function isSlowAtMs(connection: SourceConnection): number {
  return connection.requests.size > 0 ? connection.chunklessSinceMs + slowChunkMs : Number.POSITIVE_INFINITY;
}

/**
 * What a connection owes us (its being made, the chunk hashes, chunks), since when it has been silent about it, and
 * what follows from that. Pure; a part of the scheduler, which owns the states.
 */
import { connectTimeoutMs } from "../wire/limits.ts";
import type { ChunkPicker } from "./pick.ts";
import type { Request, SourceConnection } from "./source.ts";

/** Silence after which others may have what a connection owes, and after which it is cut. */
export const stallMs = 2_000;
export const cutMs = 10_000;
/** A connect that takes this long no longer keeps us from trying somebody else. */
const slowConnectMs = 1_000;
/** Who owes chunks and has delivered none for so long does not, either: less than 256 KiB a second. */
const slowChunkMs = 4_000;
/** Fewer bytes than these are still silence: nobody holds what it owes by dripping. */
const leastBytes = 4 * 1024;
/** Bytes are told in intervals of this: a shorter silence is none. */
const reportMs = 200;

/** Whether silence of the connection means anything. */
export function owes(connection: SourceConnection): boolean {
  return !connection.ready || connection.owesHashes || connection.requests.size > 0;
}

/** Comes before the debt is written down: silence and rate count from the first thing that is owed to the last. */
export function startOwing(connection: SourceConnection, nowMs: number): void {
  if (owes(connection)) return;
  endIdleness(connection, nowMs);
  connection.quietSinceMs = nowMs;
  connection.chunklessSinceMs = nowMs;
  connection.unheardBytes = 0;
  connection.rate.resume(nowMs);
}

/** Comes after something that was owed has been delivered, or is not owed any more. */
export function endOwing(connection: SourceConnection, nowMs: number): void {
  connection.chunklessSinceMs = nowMs;
  if (owes(connection)) return;
  connection.rate.pause(nowMs);
  connection.idleSinceMs ??= nowMs;
}

/** It is asked for chunks that are claimed already. */
export function addRequest(connection: SourceConnection, request: Request, nowMs: number): void {
  startOwing(connection, nowMs);
  connection.requests.set(request.id, request);
  countOwed(connection, request.chunks.size);
}

/** A chunk of the request came. */
export function settleChunk(
  connection: SourceConnection,
  requestId: number,
  chunk: number,
  picker: ChunkPicker,
  nowMs: number,
): void {
  const request = connection.requests.get(requestId);
  if (request?.chunks.delete(chunk) !== true) return;
  picker.release(chunk);
  countOwed(connection, -1);
  const tookMs = nowMs - connection.chunklessSinceMs;
  connection.chunkMs = connection.chunkMs === undefined ? tookMs : (connection.chunkMs + tookMs) / 2;
  if (request.chunks.size === 0) connection.requests.delete(requestId);
  endOwing(connection, nowMs);
}

/** It delivers nothing more of what it owes. */
export function clearRequests(connection: SourceConnection): void {
  connection.requests.clear();
  countOwed(connection, -connection.owedChunks);
}

function countOwed(connection: SourceConnection, chunks: number): void {
  connection.owedChunks += chunks;
  connection.source.owedChunks += chunks;
}

/** Nothing more comes of the request: it was refused. */
export function settleRequest(
  connection: SourceConnection,
  requestId: number,
  picker: ChunkPicker,
  nowMs: number,
): void {
  const request = connection.requests.get(requestId);
  if (request === undefined) return;
  if (!connection.stalled) for (const chunk of request.chunks) picker.release(chunk);
  countOwed(connection, -request.chunks.size);
  connection.requests.delete(requestId);
  endOwing(connection, nowMs);
}

export function onBytesOwed(
  connection: SourceConnection,
  bytes: number,
  picker: ChunkPicker,
  nowMs: number,
): void {
  connection.rate.add(bytes, nowMs);
  connection.source.firstByteMs ??= nowMs;
  connection.source.lastByteMs = nowMs;
  connection.unheardBytes += bytes;
  if (connection.unheardBytes >= leastBytes) endSilence(connection, picker, nowMs);
}

/** What others may have had in the meantime it owes again. */
export function endSilence(connection: SourceConnection, picker: ChunkPicker, nowMs: number): void {
  countSilence(connection, nowMs);
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

/** For the statistics: how long it has owed something and said nothing, or owed nothing. */
export function countWaiting(connection: SourceConnection, nowMs: number): void {
  countSilence(connection, nowMs);
  endIdleness(connection, nowMs);
}

function countSilence(connection: SourceConnection, nowMs: number): void {
  const silentMs = nowMs - connection.quietSinceMs;
  if (connection.ready && owes(connection) && silentMs > reportMs) connection.source.silentMs += silentMs;
}

function endIdleness(connection: SourceConnection, nowMs: number): void {
  if (connection.idleSinceMs === undefined) return;
  connection.source.idleMs += nowMs - connection.idleSinceMs;
  connection.idleSinceMs = undefined;
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

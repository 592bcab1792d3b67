/**
 * Who is sent to, or waits for it: the downloaders and their connections, as `upload-turns.ts` keeps them, and what
 * follows from the state of one of them alone. Pure.
 */
import { isLoopback } from "../loopback.ts";
import type { AddressLimit } from "../net/address-limits.ts";
import { hostGroup } from "../net/host-group.ts";

/** Who has taken nothing for so long, or has had its turn for so long, keeps no slot any more. */
const blockedMs = 1_000;
const longTurnMs = 4_000;

export interface Downloader {
  readonly key: string;
  readonly isLimited: boolean;
  /** Connections that have something to send and no turn, in the order in which they get one. */
  readonly waiting: Set<UploadingConnection>;
  /** Connections that have a turn. */
  turns: number;
  /** Of all its requests, what has not been sent. */
  owedBytes: number;
  connections: number;
}

export interface UploadingConnection {
  readonly id: number;
  readonly downloader: Downloader;
  /** Bytes left of each request, the one being served first. */
  readonly requests: number[];
  turn: { sinceMs: number; small: boolean } | undefined;
  blockedSinceMs: number | undefined;
}

/** Else by what it says of itself. */
export function isCountedByAddress(host: string, { countsLoopback }: AddressLimit): boolean {
  return countsLoopback || !isLoopback(host);
}

/**
 * An address is one downloader, whatever its connections say. On our own machine everybody has the same address: there
 * it counts what they say, and who says nothing is taken for somebody else on each connection.
 */
export function keyOf(
  connection: number,
  host: string,
  session: string | undefined,
  limit: AddressLimit,
): string {
  if (isCountedByAddress(host, limit)) return hostGroup(host);
  return session === undefined ? `connection ${connection}` : `session ${session}`;
}

/** Until then its turn counts as one. */
export function keepsSlotUntilMs({ turn, blockedSinceMs }: UploadingConnection): number {
  if (turn === undefined) return Number.NEGATIVE_INFINITY;
  const longMs = turn.sinceMs + longTurnMs;
  return blockedSinceMs === undefined ? longMs : Math.min(longMs, blockedSinceMs + blockedMs);
}

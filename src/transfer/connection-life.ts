/**
 * How the connections of a download begin and end: opened, silent for too long, dropped with what they owed, retired,
 * excluded with their source. Pure; a part of the scheduler, which decides when.
 */
import type { Fingerprint } from "../wire/fingerprint.ts";
import { isImpatientAtMs, planConnections } from "./connection-plan.ts";
import {
  clearRequests,
  countWaiting,
  isCutAtMs,
  isSlowAtMs,
  owes,
  releaseDebts,
  stall,
  stallsAtMs,
} from "./debts.ts";
import type { Holdings } from "./holdings.ts";
import type { ChunkPicker } from "./pick.ts";
import type { Source, SourceConnection } from "./source.ts";
import type { SourceTable } from "./source-table.ts";

export interface Connect {
  do: "connect";
  connection: number;
  host: string;
  port: number;
  fingerprint: Fingerprint | undefined;
  /** It has not all of it: who downloads comes and goes. */
  partial: boolean;
}

export class ConnectionLife {
  private readonly closing: number[] = [];

  constructor(
    private readonly table: SourceTable,
    private readonly picker: ChunkPicker,
    private readonly holdings: Holdings,
    private readonly maxConnections: number,
  ) {}

  /** Connections that were ended here since the last call. */
  takeClosing(): number[] {
    return this.closing.splice(0);
  }

  /** Connections to be made now. */
  open(nowMs: number): Connect[] {
    const connects: Connect[] = [];
    for (;;) {
      const { connect, retire } = planConnections(this.table, this.picker, this.maxConnections, nowMs);
      for (const source of connect) {
        const { id } = this.table.openTo(source, nowMs);
        this.holdings.onOpened(source);
        const { host, port, fingerprint, partial } = source;
        connects.push({ do: "connect", connection: id, host, port, fingerprint, partial });
      }
      if (retire !== undefined) retire.retiring = true;
      if (retire === undefined || owes(retire)) return connects;
      this.retire(retire, nowMs);
    }
  }

  /** What the passing of time does: stalls, cuts, and the end of who was retiring. */
  expire(nowMs: number): void {
    for (const connection of this.table.connections) {
      if (!owes(connection)) {
        if (connection.retiring) this.retire(connection, nowMs);
      } else if (nowMs >= isCutAtMs(connection)) {
        this.closing.push(connection.id);
        this.drop(connection, nowMs);
      } else if (!connection.stalled && nowMs >= stallsAtMs(connection)) {
        stall(connection, this.picker);
      }
    }
  }

  /** When `expire` has something to do next, or somebody begins to count as slow. */
  nextMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const connection of this.table.connections) {
      if (!owes(connection)) {
        const impatientAtMs = isImpatientAtMs(connection);
        if (impatientAtMs > nowMs) next = Math.min(next, impatientAtMs);
        continue;
      }
      next = Math.min(next, connection.stalled ? isCutAtMs(connection) : stallsAtMs(connection));
      const slowAtMs = isSlowAtMs(connection);
      if (slowAtMs > nowMs) next = Math.min(next, slowAtMs);
    }
    return next;
  }

  /** It is no more; what it owed others may have. */
  drop(connection: SourceConnection, nowMs: number): void {
    countWaiting(connection, nowMs);
    releaseDebts(connection, this.picker);
    clearRequests(connection);
    this.table.close(connection, nowMs);
    this.holdings.onClosed(connection.source);
  }

  /** The source is out, with all its connections. */
  exclude(source: Source, why: NonNullable<Source["excluded"]>, nowMs: number): void {
    source.excluded = why;
    for (const connection of this.table.connectionsOf(source)) {
      this.closing.push(connection.id);
      this.drop(connection, nowMs);
    }
  }

  /** It owes nothing, and its place is wanted. */
  private retire(connection: SourceConnection, nowMs: number): void {
    countWaiting(connection, nowMs);
    this.closing.push(connection.id);
    this.table.retire(connection);
    this.holdings.onClosed(connection.source);
  }
}

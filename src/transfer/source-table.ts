/**
 * The sources of one download and our connections to them: who may be asked, who has to wait, who is out. Pure;
 * the states and their reasons are drawn in STATES.md. Chunks and requests are the scheduler's.
 */

import type { Bitfield } from "../content/bitfield.ts";
import { chunkBytes as wholeChunkBytes } from "../wire/limits.ts";
import { type HostLimitOptions, HostLimits } from "./host-limits.ts";
import { shuffled } from "./shuffled.ts";
import {
  type Exclusion,
  keyOf,
  mayBeUseful,
  newConnection,
  newSource,
  type Source,
  type SourceAddress,
  type SourceConnection,
} from "./source.ts";

/** First wait after a failed connection; doubled each time (with jitter) up to the last. */
const firstRetryMs = 250;
const lastRetryMs = 10_000;
/**
 * Somebody makes room for a source that failed after so much more: an attempt that is not answered costs a socket for a
 * minute or two, since a connect cannot be cancelled.
 */
const placeRetryMs = 15_000;
/** What `retryMs` of a BUSY may say: not so little that we spin, not so much that it is never asked again. */
const leastBusyMs = 20;
const longestBusyMs = 10_000;
/**
 * Sources known at a time, however many an index names: each decision looks at all of them. The oldest that are not
 * connected and did nothing make room, first those that have only part of it; the index will name them again.
 */
const maxSources = 1_024;
/** Those that are out are remembered for longer, so that nobody is asked again because others were named in between. */
const maxExcludedSources = 4_096;

export class SourceTable {
  private readonly sources = new Map<string, Source>();
  private readonly open = new Map<number, SourceConnection>();
  private readonly hosts: HostLimits;
  private lastConnectionId = 0;

  constructor(
    private readonly random: () => number,
    /** Of one as a rule: what is in the pipeline of a connection is counted in chunks. */
    readonly chunkBytes: number = wholeChunkBytes,
    hostLimits?: HostLimitOptions | undefined,
  ) {
    this.hosts = new HostLimits(hostLimits);
  }

  get all(): Iterable<Source> {
    return this.sources.values();
  }

  get connections(): Iterable<SourceConnection> {
    return this.open.values();
  }

  connection(id: number): SourceConnection | undefined {
    return this.open.get(id);
  }

  /**
   * What the index answered. `whole`: the answer names every source there is, so who is not in it is no longer
   * listed; else it is a sample.
   */
  list(addresses: readonly SourceAddress[], whole: boolean): void {
    if (whole) for (const source of this.sources.values()) source.listed = false;
    // In no order: who hears the same as others must not turn to the same ones.
    for (const address of shuffled(addresses, this.random)) {
      const key = keyOf(address);
      const known = this.sources.get(key);
      if (known === undefined) this.sources.set(key, newSource(key, address));
      else {
        known.listed = true;
        if (!address.partial) known.partial = false;
        addFiles(known, address.files);
      }
    }
    if (this.sources.size > maxSources) this.forgetSome();
  }

  /** Sources that may deliver, now or after a wait. */
  get candidates(): Source[] {
    return [...this.sources.values()].filter(isCandidate);
  }

  /** Whether there are any. */
  get hasCandidates(): boolean {
    for (const source of this.sources.values()) if (isCandidate(source)) return true;
    return false;
  }

  /** How many are connected and not silent. */
  get activeSources(): number {
    const active = [...this.open.values()].filter(({ ready, stalled }) => ready && !stalled);
    return new Set(active.map(({ source }) => source)).size;
  }

  /** Why sources are out. */
  get exclusions(): ReadonlySet<Exclusion> {
    const all = [...this.sources.values()];
    return new Set(all.flatMap(({ excluded, lacking }) => excluded ?? (lacking === undefined ? [] : "gone")));
  }

  /** Of those connected, or on the way. */
  get hasSeveralSources(): boolean {
    let first: Source | undefined;
    for (const { source } of this.open.values()) {
      first ??= source;
      if (source !== first) return true;
    }
    return false;
  }

  /** Somebody who has not all of it is connected, or on the way: others download this as well. */
  get isSwarm(): boolean {
    for (const { source } of this.open.values()) {
      if (source.held !== undefined && source.files === undefined) return true;
    }
    return false;
  }

  /**
   * The sources to open the next `count` connections to: always the one with the fewest, none that waits, is at its
   * limit or is unwanted.
   */
  nextToConnect(
    count: number,
    limitOf: (source: Source) => number,
    unwanted: ReadonlySet<Source>,
    nowMs: number,
  ): Source[] {
    if (count <= 0) return [];
    const eligible = [...this.sources.values()].filter(
      (source) =>
        source.excluded === undefined &&
        source.listed &&
        source.retryAtMs <= nowMs &&
        mayBeUseful(source) &&
        !unwanted.has(source),
    );
    // Whoever has delivered, and whom we do not know, before those with whom it came to nothing.
    eligible.sort((one, other) => vainTries(one) - vainTries(other) || usefulFiles(other) - usefulFiles(one));
    const next: Source[] = [];
    const planned = new Map<string, number>();
    const most = Math.max(0, ...eligible.map(limitOf));
    for (let connections = 0; connections < most; connections++) {
      for (const source of eligible) {
        if (next.length >= count) return next;
        const { host } = source;
        const toHost = planned.get(host) ?? 0;
        if (source.connections > connections || connections >= limitOf(source)) continue;
        if (!this.hosts.allows(host, toHost, nowMs)) continue;
        planned.set(host, toHost + 1);
        next.push(source);
      }
    }
    return next;
  }

  /** Whether there is a source that may be connected to, never failed, and has no connection. */
  hasUntried(nowMs: number): boolean {
    for (const source of this.sources.values()) {
      const { host, excluded, listed, connections, failures } = source;
      if (connections > 0 || failures > 0 || !listed || excluded !== undefined) continue;
      if (!mayBeUseful(source)) continue;
      if (this.hosts.allows(host, 0, nowMs)) return true;
    }
    return false;
  }

  /**
   * Whether there is a source with all of it that failed, has no connection and may be tried again: it may be back. Not
   * while another such one is being tried.
   */
  hasOneToTryAgain(nowMs: number): boolean {
    for (const { source, proven } of this.open.values()) if (source.failures > 0 && !proven) return false;
    for (const source of this.sources.values()) {
      const { host, partial, excluded, listed, connections, failures, retryAtMs } = source;
      if (partial || connections > 0 || failures === 0 || !listed || excluded !== undefined) continue;
      if (!mayBeUseful(source)) continue;
      if (retryAtMs + placeRetryMs <= nowMs && this.hosts.allows(host, 0, nowMs)) return true;
    }
    return false;
  }

  /** When the next waiting source may be tried, or asked, again. */
  nextRetryMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const source of this.sources.values()) {
      if (source.connections > 0 && source.busyUntilMs > nowMs) next = Math.min(next, source.busyUntilMs);
      if (source.excluded !== undefined || !source.listed) continue;
      const retryAtMs = Math.max(source.retryAtMs, this.hosts.allowedAtMs(source.host));
      if (retryAtMs > nowMs) next = Math.min(next, retryAtMs);
    }
    return next;
  }

  openTo(source: Source, nowMs: number): SourceConnection {
    source.connections++;
    source.connectionsMade++;
    this.hosts.opened(source.host, nowMs);
    const connection = newConnection(++this.lastConnectionId, source, nowMs);
    this.open.set(connection.id, connection);
    return connection;
  }

  /** The connection is no more, and not because we had enough of it: the source waits before the next. */
  close(connection: SourceConnection, nowMs: number): void {
    if (!this.open.delete(connection.id)) return;
    const { source } = connection;
    source.connections--;
    this.hosts.closed(source.host);
    source.failures++;
    const waitMs = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(source.failures - 1, 10));
    source.retryAtMs = nowMs + waitMs * (0.5 + this.random() / 2);
  }

  /** We close it, and the source has done nothing wrong. */
  retire(connection: SourceConnection): void {
    if (!this.open.delete(connection.id)) return;
    connection.source.connections--;
    this.hosts.closed(connection.source.host);
  }

  /** The source has delivered a verified chunk. */
  delivered(source: Source): void {
    source.failures = 0;
    this.hosts.delivered(source.host);
  }

  /** It asks us to come back later; chance keeps those whom it told the same from coming all at once. */
  busy(source: Source, retryMs: number, nowMs: number): void {
    source.busyAnswers++;
    const waitMs = Math.min(longestBusyMs, Math.max(leastBusyMs, retryMs));
    source.busyUntilMs = Math.max(source.busyUntilMs, nowMs + waitMs * (1 + this.random() / 4));
  }

  connectionsOf(source: Source): SourceConnection[] {
    const all: SourceConnection[] = [];
    for (const connection of this.open.values()) if (connection.source === source) all.push(connection);
    return all;
  }

  private forgetSome(): void {
    const all = [...this.sources.values()];
    const out = all.filter(({ excluded }) => excluded !== undefined);
    const isIdle = ({ connections, bytes }: Source) => connections === 0 && bytes === 0;
    const others = all.filter((source) => source.excluded === undefined);
    const partial = others.filter((source) => source.partial && isIdle(source));
    // Who has a file of a folder is named once, with the file.
    const whole = others.filter((source) => !source.partial && source.files === undefined && isIdle(source));
    const surplus = [...partial, ...whole].slice(0, Math.max(0, others.length - maxSources));
    const surplusOut = out.slice(0, Math.max(0, out.length - maxExcludedSources));
    for (const { key } of [...surplus, ...surplusOut]) this.sources.delete(key);
  }
}

/** It may deliver, now or after a wait. */
function isCandidate(source: Source): boolean {
  const { excluded, listed, connections } = source;
  return excluded === undefined && (listed || connections > 0) && mayBeUseful(source);
}

/** The index knows more of what the source has; what that said itself stands. */
function addFiles({ files, lacking }: Source, more: Bitfield | undefined): void {
  if (files === undefined || more === undefined) return;
  for (let chunk = 0; chunk < files.size; chunk++) {
    if (more.has(chunk) && lacking?.has(chunk) !== true) files.add(chunk);
  }
}

function usefulFiles({ files, useful }: Source): number {
  return files === undefined ? 0 : useful;
}

function vainTries({ bytes, connections, connectionsMade }: Source): number {
  return bytes > 0 ? 0 : connectionsMade - connections;
}

/**
 * The sources of one download and our connections to them: who may be asked, who has to wait, who is out. Pure;
 * the states and their reasons are drawn in STATES.md. Chunks and requests are the scheduler's.
 */
import type { Bitfield } from "../content/bitfield.ts";
import { HostLimits } from "./host-limits.ts";
import { RateMeter } from "./rate-meter.ts";

/** Why a source is not asked again in this download. */
export type Exclusion = "wrong data" | "gone";

export interface SourceAddress {
  host: string;
  port: number;
  /** It has not the whole content: ask which chunks. */
  partial: boolean;
}

export interface Source extends SourceAddress {
  readonly key: string;
  /** The newest answer of the index names it. */
  listed: boolean;
  excluded: Exclusion | undefined;
  /** Connections that failed since it last delivered a verified chunk. */
  failures: number;
  /** Not to be connected to before this. */
  retryAtMs: number;
  connections: number;
  /** Verified bytes that were counted as its own. */
  bytes: number;
  badChunks: number;
  /** How often it was silent for too long. */
  stalls: number;
}

/** A request on its way: some chunks of one range, those delivered already taken out. */
export interface Request {
  readonly id: number;
  readonly chunks: Set<number>;
}

export interface SourceConnection {
  readonly id: number;
  readonly source: Source;
  ready: boolean;
  /** Since when it has owed us something and been silent: opened, asked, or heard last. */
  quietSinceMs: number;
  /** Since when it has owed chunks and delivered none. */
  chunklessSinceMs: number;
  /** Bytes that came since it is quiet, too few to count. */
  unheardBytes: number;
  /** Silent for so long that others may have what it was asked for. */
  stalled: boolean;
  /** It was asked for the chunk hashes and has not answered. */
  owesHashes: boolean;
  /** It needs not be asked (any more) which chunks it has. */
  askedWhatItHas: boolean;
  /** It has delivered at least one verified chunk. */
  proven: boolean;
  /** To be closed once nothing is owed: a source without a connection waits for its place. */
  retiring: boolean;
  readonly requests: Map<number, Request>;
  readonly rate: RateMeter;
  /** Chunks it has; undefined: all of them. */
  held: Bitfield | undefined;
}

/** First wait after a failed connection; doubled each time (with jitter) up to the last. */
const firstRetryMs = 250;
const lastRetryMs = 10_000;

export function sourceKey(host: string, port: number): string {
  return `${host} ${port}`;
}

export class SourceTable {
  private readonly sources = new Map<string, Source>();
  private readonly open = new Map<number, SourceConnection>();
  private readonly hosts = new HostLimits();
  private lastConnectionId = 0;

  constructor(private readonly random: () => number) {}

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
    for (const { host, port, partial } of addresses) {
      const key = sourceKey(host, port);
      const known = this.sources.get(key);
      if (known !== undefined) {
        known.listed = true;
        continue;
      }
      this.sources.set(key, {
        key,
        host,
        port,
        partial,
        listed: true,
        excluded: undefined,
        failures: 0,
        retryAtMs: Number.NEGATIVE_INFINITY,
        connections: 0,
        bytes: 0,
        badChunks: 0,
        stalls: 0,
      });
    }
  }

  /** Sources that may deliver, now or after a wait. */
  get candidates(): Source[] {
    return [...this.sources.values()].filter(
      (source) => source.excluded === undefined && (source.listed || source.connections > 0),
    );
  }

  /** How many are connected and not silent. */
  get activeSources(): number {
    const active = [...this.open.values()].filter(({ ready, stalled }) => ready && !stalled);
    return new Set(active.map(({ source }) => source)).size;
  }

  /** Why sources are out. */
  get exclusions(): ReadonlySet<Exclusion> {
    return new Set([...this.sources.values()].flatMap(({ excluded }) => excluded ?? []));
  }

  /**
   * The sources to open the next `count` connections to: always the one with the fewest, none that waits, is at its
   * limit or is unwanted.
   */
  nextToConnect(count: number, maxPerSource: number, unwanted: ReadonlySet<Source>, nowMs: number): Source[] {
    const eligible = [...this.sources.values()].filter(
      (source) =>
        source.excluded === undefined && source.listed && source.retryAtMs <= nowMs && !unwanted.has(source),
    );
    const next: Source[] = [];
    const planned = new Map<string, number>();
    for (let connections = 0; connections < maxPerSource; connections++) {
      for (const source of eligible) {
        if (next.length >= count) return next;
        const { host } = source;
        const toHost = planned.get(host) ?? 0;
        if (source.connections > connections || !this.hosts.allows(host, toHost, nowMs)) continue;
        planned.set(host, toHost + 1);
        next.push(source);
      }
    }
    return next;
  }

  /** When the next waiting source may be tried again. */
  nextRetryMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const source of this.sources.values()) {
      if (source.excluded !== undefined || !source.listed) continue;
      const retryAtMs = Math.max(source.retryAtMs, this.hosts.allowedAtMs(source.host));
      if (retryAtMs > nowMs) next = Math.min(next, retryAtMs);
    }
    return next;
  }

  openTo(source: Source, held: Bitfield | undefined, nowMs: number): SourceConnection {
    source.connections++;
    this.hosts.opened(source.host, nowMs);
    const connection: SourceConnection = {
      id: ++this.lastConnectionId,
      source,
      ready: false,
      quietSinceMs: nowMs,
      chunklessSinceMs: nowMs,
      unheardBytes: 0,
      stalled: false,
      owesHashes: false,
      askedWhatItHas: held === undefined,
      proven: false,
      retiring: false,
      requests: new Map(),
      rate: new RateMeter(nowMs),
      held,
    };
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

  connectionsOf(source: Source): SourceConnection[] {
    return [...this.open.values()].filter((connection) => connection.source === source);
  }
}

/**
 * A running index: listener and catalog, started and stopped together, and what passes between the two. What is said
 * on a connection is index-connection.ts and session.ts.
 */
import { formatAddress } from "../address.ts";
import { monotonicMs, wallMs } from "../clock.ts";
import { LocalIoError, reasonOf } from "../errors.ts";
import { type AddressLimit, AddressShares, addressLimit } from "../net/address-limits.ts";
import { type Budgets, budgetsOf } from "../net/budgets.ts";
import { type ConnectionLimits, indexConnectionLimits } from "../net/connection-limits.ts";
import { connectionsWithin } from "../net/file-limit.ts";
import { Listener, type SecureListening } from "../net/listener.ts";
import type { Log } from "../output/log.ts";
import { printable } from "../printable.ts";
import { shortFingerprint } from "../trust/fingerprint.ts";
import type { Gate } from "../trust/gate.ts";
import { agent, version } from "../version.ts";
import { maxFilesPerIndex, maxFilesPerPeer, maxNameBytes, maxPeersPerAddress } from "../wire/limits.ts";
import type { AnnouncedEntry } from "./announced-entry.ts";
import { Audit } from "./audit.ts";
import type { Catalog, CatalogLimits } from "./catalog.ts";
import { IndexCounters } from "./counters.ts";
import { IndexConnection } from "./index-connection.ts";
import type { IndexParts } from "./index-parts.ts";
import type { IndexMetrics, IndexSnapshot } from "./metrics.ts";
import { openCatalog } from "./open-catalog.ts";
import { type Place, Reach } from "./reach.ts";
import { Rounds } from "./rounds.ts";
import { SourceNews } from "./source-news.ts";
import { Timers } from "./timers.ts";
import { WantedFiles } from "./wanted-files.ts";

export interface IndexServerOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** A file, `:memory:`, or a `postgres://` URL. */
  databasePath: string;
  log: Pick<Log, "info" | "warn" | "error">;
  connectionLimits?: ConnectionLimits;
  /** Undefined: nothing is encrypted, and everybody is let in. */
  secure?: SecureListening | undefined;
  /** Who may connect; undefined: everybody. */
  gate?: Gate | undefined;
  /** In a private network: whether a peer may be reached at an address that is not the one the index sees it at. */
  mayAdvertise?: (host: string) => boolean;
  /** Of all connections together. */
  budgets?: Budgets;
  /** Registered peers. */
  peersPerAddress?: AddressLimit;
  limits?: CatalogLimits;
  /** What a peer had registered is kept for so long after it has left. */
  keepLeftMs?: number;
  /** The index cannot go on: to be stopped. Called once. See `DamagedIndexError`. */
  onFatal?: (error: LocalIoError) => void;
}

/** The database is damaged: once it is set aside, an index with a new one is rebuilt by its peers. */
export class DamagedIndexError extends LocalIoError {}

/** Long enough for a machine that is started again, and for most lines that break. */
const usualKeepLeftMs = 10 * 60_000;
/** The same trouble is logged once in this time. */
const failureLogMs = 10_000;

const usualLimits: CatalogLimits = { filesPerPeer: maxFilesPerPeer, filesPerIndex: maxFilesPerIndex };

export class IndexServer implements IndexMetrics {
  private readonly log: IndexServerOptions["log"];
  private readonly news: SourceNews;
  private readonly listener: Listener;
  private readonly timers = new Timers();
  private readonly startedMs = monotonicMs();
  private readonly failuresLoggedMs = new Map<string, number>();
  private readonly counters = new IndexCounters();
  /** When `statistics` was last asked. */
  private queriesBefore = 0;
  private queriesSinceMs = monotonicMs();
  private stopping: Promise<void> | undefined;

  /** Rejects with LocalIoError: the database cannot be used, or the port cannot be listened on. */
  static async start(options: IndexServerOptions): Promise<IndexServer> {
    const { databasePath, log, limits = usualLimits, keepLeftMs = usualKeepLeftMs } = options;
    const wanted = new WantedFiles();
    // It is there before anything can be told.
    let server: IndexServer | undefined;
    const catalog = await openCatalog({
      database: databasePath,
      limits,
      wanted,
      keepLeftMs,
      log,
      listener: {
        wants: (file) => server?.news.wants(file) === true,
        arrived: (source, files) => server?.news.arrived(source, files),
        failed: (line) => server?.logTrouble(line),
        lost: (line, isDamaged) =>
          options.onFatal?.(isDamaged ? new DamagedIndexError(line) : new LocalIoError(line)),
      },
    });
    try {
      server = new IndexServer(options, catalog, wanted);
      return server;
    } catch (error) {
      await catalog.close();
      throw error;
    }
  }

  private constructor(
    options: IndexServerOptions,
    private readonly catalog: Catalog,
    wanted: WantedFiles,
  ) {
    this.log = options.log;
    this.news = new SourceNews({
      nowMs: monotonicMs,
      later: this.timers.later,
      chance: Math.random,
      isLive: (peer) => catalog.isLive(peer),
      wanted,
    });
    const parts: IndexParts = {
      catalog,
      news: this.news,
      rounds: new Rounds((run) => setImmediate(run), monotonicMs),
      peersPerAddress: new AddressShares(options.peersPerAddress ?? addressLimit(maxPeersPerAddress)),
      welcome: { agent, epoch: crypto.randomUUID() },
      counters: this.counters,
      checks: options.secure && this.checksOf(options, options.secure),
      snapshot: () => this.snapshot(),
      onFailure: (error) => this.logTrouble(`a request to the index failed: ${textOf(error)}`),
    };
    this.listener = listen(options, parts);
  }

  get port(): number {
    return this.listener.port;
  }

  /** True when nothing is waiting to be applied, and of nobody who left is anything there. */
  get idle(): boolean {
    return this.catalog.waiting === 0;
  }

  /** One line; queries a second are those since the last call. */
  statistics(): string {
    const nowMs = monotonicMs();
    const { peers, names, files } = this.catalog.counts;
    const { queries } = this.counters;
    const perSecond = (queries - this.queriesBefore) / Math.max(0.001, (nowMs - this.queriesSinceMs) / 1000);
    this.queriesBefore = queries;
    this.queriesSinceMs = nowMs;
    const uptimeSeconds = Math.round((nowMs - this.startedMs) / 1000);
    const memoryMiB = Math.round(process.memoryUsage.rss() / 1024 / 1024);
    return (
      `peers ${peers}, names ${names}, files ${files}, connections ${this.listener.connectionCount}, ` +
      `queries/s ${perSecond.toFixed(1)}, uptime ${uptimeSeconds} s, memory ${memoryMiB} MiB`
    );
  }

  snapshot(): IndexSnapshot {
    const { catalog, listener } = this;
    const { user, system } = process.cpuUsage();
    return {
      version,
      storage: catalog.storage,
      uptimeSeconds: (monotonicMs() - this.startedMs) / 1000,
      timeMs: wallMs(),
      memoryBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      ...catalog.counts,
      connections: listener.connectionCount,
      connectionsAccepted: listener.acceptedCount,
      connectionsRefused: listener.refusedCount,
      subscriptions: this.news.size,
      waiting: catalog.waiting,
      databaseBytes: catalog.bytesOnDisk(),
      counters: this.counters,
    };
  }

  async notReady(): Promise<string | undefined> {
    return this.stopping === undefined ? await this.catalog.problem() : "the index is being stopped";
  }

  /** The token was changed: cuts off whoever came with the old one. */
  dropOldMembers(): void {
    this.listener.dropOldMembers();
  }

  /** Cuts every connection, and ends the catalog. Never rejects. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  // --- internal ---

  private async end(): Promise<void> {
    this.listener.stop();
    this.timers.stop();
    await this.catalog.close();
  }

  private checksOf({ gate, mayAdvertise }: IndexServerOptions, { membership }: SecureListening) {
    const common = { membership, nowMs: monotonicMs };
    const onUnbacked = ({ host, port, fingerprint }: Place, { name }: AnnouncedEntry) =>
      this.log.warn(
        `peer ${formatAddress({ host, port })} (${shortFingerprint(fingerprint)}) is out for ten minutes: ` +
          `${printable(name, maxNameBytes)}, which it announces, cannot be had from it`,
      );
    return {
      reach: new Reach({
        ...common,
        mayAdvertise: (host) => mayAdvertise?.(host) === true && gate?.admits(host) !== false,
      }),
      audit: new Audit({ ...common, chance: Math.random, onUnbacked }),
    };
  }

  private logTrouble(line: string): void {
    this.counters.failures++;
    const nowMs = monotonicMs();
    const loggedMs = this.failuresLoggedMs.get(line);
    if (loggedMs !== undefined && nowMs - loggedMs < failureLogMs) return;
    this.failuresLoggedMs.set(line, nowMs);
    this.log.error(line);
  }
}

function textOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

function listen(options: IndexServerOptions, parts: IndexParts): Listener {
  const {
    host,
    port,
    secure,
    gate,
    budgets = budgetsOf(),
    connectionLimits = indexConnectionLimits,
  } = options;
  try {
    return new Listener({
      host,
      port,
      limits: { ...connectionLimits, total: connectionsWithin(connectionLimits.total) },
      budgets,
      secure,
      gate,
      accept: (connection) => new IndexConnection(connection, parts),
    });
  } catch (error) {
    throw new LocalIoError(`cannot listen on ${formatAddress({ host, port })}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

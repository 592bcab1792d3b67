/**
 * A running index: listener, database, catalog and the queue of long work, started and stopped together. What is
 * said on a connection is index-connection.ts and session.ts.
 */
import { SQLiteError } from "bun:sqlite";
import { formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { LocalIoError, reasonOf } from "../errors.ts";
import { type AddressLimit, addressLimit } from "../net/address-limits.ts";
import { ByteBudget } from "../net/byte-budget.ts";
import { type ConnectionLimits, indexConnectionLimits } from "../net/connection-limits.ts";
import { connectionsWithin } from "../net/file-limit.ts";
import { Listener } from "../net/listener.ts";
import type { Log } from "../output/log.ts";
import { printable } from "../printable.ts";
import { agent, version } from "../version.ts";
import { maxPeersPerAddress } from "../wire/limits.ts";
import { Catalog, type CatalogLimits } from "./catalog.ts";
import { CatalogNames } from "./catalog-names.ts";
import { IndexCounters } from "./counters.ts";
import { describeFailure, type IndexDatabase, inMemory, openIndexDatabase } from "./database.ts";
import { IndexConnection, type IndexParts } from "./index-connection.ts";
import { NameList } from "./list.ts";
import { Lookup } from "./lookup.ts";
import type { IndexMetrics, IndexSnapshot } from "./metrics.ts";
import { Rounds } from "./rounds.ts";
import { Search } from "./search.ts";
import { SearchTurns } from "./search-turns.ts";
import { SourceNews } from "./source-news.ts";
import { Subscriptions } from "./subscriptions.ts";
import { WorkQueue } from "./work-queue.ts";

export interface IndexServerOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** A file, or `:memory:`. */
  databasePath: string;
  log: Pick<Log, "info" | "warn" | "error">;
  connectionLimits?: ConnectionLimits;
  /** Registered peers. */
  peersPerAddress?: AddressLimit;
  limits?: CatalogLimits;
  /** The index cannot go on: to be stopped. Called once. */
  onFatal?: (error: LocalIoError) => void;
}

/** A purge that failed (no space, a lock) is tried again after this. */
const purgeRetryMs = 5_000;
/** How often it is looked whether the database is still where it was. */
const placeCheckMs = 2_000;
/** The same trouble is logged once in this time. */
const failureLogMs = 10_000;

export class IndexServer implements IndexMetrics {
  private readonly log: IndexServerOptions["log"];
  private readonly catalog: Catalog;
  private readonly queue: WorkQueue;
  private readonly news: SourceNews;
  private readonly listener: Listener;
  /** Owns the purges, which so come one after the other. */
  private readonly purger = {};
  private readonly timers = new Set<Timer>();
  private placeCheck: Timer | undefined;
  private readonly startedMs = monotonicMs();
  private readonly failuresLoggedMs = new Map<string, number>();
  private readonly counters = new IndexCounters();
  /** When `statistics` was last asked. */
  private queriesBefore = 0;
  private queriesSinceMs = monotonicMs();
  private stopped = false;

  /** Throws LocalIoError: the database cannot be used, or the port cannot be listened on. */
  static start(options: IndexServerOptions): IndexServer {
    const { databasePath, log } = options;
    const database = openIndexDatabase(databasePath, (line) => log.warn(line));
    try {
      return new IndexServer(options, database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  private constructor(
    private readonly options: IndexServerOptions,
    private readonly database: IndexDatabase,
  ) {
    this.log = options.log;
    this.catalog = openCatalog(database, options.limits);
    this.queue = new WorkQueue({
      nowMs: monotonicMs,
      soon: (run) => setImmediate(run),
      later: (run, delayMs) => this.later(run, delayMs),
    });
    this.news = this.sourceNews();
    const lookup = new Lookup(this.catalog, Math.random);
    const parts: IndexParts = {
      catalog: this.catalog,
      lookup,
      search: new Search(this.catalog, lookup),
      names: new CatalogNames(this.catalog, lookup),
      list: new NameList(this.catalog, lookup),
      news: this.news,
      searchTurns: new SearchTurns((run, delayMs) => this.later(run, delayMs)),
      queue: this.queue,
      rounds: new Rounds((run) => setImmediate(run)),
      peersPerAddress: options.peersPerAddress ?? addressLimit(maxPeersPerAddress),
      // What peers registered before is not known any more, so every start has another one.
      welcome: { agent, epoch: crypto.randomUUID() },
      counters: this.counters,
      snapshot: () => this.snapshot(),
      onFailure: (error) => this.logFailure(error),
      onLeft: (peer) => {
        if (this.stopped) return;
        this.catalog.leave(peer);
        this.purge(peer.id);
      },
    };
    this.listener = listen(options, parts);
    const { databasePath, onFatal } = options;
    this.placeCheck = setInterval(() => {
      const problem = placeProblem(database, databasePath);
      if (problem === undefined) return;
      clearInterval(this.placeCheck);
      onFatal?.(problem);
    }, placeCheckMs);
    for (const peerId of this.catalog.hiddenPeers) this.purge(peerId);
  }

  get port(): number {
    return this.listener.port;
  }

  /** Turns of long work so far: for statistics, and for tests of who waits for whom. */
  get turnsTaken(): number {
    return this.queue.turnsTaken;
  }

  /** True when nothing is waiting to be applied or purged. */
  get idle(): boolean {
    return this.queue.idle;
  }

  /** One line; queries a second are those since the last call. */
  statistics(): string {
    const nowMs = monotonicMs();
    const { peers, names, holdings } = this.catalog.counts;
    const { queries } = this.counters;
    const perSecond = (queries - this.queriesBefore) / Math.max(0.001, (nowMs - this.queriesSinceMs) / 1000);
    this.queriesBefore = queries;
    this.queriesSinceMs = nowMs;
    const uptimeSeconds = Math.round((nowMs - this.startedMs) / 1000);
    const memoryMiB = Math.round(process.memoryUsage.rss() / 1024 / 1024);
    return (
      `peers ${peers}, names ${names}, holdings ${holdings}, connections ${this.listener.connectionCount}, ` +
      `queries/s ${perSecond.toFixed(1)}, uptime ${uptimeSeconds} s, memory ${memoryMiB} MiB`
    );
  }

  snapshot(): IndexSnapshot {
    const { peers, names } = this.catalog.counts;
    const { user, system } = process.cpuUsage();
    return {
      version,
      storage: this.options.databasePath === inMemory ? "memory" : "sqlite",
      uptimeSeconds: (monotonicMs() - this.startedMs) / 1000,
      memoryBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      peers,
      files: this.catalog.live.all().reduce((sum, peer) => sum + peer.holdings, 0),
      names,
      connections: this.listener.connectionCount,
      connectionsAccepted: this.listener.acceptedCount,
      connectionsRefused: this.listener.refusedCount,
      subscriptions: this.news.subscriptions.size,
      waiting: this.queue.size,
      databaseBytes: this.database.bytesOnDisk(),
      counters: this.counters,
    };
  }

  notReady(): string | undefined {
    if (this.stopped) return "the index is being stopped";
    const problem = placeProblem(this.database, this.options.databasePath);
    if (problem !== undefined) return problem.message;
    try {
      if (this.catalog.tryTransaction(() => this.database.tryWriting())) return undefined;
      return "another program keeps the index database locked";
    } catch (error) {
      return describeFailure(error);
    }
  }

  /** Cuts every connection, says in the database that nobody is there, and closes it. May be called again. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    clearInterval(this.placeCheck);
    this.queue.stop();
    for (const timer of this.timers) clearTimeout(timer);
    this.listener.stop();
    try {
      this.catalog.hideAll();
    } catch (error) {
      this.log.warn(describeFailure(error));
    }
    this.database.close();
  }

  // --- internal ---

  private sourceNews(): SourceNews {
    const { live } = this.catalog;
    const isLive = (peer: string) => live.get(Number(peer)) !== undefined;
    return new SourceNews(new Subscriptions(Math.random, isLive), {
      nowMs: monotonicMs,
      later: (run, delayMs) => this.later(run, delayMs),
    });
  }

  private purge(peerId: number): void {
    this.queue.add({
      owner: this.purger,
      steps: this.catalog.purge(peerId),
      slice: (run) => this.catalog.tryTransaction(run),
      finished: () => this.catalog.forget(peerId),
      failed: (error) => {
        this.logFailure(error);
        this.later(() => this.purge(peerId), purgeRetryMs);
      },
    });
  }

  private later(run: () => void, delayMs: number): () => void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, delayMs);
    this.timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.timers.delete(timer);
    };
  }

  private logFailure(error: unknown): void {
    this.counters.failures++;
    const line = describeFailure(error);
    const nowMs = monotonicMs();
    const loggedMs = this.failuresLoggedMs.get(line);
    if (loggedMs !== undefined && nowMs - loggedMs < failureLogMs) return;
    this.failuresLoggedMs.set(line, nowMs);
    this.log.error(line);
  }
}

function placeProblem(database: IndexDatabase, path: string): LocalIoError | undefined {
  try {
    if (database.isInPlace()) return undefined;
    return new LocalIoError(
      `the database ${printable(path, 500)} was removed or replaced while the index was using it: start the index again`,
    );
  } catch (error) {
    return new LocalIoError(`cannot look at the database ${printable(path, 500)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function openCatalog(database: IndexDatabase, limits: CatalogLimits | undefined): Catalog {
  try {
    return new Catalog(database.database, limits);
  } catch (error) {
    if (error instanceof SQLiteError) throw new LocalIoError(describeFailure(error), { cause: error });
    throw error;
  }
}

function listen(options: IndexServerOptions, parts: IndexParts): Listener {
  const { host, port, connectionLimits = indexConnectionLimits } = options;
  try {
    return new Listener({
      host,
      port,
      limits: { ...connectionLimits, total: connectionsWithin(connectionLimits.total) },
      budget: new ByteBudget(),
      accept: (connection) => new IndexConnection(connection, parts),
    });
  } catch (error) {
    throw new LocalIoError(`cannot listen on ${formatAddress({ host, port })}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

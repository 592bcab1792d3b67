/** Opens the catalog that a `postgres://` URL names: reaches the server, makes the tables, and joins the others. */
import catalogSql from "../../../migrations/postgres/001-catalog.sql" with { type: "text" };
import fingerprintsSql from "../../../migrations/postgres/002-fingerprints.sql" with { type: "text" };
import newsSql from "../../../migrations/postgres/003-news.sql" with { type: "text" };
import { LocalIoError } from "../../errors.ts";
import { maxFilesPerIndex, maxFilesPerPeer } from "../../wire/limits.ts";
import { type Catalog, type CatalogLimits, StoreError } from "../catalog.ts";
import { PostgresCatalog } from "./catalog.ts";
import { Pool, probe, shown } from "./database.ts";
import { migrate } from "./migrate.ts";
import type { NewsListener } from "./news.ts";
import { ProcessRow, type Times, usualTimes } from "./process-row.ts";

export interface PostgresOptions {
  limits?: CatalogLimits;
  /** Gives numbers from 0 to 1, 1 excluded. */
  chance(): number;
  /** What a peer had registered is kept for so long after it has left. */
  keepLeftMs?: number;
  times?: Partial<Times>;
  /** For questions, at most: others come in addition. */
  connections?: number;
}

/** Eight connections answered most (measured on two cores); changes take turns, so a few do. */
const readConnections = 8;
const changeConnections = 4;
const backgroundConnections = 3;

export function isPostgresUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text);
}

/** Rejects with LocalIoError, whose message has no password. */
export async function openPostgresCatalog(
  url: string,
  options: PostgresOptions,
  listener: NewsListener,
): Promise<Catalog> {
  const settings = await probe(url);
  const onFailure = (line: string) => listener.failed(line);
  const pool = (connections: number, more = {}) =>
    new Pool({ url, connections, settings: { ...settings, ...more }, onFailure });
  const pools = {
    read: pool(options.connections ?? readConnections),
    change: pool(changeConnections),
    // What nobody was told may be lost in a crash: it is done again.
    background: pool(backgroundConnections, { synchronous_commit: "off" }),
  };
  try {
    await migrate(pools.background, [catalogSql, fingerprintsSql, newsSql]);
    const { chance, keepLeftMs = usualTimes.keepMs } = options;
    const times = { ...usualTimes, keepMs: keepLeftMs, ...options.times };
    const process = await ProcessRow.begin(pools.background, times);
    const limits = options.limits ?? { filesPerPeer: maxFilesPerPeer, filesPerIndex: maxFilesPerIndex };
    const catalog = new PostgresCatalog({ url, pools, process, limits, listener, times, chance });
    await catalog.begin();
    return catalog;
  } catch (error) {
    await Promise.all([pools.read.close(), pools.change.close(), pools.background.close()]);
    if (!(error instanceof StoreError)) throw error;
    throw new LocalIoError(`${shown(url)}: its tables cannot be used; the line before says why`, {
      cause: error,
    });
  }
}

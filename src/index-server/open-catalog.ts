/** Which store an index has: what `--db` says. */
import type { Log } from "../output/log.ts";
import type { Catalog, CatalogLimits, CatalogListener } from "./catalog.ts";
import { isPostgresUrl, openPostgresCatalog } from "./postgres/open.ts";
import { SqliteCatalog } from "./sqlite/sqlite-catalog.ts";
import type { WantedFiles } from "./wanted-files.ts";

export interface CatalogOptions {
  /** A file, `:memory:`, or a `postgres://` URL. */
  database: string;
  limits: CatalogLimits;
  /** What a peer had registered is kept for so long after it has left. */
  keepLeftMs: number;
  /** What `listener` wants, and perhaps more: for those who cannot ask it. */
  wanted: WantedFiles;
  listener: CatalogListener;
  log: Pick<Log, "warn">;
}

/** Rejects with LocalIoError, whose message has no password. */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const { database, limits, keepLeftMs, wanted, listener, log } = options;
  const chance = Math.random;
  if (!isPostgresUrl(database)) {
    const warn = (line: string) => log.warn(line);
    return await SqliteCatalog.open({ path: database, limits, keepLeftMs, wanted, listener, chance, warn });
  }
  const listening = { ...listener, wantsAny: () => wanted.any };
  return await openPostgresCatalog(database, { limits, keepLeftMs, chance }, listening);
}

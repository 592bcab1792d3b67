/** What an index is asked most, answered without making anything: bytes that are kept go out behind the id that came in. */
import type { Connection } from "../net/connection.ts";
import { type PlainQueries, PlainResultStart } from "../wire/plain-query.ts";
import type { Catalog } from "./catalog.ts";

/** Of all connections: it is copied at once. */
const start = new PlainResultStart();

/** False: no answer is kept, and the QUERY must be answered another way. */
export function answerFromKept(query: PlainQueries, catalog: Catalog, connection: Connection): boolean {
  const kept = catalog.keptAnswer?.(query);
  if (kept === undefined) return false;
  connection.sendCopy(start.bytes, 0, start.put(query));
  connection.sendCopy(kept.bytes, kept.from, kept.to);
  return true;
}

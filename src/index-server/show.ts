/** PEERS and STATS: what people are shown of an index. Answered at once; BROWSE is browse.ts. Pure. */
import { encodePeers, encodeStats } from "../wire/encode.ts";
import type { PeersRequest, RegisteredPeer, StatsRequest } from "../wire/view-messages.ts";
import type { CatalogPeer } from "./catalog.ts";
import type { IndexParts } from "./index-parts.ts";
import type { IndexSnapshot } from "./metrics.ts";

export function shownLine(
  request: PeersRequest | StatsRequest,
  { catalog, snapshot }: Pick<IndexParts, "catalog" | "snapshot">,
  nowMs: number,
): string {
  if (request.type === "STATS") return statsLine(request, snapshot());
  return peersLine(request, catalog.peers(), nowMs);
}

/** At most `limit` peers whose ids come after `after`, in the order of their ids. */
export function peersLine(
  { id, after, limit }: PeersRequest,
  peers: Iterable<CatalogPeer>,
  nowMs: number,
): string {
  const later: CatalogPeer[] = [];
  let isSorted = true;
  for (const peer of peers) {
    if (after !== "" && compareIds(peer.id, after) <= 0) continue;
    const last = later.at(-1);
    isSorted &&= last === undefined || compareIds(last.id, peer.id) < 0;
    later.push(peer);
  }
  // As they came, as a rule.
  if (!isSorted) later.sort((one, other) => compareIds(one.id, other.id));
  const page: RegisteredPeer[] = later.slice(0, limit).map((peer) => {
    const { host, port, fingerprint, files, sinceMs } = peer;
    const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000));
    return { peer: peer.id, host, port, fingerprint, files, seconds };
  });
  return encodePeers(id, page, later.length > limit ? page.at(-1)?.peer : undefined);
}

/** Numbers in the order of their values, whatever else ids may be. */
function compareIds(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

export function statsLine({ id }: StatsRequest, snapshot: IndexSnapshot): string {
  const { peers, files, names, connections, counters, uptimeSeconds, timeMs, memoryBytes, storage } =
    snapshot;
  const seconds = Math.round(uptimeSeconds);
  const { queries } = counters;
  const numbers = { peers, files, names, connections, queries, seconds, memoryBytes, timeMs };
  return encodeStats({ type: "STATS", id, ...numbers, storage });
}

/** PEERS and STATS: what people are shown of an index. Answered at once; BROWSE is browse.ts. Pure. */
import { encodePeers, encodeStats } from "../wire/encode.ts";
import type { PeersRequest, RegisteredPeer, StatsRequest } from "../wire/view-messages.ts";
import type { IndexSnapshot } from "./metrics.ts";

/** What is known of a peer that is registered, in the order of the ids. */
export interface ShownPeer {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  /** How many names it has registered. */
  readonly holdings: number;
  readonly sinceMs: number;
}

/** `after` that is no id of ours: from the beginning, as for a peer that has left since then. */
export function peersLine(
  { id, after, limit }: PeersRequest,
  peers: Iterable<ShownPeer>,
  nowMs: number,
): string {
  const first = Number(after) || 0;
  const page: RegisteredPeer[] = [];
  for (const peer of peers) {
    if (peer.id <= first) continue;
    if (page.length === limit) return encodePeers(id, page, page.at(-1)?.peer);
    const { host, port, holdings, sinceMs } = peer;
    const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000));
    page.push({ peer: String(peer.id), host, port, files: holdings, seconds });
  }
  return encodePeers(id, page, undefined);
}

export function statsLine({ id }: StatsRequest, snapshot: IndexSnapshot): string {
  const { peers, files, names, connections, counters, uptimeSeconds, memoryBytes, storage } = snapshot;
  const seconds = Math.round(uptimeSeconds);
  const { queries } = counters;
  const numbers = { peers, files, names, connections, queries, seconds, memoryBytes };
  return encodeStats({ type: "STATS", id, ...numbers, storage });
}

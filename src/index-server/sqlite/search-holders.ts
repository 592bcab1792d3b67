/**
 * Whether what looks like a hit may be shown: who has its content now, and under which of its names it is shown.
 * Reads the index's database; live peers only.
 */
import type { Database } from "bun:sqlite";
import type { FileName } from "../../wire/file-name.ts";
import type { Match } from "../../wire/messages.ts";
import { FoldedName } from "../../wire/search-fold.ts";
import { isPeerMeant, matchesFolded, type Ranked, rank } from "../../wire/search-match.ts";
import type { SearchQuery } from "../../wire/search-query.ts";
import type { LiveBits } from "./live-peers.ts";

/** Holders of one name that are read. Of more, the kept number counts, which forgets late those that left. */
const fewHolders = 64;
/** When none of the few is live, or a search asks who they are: 0.1 ms. */
const maxHoldersRead = 1_024;
/** Of a content with more names (the empty file) the same content may be shown twice on different pages. */
const maxNamesRead = 32;
/** Looked at together: one statement for all of them takes a third of the time. Less than a millisecond. */
export const entriesAtOnce = 64;

export type Hit = Match & Ranked;

/** One name of the content of `entry`. `peers`: who has it whole under this name, joined by commas. */
type NamedEntry = [
  entry: number,
  id: number,
  name: string,
  whole: number,
  sizeBytes: number,
  root: Uint8Array,
  peers: string | null,
];

/** Peers that a search means or does not mean, as slots. */
export interface MeantPeers {
  /** Of each `peer:`, who is meant. */
  wanted: readonly ReadonlySet<number>[];
  unwanted: readonly ReadonlySet<number>[];
}

export class SearchHolders {
  private readonly namesOfContents;
  private readonly holders;
  private readonly peers;

  constructor(
    database: Database,
    private readonly live: LiveBits,
  ) {
    this.namesOfContents = database.prepare<NamedEntry, [entries: string]>(
      `SELECT mine.id, other.id, other.name, other.holders - other.partial_holders, other.size, other.root,
         (SELECT group_concat(peer) FROM (
            SELECT peer FROM holdings WHERE entry = other.id AND partial = 0 LIMIT ${fewHolders}))
       FROM json_each(?) AS asked CROSS JOIN entries AS mine ON mine.id = asked.value
         CROSS JOIN entries AS other ON other.id IN (
           SELECT mine.id UNION ALL
           SELECT id FROM (SELECT id FROM entries WHERE root_key = mine.root_key LIMIT ${maxNamesRead}))
       WHERE other.root = mine.root AND other.size = mine.size`,
    );
    this.holders = database.prepare<[peers: string | null], [entry: number]>(
      `SELECT group_concat(peer) FROM (
         SELECT peer FROM holdings WHERE entry = ? AND partial = 0 LIMIT ${maxHoldersRead})`,
    );
    this.peers = database.prepare<{ id: number; host: string; port: number }, []>(
      "SELECT id, host, port FROM peers",
    );
  }

  meantPeers({ wanted, unwanted }: SearchQuery): MeantPeers {
    if (![...wanted, ...unwanted].some(({ kind }) => kind === "peer")) return { wanted: [], unwanted: [] };
    const peers = this.peers.all().filter(({ id }) => this.live.has(id));
    const meant = (conditions: SearchQuery["wanted"]): Set<number>[] =>
      conditions.flatMap((each) => {
        if (each.kind !== "peer") return [];
        return [
          new Set(peers.filter(({ host, port }) => isPeerMeant(each.prefix, host, port)).map(({ id }) => id)),
        ];
      });
    return { wanted: meant(wanted), unwanted: meant(unwanted) };
  }

  /**
   * At most `entriesAtOnce`, in their order. An entry is left out when it is gone, or nobody live has it whole under this
   * name. Sources are those of its content, under whatever name.
   */
  hitsOf(entries: readonly number[], query: SearchQuery, meant: MeantPeers): Hit[] {
    const rows = this.namesOfContents.values(JSON.stringify(entries)) as NamedEntry[];
    const byEntry = Map.groupBy(rows, ([entry]) => entry);
    return entries.flatMap((entry) => this.hitOf(entry, byEntry.get(entry) ?? [], query, meant) ?? []);
  }

  private hitOf(
    entry: number,
    names: readonly NamedEntry[],
    query: SearchQuery,
    meant: MeantPeers,
  ): Hit | undefined {
    const isOfPeers = meant.wanted.length + meant.unwanted.length > 0;
    const holders = new Set<number>();
    let own: Ranked | undefined;
    let kept = 0;
    for (const [, id, name, whole, , , peers] of names) {
      const here = this.liveHolders(id, whole, peers, isOfPeers);
      for (const peer of here) holders.add(peer);
      kept += whole;
      const isMeant = meant.wanted.every((some) => here.some((peer) => some.has(peer)));
      if (id !== entry || here.length === 0 || !isMeant) continue;
      const folded = new FoldedName(name);
      if (matchesFolded(query, folded)) own = { rank: rank(query, folded), sources: 0, name };
    }
    if (own === undefined) return undefined;
    if (meant.unwanted.some((peers) => holders.values().some((peer) => peers.has(peer)))) return undefined;
    const [, , , , sizeBytes, root] = names[0]!;
    const sources = kept <= fewHolders ? holders.size : kept;
    return { name: own.name as FileName, root: root.toHex(), sizeBytes, sources, rank: own.rank };
  }

  private liveHolders(entry: number, whole: number, few: string | null, areAllAsked: boolean): number[] {
    const found = this.liveAmong(few);
    if (whole <= fewHolders || (found.length > 0 && !areAllAsked)) return found;
    return this.liveAmong((this.holders.values(entry) as [string | null][])[0]?.[0] ?? null);
  }

  private liveAmong(peers: string | null): number[] {
    if (peers === null) return [];
    return peers
      .split(",")
      .map(Number)
      .filter((peer) => this.live.has(peer));
  }
}

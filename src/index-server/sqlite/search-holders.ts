/**
 * Whether what looks like a hit may be shown: who has its content now, and under which of its names it is shown.
 * Reads the index's database; live peers only.
 */
import type { Database } from "bun:sqlite";
import type { FileName } from "../../wire/file-name.ts";
import type { Match } from "../../wire/messages.ts";
import { isPeerMeant, type Ranked } from "../../wire/search-match.ts";
import type { SearchQuery } from "../../wire/search-query.ts";
import type { LiveBits } from "./live-peers.ts";
import { shortKey } from "./name-key.ts";

/** Holders of one name that are read. Of more, the kept number counts, which forgets late those that left. */
const fewHolders = 64;
/** When none of the few is live, or a search asks who they are: 0.1 ms. */
const maxHoldersRead = 1_024;
/** Of a content with more names (the empty file) the same content may be shown twice on different pages. */
const maxNamesRead = 32;
/** Looked at together: one statement for all of them takes a third of the time. Less than a millisecond. */
export const entriesAtOnce = 64;

export type Hit = Match & Ranked;

/** What fits, in the order of search-match.ts by its folded name. */
export interface RankedCandidate extends Ranked {
  id: number;
  /** The name as it was given. */
  shown: string;
  sizeBytes: number;
}

/** `others`: 0 when no other has such a root. `peers`: who has it whole under this name, joined by commas. */
type HeldEntry = [
  id: number,
  whole: number,
  sizeBytes: number,
  root: Uint8Array,
  others: 0 | 1,
  peers: string | null,
];

/** Peers that a search means or does not mean, as slots. */
export interface MeantPeers {
  /** Of each `peer:`, who is meant. */
  wanted: readonly ReadonlySet<number>[];
  unwanted: readonly ReadonlySet<number>[];
}

export class SearchHolders {
  private readonly entries;
  private readonly withRoots;
  private readonly holders;
  private readonly peers;

  constructor(
    database: Database,
    private readonly live: LiveBits,
  ) {
    this.entries = database.prepare<HeldEntry, [ids: string]>(
      `SELECT e.id, e.holders - e.partial_holders, e.size, e.root, e.others,
         (SELECT group_concat(peer) FROM (
            SELECT peer FROM holdings WHERE entry = e.id AND partial = 0 LIMIT ${fewHolders}))
       FROM json_each(?) AS asked CROSS JOIN entries AS e ON e.id = asked.value`,
    );
    this.withRoots = database.prepare<[entries: string | null], [rootKeys: string]>(
      `SELECT (SELECT group_concat(entry) FROM (
         SELECT entry FROM roots WHERE root_key = asked.value LIMIT ${maxNamesRead}))
       FROM json_each(?) AS asked`,
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
  hitsOf(candidates: readonly RankedCandidate[], meant: MeantPeers): Hit[] {
    const own = this.read(candidates.map(({ id }) => id));
    const others = this.otherNames([...own.values()].filter((entry) => entry[4] === 1));
    return candidates.flatMap((candidate) => {
      const entry = own.get(candidate.id);
      if (entry === undefined) return [];
      return this.hitOf(candidate, entry, others.get(entry) ?? [], meant) ?? [];
    });
  }

  /** The same contents under other names. */
  private otherNames(entries: readonly HeldEntry[]): Map<HeldEntry, HeldEntry[]> {
    if (entries.length === 0) return new Map();
    const keys = entries.map(([, , , root]) => shortKey(root));
    const rows = this.withRoots.values(JSON.stringify(keys)) as [string | null][];
    const ids = rows.map(([found]) => found?.split(",").map(Number) ?? []);
    const found = this.read([...new Set(ids.flat())]);
    return new Map(
      entries.map((entry, at) => {
        const named = ids[at]!.filter((id) => id !== entry[0]).map((id) => found.get(id));
        return [entry, named.filter((other): other is HeldEntry => isSameContent(entry, other))];
      }),
    );
  }

  private read(ids: readonly number[]): Map<number, HeldEntry> {
    if (ids.length === 0) return new Map();
    const rows = this.entries.values(JSON.stringify(ids)) as HeldEntry[];
    return new Map(rows.map((row) => [row[0], row]));
  }

  /** `others`: the content under other names. */
  private hitOf(
    { rank, shown, sizeBytes }: RankedCandidate,
    entry: HeldEntry,
    others: readonly HeldEntry[],
    meant: MeantPeers,
  ): Hit | undefined {
    const isOfPeers = meant.wanted.length + meant.unwanted.length > 0;
    const here = this.liveHolders(entry, isOfPeers);
    if (here.length === 0) return undefined;
    if (!meant.wanted.every((some) => here.some((peer) => some.has(peer)))) return undefined;
    const holders = new Set(here);
    let kept = entry[1];
    for (const other of others) {
      for (const peer of this.liveHolders(other, isOfPeers)) holders.add(peer);
      kept += other[1];
    }
    if (meant.unwanted.some((peers) => holders.values().some((peer) => peers.has(peer)))) return undefined;
    const sources = kept <= fewHolders ? holders.size : kept;
    return { name: shown as FileName, root: entry[3].toHex(), sizeBytes, sources, rank };
  }

  private liveHolders([id, whole, , , , few]: HeldEntry, areAllAsked: boolean): number[] {
    const found = this.liveAmong(few);
    if (whole <= fewHolders || (found.length > 0 && !areAllAsked)) return found;
    return this.liveAmong((this.holders.values(id) as [string | null][])[0]?.[0] ?? null);
  }

  private liveAmong(peers: string | null): number[] {
    if (peers === null) return [];
    return peers
      .split(",")
      .map(Number)
      .filter((peer) => this.live.has(peer));
  }
}

function isSameContent([, , sizeBytes, root]: HeldEntry, other: HeldEntry | undefined): boolean {
  return other !== undefined && other[2] === sizeBytes && Buffer.compare(other[3], root) === 0;
}

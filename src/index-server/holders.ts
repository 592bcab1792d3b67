/**
 * Who has a content now, and whom of many a downloader is told. Reads only, live peers only, an address once.
 *
 * The work is bounded however many have it: holders are read as long as there are at most 1,024; of more, live peers
 * are tried by chance until there are enough, and the count is the kept one (which still counts peers that left during
 * the last moments, until they are purged).
 */
import type { Database } from "bun:sqlite";
import { maxSourcesPerContent } from "../wire/limits.ts";
import type { Source } from "../wire/messages.ts";
import type { Catalog } from "./catalog.ts";
import type { LivePeer } from "./live-peers.ts";

/** As kept with the content: hidden peers are among them. */
export interface KeptCounts {
  whole: number;
  partial: number;
}

export interface Holders {
  total: number;
  /** In random order. */
  sources: Source[];
}

const maxHoldersRead = 1_024;

/**
 * Places that whole sources get before partial ones. With a whole source a download cannot get stuck for a chunk; but
 * it is what everybody goes to, and in a crowd most of what can be sent lies at those who have a part. So both have
 * half of the places, and what the one kind does not need is the other's.
 */
const wholePlaces = maxSourcesPerContent / 2;

const whole = 0;
const partial = 1;
type State = typeof whole | typeof partial;

/** From how many holders on a few of them are found by chance, when one of so many live peers is such a holder. */
const cheapHolders = 64;
const cheapTries = 8;

/** Holders in one state, by address. */
interface Found {
  count: number;
  peers: Map<string, LivePeer>;
}

export class HolderLookup {
  private readonly inState;
  private readonly isInState;
  private readonly isWholeUnder;
  private readonly keptCounts;
  /** Rows looked at so far: for whoever has a budget of them. */
  rowsRead = 0;

  /** `chance` gives numbers from 0 to 1, 1 excluded. */
  constructor(
    private readonly catalog: Catalog,
    private readonly chance: () => number,
    database: Database = catalog.database,
  ) {
    this.inState = database.prepare<{ peer: number }, [content: number, state: number, from: number]>(
      `SELECT peer FROM holders WHERE content = ? AND partial = ? AND peer >= ? LIMIT ${maxHoldersRead}`,
    );
    this.isInState = database.prepare<{ peer: number }, [content: number, state: number, peer: number]>(
      "SELECT peer FROM holders WHERE content = ? AND partial = ? AND peer = ?",
    );
    this.isWholeUnder = database.prepare<{ partial: number }, [entry: number, peer: number]>(
      "SELECT partial FROM holdings WHERE entry = ? AND peer = ? AND partial = 0",
    );
    this.keptCounts = database.prepare<KeptCounts, [root: Uint8Array, size: number]>(
      "SELECT holders AS whole, partial_holders AS partial FROM contents WHERE root = ? AND size = ?",
    );
  }

  /** How many have it, as kept: hidden peers are among them, and one that has it whole and in part counts twice. */
  keptTotal({ root, sizeBytes }: { root: string; sizeBytes: number }): number {
    const kept = this.keptCounts.get(Buffer.from(root, "hex"), sizeBytes);
    return kept === null ? 0 : kept.whole + kept.partial;
  }

  /** Whole and partial ones, at most 64. A peer or address that has it whole is not partial, whatever else it says. */
  all(content: number, kept: KeptCounts): Holders {
    const wholes = this.find(content, whole, kept.whole, maxSourcesPerContent);
    const partials = this.find(content, partial, kept.partial, maxSourcesPerContent, wholes.peers);
    const forWhole = Math.max(wholePlaces, maxSourcesPerContent - partials.peers.size);
    const chosenWhole = this.sample(wholes, forWhole, false);
    const chosenPartial = this.sample(partials, maxSourcesPerContent - chosenWhole.length, true);
    const sources = [...chosenWhole, ...chosenPartial];
    // The place in the answer says nothing.
    if (chosenPartial.length > 0) this.shuffle(sources, sources.length);
    return { total: wholes.count + partials.count, sources };
  }

  /** How many have it whole. */
  wholeCount(content: number, keptCount: number): number {
    return this.find(content, whole, keptCount, 0).count;
  }

  /**
   * A few of those who have it whole, for little: where that finds enough of them, live peers are tried by chance
   * already above 64 holders.
   */
  fewWhole(content: number, keptCount: number, few: number): Holders {
    const { live } = this.catalog;
    const areMany = keptCount > cheapHolders && live.size < cheapTries * keptCount;
    const found = areMany
      ? this.findByChance(content, whole, keptCount, few)
      : this.find(content, whole, keptCount, few);
    return { total: found.count, sources: this.sample(found, few, false) };
  }

  /** Whether a live peer has the content whole under this very name. */
  isListed(entry: number, content: number, kept: KeptCounts): boolean {
    if (kept.whole === 0) return false;
    const { live, hiddenPeers } = this.catalog;
    if (hiddenPeers.size === 0) return true;
    const rows = this.inState.values(content, whole, live.oldestId) as [number][];
    this.rowsRead += rows.length;
    return rows.some(([peer]) => live.get(peer) !== undefined && this.isWholeUnder.get(entry, peer) !== null);
  }

  // --- internal ---

  private find(content: number, state: State, kept: number, enough: number, others?: Found["peers"]): Found {
    const { live } = this.catalog;
    const peers = new Map<string, LivePeer>();
    if (live.size === 0 || kept === 0) return { count: 0, peers };
    if (kept > maxHoldersRead) return this.findByChance(content, state, kept, enough, others);
    const rows = this.inState.values(content, state, live.oldestId) as [number][];
    this.rowsRead += rows.length;
    for (const [id] of rows) {
      const peer = live.get(id);
      if (peer !== undefined && others?.has(addressOf(peer)) !== true) peers.set(addressOf(peer), peer);
    }
    return { count: peers.size, peers };
  }

  private findByChance(
    content: number,
    state: State,
    kept: number,
    enough: number,
    others?: Found["peers"],
  ): Found {
    const { live } = this.catalog;
    const peers = new Map<string, LivePeer>();
    const isEveryoneTried = kept > maxHoldersRead && live.size <= maxHoldersRead;
    for (let i = 0; i < Math.min(live.size, maxHoldersRead); i++) {
      const peer = isEveryoneTried ? live.all()[i]! : live.any(this.chance);
      this.rowsRead++;
      const isNew = !peers.has(addressOf(peer)) && others?.has(addressOf(peer)) !== true;
      if (isNew && this.isInState.get(content, state, peer.id) !== null) peers.set(addressOf(peer), peer);
      if (!isEveryoneTried && peers.size >= enough) break;
    }
    return { count: isEveryoneTried ? peers.size : Math.min(kept, live.size), peers };
  }

  /** At most so many of them, each as likely as any other, in random order. */
  private sample({ peers }: Found, most: number, isPartial: boolean): Source[] {
    const all = [...peers.values()];
    const count = Math.min(all.length, most);
    this.shuffle(all, count);
    return all.slice(0, count).map((peer) => sourceOf(peer, isPartial));
  }

  /** The first `count` are then chosen by chance from all. */
  private shuffle(list: unknown[], count: number): void {
    for (let i = 0; i < count; i++) {
      const other = i + Math.floor(this.chance() * (list.length - i));
      const chosen = list[other];
      list[other] = list[i];
      list[i] = chosen;
    }
  }
}

function addressOf({ host, port }: LivePeer): string {
  return `${host} ${port}`;
}

export function sourceOf(peer: LivePeer, isPartial: boolean): Source {
  return { peer: String(peer.id), host: peer.host, port: peer.port, partial: isPartial };
}

/**
 * Who has a content now, and whom of many a downloader is told. Reads only, live peers only, an address once.
 *
 * The work is bounded however many have it: holders are read as long as there are at most 1,024; of more, live peers
 * are tried by chance until there are enough, and the count is the kept one (which still counts peers that left, until
 * their rows are purged). Of a content with very many names the 1,024 most held ones are looked at, or fewer.
 */
import type { Database } from "bun:sqlite";
import { maxSourcesPerContent } from "../../wire/limits.ts";
import type { Source } from "../../wire/messages.ts";
import type { LivePeer, LivePeers } from "./live-peers.ts";
import { shortKey } from "./name-key.ts";

/** One name of a content, with the counts that are kept with it: those of peers that left are among them. */
export interface HeldEntry {
  id: number;
  holders: number;
  partial_holders: number;
}

/** The same, with its content. */
export interface HeldContent extends HeldEntry {
  root: Uint8Array;
  size: number;
  /** 0: no other entry has such a root. Only where there are others, they are found by it. */
  others: 0 | 1;
}

export interface Holders {
  total: number;
  /** In random order. */
  peers: { peer: LivePeer; partial: boolean }[];
}

const maxHoldersRead = 1_024;
const maxNamesRead = 1_024;
/** Of these a peer found by chance is looked for under so many. */
const maxNamesTried = 8;
/** What running a statement costs, in rows. */
const rowsPerStatement = 8;

/**
 * Places that whole sources get before partial ones. With a whole source a download cannot get stuck for a chunk; but
 * it is what everybody goes to, and in a crowd most of what can be sent lies at those who have a part. So both have
 * half of the places, and what the one kind does not need is the other's.
 */
const wholePlaces = maxSourcesPerContent / 2;

/** From how many holders on an entry is looked at by itself. */
const fewHolders = 4;
/** From how many holders on a few of them are found by chance, when one of so many live peers is such a holder. */
const cheapHolders = 64;
const cheapTries = 8;

/** As in the tables. */
const whole = 0;
const partial = 1;
type State = typeof whole | typeof partial;

/** Holders in one state, by address. */
interface Found {
  count: number;
  peers: Map<string, LivePeer>;
}

const noPeers: ReadonlyMap<string, LivePeer> = new Map();

export class HolderLookup {
  private readonly namesOf;
  private readonly holdersOf;
  private readonly holdersOfMany;
  private readonly isHolder;
  /** Rows looked at so far: for whoever has a budget of them. */
  rowsRead = 0;

  /** `chance` gives numbers from 0 to 1, 1 excluded. */
  constructor(
    database: Database,
    private readonly live: LivePeers,
    private readonly chance: () => number,
  ) {
    this.namesOf = database.prepare<
      HeldEntry,
      [rootKey: number, root: Uint8Array, size: number, limit: number]
    >(
      `SELECT e.id, e.holders, e.partial_holders FROM roots CROSS JOIN entries AS e ON e.id = roots.entry
       WHERE roots.root_key = ? AND e.root = ? AND e.size = ? ORDER BY roots.popularity DESC LIMIT ?`,
    );
    this.holdersOf = database.prepare<never, [entry: number, state: State, limit: number]>(
      "SELECT peer FROM holdings WHERE entry = ? AND partial = ? LIMIT ?",
    );
    this.holdersOfMany = database.prepare<never, [entries: string, state: State]>(
      `SELECT entry, peer FROM json_each(?) AS wanted
       CROSS JOIN holdings ON entry = wanted.value AND partial = ?`,
    );
    this.isHolder = database.prepare<never, [entry: number, state: State, peer: number]>(
      "SELECT peer FROM holdings WHERE entry = ? AND partial = ? AND peer = ?",
    );
  }

  /**
   * All names of the content of `asked`, the most held ones first; of more than `most`, those of `asked` come first and
   * some of the others.
   */
  names(asked: readonly HeldContent[], most: number = maxNamesRead): readonly HeldEntry[] {
    const { root, size, others } = asked[0]!;
    if (others === 0) return asked;
    const limit = Math.min(most, maxNamesRead);
    const names = this.namesOf.all(shortKey(root), root, size, limit);
    this.rowsRead += names.length;
    if (names.length < limit) return names;
    const first = new Set(asked.map(({ id }) => id));
    return [...asked, ...names.filter(({ id }) => !first.has(id))].slice(0, limit);
  }

  /**
   * How many have a content under one name or another, as kept: a peer counts for each. What is not found by its root is
   * new, and has one holder under one name (root-rows.ts), or has just lost that.
   */
  keptTotal({ root, sizeBytes }: { root: string; sizeBytes: number }): number {
    const bytes = Buffer.from(root, "hex");
    const names = this.namesOf.all(shortKey(bytes), bytes, sizeBytes, maxNamesRead);
    return names.length === 0 ? 1 : keptIn(names, whole) + keptIn(names, partial);
  }

  /** Whole and partial ones, at most 64. An address that has it whole is not partial, whatever else it says. */
  all(names: readonly HeldEntry[]): Holders {
    const wholes = this.find(names, whole, maxSourcesPerContent);
    const partials = this.find(names, partial, maxSourcesPerContent, wholes.peers);
    const forWhole = Math.max(wholePlaces, maxSourcesPerContent - partials.peers.size);
    const chosen = this.sample(wholes.peers, forWhole).map((peer) => ({ peer, partial: false }));
    const others = this.sample(partials.peers, maxSourcesPerContent - chosen.length);
    for (const peer of others) chosen.push({ peer, partial: true });
    // The place in the answer says nothing.
    if (others.length > 0) this.shuffle(chosen, chosen.length);
    return { total: wholes.count + partials.count, peers: chosen };
  }

  /** A few of those who have it whole, for little, and how many there are. */
  fewWhole(names: readonly HeldEntry[], few: number): Holders {
    const kept = keptIn(names, whole);
    const areMany = kept > cheapHolders && this.live.size < cheapTries * kept;
    return this.someOf(
      areMany ? this.findByChance(names, whole, few, noPeers) : this.find(names, whole, few),
      few,
    );
  }

  /**
   * The same of many entries, each under this name alone, by their ids: only of such as few peers have, with one
   * statement for all.
   */
  wholeOfEach(entries: readonly HeldEntry[], few: number): Map<number, Holders> {
    const holders = new Map<number, Holders>();
    for (const entry of entries)
      if (keptIn([entry], whole) < fewHolders) holders.set(entry.id, { total: 0, peers: [] });
    const rows = this.holdersOfMany.values(JSON.stringify([...holders.keys()]), whole) as unknown as [
      entry: number,
      slot: number,
    ][];
    this.rowsRead += rows.length + rowsPerStatement;
    // Rows of one entry stand together.
    for (let from = 0, to = 0; from < rows.length; from = to) {
      const entry = rows[from]![0];
      const peers = new Map<string, LivePeer>();
      for (; rows[to]?.[0] === entry; to++) {
        const peer = this.live.at(rows[to]![1]);
        if (peer !== undefined) peers.set(addressOf(peer), peer);
      }
      holders.set(entry, this.someOf({ count: peers.size, peers }, few));
    }
    return holders;
  }

  /** Whether a live peer has the entry, whole (or also in part). */
  isHeld(entry: HeldEntry, orInPart: boolean): boolean {
    return this.isHeldIn(entry, whole) || (orInPart && this.isHeldIn(entry, partial));
  }

  // --- internal ---

  private someOf({ count, peers }: Found, few: number): Holders {
    return { total: count, peers: this.sample(peers, few).map((peer) => ({ peer, partial: false })) };
  }

  private isHeldIn(entry: HeldEntry, state: State): boolean {
    if (keptIn([entry], state) === 0) return false;
    for (const limit of [4, maxHoldersRead]) {
      const slots = this.slotsOf(entry.id, state, limit);
      if (slots.some(([slot]) => this.live.at(slot) !== undefined)) return true;
      if (slots.length < limit) return false;
    }
    return false;
  }

  private slotsOf(entry: number, state: State, limit: number): [slot: number][] {
    const rows = this.holdersOf.values(entry, state, limit) as unknown as [number][];
    this.rowsRead += rows.length + rowsPerStatement;
    return rows;
  }

  private find(names: readonly HeldEntry[], state: State, enough: number, others = noPeers): Found {
    const peers = new Map<string, LivePeer>();
    const kept = keptIn(names, state);
    if (this.live.isEmpty || kept === 0) return { count: 0, peers };
    if (kept > maxHoldersRead) return this.findByChance(names, state, enough, others);
    for (const entry of names) {
      if (keptIn([entry], state) === 0) continue;
      for (const [slot] of this.slotsOf(entry.id, state, maxHoldersRead)) {
        const peer = this.live.at(slot);
        if (peer !== undefined && !others.has(addressOf(peer))) peers.set(addressOf(peer), peer);
      }
    }
    return { count: peers.size, peers };
  }

  private findByChance(
    names: readonly HeldEntry[],
    state: State,
    enough: number,
    others: ReadonlyMap<string, LivePeer>,
  ): Found {
    const { live } = this;
    const kept = keptIn(names, state);
    const peers = new Map<string, LivePeer>();
    const tried = names.filter((entry) => keptIn([entry], state) > 0).slice(0, maxNamesTried);
    const isEveryoneTried = kept > maxHoldersRead && live.size <= maxHoldersRead;
    for (let i = 0; i < Math.min(live.size, maxHoldersRead); i++) {
      const peer = isEveryoneTried ? live.all()[i]! : live.any(this.chance);
      if (peers.has(addressOf(peer)) || others.has(addressOf(peer))) continue;
      this.rowsRead += tried.length;
      if (tried.some(({ id }) => this.isHolder.get(id, state, peer.slot) !== null))
        peers.set(addressOf(peer), peer);
      if (!isEveryoneTried && peers.size >= enough) break;
    }
    return { count: isEveryoneTried ? peers.size : Math.min(kept, live.size), peers };
  }

  /** At most so many of them, each as likely as any other, in random order. */
  private sample(peers: ReadonlyMap<string, LivePeer>, most: number): LivePeer[] {
    const all = [...peers.values()];
    const count = Math.min(all.length, most);
    this.shuffle(all, count);
    return all.slice(0, count);
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

/** Those of peers that have left are among them. */
function keptIn(names: readonly HeldEntry[], state: State): number {
  let kept = 0;
  for (const { holders, partial_holders } of names)
    kept += state === partial ? partial_holders : holders - partial_holders;
  return kept;
}

export function sourceOf({ id, host, port, fingerprint }: LivePeer, partial: boolean): Source {
  return { peer: id, host, port, partial, fingerprint };
}

/**
 * QUERY: which contents a name stands for, and who has them. Reads only.
 *
 * The work for one QUERY is bounded whatever has been registered:
 * - of a name with very many contents the 1,000 most held entries are looked at (the index is sorted by that);
 * - holders of a content are read as long as there are at most 1,024; of one with more, live peers are tried by
 *   chance until 64 of them have it, and the total is the kept count (which still counts peers that left during
 *   the last moments, until they are purged);
 * - when 10,000 rows have been looked at for one QUERY, what is left is left out: the least held contents.
 */
import type { Database } from "bun:sqlite";
import { maxContentsPerResult, maxNamesPerContent, maxSourcesPerContent } from "../wire/limits.ts";
import type { FoundContent, Source } from "../wire/messages.ts";
import type { Catalog } from "./catalog.ts";
import type { LivePeer } from "./live-peers.ts";
import { nameKey } from "./name-key.ts";

const maxEntriesRead = 1_000;
const maxHoldersRead = 1_024;
const maxRowsPerQuery = 10_000;

interface EntryRow {
  id: number;
  name: string;
  md5: Uint8Array;
  content: number;
  root: Uint8Array;
  size: number;
  holders: number;
}

/** The entries of one content that matched. */
interface Candidate {
  content: number;
  holders: number;
  entries: EntryRow[];
}

const entryColumns = `entries.id, entries.name, entries.md5, entries.content, contents.root, contents.size, contents.holders
  FROM entries JOIN contents ON contents.id = entries.content`;

export class Lookup {
  private readonly byLastPart;
  private readonly byName;
  private readonly holdersOfContent;
  private readonly holdersOfEntry;
  private readonly isHolder;
  /** Rows that may still be looked at for the QUERY being answered. */
  private rowsLeft = 0;

  /** `chance` gives numbers from 0 to 1, 1 excluded. */
  constructor(
    private readonly catalog: Catalog,
    private readonly chance: () => number,
    database: Database = catalog.database,
  ) {
    this.byLastPart = database.prepare<EntryRow, [string]>(
      `SELECT ${entryColumns} WHERE entries.last_part = ? ORDER BY entries.popularity DESC LIMIT ${maxEntriesRead}`,
    );
    this.byName = database.prepare<EntryRow, [number]>(
      `SELECT ${entryColumns} WHERE entries.name_key = ? ORDER BY entries.popularity DESC LIMIT ${maxEntriesRead}`,
    );
    this.holdersOfContent = database.prepare<{ peer: number }, [number, number]>(
      `SELECT peer FROM holders WHERE content = ? AND peer >= ? LIMIT ${maxHoldersRead}`,
    );
    this.holdersOfEntry = database.prepare<{ peer: number }, [number, number, number]>(
      "SELECT peer FROM holdings WHERE entry = ? AND peer >= ? LIMIT ?",
    );
    this.isHolder = database.prepare<{ peer: number }, [number, number]>(
      "SELECT peer FROM holders WHERE content = ? AND peer = ?",
    );
  }

  /** The answer to QUERY: exact names, live peers only, most sources first. */
  find(name: string): FoundContent[] {
    this.rowsLeft = maxRowsPerQuery;
    const entries = name.includes("/")
      ? this.byName.all(nameKey(name)).filter((entry) => entry.name === name)
      : this.byLastPart.all(name);
    const found: FoundContent[] = [];
    for (const candidate of candidatesOf(entries)) {
      if (found.length === maxContentsPerResult || this.rowsLeft <= 0) break;
      const matching = this.liveNames(candidate);
      if (matching === undefined) continue;
      const { total, peers } = this.holders(candidate.content, candidate.holders);
      if (total === 0) continue;
      found.push({
        root: hex(matching.first.root),
        sizeBytes: matching.first.size,
        md5: hex(matching.first.md5),
        names: matching.names,
        total,
        sources: peers.map(sourceOf),
      });
    }
    return found.sort((a, b) => b.total - a.total || (a.root < b.root ? -1 : 1));
  }

  /** How many live peers have the content (see above for contents that very many have). */
  holderCount(content: number, keptCount: number): number {
    this.rowsLeft = maxRowsPerQuery;
    return this.holders(content, keptCount).total;
  }

  /** Whether a live peer has the content under this very name. */
  isLive(entry: number): boolean {
    const { live, hiddenPeers } = this.catalog;
    if (hiddenPeers.size === 0) return true;
    for (const limit of [4, maxHoldersRead]) {
      const peers = this.holdersOfEntry.values(entry, live.oldestId, limit) as [number][];
      this.rowsLeft -= peers.length;
      if (peers.some(([peer]) => live.get(peer) !== undefined)) return true;
      if (peers.length < limit) return false;
    }
    return false;
  }

  // --- internal ---

  /** The names under which a live peer has it, sorted; undefined when there is none. `first`: the most held one. */
  private liveNames(candidate: Candidate): { first: EntryRow; names: string[] } | undefined {
    const names = new Set<string>();
    let first: EntryRow | undefined;
    for (const entry of candidate.entries) {
      if (names.size === maxNamesPerContent || this.rowsLeft <= 0) break;
      this.rowsLeft--;
      if (names.has(entry.name) || !this.isLive(entry.id)) continue;
      first ??= entry;
      names.add(entry.name);
    }
    return first === undefined ? undefined : { first, names: [...names].sort() };
  }

  /** Live holders, an address counted once: how many, and a fair sample of them. */
  private holders(content: number, keptCount: number): { total: number; peers: LivePeer[] } {
    const { live } = this.catalog;
    if (live.size === 0) return { total: 0, peers: [] };
    if (keptCount > maxHoldersRead) return this.holdersByChance(content, keptCount);
    const rows = this.holdersOfContent.values(content, live.oldestId) as [number][];
    this.rowsLeft -= rows.length;
    const byAddress = new Map<string, LivePeer>();
    for (const [id] of rows) {
      const peer = live.get(id);
      if (peer !== undefined) byAddress.set(`${peer.host} ${peer.port}`, peer);
    }
    return { total: byAddress.size, peers: this.sample([...byAddress.values()]) };
  }

  private holdersByChance(content: number, keptCount: number): { total: number; peers: LivePeer[] } {
    const { live } = this.catalog;
    const byAddress = new Map<string, LivePeer>();
    const all = live.size <= maxHoldersRead ? live.all() : undefined;
    const tries = all?.length ?? maxHoldersRead;
    for (let i = 0; i < tries; i++) {
      const peer = all?.[i] ?? live.any(this.chance);
      const address = `${peer.host} ${peer.port}`;
      if (byAddress.has(address)) continue;
      this.rowsLeft--;
      if (this.isHolder.get(content, peer.id) !== null) byAddress.set(address, peer);
      if (all === undefined && byAddress.size === maxSourcesPerContent) break;
    }
    const total = all === undefined ? Math.min(keptCount, live.size) : byAddress.size;
    return { total, peers: this.sample([...byAddress.values()]) };
  }

  /** At most 64 of them, each as likely as any other, in random order. */
  private sample(peers: LivePeer[]): LivePeer[] {
    const count = Math.min(peers.length, maxSourcesPerContent);
    for (let i = 0; i < count; i++) {
      const other = i + Math.floor(this.chance() * (peers.length - i));
      const chosen = peers[other]!;
      peers[other] = peers[i]!;
      peers[i] = chosen;
    }
    return peers.slice(0, count);
  }
}

/** Most held first. */
function candidatesOf(entries: readonly EntryRow[]): Candidate[] {
  const byContent = new Map<number, Candidate>();
  for (const entry of entries) {
    const known = byContent.get(entry.content);
    if (known !== undefined) known.entries.push(entry);
    else byContent.set(entry.content, { content: entry.content, holders: entry.holders, entries: [entry] });
  }
  return [...byContent.values()].sort((a, b) => b.holders - a.holders);
}

function sourceOf(peer: LivePeer): Source {
  return { peer: String(peer.id), host: peer.host, port: peer.port, partial: false };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

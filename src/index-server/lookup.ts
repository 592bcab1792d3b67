/**
 * QUERY: which contents a name stands for, and who has them (holders.ts says whom of many). Reads only.
 *
 * The work for one QUERY is bounded whatever has been registered: of a name with very many contents the 1,000 most
 * held entries are looked at (the index is sorted by that), and when 10,000 rows have been looked at in all, what is
 * left is left out: the least held contents.
 */
import type { Database } from "bun:sqlite";
import { maxContentsPerResult, maxNamesPerContent } from "../wire/limits.ts";
import type { FoundContent } from "../wire/messages.ts";
import type { Catalog } from "./catalog.ts";
import { HolderLookup, type KeptCounts } from "./holders.ts";

const maxEntriesRead = 1_000;
const maxEntryHoldersRead = 1_024;
const maxRowsPerQuery = 10_000;

interface EntryRow {
  id: number;
  name: string;
  md5: Uint8Array;
  content: number;
  root: Uint8Array;
  size: number;
  whole: number;
  partial: number;
}

/** The entries of one content that matched. */
interface Candidate {
  content: number;
  kept: KeptCounts;
  entries: EntryRow[];
}

const entryColumns = `entries.id, entries.name, entries.md5, entries.content, contents.root, contents.size,
    contents.holders AS whole, contents.partial_holders AS partial
  FROM entries JOIN contents ON contents.id = entries.content`;

export class Lookup {
  private readonly byLastPart;
  private readonly byName;
  private readonly holdersOfEntry;
  readonly holders: HolderLookup;
  /** Rows of `holders` and of entries that may still be looked at for the QUERY being answered. */
  private rowsLeft = 0;

  /** `chance` gives numbers from 0 to 1, 1 excluded. */
  constructor(
    private readonly catalog: Catalog,
    chance: () => number,
    database: Database = catalog.database,
  ) {
    this.holders = new HolderLookup(catalog, chance, database);
    this.byLastPart = database.prepare<EntryRow, [string]>(
      `SELECT ${entryColumns} WHERE entries.last_part = ? ORDER BY entries.popularity DESC LIMIT ${maxEntriesRead}`,
    );
    this.byName = database.prepare<EntryRow, [string]>(
      `SELECT ${entryColumns} WHERE entries.name = ? ORDER BY entries.popularity DESC LIMIT ${maxEntriesRead}`,
    );
    this.holdersOfEntry = database.prepare<{ peer: number }, [number, number, number]>(
      "SELECT peer FROM holdings WHERE entry = ? AND peer >= ? LIMIT ?",
    );
  }

  /** The answer to QUERY: exact names, live peers only, most sources first. */
  find(name: string): FoundContent[] {
    this.rowsLeft = maxRowsPerQuery;
    const entries = (name.includes("/") ? this.byName : this.byLastPart).all(name);
    const found: FoundContent[] = [];
    for (const candidate of candidatesOf(entries)) {
      if (found.length === maxContentsPerResult || this.rowsLeft <= 0) break;
      const matching = this.liveNames(candidate);
      if (matching === undefined) continue;
      const readBefore = this.holders.rowsRead;
      const { total, sources } = this.holders.all(candidate.content, candidate.kept);
      this.rowsLeft -= this.holders.rowsRead - readBefore;
      if (total === 0) continue;
      found.push({
        root: hex(matching.first.root),
        sizeBytes: matching.first.size,
        md5: hex(matching.first.md5),
        names: matching.names,
        total,
        sources,
      });
    }
    return found.sort((a, b) => b.total - a.total || (a.root < b.root ? -1 : 1));
  }

  // --- internal ---

  /** Whether a live peer has the content under this very name, whole or in part. */
  private isLive(entry: number): boolean {
    const { live, hiddenPeers } = this.catalog;
    if (hiddenPeers.size === 0) return true;
    for (const limit of [4, maxEntryHoldersRead]) {
      const peers = this.holdersOfEntry.values(entry, live.oldestId, limit) as [number][];
      this.rowsLeft -= peers.length;
      if (peers.some(([peer]) => live.get(peer) !== undefined)) return true;
      if (peers.length < limit) return false;
    }
    return false;
  }

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
}

/** Most held first. */
function candidatesOf(entries: readonly EntryRow[]): Candidate[] {
  const byContent = new Map<number, Candidate>();
  for (const entry of entries) {
    const known = byContent.get(entry.content);
    const { content, whole, partial } = entry;
    if (known !== undefined) known.entries.push(entry);
    else byContent.set(content, { content, kept: { whole, partial }, entries: [entry] });
  }
  const heldBy = ({ kept }: Candidate) => kept.whole + kept.partial;
  return [...byContent.values()].sort((a, b) => heldBy(b) - heldBy(a));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

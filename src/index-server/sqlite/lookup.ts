/**
 * QUERY: which contents a name stands for, and who has them (holders.ts says whom of many). Reads only.
 *
 * The work for one QUERY is bounded whatever has been registered: of a name with very many contents the 1,000 most
 * held entries are looked at (the index is sorted by that), and the contents share 10,000 rows that are
 * looked at: of those with thousands of names some names are left out.
 */
import type { Database } from "bun:sqlite";
import { lastPart } from "../../wire/file-name.ts";
import { maxContentsPerResult, maxNamesPerContent } from "../../wire/limits.ts";
import type { FoundContent } from "../../wire/messages.ts";
import { type HeldContent, type HolderLookup, type Holders, sourceOf } from "./holders.ts";
import type { LivePeer } from "./live-peers.ts";
import { shortKey } from "./name-key.ts";

const maxEntriesRead = 1_000;
const maxRowsPerQuery = 10_000;
/** A statement, and a holder or two. */
const rowsPerName = 10;

interface EntryRow extends HeldContent {
  name: string;
  md5: Uint8Array;
  popularity: number;
}

/** The entries of one content that matched, the most held one first. */
interface Candidate {
  root: string;
  first: EntryRow;
  entries: EntryRow[];
}

export interface Found {
  contents: FoundContent[];
  /** All that are in these. */
  peers: LivePeer[];
}

const columns = "id, name, md5, root, size, holders, partial_holders, others, popularity";

export class Lookup {
  private readonly byLastPart;
  private readonly byName;
  /** Rows of `holders` and of entries that may still be looked at for the QUERY being answered. */
  private rowsLeft = 0;

  constructor(
    database: Database,
    readonly holders: HolderLookup,
  ) {
    this.byName = database.prepare<EntryRow, [string]>(
      `SELECT ${columns} FROM entries WHERE name = ? ORDER BY popularity DESC LIMIT ${maxEntriesRead}`,
    );
    this.byLastPart = database.prepare<EntryRow, [number]>(
      `SELECT ${columns} FROM entries WHERE last_key = ? ORDER BY popularity DESC LIMIT ${maxEntriesRead}`,
    );
  }

  /** The answer to QUERY: exact names, live peers only, most sources first. */
  find(name: string): Found {
    this.rowsLeft = maxRowsPerQuery;
    const contents: FoundContent[] = [];
    const peers: LivePeer[] = [];
    const candidates = this.candidates(name);
    for (const [i, candidate] of candidates.entries()) {
      if (contents.length === maxContentsPerResult || this.rowsLeft <= 0) break;
      const readBefore = this.holders.rowsRead;
      // Equal shares: a content with thousands of names must not leave the others without an answer.
      const share = this.rowsLeft / Math.min(candidates.length - i, maxContentsPerResult - contents.length);
      const mostNames = Math.max(1, Math.floor(share / rowsPerName));
      const names = this.holders.names(candidate.entries, mostNames);
      const matching = this.liveNames(candidate, names.length);
      const found = matching === undefined ? undefined : this.holders.all(names);
      this.rowsLeft -= this.holders.rowsRead - readBefore;
      if (matching === undefined || found === undefined || found.total === 0) continue;
      contents.push(contentOf(candidate.root, matching, found));
      for (const { peer } of found.peers) peers.push(peer);
    }
    if (contents.length > 1) contents.sort((a, b) => b.total - a.total || (a.root < b.root ? -1 : 1));
    return { contents, peers };
  }

  // --- internal ---

  /** Most held first. */
  private candidates(name: string): Candidate[] {
    const entries = this.byName.all(name);
    if (!name.includes("/")) {
      const below = this.byLastPart.all(shortKey(name)).filter((entry) => lastPart(entry.name) === name);
      if (below.length > 0) entries.push(...below);
      if (below.length > 0) entries.sort((a, b) => b.popularity - a.popularity);
    }
    const byContent = new Map<string, Candidate>();
    for (const entry of entries) {
      const root = entry.root.toHex();
      const key = `${root} ${entry.size}`;
      const known = byContent.get(key);
      if (known === undefined) byContent.set(key, { root, first: entry, entries: [entry] });
      else known.entries.push(entry);
    }
    const candidates = [...byContent.values()];
    return candidates.length < 2 ? candidates : candidates.sort((a, b) => heldBy(b) - heldBy(a));
  }

  /**
   * The names under which a live peer has it, whole or in part, sorted; undefined when there is none. `first`: the
   * most held one. Of a content with one name in all it is not looked: who has it has it under that.
   */
  private liveNames(
    candidate: Candidate,
    allNames: number,
  ): { first: EntryRow; names: string[] } | undefined {
    const { first, entries } = candidate;
    if (allNames === 1 && entries.length === 1) return { first, names: [first.name] };
    const names = new Set<string>();
    let live: EntryRow | undefined;
    for (const entry of entries) {
      if (names.size === maxNamesPerContent || this.rowsLeft <= 0) break;
      this.rowsLeft--;
      if (names.has(entry.name) || !this.holders.isHeld(entry, true)) continue;
      live ??= entry;
      names.add(entry.name);
    }
    return live === undefined ? undefined : { first: live, names: [...names].sort() };
  }
}

function heldBy({ entries }: Candidate): number {
  let held = 0;
  for (const { holders } of entries) held += holders;
  return held;
}

function contentOf(
  root: string,
  { first, names }: { first: EntryRow; names: string[] },
  { total, peers }: Holders,
): FoundContent {
  const sources = peers.map(({ peer, partial }) => sourceOf(peer, partial));
  return { root, sizeBytes: first.size, md5: first.md5.toHex(), names, total, sources };
}

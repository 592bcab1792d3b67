/**
 * SEARCH: names that contain every word. A scan over all names, page by page, as a generator that rests between
 * pages, so that nobody else waits for it.
 */
import type { Database } from "bun:sqlite";
import { maxSearchWords } from "../../wire/limits.ts";
import type { Match } from "../../wire/messages.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { HeldEntry, HolderLookup } from "./holders.ts";

export interface SearchWords {
  wanted: string[];
  unwanted: string[];
}

/** Words in any order, `-word` must not occur. Throws ProtocolError TOO_MANY. */
export function parseSearch(text: string): SearchWords {
  const words = text.split(/\s+/u).filter((word) => word !== "");
  if (words.length > maxSearchWords) throw new ProtocolError("TOO_MANY");
  const isUnwanted = (word: string) => word.length > 1 && word.startsWith("-");
  return {
    wanted: words.filter((word) => !isUnwanted(word)).map(fold),
    unwanted: words.filter(isUnwanted).map((word) => fold(word.slice(1))),
  };
}

/** Equal for texts that differ in case only; over lower case first, so that ẞ, ß and ss are one. */
function fold(text: string): string {
  return text.normalize("NFC").toLowerCase().toUpperCase();
}

export function matchesWords({ wanted, unwanted }: SearchWords, name: string): boolean {
  const folded = fold(name);
  return wanted.every((word) => folded.includes(word)) && !unwanted.some((word) => folded.includes(word));
}

export interface SearchResult {
  matches: Match[];
  /** There are more than these. */
  more: boolean;
}

interface Hit {
  row: HitRow;
  name: string;
  root: string;
  sizeBytes: number;
}

interface HitRow extends HeldEntry {
  name: string;
  root: Uint8Array;
  size: number;
}

/** Small enough for a fraction of a millisecond. */
const pageRows = 128;

export class Search {
  private readonly page;

  constructor(
    database: Database,
    private readonly holders: HolderLookup,
  ) {
    this.page = database.prepare<HitRow, [number]>(
      `SELECT id, name, root, size, holders, partial_holders FROM entries WHERE id > ? ORDER BY id LIMIT ${pageRows}`,
    );
  }

  /** The first `limit` matches in the order of their names, each name and content once, held whole by live peers. */
  *run(text: string, limit: number): Generator<void, SearchResult> {
    const words = parseSearch(text);
    const best = new FirstByName(limit + 1);
    let after = 0;
    for (;;) {
      const rows = this.page.all(after);
      for (const row of rows) {
        after = row.id;
        if (!best.mayHave(row.name) || !matchesWords(words, row.name)) continue;
        if (this.holders.isHeld(row, false))
          best.add({ row, name: row.name, root: row.root.toHex(), sizeBytes: row.size });
      }
      if (rows.length < pageRows) break;
      yield;
    }
    const hits = best.sorted();
    const counted: { hit: Hit; sources: number }[] = [];
    for (const hit of hits.slice(0, limit)) {
      counted.push({
        hit,
        sources: this.holders.fewWhole(this.holders.names(hit.row.root, hit.row.size), 1).total,
      });
      yield;
    }
    return this.result(counted, hits.length > limit);
  }

  /** Peers may have left while we rested: this last look does not rest. */
  private result(counted: { hit: Hit; sources: number }[], moreThanLimit: boolean): SearchResult {
    const matches: Match[] = [];
    for (const { hit, sources } of counted) {
      if (sources === 0 || !this.holders.isHeld(hit.row, false)) continue;
      matches.push({ name: hit.name as Match["name"], sizeBytes: hit.sizeBytes, root: hit.root, sources });
    }
    return { matches, more: moreThanLimit };
  }
}

/** Keeps the first so many hits in the order of name and root, without keeping all. */
class FirstByName {
  private hits = new Map<string, Hit>();
  private last: string | undefined;

  constructor(private readonly limit: number) {}

  /** False when this many hits come before the name already. */
  mayHave(name: string): boolean {
    return this.last === undefined || name <= this.last;
  }

  add(hit: Hit): void {
    // The same name and content with another MD5 is a lie of somebody, and no other match.
    const key = `${hit.name}\n${hit.root}\n${hit.sizeBytes}`;
    if (!this.hits.has(key)) this.hits.set(key, hit);
    if (this.hits.size >= 2 * this.limit) this.cut();
  }

  sorted(): Hit[] {
    this.cut();
    return [...this.hits.values()];
  }

  private cut(): void {
    const ordered = [...this.hits].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, this.limit);
    this.hits = new Map(ordered);
    if (ordered.length === this.limit) this.last = ordered[ordered.length - 1]![1].name;
  }
}

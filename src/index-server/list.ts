/**
 * LIST: the files whose names fit a pattern, page by page in the order of their names. Names are walked in that order
 * from where the pattern (or the page) begins, as a generator that rests every few names, so that nobody else waits
 * for it; a page ends where it has looked at too many.
 */
import type { FileName } from "../wire/file-name.ts";
import { maxContentsPerResult, maxSourcesPerListedFile } from "../wire/limits.ts";
import type { ListedFile } from "../wire/messages.ts";
import { NamePattern } from "../wire/name-pattern.ts";
import type { Catalog } from "./catalog.ts";
import type { HolderLookup, Holders } from "./holders.ts";
import type { Lookup } from "./lookup.ts";

export interface ListPage {
  files: ListedFile[];
  /** Undefined: this is the last page. */
  next: FileName | undefined;
}

/** Looked at for one page, whether they fit or not: about half a second of this thread, in slices. */
const maxNamesPerPage = 200_000;
/** Read at a time. */
const pageRows = 128;
/** The worst pattern takes 0.3 ms for the worst name. */
const namesBetweenRests = 8;

interface ContentRow {
  content: number;
  root: string;
  size: number;
  md5: string;
  whole: number;
  partial: number;
  entry: number;
  whole_here: number;
}

interface Hit {
  name: FileName;
  row: ContentRow;
  holders: Holders;
}

export class NameList {
  private readonly namesFrom;
  private readonly namesAfter;
  private readonly contentsOf;
  private readonly holders: HolderLookup;

  constructor(
    private readonly catalog: Catalog,
    lookup: Lookup,
  ) {
    this.holders = lookup.holders;
    const { database } = catalog;
    this.namesFrom = database.prepare<{ name: FileName }, [string]>(
      `SELECT name FROM entries WHERE name >= ? ORDER BY name LIMIT ${pageRows}`,
    );
    this.namesAfter = database.prepare<{ name: FileName }, [string]>(
      `SELECT name FROM entries WHERE name > ? ORDER BY name LIMIT ${pageRows}`,
    );
    this.contentsOf = database.prepare<ContentRow, [string]>(
      `SELECT entries.id AS entry, entries.holders - entries.partial_holders AS whole_here, entries.content,
         lower(hex(entries.md5)) AS md5, lower(hex(contents.root)) AS root, contents.size,
         contents.holders AS whole, contents.partial_holders AS partial
       FROM entries JOIN contents ON contents.id = entries.content
       WHERE entries.name = ? ORDER BY entries.popularity DESC LIMIT ${maxContentsPerResult}`,
    );
  }

  /** At most `limit` files whose names come after `after`. */
  *run(text: string, after: string, limit: number): Generator<void, ListPage> {
    const pattern = new NamePattern(text);
    const hits: Hit[] = [];
    let looked = 0;
    let last: FileName | undefined;
    for (const name of this.names(pattern, after)) {
      // The rest of the contents of a name that has several.
      if (name === last) continue;
      if (pattern.matches(name)) {
        const found = yield* this.hitsOf(name);
        if (hits.length > 0 && hits.length + found.length > limit) return this.page(hits, last);
        hits.push(...found.slice(0, limit));
      }
      last = name;
      if (hits.length >= limit || ++looked >= maxNamesPerPage) return this.page(hits, last);
      if (looked % namesBetweenRests === 0) yield;
    }
    return this.page(hits, undefined);
  }

  // --- internal ---

  /** Those that may fit, in the order of their bytes; one that has several contents comes as often. */
  private *names({ prefix, isName }: NamePattern, after: string): Generator<FileName, void> {
    const isBehind = Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0;
    let rows = isBehind ? this.namesAfter.all(after) : this.namesFrom.all(prefix);
    for (;;) {
      for (const { name } of rows) {
        if (!name.startsWith(prefix) || (isName && name !== prefix)) return;
        yield name;
      }
      if (rows.length < pageRows) return;
      rows = this.namesAfter.all(rows[pageRows - 1]!.name);
    }
  }

  /** Most sources first. The same content with another MD5 is a lie of somebody. */
  private *hitsOf(name: FileName): Generator<void, Hit[]> {
    const byContent = new Map<number, Hit>();
    for (const row of this.contentsOf.all(name)) {
      if (row.whole_here === 0 || byContent.has(row.content)) continue;
      const holders = this.holdersOf(row);
      if (holders.total > 0) byContent.set(row.content, { name, row, holders });
      yield;
    }
    return [...byContent.values()].sort((a, b) => b.holders.total - a.holders.total);
  }

  private holdersOf({ entry, content, whole, partial }: ContentRow): Holders {
    if (!this.holders.isListed(entry, content, { whole, partial })) return { total: 0, sources: [] };
    return this.holders.fewWhole(content, whole, maxSourcesPerListedFile);
  }

  /** Peers may have left while we rested: this last look does not rest. */
  private page(hits: readonly Hit[], next: FileName | undefined): ListPage {
    const { live } = this.catalog;
    const files: ListedFile[] = [];
    for (const { name, row, holders } of hits) {
      const areThere = holders.sources.every(({ peer }) => live.get(Number(peer)) !== undefined);
      const { total, sources } = areThere ? holders : this.holdersOf(row);
      const { root, size, md5 } = row;
      if (total > 0) files.push({ name, sizeBytes: size, md5, root, total, sources });
    }
    return { files, next };
  }
}

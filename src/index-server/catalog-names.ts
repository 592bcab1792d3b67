/** The names of the catalog as browse.ts asks for them. Reads only. */
import type { FileOfName, NameSource } from "./browse.ts";
import type { Catalog } from "./catalog.ts";
import type { HolderLookup } from "./holders.ts";
import type { Lookup } from "./lookup.ts";

interface EntryRow {
  entry: number;
  content: number;
  root: string;
  size: number;
  md5: string;
  whole: number;
  partial: number;
}

/** The most held ones of a name: no fewer than the contents of a name that are shown. */
const maxEntriesRead = 100;

export class CatalogNames implements NameSource {
  private readonly from;
  private readonly after;
  private readonly entriesOf;
  private readonly holders: HolderLookup;

  constructor({ database }: Catalog, lookup: Lookup) {
    this.holders = lookup.holders;
    const first = (isLater: string) =>
      database.prepare<{ name: string }, [string]>(
        `SELECT name FROM entries WHERE name ${isLater} ? ORDER BY name LIMIT 1`,
      );
    this.from = first(">=");
    this.after = first(">");
    this.entriesOf = database.prepare<EntryRow, [string]>(
      `SELECT entries.id AS entry, entries.content, lower(hex(entries.md5)) AS md5, lower(hex(contents.root)) AS root,
         contents.size, contents.holders AS whole, contents.partial_holders AS partial
       FROM entries CROSS JOIN contents ON contents.id = entries.content
       WHERE entries.name = ? AND entries.holders > entries.partial_holders
       ORDER BY entries.popularity DESC LIMIT ${maxEntriesRead}`,
    );
  }

  firstFrom(bound: string): string | undefined {
    return this.from.get(bound)?.name;
  }

  firstAfter(bound: string): string | undefined {
    return this.after.get(bound)?.name;
  }

  isThere(name: string): boolean {
    return this.entriesOf.all(name).some((row) => this.isListed(row));
  }

  filesOf(name: string): FileOfName[] {
    // The same content with another MD5 is a lie of somebody.
    const byContent = new Map<number, FileOfName>();
    for (const row of this.entriesOf.all(name)) {
      if (byContent.has(row.content) || !this.isListed(row)) continue;
      const sources = this.holders.wholeCount(row.content, row.whole);
      const { root, md5, size } = row;
      if (sources > 0) byContent.set(row.content, { sizeBytes: size, md5, root, sources });
    }
    return [...byContent.values()].sort((a, b) => b.sources - a.sources);
  }

  private isListed({ entry, content, whole, partial }: EntryRow): boolean {
    return this.holders.isListed(entry, content, { whole, partial });
  }
}

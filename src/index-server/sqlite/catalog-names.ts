/** The names of the catalog as browse.ts asks for them. Reads only. */
import type { Database } from "bun:sqlite";
import type { FileOfName, NameSource } from "../browse.ts";
import type { HeldContent, HolderLookup } from "./holders.ts";

interface EntryRow extends HeldContent {
  md5: Uint8Array;
}

/** Of a content, to count who has it under another one. */
const maxNamesRead = 64;
/** The most held ones of a name: no fewer than the contents of a name that are shown. */
const maxEntriesRead = 100;

export class CatalogNames implements NameSource {
  private readonly from;
  private readonly after;
  private readonly entriesOf;

  constructor(
    database: Database,
    private readonly holders: HolderLookup,
  ) {
    const first = (isLater: string) =>
      database.prepare<{ name: string }, [string]>(
        `SELECT name FROM entries WHERE name ${isLater} ? ORDER BY name LIMIT 1`,
      );
    this.from = first(">=");
    this.after = first(">");
    this.entriesOf = database.prepare<EntryRow, [string]>(
      `SELECT id, root, size, md5, holders, partial_holders, others FROM entries
       WHERE name = ? AND holders > partial_holders ORDER BY popularity DESC LIMIT ${maxEntriesRead}`,
    );
  }

  firstFrom(bound: string): string | undefined {
    return this.from.get(bound)?.name;
  }

  firstAfter(bound: string): string | undefined {
    return this.after.get(bound)?.name;
  }

  isThere(name: string): boolean {
    return this.entriesOf.all(name).some((row) => this.holders.isHeld(row, false));
  }

  *filesOf(name: string): Generator<void, FileOfName[]> {
    // The same content with another MD5 is a lie of somebody.
    const byContent = new Map<string, FileOfName>();
    for (const row of this.entriesOf.all(name)) {
      const root = row.root.toHex();
      const content = `${root} ${row.size}`;
      if (byContent.has(content) || !this.holders.isHeld(row, false)) continue;
      const { total } = this.holders.fewWhole(this.holders.names([row], maxNamesRead), 1);
      if (total > 0)
        byContent.set(content, { sizeBytes: row.size, md5: row.md5.toHex(), root, sources: total });
      yield;
    }
    return [...byContent.values()].sort((a, b) => b.sources - a.sources);
  }
}

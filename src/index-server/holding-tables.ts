/**
 * One holding in and out of the tables, with everything that follows from it: the content and the entry it makes or
 * leaves unheld, and the counts kept with both. Knows neither which peers are live nor limits or transactions.
 */
import type { Database } from "bun:sqlite";
import { type FileName, lastPart } from "../wire/file-name.ts";
import type { FileEntry } from "../wire/messages.ts";
import { type CatalogStatements, prepareStatements } from "./catalog-statements.ts";
import { nameKey } from "./name-key.ts";

/** Rows read at a time while walking over what one peer has. */
const pageRows = 256;

/** What stands for a file in the tables. */
interface Keys {
  key: number;
  root: Uint8Array;
  md5: Uint8Array;
}

export class HoldingTables {
  readonly statements: CatalogStatements;
  /** Distinct names. */
  names: number;

  constructor(database: Database) {
    this.statements = prepareStatements(database);
    this.names = Number(database.query("SELECT count(DISTINCT name_key) FROM entries").values()[0]?.[0]);
  }

  /**
   * The peer has the file from now on, and nothing else under its name. Returns the entry, and how many holdings
   * more the peer has now.
   */
  put(peerId: number, file: FileEntry): { entry: number; more: number } {
    const { statements } = this;
    const { name, sizeBytes } = file;
    const key = nameKey(name);
    const root = Buffer.from(file.root, "hex");
    const md5 = Buffer.from(file.md5, "hex");
    const content = statements.findContent.get(root, sizeBytes)?.id;
    const entry = content && statements.findEntry.get(content, key, name, md5)?.id;
    let more = 1;
    for (const { entry: held } of statements.heldUnder.all(peerId, key)) {
      if (held === entry) return { entry, more: 0 };
      if (statements.nameOf.get(held)!.name !== name) continue;
      this.remove(peerId, held);
      more--;
    }
    const added = this.addHolding(peerId, file, { key, root, md5 });
    return { entry: added, more };
  }

  /** The peer must have it. What nobody has any more goes with its last holder. */
  remove(peerId: number, entry: number): void {
    const { statements } = this;
    statements.removeHolding.run(entry, peerId);
    const content = this.changeHolders(entry, -1);
    if (statements.holderNames.get(content, peerId)!.names > 1) {
      statements.changeHolderNames.run(-1, content, peerId);
      return;
    }
    statements.removeHolder.run(content, peerId);
    this.lessContentHolders(content);
  }

  /** The peer's entry of that name, if it has one. */
  held(peerId: number, name: FileName): number | undefined {
    const { statements } = this;
    return statements.heldUnder
      .all(peerId, nameKey(name))
      .find(({ entry }) => statements.nameOf.get(entry)!.name === name)?.entry;
  }

  /** The entries a peer has, page by page. Each may be removed while it is the current one. */
  *walk(peerId: number): Generator<number, void> {
    let afterKey = -1;
    let afterEntry = 0;
    for (;;) {
      const page = this.statements.holdingsOfPeer.all(peerId, afterKey, afterEntry, pageRows);
      for (const { entry, name_key } of page) {
        afterKey = name_key;
        afterEntry = entry;
        yield entry;
      }
      if (page.length < pageRows) return;
    }
  }

  // --- internal ---

  private addHolding(peerId: number, file: FileEntry, keys: Keys): number {
    const { statements } = this;
    const content = this.holdContent(peerId, keys.root, file.sizeBytes);
    const entry = this.holdEntry(content, file.name, keys);
    statements.addHolding.run(entry, peerId, keys.key);
    return entry;
  }

  /** One name more under which the peer has the content. Returns the content. */
  private holdContent(peerId: number, root: Uint8Array, sizeBytes: number): number {
    const { statements } = this;
    const found = statements.findContent.get(root, sizeBytes)?.id;
    if (found === undefined) {
      const content = Number(statements.addContent.run(root, sizeBytes).lastInsertRowid);
      statements.addHolder.run(content, peerId);
      return content;
    }
    if (statements.holderNames.get(found, peerId) !== null) {
      statements.changeHolderNames.run(+1, found, peerId);
    } else {
      statements.addHolder.run(found, peerId);
      statements.changeContentHolders.run(+1, found);
    }
    return found;
  }

  /** One holder more of the entry, which is made when it is new. Returns the entry. */
  private holdEntry(content: number, name: FileName, { key, md5 }: Keys): number {
    const found = this.statements.findEntry.get(content, key, name, md5)?.id;
    if (found !== undefined) {
      this.changeHolders(found, +1);
      return found;
    }
    if (this.statements.hasName.get(key) === null) this.names++;
    return Number(this.statements.addEntry.run(name, key, lastPart(name), content, md5).lastInsertRowid);
  }

  /** Returns the entry's content. (Reading before writing is cheaper than RETURNING, by far.) */
  private changeHolders(entry: number, by: number): number {
    const { statements } = this;
    const { holders, popularity, content, name_key } = statements.entry.get(entry)!;
    if (holders + by === 0) {
      statements.removeEntry.run(entry);
      if (statements.hasName.get(name_key) === null) this.names--;
    } else {
      statements.setEntryHolders.run(holders + by, entry);
      if (popularityOf(holders + by) !== popularity)
        statements.setPopularity.run(popularityOf(holders + by), entry);
    }
    return content;
  }

  private lessContentHolders(content: number): void {
    const { statements } = this;
    if (statements.contentHolders.get(content)!.holders > 1) statements.changeContentHolders.run(-1, content);
    else statements.removeContent.run(content);
  }
}

/** Logarithm to the base of 2, rounded down. */
function popularityOf(holders: number): number {
  return 31 - Math.clz32(holders);
}

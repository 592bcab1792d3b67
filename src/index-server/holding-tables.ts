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
  partial: Partial;
}

/** As the tables have it: 1 while the peer is still downloading. */
type Partial = 0 | 1;

export interface Put {
  entry: number;
  /** How many holdings more the peer has now. */
  more: number;
  /** The peer can be asked for something that it could not be asked for before. */
  isNews: boolean;
}

export class HoldingTables {
  readonly statements: CatalogStatements;
  /** Distinct names. */
  names: number;

  constructor(database: Database) {
    this.statements = prepareStatements(database);
    this.names = Number(database.query("SELECT count(DISTINCT name) FROM entries").values()[0]?.[0]);
  }

  /** The peer has the file from now on, and nothing else under its name. */
  put(peerId: number, file: FileEntry): Put {
    const { statements } = this;
    const { name, sizeBytes } = file;
    const key = nameKey(name);
    const root = Buffer.from(file.root, "hex");
    const md5 = Buffer.from(file.md5, "hex");
    const partial = file.partial === true ? 1 : 0;
    const content = statements.findContent.get(root, sizeBytes)?.id;
    const entry = content && statements.findEntry.get(content, key, name, md5)?.id;
    let more = 1;
    for (const { entry: held } of statements.heldUnder.all(peerId, key)) {
      if (held === entry) {
        const isChanged = this.setPartial(peerId, held, partial);
        return { entry, more: 0, isNews: isChanged && partial === 0 };
      }
      if (statements.nameOf.get(held)!.name !== name) continue;
      this.remove(peerId, held);
      more--;
    }
    const added = this.addHolding(peerId, file, { key, root, md5, partial });
    return { entry: added, more, isNews: true };
  }

  /** The peer must have it. What nobody has any more goes with its last holder. */
  remove(peerId: number, entry: number): void {
    const partial = this.partialOf(peerId, entry);
    this.statements.removeHolding.run(entry, peerId);
    const content = this.changeHolders(entry, -1, partial);
    this.letContentGo(peerId, content, partial);
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

  private partialOf(peerId: number, entry: number): Partial {
    return this.statements.isPartial.get(entry, peerId)!.partial as Partial;
  }

  /** False when it was so already. */
  private setPartial(peerId: number, entry: number, partial: Partial): boolean {
    const { statements } = this;
    const before = this.partialOf(peerId, entry);
    if (before === partial) return false;
    statements.setPartial.run(partial, entry, peerId);
    const { content, holders, partial_holders } = statements.entry.get(entry)!;
    statements.setEntryHolders.run(holders, partial_holders + partial - before, entry);
    // In this order, or the content would go with its last holder.
    this.holdContent(peerId, content, partial);
    this.letContentGo(peerId, content, before);
    return true;
  }

  private addHolding(peerId: number, file: FileEntry, keys: Keys): number {
    const { statements } = this;
    const { root, partial } = keys;
    let content = statements.findContent.get(root, file.sizeBytes)?.id;
    if (content === undefined) {
      content = Number(statements.addContent.run(root, file.sizeBytes, 1 - partial, partial).lastInsertRowid);
      statements.addHolder.run(content, partial, peerId);
    } else {
      this.holdContent(peerId, content, partial);
    }
    const entry = this.holdEntry(content, file.name, keys);
    statements.addHolding.run(entry, peerId, keys.key, partial);
    return entry;
  }

  /** One name more under which the peer has the content. */
  private holdContent(peerId: number, content: number, partial: Partial): void {
    const { statements } = this;
    if (statements.holderNames.get(content, partial, peerId) !== null) {
      statements.changeHolderNames.run(+1, content, partial, peerId);
    } else {
      statements.addHolder.run(content, partial, peerId);
      statements.changeContentHolders.run(1 - partial, partial, content);
    }
  }

  /** One name less. */
  private letContentGo(peerId: number, content: number, partial: Partial): void {
    const { statements } = this;
    if (statements.holderNames.get(content, partial, peerId)!.names > 1) {
      statements.changeHolderNames.run(-1, content, partial, peerId);
      return;
    }
    statements.removeHolder.run(content, partial, peerId);
    const { holders, partial_holders } = statements.contentHolders.get(content)!;
    if (holders + partial_holders > 1) statements.changeContentHolders.run(partial - 1, -partial, content);
    else statements.removeContent.run(content);
  }

  /** One holder more of the entry, which is made when it is new. Returns the entry. */
  private holdEntry(content: number, name: FileName, { key, md5, partial }: Keys): number {
    const { statements } = this;
    const found = statements.findEntry.get(content, key, name, md5)?.id;
    if (found !== undefined) {
      this.changeHolders(found, +1, partial);
      return found;
    }
    if (statements.hasName.get(name) === null) this.names++;
    return Number(statements.addEntry.run(name, key, lastPart(name), content, md5, partial).lastInsertRowid);
  }

  /** Returns the entry's content. (Reading before writing is cheaper than RETURNING, by far.) */
  private changeHolders(entry: number, by: 1 | -1, partial: Partial): number {
    const { statements } = this;
    const { holders, partial_holders, popularity, content } = statements.entry.get(entry)!;
    if (holders + by === 0) {
      const { name } = statements.nameOf.get(entry)!;
      statements.removeEntry.run(entry);
      if (statements.hasName.get(name) === null) this.names--;
    } else {
      statements.setEntryHolders.run(holders + by, partial_holders + by * partial, entry);
      if (popularityOf(holders + by) !== popularity)
        statements.setPopularity.run(popularityOf(holders + by), entry);
    }
    return content;
  }
}

/** Logarithm to the base of 2, rounded down. */
function popularityOf(holders: number): number {
  return 31 - Math.clz32(holders);
}

/** The SQL of catalog.ts, prepared once. What it is for is said there. */
import type { Database } from "bun:sqlite";

export type CatalogStatements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: Database) {
  return {
    begin: database.prepare<never, []>("BEGIN IMMEDIATE"),
    commit: database.prepare<never, []>("COMMIT"),
    rollback: database.prepare<never, []>("ROLLBACK"),

    putPeer: database.prepare<never, [id: number, host: string, port: number]>(
      "INSERT OR REPLACE INTO peers(id, host, port, live) VALUES (?, ?, ?, 1)",
    ),
    hidePeer: database.prepare<never, [id: number]>("UPDATE peers SET live = 0 WHERE id = ? AND live = 1"),
    removePeer: database.prepare<never, [id: number]>("DELETE FROM peers WHERE id = ?"),

    findContent: database.prepare<{ id: number }, [root: Uint8Array, size: number]>(
      "SELECT id FROM contents WHERE root = ? AND size = ?",
    ),
    addContent: database.prepare<never, [root: Uint8Array, size: number, whole: number, partial: number]>(
      "INSERT INTO contents(root, size, holders, partial_holders) VALUES (?, ?, ?, ?)",
    ),
    contentHolders: database.prepare<{ holders: number; partial_holders: number }, [id: number]>(
      "SELECT holders, partial_holders FROM contents WHERE id = ?",
    ),
    changeContentHolders: database.prepare<never, [byWhole: number, byPartial: number, id: number]>(
      "UPDATE contents SET holders = holders + ?, partial_holders = partial_holders + ? WHERE id = ?",
    ),
    removeContent: database.prepare<never, [id: number]>("DELETE FROM contents WHERE id = ?"),

    findEntry: database.prepare<
      { id: number },
      [content: number, nameKey: number, name: string, md5: Uint8Array]
    >("SELECT id FROM entries WHERE content = ? AND name_key = ? AND name = ? AND md5 = ?"),
    hasName: database.prepare<{ found: number }, [name: string]>(
      "SELECT 1 AS found FROM entries WHERE name = ? LIMIT 1",
    ),
    addEntry: database.prepare<
      never,
      [name: string, nameKey: number, lastPart: string, content: number, md5: Uint8Array, partial: number]
    >(
      `INSERT INTO entries(name, name_key, last_part, content, md5, holders, partial_holders, popularity)
       VALUES (?, ?, ?, ?, ?, 1, ?, 0)`,
    ),
    entry: database.prepare<
      { holders: number; partial_holders: number; popularity: number; content: number },
      [id: number]
    >("SELECT holders, partial_holders, popularity, content FROM entries WHERE id = ?"),
    setEntryHolders: database.prepare<never, [holders: number, partial: number, id: number]>(
      "UPDATE entries SET holders = ?, partial_holders = ? WHERE id = ?",
    ),
    setPopularity: database.prepare<never, [popularity: number, id: number]>(
      "UPDATE entries SET popularity = ? WHERE id = ?",
    ),
    removeEntry: database.prepare<never, [id: number]>("DELETE FROM entries WHERE id = ?"),

    nameOf: database.prepare<{ name: string }, [id: number]>("SELECT name FROM entries WHERE id = ?"),

    heldUnder: database.prepare<{ entry: number }, [peer: number, nameKey: number]>(
      "SELECT entry FROM holdings WHERE peer = ? AND name_key = ?",
    ),
    holdingsOfPeer: database.prepare<
      { entry: number; name_key: number },
      [peer: number, afterKey: number, afterEntry: number, limit: number]
    >(
      `SELECT entry, name_key FROM holdings
       WHERE peer = ? AND (name_key, entry) > (?, ?) ORDER BY name_key, entry LIMIT ?`,
    ),
    isPartial: database.prepare<{ partial: number }, [entry: number, peer: number]>(
      "SELECT partial FROM holdings WHERE entry = ? AND peer = ?",
    ),
    addHolding: database.prepare<never, [entry: number, peer: number, nameKey: number, partial: number]>(
      "INSERT INTO holdings(entry, peer, name_key, partial) VALUES (?, ?, ?, ?)",
    ),
    setPartial: database.prepare<never, [partial: number, entry: number, peer: number]>(
      "UPDATE holdings SET partial = ? WHERE entry = ? AND peer = ?",
    ),
    removeHolding: database.prepare<never, [entry: number, peer: number]>(
      "DELETE FROM holdings WHERE entry = ? AND peer = ?",
    ),

    addHolder: database.prepare<never, [content: number, partial: number, peer: number]>(
      "INSERT INTO holders(content, partial, peer, names) VALUES (?, ?, ?, 1)",
    ),
    holderNames: database.prepare<{ names: number }, [content: number, partial: number, peer: number]>(
      "SELECT names FROM holders WHERE content = ? AND partial = ? AND peer = ?",
    ),
    changeHolderNames: database.prepare<never, [by: number, content: number, partial: number, peer: number]>(
      "UPDATE holders SET names = names + ? WHERE content = ? AND partial = ? AND peer = ?",
    ),
    removeHolder: database.prepare<never, [content: number, partial: number, peer: number]>(
      "DELETE FROM holders WHERE content = ? AND partial = ? AND peer = ?",
    ),
  };
}

/** A database with entries as the index writes them, for tests of the search. */
import type { Database } from "bun:sqlite";
import { migrations } from "../../../src/index-server/sqlite/database.ts";
import { LiveBits } from "../../../src/index-server/sqlite/live-peers.ts";
import { shortKey } from "../../../src/index-server/sqlite/name-key.ts";
import { openDatabase } from "../../../src/sqlite.ts";

export interface Held {
  name: string;
  /** Which content: its size is 1,000 times as much unless given. */
  content: number;
  sizeBytes?: number;
  /** Slots of the peers that have it whole. */
  peers?: number[];
  /** Slots of the peers that have a part. */
  partialPeers?: number[];
}

export class SearchEntries {
  readonly database: Database;
  readonly live = new LiveBits();

  constructor(path: string) {
    this.database = openDatabase({ path, migrations });
    this.database.run("PRAGMA synchronous = OFF");
    for (let slot = 1; slot <= 20; slot++) {
      this.database.run("INSERT INTO peers VALUES (?, ?, 7767, 1, 0, zeroblob(16))", [
        slot,
        `10.0.0.${slot}`,
      ]);
      this.live.set(slot, true);
    }
  }

  /** Returns the ids. */
  add(files: readonly Held[]): number[] {
    return this.database.transaction(() => files.map((file) => this.addOne(file)))();
  }

  remove(id: number): void {
    this.database.run("DELETE FROM holdings WHERE entry = ?", [id]);
    this.database.run("DELETE FROM entries WHERE id = ?", [id]);
  }

  [Symbol.dispose](): void {
    this.database.close(true);
  }

  private addOne({
    name,
    content,
    sizeBytes = content * 1_000,
    peers = [1],
    partialPeers = [],
  }: Held): number {
    const root = Buffer.alloc(32);
    root.writeUInt32BE(content, 28);
    const holders = peers.length + partialPeers.length;
    const { id } = this.database
      .query<{ id: number }, []>("UPDATE totals SET last_entry = last_entry + 1 RETURNING last_entry AS id")
      .get()!;
    this.database.run(
      `INSERT INTO entries(id, name, size, md5, root, kept, partial_holders, others, popularity)
       VALUES (?, ?, ?, zeroblob(16), ?, ? - 128, ?, 1, 0)`,
      [id, name, sizeBytes, root, Math.max(1, holders), partialPeers.length],
    );
    this.database.run("INSERT INTO roots VALUES (?, 0, ?)", [shortKey(root), id]);
    const hold = (peer: number, partial: number) =>
      this.database.run("INSERT INTO holdings(entry, partial, peer) VALUES (?, ?, ?)", [id, partial, peer]);
    for (const peer of peers) hold(peer, 0);
    for (const peer of partialPeers) hold(peer, 1);
    return id;
  }
}

/**
 * The newest names, which are not in the full text yet: kept folded in memory and compared one by one. As long as no
 * more than `maxTail` names wait for the full text, a name is found as soon as it is registered; else the newest of
 * them some moments later.
 */
import type { Database } from "bun:sqlite";
import { FoldedName } from "../../wire/search-fold.ts";

/** Compared in about a millisecond. */
export const maxTail = 8_192;

export interface Candidate {
  id: number;
  name: FoldedName;
  sizeBytes: number;
  /** How many have it whole under this name, as kept. */
  holders: number;
}

export class SearchTail {
  private candidates: Candidate[] = [];
  /** Looked for names up to this id. */
  private readTo = 0;
  private readonly next;

  constructor(database: Database) {
    this.next = database.prepare<[number, string, number, number], [after: number]>(
      `SELECT id, name, size, holders - partial_holders FROM entries WHERE id > ? ORDER BY id LIMIT ${rowsRead}`,
    );
  }

  /** Reads what is new since; yields after every few names. `indexedTo`: up to here names are in the full text. */
  *update(indexedTo: number): Generator<undefined, void> {
    if (this.readTo < indexedTo) this.readTo = indexedTo;
    if ((this.candidates[0]?.id ?? Number.POSITIVE_INFINITY) <= indexedTo)
      this.candidates = this.candidates.filter(({ id }) => id > indexedTo);
    while (this.candidates.length < maxTail) {
      const rows = this.next.values(this.readTo) as [number, string, number, number][];
      for (const [id, name, sizeBytes, holders] of rows) {
        this.readTo = id;
        this.candidates.push({ id, name: new FoldedName(name), sizeBytes, holders });
      }
      if (rows.length < rowsRead) return;
      yield undefined;
    }
  }

  /** In the order of ids. */
  after(id: number): Candidate[] {
    const { candidates } = this;
    let low = 0;
    let high = candidates.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (candidates[middle]!.id <= id) low = middle + 1;
      else high = middle;
    }
    return candidates.slice(low);
  }
}

const rowsRead = 256;

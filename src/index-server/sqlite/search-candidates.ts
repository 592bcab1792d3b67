/**
 * Where the candidates of a search come from, each way in the order of entry ids and a bounded piece at a time: the
 * full text with the tail behind it, the files of a few peers, or all entries. What becomes of them is search-run.ts.
 */
import type { Database, Statement } from "bun:sqlite";
import { monotonicMs } from "../../clock.ts";
import { FoldedName } from "../../wire/search-fold.ts";
import type { SizeCondition } from "../../wire/search-query.ts";
import type { Candidate, SearchTail } from "./search-tail.ts";

export type Source =
  /** `match`: of the full text. `isRare`: a few names at most, so that all of it may be looked through at once. */
  | { kind: "text"; match: string; isRare?: boolean }
  | { kind: "peers"; slots: readonly number[] }
  | { kind: "entries" };

export interface Piece {
  candidates: Candidate[];
  /** Everything up to here has been looked at. */
  upTo: number;
  isLast: boolean;
}

export type SizeRange = Pick<SizeCondition, "minBytes" | "maxBytes">;
type Row = [id: number, name: string, size: number, holders: number];

const rowsAtOnce = 128;
/** Of the full text and of entries: ids looked through at once, to begin with and at least. */
const firstSpan = 524_288;
/** A piece should take about so long. */
const pieceMs = 2;

export class SearchCandidates {
  private readonly state: Statement<{ indexed_to: number }, []>;
  private readonly byText: Statement<Row, [string, number, number, number, number]>;
  private readonly all: Statement<Row, [number, number, number, number]>;
  private readonly ofPeer: Statement<Row, [number, number]>;
  private readonly last: Statement<{ id: number | null }, []>;

  /** `database`: the index's, with that of the full text attached as `search`. */
  constructor(
    database: Database,
    private readonly tail: SearchTail,
  ) {
    const columns = "e.id, e.name, e.size, e.holders - e.partial_holders";
    this.state = database.prepare("SELECT indexed_to FROM search.state");
    this.byText = database.prepare(
      `SELECT ${columns} FROM search.names CROSS JOIN entries AS e ON e.id = names.rowid
       WHERE names MATCH ? AND names.rowid > ? AND names.rowid <= ? AND e.size BETWEEN ? AND ? LIMIT ${rowsAtOnce}`,
    );
    this.all = database.prepare(
      `SELECT ${columns} FROM entries AS e
       WHERE e.id > ? AND e.id <= ? AND e.size BETWEEN ? AND ? ORDER BY e.id LIMIT ${rowsAtOnce}`,
    );
    this.ofPeer = database.prepare(
      `SELECT ${columns} FROM holdings AS h CROSS JOIN entries AS e ON e.id = h.entry
       WHERE h.peer = ? AND h.entry > ? ORDER BY h.entry LIMIT ${rowsAtOnce}`,
    );
    this.last = database.prepare("SELECT max(id) AS id FROM entries");
  }

  get indexedTo(): number {
    return this.state.get()?.indexed_to ?? 0;
  }

  get lastEntry(): number {
    return this.last.get()?.id ?? 0;
  }

  /** Pieces behind `after`, to the end. Every piece takes a few milliseconds at most. */
  *pieces(source: Source, after: number, sizes: SizeRange): Generator<Piece | undefined, void> {
    switch (source.kind) {
      case "text": {
        const read = (from: number, to: number) =>
          this.byText.values(source.match, from, to, sizes.minBytes, sizes.maxBytes);
        let from = after;
        // While we rest, names move from the tail to the full text.
        for (let { indexedTo } = this; ; { indexedTo } = this) {
          yield* this.inSpans(from, indexedTo, read, source.isRare === true ? indexedTo : firstSpan);
          from = Math.max(from, indexedTo);
          yield* this.tail.update(indexedTo);
          if (this.indexedTo === indexedTo) break;
        }
        yield this.ofTail(from, sizes);
        break;
      }
      case "entries": {
        const end = this.lastEntry;
        const read = (from: number, to: number) => this.all.values(from, to, sizes.minBytes, sizes.maxBytes);
        yield* this.inSpans(after, end, read, firstSpan);
        yield { candidates: [], upTo: Math.max(after, end), isLast: true };
        break;
      }
      case "peers":
        yield* this.ofPeers(source.slots, after, sizes);
    }
  }

  private *inSpans(
    after: number,
    end: number,
    read: (from: number, to: number) => unknown[][],
    firstSpan: number,
  ): Generator<Piece, void> {
    let span = Math.max(firstSpan, 1);
    let from = after;
    while (from < end) {
      const to = Math.min(from + span, end);
      const beganMs = monotonicMs();
      const rows = read(from, to) as Row[];
      const tookMs = monotonicMs() - beganMs;
      const upTo = rows.length < rowsAtOnce ? to : rows.at(-1)![0];
      yield { candidates: rows.map(candidateOf), upTo, isLast: false };
      from = upTo;
      if (tookMs > 2 * pieceMs) span = Math.max(1_024, span / 2);
      else if (tookMs < pieceMs) span *= 2;
    }
  }

  private ofTail(after: number, sizes: SizeRange): Piece {
    const newest = this.tail.after(after);
    const candidates = newest.filter((candidate) => isInRange(candidate, sizes));
    return { candidates, upTo: newest.at(-1)?.id ?? after, isLast: true };
  }

  /** Merged, as far as all of them have been looked through. */
  private *ofPeers(slots: readonly number[], after: number, sizes: SizeRange): Generator<Piece, void> {
    for (let from = after; ; ) {
      let upTo = Number.MAX_SAFE_INTEGER;
      const found = new Map<number, Row>();
      for (const slot of slots) {
        const rows = this.ofPeer.values(slot, from) as unknown[][] as Row[];
        for (const row of rows) found.set(row[0], row);
        if (rows.length === rowsAtOnce) upTo = Math.min(upTo, rows.at(-1)![0]);
      }
      const isLast = upTo === Number.MAX_SAFE_INTEGER;
      const rows = [...found.values()].filter(([id]) => id <= upTo).sort(([a], [b]) => a - b);
      from = isLast ? (rows.at(-1)?.[0] ?? from) : upTo;
      const candidates = rows.map(candidateOf).filter((candidate) => isInRange(candidate, sizes));
      yield { candidates, upTo: from, isLast };
      if (isLast) return;
    }
  }
}

function isInRange({ sizeBytes }: Candidate, { minBytes, maxBytes }: SizeRange): boolean {
  return minBytes <= sizeBytes && sizeBytes <= maxBytes;
}

function candidateOf([id, name, sizeBytes, holders]: Row): Candidate {
  return { id, name: new FoldedName(name), sizeBytes, holders };
}

/**
 * Where the candidates of a search come from, each way a bounded piece at a time: the full text with the tail behind
 * it, the files of a few peers, or all entries. What becomes of them is search-run.ts.
 */
import type { Database, Statement } from "bun:sqlite";
import { monotonicMs } from "../../clock.ts";
import { FoldedName } from "../../wire/search-fold.ts";
import type { SizeCondition } from "../../wire/search-query.ts";
import { type Cursor, newestGroup, type Place } from "./search-cursor.ts";
import { type Candidate, maxTail, type SearchTail } from "./search-tail.ts";
import { allOf, type LookUp, type Pattern } from "./search-text.ts";
import { SearchVocabulary } from "./search-vocabulary.ts";

export type Source =
  | ({ kind: "text" } & LookUp)
  | { kind: "peers"; slots: readonly number[] }
  | { kind: "entries" };

export interface Piece {
  /** In the order of entry ids; of the full text they are read as far as they are taken. */
  candidates: Iterable<Candidate>;
  /** So many were found in the full text that there are certainly more. */
  areMany: boolean;
  /** The group of words in whose names they are. */
  group: number;
  /** Everything up to here has been looked at. */
  upTo: Place;
  isLast: boolean;
}

/** Where a walk goes on: see `Cursor`. */
export type Beginning = Pick<Cursor, "indexedTo" | "after">;

export type SizeRange = Pick<SizeCondition, "minBytes" | "maxBytes">;
type Row = [id: number, name: string, size: number, holders: number];

/** Entries to be compared. */
const rowsAtOnce = 64;
/** Of the full text: numbers, which cost little. More than are ranked together. */
const idsAtOnce = 192;
/** A full tail and what is gone from between: other names have come since. */
const idsOfTail = 4 * maxTail;
/** What was found is kept for a while: the same words are often looked up anywhere and at beginnings, or page by page. */
const maxKnown = 64;
/** Ids looked through at once, to begin with. */
const firstSpan = 4_194_304;
/** A piece should take about so long. */
const pieceMs = 2;
/** Words of a look-up: whether a name has the others, too, is sooner compared. */
const fewWords = 128;

/** What is looked up in the full text for a group of words. */
interface Step {
  /** Undefined: no name has what is looked for. */
  match: string | undefined;
  /** The next group; undefined: this is the last one. */
  next: number | undefined;
  /** Whose words are looked up group by group. */
  grouped: Pattern | undefined;
}

export class SearchCandidates {
  private readonly vocabulary: SearchVocabulary;
  private readonly state: Statement<{ indexed_to: number }, []>;
  private readonly byText: Statement<never, [match: string, after: number, to: number]>;
  private readonly byId: Statement<Row, [ids: string, min: number, max: number]>;
  private readonly all: Statement<Row, [number, number, number, number]>;
  private readonly ofPeer: Statement<Row, [number, number]>;
  private readonly last: Statement<{ id: number | null }, []>;
  /** What `byText` finds, as long as the full text goes to `knownUpTo`; what is gone from it meanwhile is no entry. */
  private readonly known = new Map<string, [id: number][]>();
  private knownUpTo = 0;

  /** `database`: the index's, with that of the full text attached as `search`. */
  constructor(
    database: Database,
    private readonly tail: SearchTail,
  ) {
    this.vocabulary = new SearchVocabulary(database);
    const columns = "e.id, e.name, e.size, e.holders - e.partial_holders";
    this.state = database.prepare("SELECT indexed_to FROM search.state");
    this.byText = database.prepare(
      `SELECT rowid FROM search.names
       WHERE names MATCH ? AND names.rowid > ? AND names.rowid <= ? LIMIT ${idsAtOnce}`,
    );
    this.byId = database.prepare(
      `SELECT ${columns} FROM json_each(?) AS asked CROSS JOIN entries AS e ON e.id = asked.value
       WHERE e.size BETWEEN ? AND ?`,
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

  /** Pieces behind the place, to the end. Every piece takes a few milliseconds at most. */
  *pieces(source: Source, begin: Beginning, sizes: SizeRange): Generator<Piece | undefined, void> {
    const { after } = begin;
    switch (source.kind) {
      case "text":
        yield* this.ofText(source, begin, sizes);
        break;
      case "entries":
        yield* this.ofEntries(after, this.lastEntry, sizes);
        break;
      case "peers":
        yield* this.ofPeers(source.slots, after.entry, sizes);
    }
  }

  /** One by one. */
  private *ofEntries({ group, entry }: Place, end: number, sizes: SizeRange): Generator<Piece, void> {
    const read = (from: number, to: number) =>
      this.all.values(from, to, sizes.minBytes, sizes.maxBytes) as unknown[][] as Row[];
    for (const { found, upTo } of inSpans(entry, end, rowsAtOnce, read))
      yield { ...piece(found.map(candidateOf), { group, entry: upTo }), isLast: false };
    yield piece([], { group, entry: Math.max(entry, end) });
  }

  // --- the full text ---

  /** Group by group, and in each in the order of ids. A name is in the first group that has one of its words. */
  private *ofText(
    lookUp: LookUp,
    { after, indexedTo }: Beginning,
    sizes: SizeRange,
  ): Generator<Piece | undefined, void> {
    let place = after;
    while (place.group !== newestGroup) {
      const step = this.step(lookUp, place.group);
      yield* this.ofStep(step, place, indexedTo, sizes);
      place =
        step.next === undefined ? { group: newestGroup, entry: indexedTo } : { group: step.next, entry: 0 };
      yield { ...piece([], place), isLast: false };
    }
    if (this.indexedTo === indexedTo) yield* this.tail.update(indexedTo);
    // While we rest, or from page to page, names move from the tail to the full text.
    if (this.indexedTo === indexedTo) yield this.ofTail(place, sizes);
    else yield* this.ofEntries(place, Math.min(this.lastEntry, indexedTo + idsOfTail), sizes);
  }

  private ofTail({ group, entry }: Place, sizes: SizeRange): Piece {
    const newest = this.tail.after(entry);
    const candidates = newest.filter((candidate) => isInRange(candidate, sizes));
    return piece(candidates, { group, entry: newest.at(-1)?.id ?? entry });
  }

  private step({ patterns, words }: LookUp, group: number): Step {
    const { indexedTo } = this;
    if (indexedTo !== this.knownUpTo) {
      this.vocabulary.forget();
      this.known.clear();
      this.knownUpTo = indexedTo;
    }
    const lists = patterns.map((pattern) => this.vocabulary.group(pattern, 0));
    const whole = lists.filter(({ next }) => next === undefined).map((list) => list.words);
    if (words.length > 0) whole.push([...words]);
    if (whole.length > 0) {
      const chosen: string[][] = [];
      let count = 0;
      for (const list of whole.sort((a, b) => a.length - b.length)) {
        if (chosen.length > 0 && count + list.length > fewWords) break;
        chosen.push(list);
        count += list.length;
      }
      const isInVain = chosen[0]!.length === 0;
      return { match: isInVain ? undefined : allOf(chosen), next: undefined, grouped: undefined };
    }
    const longest = patterns.reduce((a, b) => (b.length > a.length ? b : a));
    const { words: some, next } = this.vocabulary.group(longest, group);
    return { match: some.length === 0 ? undefined : allOf([some]), next, grouped: longest };
  }

  private *ofStep(step: Step, after: Place, end: number, sizes: SizeRange): Generator<Piece, void> {
    const { match, grouped } = step;
    if (match === undefined) return;
    const { group } = after;
    const read = (from: number, to: number) => this.find(match, from, to);
    for (const { found, upTo } of inSpans(after.entry, end, idsAtOnce, read)) {
      const ids = found.map(([id]) => id);
      const candidates = this.read(ids, sizes, group > 0 ? grouped : undefined, group);
      const areMany = ids.length === idsAtOnce;
      yield { candidates, areMany, group, upTo: { group, entry: upTo }, isLast: false };
    }
  }

  private find(match: string, from: number, to: number): [id: number][] {
    const key = `${from} ${to} ${match}`;
    const found = this.known.get(key) ?? (this.byText.values(match, from, to) as unknown as [number][]);
    if (this.known.size === maxKnown) this.known.clear();
    this.known.set(key, found);
    return found;
  }

  private *read(
    ids: readonly number[],
    { minBytes, maxBytes }: SizeRange,
    grouped: Pattern | undefined,
    group: number,
  ): Generator<Candidate, void> {
    for (let at = 0; at < ids.length; at += rowsAtOnce) {
      const some = JSON.stringify(ids.slice(at, at + rowsAtOnce));
      for (const row of this.byId.values(some, minBytes, maxBytes) as unknown[][] as Row[]) {
        const candidate = candidateOf(row);
        const isEarlier =
          grouped !== undefined && this.vocabulary.hasEarlier(candidate.name.words, grouped, group);
        if (!isEarlier) yield candidate;
      }
    }
  }

  // --- peers ---

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
      yield { ...piece(candidates, { group: 0, entry: from }), isLast };
      if (isLast) return;
    }
  }
}

/** The last one. */
function piece(candidates: readonly Candidate[], upTo: Place): Piece {
  return { candidates, areMany: false, group: upTo.group, upTo, isLast: true };
}

/** Reads at most `most` rows at a time, of so many ids that it does not take long. */
function* inSpans<R extends [id: number, ...unknown[]]>(
  after: number,
  end: number,
  most: number,
  read: (from: number, to: number) => R[],
): Generator<{ found: R[]; upTo: number }, void> {
  let span = firstSpan;
  for (let from = after; from < end; ) {
    const to = Math.min(from + span, end);
    const beganMs = monotonicMs();
    const found = read(from, to);
    const tookMs = monotonicMs() - beganMs;
    from = found.length < most ? to : found.at(-1)![0];
    yield { found, upTo: from };
    if (tookMs > 2 * pieceMs) span = Math.max(1_024, span / 2);
    else if (tookMs < pieceMs) span *= 2;
  }
}

function isInRange({ sizeBytes }: Candidate, { minBytes, maxBytes }: SizeRange): boolean {
  return minBytes <= sizeBytes && sizeBytes <= maxBytes;
}

function candidateOf([id, name, sizeBytes, holders]: Row): Candidate {
  return { id, name: new FoldedName(name), sizeBytes, holders };
}

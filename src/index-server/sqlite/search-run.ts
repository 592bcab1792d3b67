/**
 * One SEARCH, as a generator that rests after every piece of work: candidates in the order of their places are gathered
 * into windows, what is in a window is ranked, and a page is filled window by window.
 *
 * Up to `mostTogether` hits are ranked all together. Of more, those that the search says exactly come first, then those
 * at whose words' beginnings it is, then the others: stages, each a walk of its own, because what fits best must not
 * depend on how old it is. Within a stage the first `windowSize` are ranked together, then the next.
 */
import { maxContentBytes } from "../../wire/limits.ts";
import type { Match } from "../../wire/messages.ts";
import {
  compareRanked,
  matchesFolded,
  matchesSize,
  type Rank,
  rank,
  rankOfBeginnings,
  rankOfExactStem,
  rankOfOthers,
} from "../../wire/search-match.ts";
import { parseSearch, type SearchQuery, type SizeCondition } from "../../wire/search-query.ts";
import type { SearchCandidates, SizeRange, Source } from "./search-candidates.ts";
import { type Cursor, decodeCursor, encodeCursor, isBehind, type Place } from "./search-cursor.ts";
import {
  entriesAtOnce,
  type Hit,
  type MeantPeers,
  type RankedCandidate,
  type SearchHolders,
} from "./search-holders.ts";
import type { Candidate } from "./search-tail.ts";
import { lookUpOf, stemCode, stemCodesOf } from "./search-text.ts";

export interface SearchRequest {
  text: string;
  /** `next` of the page before; empty: the first page. */
  after: string;
  limit: number;
}

export interface SearchPage {
  matches: Match[];
  /** Undefined: there is no more. */
  next: string | undefined;
}

/** So many at most are ranked all together … */
const mostTogether = 128;
/** … and of more, so many: each costs a page of the database, and a page of hits is about as many. */
const windowSize = 64;
/** A candidate of the worst name and the worst glob takes 0.2 ms. */
const comparedBetweenRests = 16;
/** More peers than these are looked for among the names' holders. */
const maxPeersWalked = 16;

/** Stages in which candidates are found. */
const together = 0;
const exact = 1;
const beginnings = 2;
const others = 3;

interface Gathered {
  ranked: RankedCandidate[];
  /** Everything up to here has been looked at. */
  upTo: Place;
  isLast: boolean;
}

export class SearchRun {
  private readonly query: SearchQuery;
  private readonly meant: MeantPeers;
  private readonly codes: ReadonlySet<string>;
  private readonly stages: readonly number[];
  private readonly hits: Hit[] = [];
  /** Contents of `hits`. */
  private readonly shown = new Set<string>();

  /** `isSpent`: the time that a search may take is over, or so many times that. Throws ProtocolError. */
  constructor(
    private readonly request: SearchRequest,
    private readonly candidates: SearchCandidates,
    private readonly holders: SearchHolders,
    private readonly isSpent: (times?: number) => boolean,
  ) {
    this.query = parseSearch(request.text);
    this.meant = holders.meantPeers(this.query);
    this.codes = stemCodesOf(this.query.exact);
    this.stages = this.stagesOf();
  }

  *run(): Generator<void, SearchPage> {
    const { after, text, limit } = this.request;
    let cursor = after === "" ? this.start(this.stages[0]!) : decodeCursor(after, text);
    if (!this.stages.includes(cursor.stage)) decodeCursor("", text);
    while (this.hits.length < limit && !this.isSpent()) {
      const next = yield* this.window(cursor, limit);
      if (next === undefined) return this.page(undefined);
      cursor = next;
    }
    return this.page(encodeCursor(cursor, text));
  }

  private page(next: string | undefined): SearchPage {
    const inOrderOfHits = (a: Hit, b: Hit) => compareRanked(a, b) || (a.root < b.root ? -1 : 1);
    const matches = this.hits.sort(inOrderOfHits).map(({ name, sizeBytes, root, sources }) => ({
      name: name as Match["name"],
      sizeBytes,
      root,
      sources,
    }));
    return { matches, next };
  }

  // --- one window ---

  /** Adds hits of the window at `cursor`; returns where to go on, undefined for nowhere. */
  private *window(cursor: Cursor, limit: number): Generator<void, Cursor | undefined> {
    const { stage } = cursor;
    const gathered = yield* this.gather(cursor);
    if (gathered === undefined) return this.start(this.stages[1]!);
    const { ranked, upTo, isLast } = gathered;
    ranked.sort(inOrder);
    let { position } = cursor;
    while (position < ranked.length && this.hits.length < limit) {
      // Some of it in any case: who only gathers would do so again for the next page.
      if (position > cursor.position && this.isSpent()) break;
      const end = position + Math.min(entriesAtOnce, limit - this.hits.length);
      const some = ranked.slice(position, end);
      position += some.length;
      for (const hit of this.holders.hitsOf(some, this.meant)) {
        // The same with another MD5 is a lie of somebody.
        const content = `${hit.root} ${hit.sizeBytes} ${hit.name}`;
        if (this.shown.has(content)) continue;
        this.shown.add(content);
        this.hits.push(hit);
      }
      yield;
    }
    if (position < ranked.length) return { ...cursor, upTo, position };
    if (!isLast) return { ...cursor, after: upTo, upTo: undefined, position: 0 };
    const nextStage = stage === together ? undefined : this.stages[this.stages.indexOf(stage) + 1];
    return nextStage === undefined ? undefined : this.start(nextStage);
  }

  /**
   * The candidates of a window; all of it when it was begun before, else as many as there is time for. Undefined when
   * they are too many to rank all together.
   */
  private *gather(cursor: Cursor): Generator<void, Gathered | undefined> {
    const { stage, after, upTo: end } = cursor;
    const ranked: RankedCandidate[] = [];
    const mayBeMany = stage !== together || this.stages.length === 1 || end !== undefined || !isStart(after);
    const most = mayBeMany ? windowSize : Number.POSITIVE_INFINITY;
    let compared = 0;
    for (const piece of this.candidates.pieces(this.sourceOf(stage), cursor, sizesOf(this.query))) {
      yield;
      if (piece === undefined) continue;
      if (piece.areMany && !mayBeMany) return undefined;
      for (const candidate of piece.candidates) {
        const place = { group: piece.group, entry: candidate.id };
        if (end !== undefined && isBehind(place, end)) return { ranked, upTo: end, isLast: false };
        if (++compared % comparedBetweenRests === 0) yield;
        const found = this.rankIn(stage, candidate);
        if (found === undefined) continue;
        if (ranked.length === mostTogether) return undefined;
        ranked.push(rankedAs(candidate, found));
        // Of a window that was begun, too: where it ends is what somebody says.
        if (ranked.length === most) return { ranked, upTo: place, isLast: false };
      }
      if (piece.isLast) return { ranked, upTo: piece.upTo, isLast: true };
      if (end !== undefined && !isBehind(end, piece.upTo)) return { ranked, upTo: end, isLast: false };
      if (this.isSpent(end === undefined ? 1 : 4))
        return mayBeMany ? { ranked, upTo: piece.upTo, isLast: false } : undefined;
    }
    return { ranked, upTo: after, isLast: true };
  }

  /** Undefined for what does not fit, or is another stage's. */
  private rankIn(stage: number, { name, sizeBytes }: Candidate): Rank | undefined {
    if (!matchesFolded(this.query, name) || !matchesSize(this.query, sizeBytes)) return undefined;
    const found = rank(this.query, name);
    return stage === together || this.stageOf(found, name) === stage ? found : undefined;
  }

  private stageOf(found: Rank, name: Candidate["name"]): number {
    if (found === rankOfOthers) return others;
    if (found <= rankOfExactStem && this.codes.has(stemCode(name.stemWords))) return exact;
    return found <= rankOfBeginnings ? beginnings : others;
  }

  // --- where from ---

  private start(stage: number): Cursor {
    const { indexedTo } = this.candidates;
    return { stage, indexedTo, after: { group: 0, entry: 0 }, upTo: undefined, position: 0 };
  }

  private stagesOf(): number[] {
    const hasWords = this.query.exact.length > 2;
    if (!hasWords || this.peersWalked !== undefined) return [together];
    const staged = this.codes.size > 0 ? [exact, beginnings, others] : [beginnings, others];
    // Words of one and two letters are not looked up: to look for them anywhere is to look at all entries.
    return lookUpOf(this.query, "anywhere") === undefined ? staged : [together, ...staged];
  }

  private sourceOf(stage: number): Source {
    if (this.peersWalked !== undefined) return { kind: "peers", slots: this.peersWalked };
    if (stage === exact) return { kind: "text", patterns: [], words: [...this.codes] };
    const lookUp = lookUpOf(this.query, stage === beginnings ? "at beginnings of words" : "anywhere");
    return lookUp === undefined ? { kind: "entries" } : { kind: "text", ...lookUp };
  }

  /** Whose files are looked through, when a `peer:` means so few. */
  private get peersWalked(): number[] | undefined {
    const [peers] = this.meant.wanted;
    return peers !== undefined && peers.size <= maxPeersWalked ? [...peers] : undefined;
  }
}

function isStart({ group, entry }: Place): boolean {
  return group === 0 && entry === 0;
}

function rankedAs({ id, name, sizeBytes, holders }: Candidate, found: Rank): RankedCandidate {
  return { id, rank: found, sources: holders, name: name.folded, shown: name.given, sizeBytes };
}

function inOrder(a: RankedCandidate, b: RankedCandidate): number {
  return compareRanked(a, b) || a.id - b.id;
}

function sizesOf({ wanted }: SearchQuery): SizeRange {
  const sizes = wanted.filter((condition): condition is SizeCondition => condition.kind === "size");
  return {
    minBytes: Math.max(0, ...sizes.map(({ minBytes }) => minBytes)),
    maxBytes: Math.min(maxContentBytes, ...sizes.map(({ maxBytes }) => maxBytes)),
  };
}

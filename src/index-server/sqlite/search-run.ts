/**
 * One SEARCH, as a generator that rests after every piece of work: candidates in the order of their ids are gathered
 * into windows, what is in a window is ranked, and a page is filled window by window.
 *
 * Up to `windowSize` hits are ranked all together. Of more, those that the search says exactly come first, then those
 * at whose words' beginnings it is, then the others: stages, each a walk of its own, because what fits best must not
 * depend on how old it is. (Where hardly any word begins so, the last two are one.) Within a stage the oldest `windowSize` are ranked together, then the next.
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
import { type Cursor, decodeCursor, encodeCursor } from "./search-cursor.ts";
import { entriesAtOnce, type Hit, type MeantPeers, type SearchHolders } from "./search-holders.ts";
import type { Candidate } from "./search-tail.ts";
import { anyOf, type LookUp, lookUpOf, stemCode, stemCodesOf, type Where } from "./search-text.ts";
import type { TrigramSample } from "./trigram-sample.ts";

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

/** Ranked together. */
const windowSize = 128;
/** Where so many may fit, it is not tried to rank all of them together. */
const manyCandidates = 20 * windowSize;
/** A candidate of the worst name and the worst glob takes 0.2 ms. */
const comparedBetweenRests = 16;
/** More peers than these are looked for among the names' holders. */
const maxPeersWalked = 16;

/** Stages in which candidates are found. */
const together = 0;
const exact = 1;
const beginnings = 2;
const others = 3;
/** `beginnings` and `others` as one. */
const rest = 4;
/** When of so many compared in `beginnings` so few are: it is rather the middles of words. */
const comparedInVain = 512;
const fewOfThem = 64;

interface Gathered {
  ranked: Ranked[];
  /** Everything up to this entry has been looked at. */
  upTo: number;
  isLast: boolean;
  isInVain?: boolean;
}

interface Ranked extends Candidate {
  rank: Rank;
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
    private readonly sample: TrigramSample,
    private readonly isSpent: (times?: number) => boolean,
  ) {
    this.query = parseSearch(request.text);
    this.meant = holders.meantPeers(this.query);
    this.codes = stemCodesOf(this.query.exact);
    this.stages = this.stagesOf();
  }

  *run(): Generator<void, SearchPage> {
    const { after, text, limit } = this.request;
    let cursor = after === "" ? start(this.firstStage) : decodeCursor(after, text);
    const mayBe = this.stages.includes(beginnings) ? [...this.stages, rest] : this.stages;
    if (!mayBe.includes(cursor.stage)) decodeCursor("", text);
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
    const { ranked, upTo, isLast, isInVain } = yield* this.gather(cursor);
    const isFirst = cursor.upTo === 0 && cursor.after === 0;
    // Too many to rank together.
    if (stage === together && isFirst && !isLast && this.stages.length > 1) return start(this.stages[1]!);
    if (isInVain) return start(rest);
    ranked.sort(inOrder);
    let { position } = cursor;
    while (position < ranked.length && this.hits.length < limit && !this.isSpent()) {
      const end = position + Math.min(entriesAtOnce, limit - this.hits.length);
      const entries = ranked.slice(position, end).map(({ id }) => id);
      position += entries.length;
      for (const hit of this.holders.hitsOf(entries, this.query, this.meant)) {
        // The same with another MD5 is a lie of somebody.
        const content = `${hit.root} ${hit.sizeBytes} ${hit.name}`;
        if (this.shown.has(content)) continue;
        this.shown.add(content);
        this.hits.push(hit);
      }
      yield;
    }
    if (position < ranked.length) return { ...cursor, upTo, position };
    if (!isLast) return { stage, after: upTo, upTo: 0, position: 0 };
    const isOnly = stage === together || stage === rest;
    const nextStage = isOnly ? undefined : this.stages[this.stages.indexOf(stage) + 1];
    return nextStage === undefined ? undefined : start(nextStage);
  }

  /** The candidates of a window; all of it when it was begun before, else as many as there is time for. */
  private *gather({ stage, after, upTo: end }: Cursor): Generator<void, Gathered> {
    const ranked: Ranked[] = [];
    const isBegun = end > 0;
    const mayBeInVain = stage === beginnings && !isBegun && after === 0;
    let compared = 0;
    for (const piece of this.candidates.pieces(this.sourceOf(stage), after, sizesOf(this.query))) {
      yield;
      if (piece === undefined) continue;
      for (const candidate of piece.candidates) {
        if (isBegun && candidate.id > end) return { ranked, upTo: end, isLast: false };
        // Of a window that was begun, too: where it ends is what somebody says.
        if (ranked.length === windowSize) return { ranked, upTo: ranked.at(-1)!.id, isLast: false };
        if (++compared % comparedBetweenRests === 0) yield;
        const found = this.rankIn(stage, candidate);
        if (found !== undefined) ranked.push({ ...candidate, rank: found });
      }
      if (piece.isLast) return { ranked, upTo: piece.upTo, isLast: true };
      if (isBegun && piece.upTo >= end) return { ranked, upTo: end, isLast: false };
      const isInVain = mayBeInVain && compared > comparedInVain && ranked.length < fewOfThem;
      if (isInVain) return { ranked, upTo: piece.upTo, isLast: false, isInVain };
      if (this.isSpent(isBegun ? 4 : 1)) return { ranked, upTo: piece.upTo, isLast: false };
    }
    return { ranked, upTo: after, isLast: true };
  }

  /** Undefined for what does not fit, or is another stage's. */
  private rankIn(stage: number, { name, sizeBytes }: Candidate): Rank | undefined {
    if (!matchesFolded(this.query, name) || !matchesSize(this.query, sizeBytes)) return undefined;
    const found = rank(this.query, name);
    if (stage === together) return found;
    const own = this.stageOf(found, name);
    return own === stage || (stage === rest && own !== exact) ? found : undefined;
  }

  private stageOf(found: Rank, name: Candidate["name"]): number {
    if (found === rankOfOthers) return others;
    if (found <= rankOfExactStem && this.codes.has(stemCode(name.stemWords))) return exact;
    return found <= rankOfBeginnings ? beginnings : others;
  }

  // --- where from ---

  private stagesOf(): number[] {
    const hasWords = this.query.exact.length > 2;
    if (!hasWords || this.peersWalked !== undefined) return [together];
    const staged = this.codes.size > 0 ? [exact, beginnings, others] : [beginnings, others];
    // Words of one and two letters are not in the full text: to look for them anywhere is to look at all entries.
    return this.lookUp("anywhere") === undefined ? staged : [together, ...staged];
  }

  /** The first stage of the first page. */
  private get firstStage(): number {
    const [first, second] = this.stages;
    const areMany = (this.lookUp("anywhere")?.candidates ?? 0) > manyCandidates;
    return (first === together && areMany ? second : first) ?? together;
  }

  private sourceOf(stage: number): Source {
    if (this.peersWalked !== undefined) return { kind: "peers", slots: this.peersWalked };
    if (stage === exact) return { kind: "text", match: anyOf(this.codes), isRare: true };
    const lookUp = this.lookUp(stage === beginnings ? "at beginnings of words" : "anywhere");
    return lookUp === undefined ? { kind: "entries" } : { kind: "text", match: lookUp.match };
  }

  private lookUp(where: Where): LookUp | undefined {
    return lookUpOf(this.query, where, this.sample.rarityOf, this.candidates.lastEntry);
  }

  /** Whose files are looked through, when a `peer:` means so few. */
  private get peersWalked(): number[] | undefined {
    const [peers] = this.meant.wanted;
    return peers !== undefined && peers.size <= maxPeersWalked ? [...peers] : undefined;
  }
}

function start(stage: number): Cursor {
  return { stage, after: 0, upTo: 0, position: 0 };
}

function inOrder(a: Ranked, b: Ranked): number {
  const name = (of: Ranked) => ({ rank: of.rank, sources: of.holders, name: of.name.folded });
  return compareRanked(name(a), name(b)) || a.id - b.id;
}

function sizesOf({ wanted }: SearchQuery): SizeRange {
  const sizes = wanted.filter((condition): condition is SizeCondition => condition.kind === "size");
  return {
    minBytes: Math.max(0, ...sizes.map(({ minBytes }) => minBytes)),
    maxBytes: Math.min(maxContentBytes, ...sizes.map(({ maxBytes }) => maxBytes)),
  };
}

/**
 * What fits a search, and which of two that fit comes first. Pure, and the whole truth: whoever finds names in another
 * way (an index of trigrams, a table of watches) asks here before it says so.
 */
import { FoldedName } from "./search-fold.ts";
import type { Condition, SearchQuery } from "./search-query.ts";

/** Everything but `size:` and `peer:`, of which a name says nothing. Linear in the name, for each condition. */
export function matchesName(query: SearchQuery, name: string): boolean {
  return matchesFolded(query, new FoldedName(name));
}

/** For one name and many searches. */
export function matchesFolded({ wanted, unwanted }: SearchQuery, name: FoldedName): boolean {
  return (
    wanted.every((condition) => nameFits(condition, name) ?? true) &&
    !unwanted.some((condition) => nameFits(condition, name) ?? false)
  );
}

export function matchesSize({ wanted, unwanted }: SearchQuery, sizeBytes: number): boolean {
  const fits = (condition: Condition): boolean | undefined =>
    condition.kind === "size"
      ? condition.minBytes <= sizeBytes && sizeBytes <= condition.maxBytes
      : undefined;
  return wanted.every((each) => fits(each) ?? true) && !unwanted.some((each) => fits(each) ?? false);
}

/** Whether a peer at this address is one that `prefix` of a `peer:` means. */
export function isPeerMeant(prefix: string, host: string, port: number): boolean {
  const isBracketed = prefix.startsWith("[");
  return `${isBracketed ? `[${host}]` : host}:${port}`.toLowerCase().startsWith(prefix);
}

/** Undefined when a name does not tell. */
function nameFits(condition: Condition, name: FoldedName): boolean | undefined {
  switch (condition.kind) {
    case "words":
      return name.words.includes(condition.words);
    case "glob":
      return condition.pattern.matches(condition.isOfWholeName ? name.folded : name.lastPart);
    case "type":
      return condition.endings.has(name.ending);
    case "size":
    case "peer":
      return undefined;
  }
}

// --- order ---

/** How well a name fits: the lower, the better. */
export type Rank = 0 | 1 | 2 | 3;
/** The words of the search, in that order and no others, are the name or its last part … */
export const rankOfExactName = 0;
/** … or its last part without the ending. */
export const rankOfExactStem = 1;
/** All wanted words begin where words of the name begin. */
export const rankOfBeginnings = 2;
export const rankOfOthers = 3;

/** Of a name that fits. */
export function rank(query: SearchQuery, name: FoldedName): Rank {
  const { exact, wanted } = query;
  if (exact.length > 2) {
    if (name.words === exact || name.lastWords === exact) return rankOfExactName;
    if (name.lastWords.startsWith(exact) && name.stemWords === exact) return rankOfExactStem;
  }
  const begins = wanted.every(
    (each) => each.kind !== "words" || name.words.includes(atBeginning(each.words)),
  );
  return begins ? rankOfBeginnings : rankOfOthers;
}

/** `words` where a word begins. */
export function atBeginning(words: string): string {
  return words.startsWith(" ") ? words : ` ${words}`;
}

export interface Ranked {
  rank: Rank;
  sources: number;
  name: string;
}

/** Better fits first, then what more have, then by name. */
export function compareRanked(a: Ranked, b: Ranked): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (a.sources !== b.sources) return b.sources - a.sources;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

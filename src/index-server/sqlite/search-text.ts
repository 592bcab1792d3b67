/**
 * What of a name goes into the full text, and what is looked up there for a search: trigrams, of which the rarest few
 * are enough, because what is found is compared with the search anyway. Pure.
 */
import type { FoldedName } from "../../wire/search-fold.ts";
import { atBeginning } from "../../wire/search-match.ts";
import type { SearchQuery } from "../../wire/search-query.ts";

/** The words of the name, and a code for its stem, by which names that a search says exactly are found among many. */
export function searchTextOf(name: FoldedName): string {
  return name.words + stemCode(name.stemWords);
}

/** One trigram: letters of private use, which are in no word, for 20 bits of a hash (FNV-1a). */
export function stemCode(stemWords: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < stemWords.length; i++) hash = Math.imul(hash ^ stemWords.charCodeAt(i), 0x01000193);
  return String.fromCharCode(0xe000, 0xe400 + (hash >>> 22), 0xe400 + ((hash >>> 12) & 0x3ff));
}

/**
 * Codes of all stems that a name may have whose words, or those of its last part with or without an ending, are
 * `exact`; of a long search of some of them.
 */
export function stemCodesOf(exact: string): Set<string> {
  const codes = new Set<string>();
  const words = exact.split(" ").filter((word) => word !== "");
  for (const stem of [words, words.slice(0, -1)]) {
    for (let from = 0; from < Math.min(stem.length, maxStemsLookedUp); from++)
      codes.add(stemCode(` ${stem.slice(from).join(" ")} `));
  }
  return codes;
}

const maxStemsLookedUp = 8;

// --- what is looked up ---

export type Where = "anywhere" | "at beginnings of words";

/** How many of 10,000 names have a trigram. */
export type RarityOf = (trigram: string) => number;

/** Lists that are compared with each other, two for a word: another costs more than it spares (measured). */
const maxTrigrams = 3;
/** So few candidates are compared sooner than another list is read. */
const fewCandidates = 64;

export interface LookUp {
  /** For MATCH. */
  match: string;
  /** About how many names have these trigrams, as if words had nothing to do with each other. */
  candidates: number;
}

/** Every name that fits has these trigrams. Undefined when nothing of the search is long enough. */
export function lookUpOf(
  query: SearchQuery,
  where: Where,
  rarityOf: RarityOf,
  names: number,
): LookUp | undefined {
  const lists = requiredTexts(query, where).map((text) => rarestFirst(text, rarityOf));
  const chosen = new Set<string>();
  let candidates = names;
  for (let round = 0; lists.some((list) => list.length > round); round++) {
    const next = lists
      .flatMap((list) => list.slice(round, round + 1))
      .sort((a, b) => rarityOf(a) - rarityOf(b));
    for (const trigram of next) {
      if (chosen.size >= maxTrigrams || (round > 0 && candidates <= fewCandidates)) break;
      if (chosen.has(trigram)) continue;
      chosen.add(trigram);
      // Trigrams of one word come together: the others hardly make it rarer.
      if (round === 0) candidates *= rarityOf(trigram) / 10_000;
    }
  }
  if (chosen.size > 0) return { match: [...chosen].map(quoted).join(" AND "), candidates };
  const match = endingsText(query);
  return match === undefined ? undefined : { match, candidates: names };
}

/** `"A" OR "B"`: one of the codes. */
export function anyOf(trigrams: Iterable<string>): string {
  return Array.from(trigrams, quoted).join(" OR ");
}

/** Texts that the words of every fitting name contain. */
function requiredTexts({ wanted }: SearchQuery, where: Where): string[] {
  return wanted.flatMap((condition) => {
    if (condition.kind === "words")
      return [where === "anywhere" ? condition.words : atBeginning(condition.words)];
    return condition.kind === "glob" ? condition.pieces : [];
  });
}

/** Of a `type:`, the endings, each with one trigram of it. */
function endingsText({ wanted }: SearchQuery): string | undefined {
  const type = wanted.find((condition) => condition.kind === "type");
  if (type === undefined) return undefined;
  const trigrams = Array.from(type.endings, (ending) =>
    (ending.length < 3 ? ` ${ending} ` : ending).slice(0, 3),
  );
  return anyOf(new Set(trigrams));
}

function rarestFirst(text: string, rarityOf: RarityOf): string[] {
  return [...new Set(trigramsOf(text))]
    .sort((a, b) => rarityOf(a) - rarityOf(b))
    .slice(0, 1 + text.trim().split(" ").length);
}

/** By code points, as SQLite sees them. */
export function trigramsOf(text: string): string[] {
  const letters = [...text];
  return Array.from({ length: Math.max(0, letters.length - 2) }, (_, i) => letters.slice(i, i + 3).join(""));
}

function quoted(trigram: string): string {
  return `"${trigram}"`;
}

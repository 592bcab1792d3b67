/**
 * What of a name goes into the full text, and what is looked up there for a search: words. What is found is compared
 * with the search anyway, so that a look-up may find too much, but never too little. Pure.
 */
import type { FoldedName } from "../../wire/search-fold.ts";
import { atBeginning } from "../../wire/search-match.ts";
import type { SearchQuery } from "../../wire/search-query.ts";

/** The words of the name, and a code for its stem, by which names that a search says exactly are found among many. */
export function searchTextOf(name: FoldedName): string {
  return name.words + stemCode(name.stemWords);
}

/** One word of letters of private use, which are in no other word, for 20 bits of a hash (FNV-1a). */
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

/** Every name that fits has a word for each of the patterns, and one of `words` when there are any. */
export interface LookUp {
  patterns: readonly Pattern[];
  words: readonly string[];
}

/** Part of a word, with a space where the word begins or ends: `ART` is in `START`, `ART ` at its end, ` ART ` is not. */
export type Pattern = string;

/** Undefined when nothing of the search is long enough. */
export function lookUpOf(query: SearchQuery, where: Where): LookUp | undefined {
  const patterns = new Set(requiredTexts(query, where).flatMap(patternsOf).filter(canBeLookedUp));
  if (patterns.size > 0) return { patterns: [...patterns], words: [] };
  // By itself only: endings are in so many names that to compare them is sooner done.
  const type = query.wanted.find((condition) => condition.kind === "type");
  return type === undefined ? undefined : { patterns: [], words: [...type.endings] };
}

/** Texts that the words of every fitting name contain. */
function requiredTexts({ wanted }: SearchQuery, where: Where): string[] {
  return wanted.flatMap((condition) => {
    if (condition.kind === "words")
      return [where === "anywhere" ? condition.words : atBeginning(condition.words)];
    return condition.kind === "glob" ? condition.pieces : [];
  });
}

/** Of words with spaces between them; those at its ends may be parts of words. */
function patternsOf(text: string): Pattern[] {
  const parts = text.split(" ");
  return parts.flatMap((part, i) => {
    if (part === "") return [];
    return [`${i > 0 ? " " : ""}${part}${i < parts.length - 1 ? " " : ""}`];
  });
}

function canBeLookedUp(pattern: Pattern): boolean {
  return wholeWordOf(pattern) !== undefined || [...pattern].length >= 3;
}

/** The word, if the pattern is all of one. */
export function wholeWordOf(pattern: Pattern): string | undefined {
  return pattern.startsWith(" ") && pattern.endsWith(" ") ? pattern.slice(1, -1) : undefined;
}

export function hasPattern(word: string, pattern: Pattern): boolean {
  return ` ${word} `.includes(pattern);
}

// --- for MATCH ---

/** One of the words, or of the codes. */
export function anyOf(words: Iterable<string>): string {
  return Array.from(words, quoted).join(" OR ");
}

/** For each list one of its words. */
export function allOf(lists: readonly (readonly string[])[]): string {
  return lists.map((words) => `(${anyOf(words)})`).join(" AND ");
}

/** Trigrams of a pattern (by code points, as SQLite sees them) that together are all of it. */
export function trigramsOf(pattern: Pattern): string {
  const letters = [...pattern];
  const trigrams = new Set<string>();
  for (let at = 0; at < letters.length; at += 3) {
    const begin = Math.min(at, letters.length - 3);
    trigrams.add(quoted(letters.slice(begin, begin + 3).join("")));
  }
  return [...trigrams].join(" AND ");
}

function quoted(term: string): string {
  return `"${term}"`;
}

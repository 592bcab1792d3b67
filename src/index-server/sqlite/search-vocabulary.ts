/**
 * All words that are in names of the full text, to find those that a search means: few of them are in many names, so
 * that parts of words are looked for here, and names by whole words.
 */
import type { Database } from "bun:sqlite";
import { hasPattern, type Pattern, trigramsOf, wholeWordOf } from "./search-text.ts";

/** Looked up in names at once. */
const wordsAtOnce = 64;
const maxKnownGroups = 1_024;
/** A word has up to 1 KB, and most have ten characters. */
const maxKnownCharacters = 1_000_000;

/** Words with a pattern, in the order in which they came. */
export interface WordGroup {
  words: string[];
  /** Behind this word the next group begins; undefined: this is the last one. */
  next: number | undefined;
}

export class SearchVocabulary {
  private readonly withParts;
  private readonly numbered;
  private readonly known = new Map<string, WordGroup>();
  /** Of the words in `known`. */
  private knownCharacters = 0;

  /** `database`: with that of the full text attached as `search`. */
  constructor(database: Database) {
    this.withParts = database.prepare<[id: number, word: string], [match: string, after: number]>(
      `SELECT w.id, w.word FROM search.parts CROSS JOIN search.words AS w ON w.id = parts.rowid
       WHERE parts MATCH ? AND parts.rowid > ? LIMIT ${wordsAtOnce}`,
    );
    this.numbered = database.prepare<{ id: number }, [word: string]>(
      "SELECT id FROM search.words WHERE word = ?",
    );
  }

  /** Words come with names: what is known is true until the full text has more of them. */
  forget(): void {
    this.known.clear();
    this.knownCharacters = 0;
  }

  /** Words behind the word `after`. New ones come at the end: a group stays as it is, but for the last one. */
  group(pattern: Pattern, after: number): WordGroup {
    const whole = wholeWordOf(pattern);
    if (whole !== undefined) return { words: [whole], next: undefined };
    const key = keyOf(pattern, after);
    return (
      this.known.get(key) ?? this.remember(key, this.within(pattern, after) ?? this.read(pattern, after))
    );
  }

  private remember(key: string, group: WordGroup): WordGroup {
    const characters = group.words.reduce((sum, word) => sum + word.length, key.length);
    if (this.known.size === maxKnownGroups || this.knownCharacters + characters > maxKnownCharacters)
      this.forget();
    this.known.set(key, group);
    this.knownCharacters += characters;
    return group;
  }

  /** From all that have the pattern anywhere, if these are known. */
  private within(pattern: Pattern, after: number): WordGroup | undefined {
    const anywhere = this.known.get(keyOf(pattern.trim(), 0));
    if (after !== 0 || anywhere === undefined || anywhere.next !== undefined) return undefined;
    return { words: anywhere.words.filter((word) => hasPattern(word, pattern)), next: undefined };
  }

  private read(pattern: Pattern, after: number): WordGroup {
    const rows = this.withParts.values(trigramsOf(pattern), after) as [number, string][];
    const words = rows.map(([, word]) => word).filter((word) => hasPattern(word, pattern));
    return { words, next: rows.length < wordsAtOnce ? undefined : rows.at(-1)![0] };
  }

  /** Whether the name has a word with the pattern that came no later than the word `last`. */
  hasEarlier(nameWords: string, pattern: Pattern, last: number): boolean {
    return nameWords
      .split(" ")
      .some((word) => hasPattern(word, pattern) && (this.numbered.get(word)?.id ?? last + 1) <= last);
  }
}

function keyOf(pattern: Pattern, after: number): string {
  return `${after} ${pattern}`;
}

/**
 * Under which keys watched searches are filed: texts of up to three letters that the words of every name contain that
 * fits a search, and endings of names. Pure.
 */
import type { FoldedName } from "../wire/search-fold.ts";
import type { SearchQuery } from "../wire/search-query.ts";

/** In UTF-16 units: of longer keys a name would have no more, but hardly rarer ones. */
const maxKey = 3;
/** Kept for so many keys at most; of the others nothing is known. */
const maxCounted = 65_536;

/** All keys of a name. */
export function keysOfName(name: FoldedName): Set<string> {
  const { words } = name;
  const keys = new Set<string>([endingKey(name.ending)]);
  for (let length = 1; length <= maxKey; length++) {
    for (let i = 0; i + length <= words.length; i++) keys.add(words.slice(i, i + length));
  }
  return keys;
}

/** Every name that fits has all of these. */
export function keysOfWords({ wanted }: SearchQuery): Set<string> {
  const keys = new Set<string>();
  for (const condition of wanted) {
    const texts =
      condition.kind === "words" ? [condition.words] : condition.kind === "glob" ? condition.pieces : [];
    for (const text of texts) {
      const length = Math.min(maxKey, text.length);
      for (let i = 0; i + length <= text.length; i++) keys.add(text.slice(i, i + length));
    }
  }
  return keys;
}

/** Every name that fits has one of these; none when the search has no `type:`. */
export function keysOfType({ wanted }: SearchQuery): string[] {
  const type = wanted.find((condition) => condition.kind === "type");
  return type === undefined ? [] : Array.from(type.endings, endingKey);
}

/** So many places there are for keys; several keys share one. */
export const keyPlaces = 1 << 16;

export function placeOfKey(key: string): number {
  if (key.startsWith(".")) return Bun.hash.xxHash32(key) & (keyPlaces - 1);
  const [first, second, third] = [key.charCodeAt(0), key.charCodeAt(1), key.charCodeAt(2)];
  return placeOfUnits(first, second || 0, third || 0);
}

/** Whether `isWanted` says so of the place of any key of the name: without making the keys, which takes ten times as long. */
export function hasKeyAt(name: FoldedName, isWanted: (place: number) => boolean): boolean {
  if (isWanted(placeOfKey(endingKey(name.ending)))) return true;
  const { words } = name;
  for (let i = 0; i < words.length; i++) {
    const [first, second, third] = [words.charCodeAt(i), words.charCodeAt(i + 1), words.charCodeAt(i + 2)];
    if (isWanted(placeOfUnits(first, 0, 0))) return true;
    if (second > 0 && isWanted(placeOfUnits(first, second, 0))) return true;
    if (third > 0 && isWanted(placeOfUnits(first, second, third))) return true;
  }
  return false;
}

/** Of UTF-16 units; 0 is none, and NaN (there is none) is no number greater than 0. */
function placeOfUnits(first: number, second: number, third: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca77) ^ Math.imul(third, 0xc2b2ae3d);
  return (mixed ^ (mixed >>> 16)) & (keyPlaces - 1);
}

/** No word contains a dot. */
function endingKey(ending: string): string {
  return `.${ending}`;
}

/** How frequent keys are in the names that come. */
export class KeyCounts {
  private readonly counts = new Map<string, number>();

  add(keys: Iterable<string>): void {
    for (const key of keys) {
      const count = this.counts.get(key);
      if (count !== undefined) this.counts.set(key, count + 1);
      else if (this.counts.size < maxCounted) this.counts.set(key, 1);
    }
  }

  /** Seen least often; of equals the longest, and of these the one that fewest use. */
  rarest(keys: Iterable<string>, usesOf: (key: string) => number): string | undefined {
    const order = (key: string) => [this.counts.get(key) ?? 0, -key.length, usesOf(key)] as const;
    let best: string | undefined;
    for (const key of keys) if (best === undefined || isLess(order(key), order(best))) best = key;
    return best;
  }
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at !== -1 && a[at]! < b[at]!;
}

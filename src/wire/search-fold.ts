/**
 * What SEARCH takes for equal: case, accents and the ways of writing a letter are folded, and whatever stands between
 * words is one separator. Pure. What a search text means is search-query.ts; PROTOCOL.md has the rules in words.
 */

const isAscii = /^[\0-\x7f]*$/;

/**
 * Marks that several scripts share (accents) and the points of Hebrew and Arabic, which people leave out; and what
 * cannot be seen. Vowel signs as those of Devanagari and the sound marks of kana make another letter, and stay.
 */
const dropped =
  /[[\p{M}&&[\p{sc=Zinh}\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Cyrl}]]--[\u3099\u309a]]|\p{Default_Ignorable_Code_Point}/gv;

/** Written without spaces between words, or words by themselves: each is a word of its own. */
const ideograph =
  "[[[\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}\\p{sc=Bopo}\\p{sc=Yiii}]&&[\\p{L}\\p{N}]]\\u30fc[\\p{S}--[\\0-\\x7f]]]";
const eachIdeograph = new RegExp(`${ideograph}\\p{M}*`, "gv");
const beginsWithIdeograph = new RegExp(`^${ideograph}`, "v");
const endsWithIdeograph = new RegExp(`${ideograph}\\p{M}*$`, "v");

const leadingMarks = /^\p{M}+/u;
const separators = /[^\p{L}\p{M}\p{N}[\p{S}--[\0-\x7f]]]+/gv;
const asciiSeparators = /[^0-9A-Z]+/g;
const beginsWithSeparator = /^[^\p{L}\p{M}\p{N}[\p{S}--[\0-\x7f]]]/v;
const endsWithSeparator = /[^\p{L}\p{M}\p{N}[\p{S}--[\0-\x7f]]]$/v;

/** Equal for texts that differ only in case, accents or ways of writing a letter. Punctuation stays. */
export function fold(text: string): string {
  if (isAscii.test(text)) return text.toUpperCase();
  // Lower case first, so that ẞ, ß and ss are one, and so are i, ı and (its dot is an accent) İ. Upper case may bring
  // forth what is to be folded again.
  return withoutAccents(withoutAccents(text).toLowerCase().toUpperCase());
}

function withoutAccents(text: string): string {
  return text.normalize("NFKD").replace(dropped, "");
}

/** The words of a folded text, one space before, between and after them. Of a text without words: one space. */
export function wordsOf(folded: string): string {
  if (isAscii.test(folded)) return ` ${folded} `.replace(asciiSeparators, " ");
  return ` ${folded.replace(eachIdeograph, " $& ")} `.replace(separators, " ");
}

/** Which ends of a text are ends of words: the others may be in the middle of one. */
export interface WordEnds {
  begin: boolean;
  end: boolean;
}

/** What `wordsOf` of a text contains wherever the folded text contains `part`; empty when that says nothing. */
export function wordsWithin(part: string, ends: WordEnds): string {
  const words = wordsOf(part).slice(1, -1);
  if (words === "") return "";
  const begin = ends.begin || beginsWithIdeograph.test(words) ? " " : "";
  const end = ends.end || endsWithIdeograph.test(words) ? " " : "";
  return `${begin}${words}${end}`;
}

/**
 * The same where anything may stand before (`open.begin`) and behind (`open.end`), also what ends a word that has marks:
 * a letter and its mark are one.
 */
export function wordsBetween(part: string, open: WordEnds): string {
  const whole = open.begin ? part.replace(leadingMarks, "") : part;
  const { begin, end } = separatorsAtEnds(whole);
  const words = wordsWithin(whole, { begin: begin || !open.begin, end: end || !open.end });
  return open.end && !end ? words.trimEnd() : words;
}

export function separatorsAtEnds(folded: string): WordEnds {
  return { begin: beginsWithSeparator.test(folded), end: endsWithSeparator.test(folded) };
}

/** A name in the forms in which searches look at it, each made when it is first asked for. */
export class FoldedName {
  /** Of its parts; no letter folds to a `/` that was none. */
  readonly folded: string;
  private allWords: string | undefined;
  private lastWordsMade: string | undefined;
  private readonly lastAt: number;

  /** `given`: the name itself. */
  constructor(readonly given: string) {
    const name = given;
    this.folded = isAscii.test(name) ? name.toUpperCase() : name.split("/").map(foldPart).join("/");
    this.lastAt = this.folded.lastIndexOf("/") + 1;
  }

  /** All of its words. */
  get words(): string {
    this.allWords ??= wordsOf(this.folded);
    return this.allWords;
  }

  get lastPart(): string {
    return this.folded.slice(this.lastAt);
  }

  get lastWords(): string {
    if (this.lastAt === 0) return this.words;
    this.lastWordsMade ??= wordsOf(this.lastPart);
    return this.lastWordsMade;
  }

  /** Of the last part without its ending. */
  get stemWords(): string {
    const dot = this.folded.lastIndexOf(".");
    return dot <= this.lastAt ? this.lastWords : wordsOf(this.folded.slice(this.lastAt, dot));
  }

  /** What follows the last dot of the last part; empty when there is no dot, or nothing before it. */
  get ending(): string {
    const dot = this.folded.lastIndexOf(".");
    return dot <= this.lastAt ? "" : this.folded.slice(dot + 1);
  }
}

function foldPart(part: string): string {
  return fold(part).replaceAll("/", " ");
}

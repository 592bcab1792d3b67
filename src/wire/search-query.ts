/**
 * The text of a SEARCH or WATCH, parsed: linear, and the one place that knows the grammar (PROTOCOL.md, "Search").
 * What fits a search, and in which order, is search-match.ts.
 */
import { maxContentBytes, maxSearchTextBytes, maxSearchWords } from "./limits.ts";
import { NamePattern } from "./name-pattern.ts";
import { ProtocolError } from "./protocol-error.ts";
import { fold, separatorsAtEnds, wordsBetween, wordsWithin } from "./search-fold.ts";
import { endingsOfType, searchTypes } from "./search-types.ts";

/** A word or phrase: somewhere in the words of a name, as search-fold.ts writes them. */
export interface WordsCondition {
  kind: "words";
  words: string;
}

export interface GlobCondition {
  kind: "glob";
  pattern: NamePattern;
  /** Of the whole name, not of its last part. */
  isOfWholeName: boolean;
  /** What the words of every name that fits contain: for whoever looks names up. */
  pieces: readonly string[];
}

export interface TypeCondition {
  kind: "type";
  /** In upper case. */
  endings: ReadonlySet<string>;
}

/** From `minBytes` to `maxBytes`, both included. */
export interface SizeCondition {
  kind: "size";
  minBytes: number;
  maxBytes: number;
}

/** Of an address that somebody has it at. */
export interface PeerCondition {
  kind: "peer";
  /** In lower case. */
  prefix: string;
}

export type Condition = WordsCondition | GlobCondition | TypeCondition | SizeCondition | PeerCondition;

export interface SearchQuery {
  /** All of them have to be met … */
  wanted: readonly Condition[];
  /** … and none of these. */
  unwanted: readonly Condition[];
  /** The wanted words in the order in which they were typed, as `wordsOf` writes them: what an exact name has. */
  exact: string;
}

/** Throws ProtocolError BAD_SEARCH or TOO_MANY, without id, that says where the text is wrong. */
export function parseSearch(text: string): SearchQuery {
  if (Buffer.byteLength(text) > maxSearchTextBytes)
    throw new ProtocolError("TOO_MANY", null, `the text of a search has at most ${maxSearchTextBytes} bytes`);
  const wanted: Condition[] = [];
  const unwanted: Condition[] = [];
  for (const item of itemsOf(text)) {
    const condition = conditionOf(item);
    if (condition === undefined) continue;
    if (wanted.length + unwanted.length === maxSearchWords)
      throw new ProtocolError("TOO_MANY", null, `a search has at most ${maxSearchWords} words`);
    (item.isUnwanted ? unwanted : wanted).push(condition);
  }
  const words = wanted.map((condition) => (condition.kind === "words" ? condition.words.trim() : ""));
  return { wanted, unwanted, exact: ` ${words.filter((each) => each !== "").join(" ")} ` };
}

// --- items ---

interface Item {
  text: string;
  isQuoted: boolean;
  isUnwanted: boolean;
  /** Where its text begins, counted from 1 in characters. */
  place: number;
}

/** A `-`, then what is between quotes (typographic ones as well), or up to the next space or quote. */
const item = /(-?)(?:["“”„]([^"“”„]*)["“”„]?|([^\s"“”„]+))/gu;

function* itemsOf(text: string): Generator<Item> {
  for (const match of text.matchAll(item)) {
    const [, minus, quoted, plain] = match;
    const place = match.index + (minus?.length ?? 0) + (quoted === undefined ? 1 : 2);
    yield { text: quoted ?? plain ?? "", isQuoted: quoted !== undefined, isUnwanted: minus === "-", place };
  }
}

function conditionOf({ text, isQuoted, place }: Item): Condition | undefined {
  if (!isQuoted) {
    const filter = filterOf(text, place);
    if (filter !== undefined) return filter;
    if (isGlob(text)) return globOf(text);
  }
  const folded = fold(text);
  const words = wordsWithin(folded, isQuoted ? separatorsAtEnds(folded) : { begin: false, end: false });
  // Nothing but punctuation: as if it were not there.
  return words === "" ? undefined : { kind: "words", words };
}

// --- globs ---

/** A `?` at the end of a word is a question, unless there is a wildcard before it. */
function isGlob(text: string): boolean {
  return /\*|\?[^?]/.test(text);
}

function globOf(text: string): GlobCondition {
  const folded = fold(text);
  const runs = folded.split(/[*?]+/);
  const pieces = runs.map((run, i) => wordsBetween(run, { begin: i > 0, end: i < runs.length - 1 }));
  return {
    kind: "glob",
    pattern: new NamePattern(folded),
    isOfWholeName: text.includes("/"),
    pieces: pieces.filter((piece) => piece !== ""),
  };
}

// --- filters ---

/** Undefined when it is none, as in `foo:bar`: then it is words. */
function filterOf(text: string, place: number): Condition | undefined {
  const colon = text.indexOf(":");
  const key = text.slice(0, Math.max(colon, 0)).toLowerCase();
  const value = text.slice(colon + 1);
  switch (key) {
    case "size":
      return sizeOf(value) ?? bad(place, "size: is written size:>1G, size:<10M, size:10M..20M or size:=123");
    case "type": {
      const endings = endingsOfType(value.toLowerCase());
      if (endings === undefined)
        return bad(place, `type: is one of ${searchTypes.join(", ")}; an ending is written *.mkv`);
      return { kind: "type", endings };
    }
    case "peer":
      if (value === "") return bad(place, "peer: is written peer:10.0.0.5 or peer:10.0.0.5:7767");
      return { kind: "peer", prefix: value.toLowerCase() };
    default:
      return undefined;
  }
}

function bad(place: number, allowed: string): never {
  throw new ProtocolError("BAD_SEARCH", null, `at character ${place}: ${allowed}`);
}

function sizeOf(value: string): SizeCondition | undefined {
  const size = (minBytes: number, maxBytes: number): SizeCondition => ({ kind: "size", minBytes, maxBytes });
  const range = value.split("..");
  if (range.length === 2) {
    const [from = "", to = ""] = range;
    const min = from === "" ? 0 : bytesOf(from);
    const max = to === "" ? maxContentBytes : bytesOf(to);
    if (min === undefined || max === undefined || min > max || value === "..") return undefined;
    return size(Math.ceil(min), Math.floor(max));
  }
  const [, sign, amount = ""] = /^(>=|<=|>|<|=)(.+)$/.exec(value) ?? [];
  const bytes = bytesOf(amount);
  if (bytes === undefined) return undefined;
  switch (sign) {
    case ">":
      return size(Math.floor(bytes) + 1, maxContentBytes);
    case ">=":
      return size(Math.ceil(bytes), maxContentBytes);
    case "<":
      return size(0, Math.ceil(bytes) - 1);
    case "<=":
      return size(0, Math.floor(bytes));
    default:
      return size(Math.round(bytes), Math.round(bytes));
  }
}

/** As the options of the program: `M` and `MiB` are powers of 1024, `MB` is one of 1000. */
function bytesOf(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(?:([kmgt])(i?b|i)?|b)?$/i.exec(text);
  if (match === null) return undefined;
  const power = ["", "k", "m", "g", "t"].indexOf(match[2]?.toLowerCase() ?? "");
  return Number(match[1]) * (match[3]?.toLowerCase() === "b" ? 1000 : 1024) ** power;
}

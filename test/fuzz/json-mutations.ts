/**
 * Changes of JSON that keep most of it JSON, by its tokens: so that they also work on what is no JSON any more, and
 * can make what JSON.stringify never says (a key twice, -0, 1e400).
 */
import type { Random } from "../helpers/random.ts";
import type { Mutation } from "./mutate.ts";
import { escapes, numbers, texts } from "./tricks.ts";

const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[A-Za-z]+|./gs;

/** Bytes as the letters of latin1, so that none is lost. */
class Tokens {
  readonly all: string[];

  constructor(input: Buffer) {
    this.all = input.toString("latin1").match(token) ?? [];
  }

  /** Where values begin. */
  get values(): number[] {
    return this.where((at) => !/^[:,\]}\s]$/.test(this.all[at]!) && this.all[at + 1] !== ":");
  }

  /** Where keys are. */
  get keys(): number[] {
    return this.where((at) => this.all[at + 1] === ":");
  }

  /** Behind the value that begins there. */
  endOf(at: number): number {
    let depth = 0;
    for (let end = at; end < this.all.length; end++) {
      if (/^[{[]$/.test(this.all[end]!)) depth++;
      if (/^[}\]]$/.test(this.all[end]!)) depth--;
      if (depth <= 0) return end + 1;
    }
    return this.all.length;
  }

  textOf(from: number, to: number): string {
    return this.all.slice(from, to).join("");
  }

  with(from: number, to: number, by: string): Buffer {
    return Buffer.from(this.textOf(0, from) + by + this.textOf(to, this.all.length), "latin1");
  }

  private where(isOne: (at: number) => boolean): number[] {
    return [...this.all.keys()].filter(isOne);
  }
}

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function anyText(random: Random): string {
  if (random.chance(0.25)) return `"${random.pick(escapes)}"`;
  const text = random.pick(texts);
  // Escaped as it should be, or as it is.
  return latin1(random.chance(0.8) ? JSON.stringify(text) : `"${text}"`);
}

function anyValue(random: Random): string {
  const roll = random.next();
  if (roll < 0.35) return random.pick(numbers);
  if (roll < 0.7) return anyText(random);
  return random.pick(["null", "true", "false", "[]", "{}", "[[]]", '{"":{}}', '""', "[null]", ""]);
}

/** How often; so many that it matters only now and then, since that takes its time. */
function someOrMany(random: Random, some: readonly number[], many: number): number {
  return random.chance(0.02) ? many : random.pick(some);
}

/** Does it to the tokens when there is a place for it. */
function at(
  places: (tokens: Tokens) => number[],
  change: (tokens: Tokens, at: number, random: Random) => Buffer,
): Mutation {
  return (input, random) => {
    const tokens = new Tokens(input);
    const all = places(tokens);
    return all.length === 0 ? input : change(tokens, random.pick(all), random);
  };
}

const values = (tokens: Tokens) => tokens.values;
const keys = (tokens: Tokens) => tokens.keys;
const lists = (tokens: Tokens) =>
  tokens.values.filter((at) => tokens.all[at] === "[" && tokens.all[at + 1] !== "]");

const replaceValue = at(values, (tokens, from, random) =>
  tokens.with(from, tokens.endOf(from), anyValue(random)),
);

export const jsonMutations: readonly Mutation[] = [
  replaceValue,
  replaceValue,
  replaceValue,
  /** The value of another place. */
  at(values, (tokens, from, random) => {
    const source = random.pick(tokens.values);
    return tokens.with(from, tokens.endOf(from), tokens.textOf(source, tokens.endOf(source)));
  }),
  at(values, (tokens, from, random) => {
    const depth = someOrMany(random, [1, 2, 4, 7, 8, 9], 100_000);
    const [open, close] = random.pick([["[", "]"] as const, ['{"a":', "}"] as const]);
    const inside = random.chance(0.5) ? "" : tokens.textOf(from, tokens.endOf(from));
    const closed = random.chance(0.8) ? close.repeat(depth) : "";
    return tokens.with(from, tokens.endOf(from), open.repeat(depth) + inside + closed);
  }),
  /** A member goes, with what separates it. */
  at(keys, (tokens, from) => {
    const end = tokens.endOf(from + 2);
    return tokens.with(from, tokens.all[end] === "," ? end + 1 : end, "");
  }),
  /** A key comes twice, with another value. */
  at(keys, (tokens, from, random) => tokens.with(from, from, `${tokens.all[from]}:${anyValue(random)},`)),
  at(keys, (tokens, from, random) => tokens.with(from, from + 1, anyText(random))),
  at(keys, (tokens, from, random) => {
    const inherited = '"__proto__":{"isAdmin":true,"type":"PING"},"constructor":{"prototype":{"x":1}},';
    return tokens.with(
      from,
      from,
      random.chance(0.5) ? inherited : `${anyText(random)}:${anyValue(random)},`,
    );
  }),
  at(keys, (tokens, from, random) => {
    const many = someOrMany(random, [60, 64, 65], 50_000);
    return tokens.with(from, from, Array.from({ length: many }, (_, i) => `"${i}":1,`).join(""));
  }),
  /** A list with too many of the same. */
  at(lists, (tokens, from, random) => {
    const many = someOrMany(random, [1, 8, 16, 17, 64, 65, 100, 101, 1_001, 2_001], 20_000);
    const one = tokens.textOf(from + 1, tokens.endOf(from + 1));
    const times = Math.min(many, Math.ceil(2 ** 21 / Math.max(1, one.length)));
    return tokens.with(from + 1, from + 1, `${one},`.repeat(times));
  }),
  /** White space where it may be. */
  at(values, (tokens, from, random) =>
    tokens.with(from, from, random.pick([" ", "\t", "\r", "\n", "\u000b", "\u00a0", " ".repeat(1_000)])),
  ),
];

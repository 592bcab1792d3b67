/** One input to another, by chance: bytes, texts and numbers, and parts of others. What is JSON is json-mutations.ts's. */
import type { Random } from "../helpers/random.ts";
import { jsonMutations } from "./json-mutations.ts";
import { byteTricks, numbers, texts } from "./tricks.ts";

/** `other` is another input of the same target. */
export type Mutation = (input: Buffer, random: Random, other: Buffer) => Uint8Array;

const punctuation = Buffer.from('\0\n\r "\\{}[]:,/.-*?=&%#<>\x7f\x80\xc0\xed\xff', "latin1");

/** From … to, at most `most` bytes, perhaps none. */
function range(input: Buffer, random: Random, most = 64): [number, number] {
  const from = random.whole(0, input.length);
  return [from, Math.min(input.length, from + random.whole(0, most))];
}

function replaced(input: Buffer, [from, to]: readonly [number, number], by: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, from), by, input.subarray(to)]);
}

const mutations: readonly Mutation[] = [
  function flipBit(input, random) {
    const at = random.whole(0, Math.max(0, input.length - 1));
    const copy = Buffer.from(input);
    if (at < copy.length) copy[at]! ^= 1 << random.whole(0, 7);
    return copy;
  },
  function setByte(input, random) {
    const [from] = range(input, random);
    return replaced(
      input,
      [from, Math.min(input.length, from + 1)],
      Buffer.of(random.pick([...punctuation])),
    );
  },
  function insertBytes(input, random) {
    const [from] = range(input, random);
    return replaced(input, [from, from], random.bytes(random.whole(1, 8)));
  },
  function putTrick(input, random) {
    const trick = random.chance(0.2) ? random.pick(byteTricks) : Buffer.from(random.pick(texts));
    if (random.chance(0.2)) return Buffer.concat(random.chance(0.5) ? [trick, input] : [input, trick]);
    return replaced(input, range(input, random, 8), trick);
  },
  function changeNumber(input, random) {
    const digits = [
      ...input
        .toString("latin1")
        .slice(0, 65_536)
        .matchAll(/-?\d+(?:\.\d+)?/g),
    ];
    if (digits.length === 0) return input;
    const { index, 0: text } = random.pick(digits);
    return replaced(input, [index, index + text.length], Buffer.from(random.pick(numbers)));
  },
  function remove(input, random) {
    return replaced(input, range(input, random), Buffer.of());
  },
  function cut(input, random) {
    return input.subarray(0, random.whole(0, input.length));
  },
  function repeat(input, random) {
    const [from, to] = range(input, random);
    const piece = input.subarray(from, to);
    const times = random.chance(0.03) ? random.betweenByFactor(10, 100_000) : random.whole(1, 4);
    const most = Math.min(times, 2 ** 20 / Math.max(1, piece.length));
    return replaced(input, [to, to], Buffer.concat(Array<Buffer>(Math.ceil(most)).fill(piece)));
  },
  function move(input, random) {
    const [from, to] = range(input, random);
    const piece = Buffer.from(input.subarray(from, to));
    const rest = replaced(input, [from, to], Buffer.of());
    const [at] = range(rest, random);
    return replaced(rest, [at, at], piece);
  },
  function splice(input, random, other) {
    return Buffer.concat([
      input.subarray(0, random.whole(0, input.length)),
      other.subarray(random.whole(0, other.length)),
    ]);
  },
  function graft(input, random, other) {
    const [from, to] = range(other, random, 256);
    return replaced(input, range(input, random), other.subarray(from, to));
  },
  function append(input, random, other) {
    return Buffer.concat([input, Buffer.from(random.pick(["", "\n", "\r\n", "\0"])), other]);
  },
];

/** One to about eight changes, and never the same object. */
export function mutate(input: Uint8Array, other: Uint8Array, random: Random, maxBytes: number): Uint8Array {
  const isJson = input.length < 65_536 && /[[{]/.test(Buffer.from(input).toString("latin1"));
  let changed: Uint8Array = Buffer.from(input);
  do {
    const some = isJson && random.chance(0.6) ? jsonMutations : mutations;
    changed = random.pick(some)(
      Buffer.from(changed.buffer, changed.byteOffset, changed.length),
      random,
      Buffer.from(other),
    );
    changed = changed.subarray(0, maxBytes);
  } while (random.chance(0.5));
  return new Uint8Array(changed);
}

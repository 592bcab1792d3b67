/**
 * MD5's compression function (RFC 1321, section 3.4) as a WebAssembly module that is made on the spot, for one
 * stream and for four side by side. Each step of MD5 waits for the one before, which leaves most of a core idle;
 * four streams in the lanes of SIMD registers take little longer than one. Padding, and which streams go together,
 * is the business of `md5-streams.ts`.
 */
import {
  apply,
  at,
  type Code,
  constant,
  get,
  i32,
  loop,
  moduleOf,
  set,
  simd,
  v128,
  type WasmFunction,
} from "./wasm-format.ts";

export const blockBytes = 64;
export const lanes = 4;

/** What the module exports. Addresses are of its memory. */
export interface Md5Functions {
  memory: { readonly buffer: ArrayBuffer };
  /** Advances the state at address `state` by so many blocks, the first of which is at address `data`. */
  advanceOne(state: number, data: number, blocks: number): void;
  /** The same for four of each: four states, four addresses of data, and how many blocks of each. */
  advanceFour(...statesDataBlocks: [...Four, ...Four, number]): void;
}

export type Four = [number, number, number, number];

/** The module's own memory, from address 0: its constants, and one block of each lane, word by word. */
const constantsBytes = 64 * 4;
const blocksAddress = constantsBytes;
/** From here on the memory is the caller's. */
export const ownBytes = blocksAddress + lanes * blockBytes;

/** A module with so many bytes of memory for the caller. */
export function md5Module(callersBytes: number): Uint8Array<ArrayBuffer> {
  const pages = Math.ceil((ownBytes + callersBytes) / 65_536);
  return moduleOf([advanceOne(), advanceFour()], pages, negatedConstants.map(littleEndian));
}

/**
 * T[i] of RFC 1321. They are subtracted, not added, because the compiler of JavaScriptCore regroups sums, so that
 * more of each sum has to wait for the step before (measured: 10 % of the rate of a single stream).
 */
const negatedConstants = Array.from(
  { length: 64 },
  (_, i) => -Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))),
);

const rotations: readonly Four[] = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
];

// --- arithmetic ---

/** Instructions on words of 32 bits: on one, or on four at once. */
interface Arithmetic {
  add: Code;
  subtract: Code;
  and: Code;
  or: Code;
  xor: Code;
  not(word: Code): Code;
  rotateLeft(local: number, bits: number): Code;
  negatedConstant(step: number): Code;
}

const load = 0x28;
const store = 0x36;

const single: Arithmetic = {
  add: [0x6a],
  subtract: [0x6b],
  and: [0x71],
  or: [0x72],
  xor: [0x73],
  not: (word) => apply([0x73], word, constant(-1)),
  rotateLeft: (local, bits) => apply([0x77], get(local), constant(bits)),
  negatedConstant: (step) => apply([load, at(step * 4)], constant(0)),
};

const vectorLoad = 0;
const vectorStore = 11;
const vectorConstant = 12;
const vectorLoadLane = 86;
const vectorStoreLane = 90;
const vectorLoadFirstLane = 92;

const fourfold: Arithmetic = {
  add: simd(174),
  subtract: simd(177),
  and: simd(78),
  or: simd(80),
  xor: simd(81),
  not: (word) => apply(simd(77), word),
  rotateLeft(local, bits) {
    const left = apply(simd(171), get(local), constant(bits));
    const right = apply(simd(173), get(local), constant(32 - bits));
    return apply(this.or, left, right);
  },
  negatedConstant(step) {
    const word = littleEndian(negatedConstants[step]!);
    return simd(vectorConstant, word, word, word, word);
  },
};

// --- the functions ---

function advanceOne(): WasmFunction {
  const [state, data, blocks] = [0, 1, 2];
  const words: Words = { now: [3, 4, 5, 6], before: [7, 8, 9, 10] };
  const wordAt = (address: number, index: number) => apply([load, at(index * 4)], get(address));
  const body = [
    words.now.map((local, i) => set(local, wordAt(state, i))),
    loop([block(single, words, (index) => wordAt(data, index)), moveOn(data)], countDown(blocks)),
    words.now.map((local, i) => apply([store, at(i * 4)], get(state), get(local))),
  ];
  return { name: "advanceOne", parameters: Array(3).fill(i32), locals: Array(8).fill(i32), body };
}

function advanceFour(): WasmFunction {
  const states: Four = [0, 1, 2, 3];
  const data: Four = [4, 5, 6, 7];
  const blocks = 8;
  const words: Words = { now: [9, 10, 11, 12], before: [13, 14, 15, 16] };
  const blockWord = (index: number) => at(blocksAddress + index * 16);
  const body = [
    words.now.map((local, i) => set(local, gather(states, i * 4))),
    loop(
      [
        // By way of memory: 16 more words in registers are too many (measured: 15 % slower).
        Array.from({ length: 16 }, (_, index) =>
          apply(simd(vectorStore, blockWord(index)), constant(0), gather(data, index * 4)),
        ),
        block(fourfold, words, (index) => apply(simd(vectorLoad, blockWord(index)), constant(0))),
        data.map(moveOn),
      ],
      countDown(blocks),
    ),
    words.now.map((local, i) => scatter(local, states, i * 4)),
  ];
  return { name: "advanceFour", parameters: Array(9).fill(i32), locals: Array(8).fill(v128), body };
}

/** The words at the same offset from four addresses. */
function gather(addresses: Four, offset: number): Code {
  return addresses.reduce<Code>(
    (gathered, address, lane) =>
      lane === 0
        ? apply(simd(vectorLoadFirstLane, at(offset)), get(address))
        : apply(simd(vectorLoadLane, at(offset), [lane]), get(address), gathered),
    [],
  );
}

function scatter(local: number, addresses: Four, offset: number): Code {
  return addresses.map((address, lane) =>
    apply(simd(vectorStoreLane, at(offset), [lane]), get(address), get(local)),
  );
}

function moveOn(data: number): Code {
  return set(data, apply(single.add, get(data), constant(blockBytes)));
}

function countDown(blocks: number): Code {
  return [set(blocks, apply(single.subtract, get(blocks), constant(1))), get(blocks)];
}

// --- MD5 ---

/** Locals: A to D of RFC 1321, and what they were before the block. */
interface Words {
  now: Four;
  before: Four;
}

/** One block; `message(k)` is its word X[k]. */
function block(on: Arithmetic, { now, before }: Words, message: (k: number) => Code): Code {
  const steps = Array.from({ length: 64 }, (_, step) => {
    const round = step >> 4;
    // The four change places with every step.
    const [a, b, c, d] = [0, 1, 2, 3].map((place) => now[(place - step + 64) % 4]!) as Four;
    const k = [step, 5 * step + 1, 3 * step + 5, 7 * step][round]! % 16;
    return [
      set(a, sum(on, round, [a, b, c, d], message(k), on.negatedConstant(step))),
      set(a, apply(on.add, on.rotateLeft(a, rotations[round]![step % 4]!), get(b))),
    ];
  });
  return [
    now.map((local, i) => set(before[i]!, get(local))),
    steps,
    now.map((local, i) => set(local, apply(on.add, get(local), get(before[i]!)))),
  ];
}

/**
 * A + F(B, C, D) + X[k] + T[i], in which as little as possible waits for B, the last of them to be known. The
 * functions are those of the RFC by other means; for G: its two halves share no bit, so their sum is their or.
 */
function sum(on: Arithmetic, round: number, locals: Four, message: Code, negatedConstant: Code): Code {
  const [A, B, C, D] = locals.map(get) as [Code, Code, Code, Code];
  const withConstant = (known: Code) => apply(on.subtract, apply(on.add, known, message), negatedConstant);
  if (round === 1) {
    const known = withConstant(apply(on.add, A, apply(on.and, C, on.not(D))));
    return apply(on.add, known, apply(on.and, B, D));
  }
  const f = [
    apply(on.xor, apply(on.and, apply(on.xor, C, D), B), D),
    [],
    apply(on.xor, apply(on.xor, C, D), B),
    apply(on.xor, apply(on.or, on.not(D), B), C),
  ][round]!;
  return apply(on.add, withConstant(A), f);
}

function littleEndian(word: number): number[] {
  return [0, 8, 16, 24].map((bits) => (word >>> bits) & 0xff);
}

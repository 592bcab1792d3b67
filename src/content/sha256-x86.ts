/**
 * SHA-256 (FIPS 180-4) of messages of one length, two at a time, as machine code for x86-64 processors with the SHA
 * extensions. There each pair of rounds is one instruction, which has to wait for the one before and leaves half of
 * the core idle; two messages side by side take hardly longer than one. Knows no memory: who calls it, and that it
 * may, is the business of `library/hash-pairs.ts`.
 */
import {
  add,
  addNumber,
  addressOf,
  type Code,
  flat,
  loop,
  mov,
  movdqa,
  movdqu,
  paddd,
  palignr,
  pblendw,
  pshufb,
  pshufd,
  r8,
  r9,
  r10,
  r11,
  rax,
  rcx,
  rdi,
  rdx,
  ret,
  rsi,
  rsp,
  sha256msg1,
  sha256msg2,
  sha256rnds2,
  store,
} from "./x86-format.ts";

export const blockBytes = 64;
const vectorBytes = 16;

/** Arguments, in the order in which Linux passes them. Messages follow each other, and so do the digests. */
const messages = rdi;
const digests = rsi;
const pairs = rdx;
/** A multiple of a block, not 0. */
const messageBytes = rcx;
/** See `paddingAfter`. */
const padding = r8;

const constants = r9;
const bytesLeft = rax;

/** One of the two messages, in registers. */
interface Stream {
  /** Where its next block is read. */
  data: number;
  /** Working variables, in the order of the instructions. */
  abef: number;
  cdgh: number;
  /** Of the message schedule, the last 16 words, four in each. */
  words: readonly number[];
  scratch: number;
  /**
   * What the variables were before the block, below the stack pointer: of the 128 bytes there nobody else writes to any
   * while this function calls none (System V ABI, "red zone").
   */
  before: number;
}

const streams: readonly Stream[] = [
  { data: r10, abef: 1, cdgh: 3, words: [5, 6, 7, 8], scratch: 13, before: -128 },
  { data: r11, abef: 2, cdgh: 4, words: [9, 10, 11, 12], scratch: 14, before: -96 },
];
/** The one that `sha256rnds2` takes words from. */
const wordsNow = 0;

/** What the code reads lies before it, and at multiples of 16 when the whole does. */
const roundConstants = 0;
const byteOrder = 256;
const initialState = byteOrder + vectorBytes;
const codeOffset = initialState + 2 * vectorBytes;

/** Bytes that work wherever they lie, from a multiple of 16 on, and what can be called in them. */
export interface MachineCode {
  bytes: Uint8Array;
  /** `(messages, digests, pairs, messageBytes, padding)`: addresses and numbers, see above. Checks none of them. */
  hashPairs: number;
  /** `()`: what the processor can, see `shaInstructions`. */
  features: number;
}

/** Bit of what `features` returns. Who has these instructions has all the others that are used here. */
export const shaInstructions = 1 << 29;

export function sha256Code(): MachineCode {
  const primes = firstPrimes(64);
  const initial = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const words = [
    ...primes.map((prime) => fraction(Math.cbrt(prime))),
    // Words of a message have their highest byte first.
    ...[0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f],
    // A is initial[0], H initial[7]: F, E, B, A and H, G, D, C.
    ...[5, 4, 1, 0, 7, 6, 3, 2].map((i) => initial[i]!),
  ];
  const code = flat(hashPairs());
  const bytes = new Uint8Array(codeOffset + code.length + features.length);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  bytes.set(code, codeOffset);
  bytes.set(features, codeOffset + code.length);
  return { bytes, hashPairs: codeOffset, features: codeOffset + code.length };
}

/** The block that FIPS 180-4 has after a message of so many bytes, a multiple of a block. */
export function paddingAfter(bytes: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  block[0] = 0x80;
  new DataView(block.buffer).setBigUint64(blockBytes - 8, BigInt(bytes) * 8n);
  return block;
}

/**
 * CPUID's leaf 7, subleaf 0: returns its EBX, which a function has to leave as it was; 0 where there is no such leaf, of
 * which some processors answer with another.
 */
const features = [
  [0x53], // push rbx
  [0x31, 0xc0], // xor eax, eax
  [0x0f, 0xa2], // cpuid, whose leaf 0 tells in eax the highest
  [0x83, 0xf8, 7], // cmp eax, 7
  [0xb8, 0, 0, 0, 0], // mov eax, 0, which leaves the flags
  [0x72, 11], // jb to the pop
  [0xb8, 7, 0, 0, 0], // mov eax, 7
  [0x31, 0xc9], // xor ecx, ecx
  [0x0f, 0xa2], // cpuid
  [0x89, 0xd8], // mov eax, ebx
  [0x5b], // pop rbx
  [0xc3], // ret
].flat();

// --- the function ---

function hashPairs(): Code {
  const [first, second] = streams as [Stream, Stream];
  const oneBlock = flat(block());
  const onePair = [
    mov(first.data, messages),
    mov(second.data, messages),
    add(second.data, messageBytes),
    streams.map(begin),
    mov(bytesLeft, messageBytes),
    loop([
      oneBlock,
      streams.map(({ data }) => addNumber(data, blockBytes)),
      addNumber(bytesLeft, -blockBytes),
    ]),
    mov(messages, second.data),
    streams.map(({ data }) => mov(data, padding)),
    oneBlock,
    streams.map(end),
    addNumber(digests, 2 * 2 * vectorBytes),
    addNumber(pairs, -1),
  ];
  return [addressOf(constants, -codeOffset), loop(onePair), ret];
}

function begin({ abef, cdgh }: Stream): Code {
  return [
    movdqu(abef, { base: constants, offset: initialState }),
    movdqu(cdgh, { base: constants, offset: initialState + vectorBytes }),
  ];
}

/** Four rounds of both in turn, so that one works while the other waits. */
function block(): Code {
  const saved = ({ before }: Stream, vector: number) => ({
    base: rsp,
    offset: before + vector * vectorBytes,
  });
  return [
    streams.map((each) => [store(each.abef, saved(each, 0)), store(each.cdgh, saved(each, 1))]),
    Array.from({ length: 16 }, (_, four) => [
      streams.map((each) => (four < 4 ? nextOfMessage(each, four) : nextOfSchedule(each, four))),
      streams.map(({ words, abef, cdgh, scratch }) => [
        movdqa(wordsNow, words[four % 4]!),
        paddd(wordsNow, { base: constants, offset: roundConstants + four * vectorBytes }),
        pshufd(scratch, wordsNow, 0b00_00_11_10),
        sha256rnds2(cdgh, abef),
      ]),
      streams.map(({ abef, cdgh, scratch }) => [movdqa(wordsNow, scratch), sha256rnds2(abef, cdgh)]),
    ]),
    streams.map((each) => [
      [movdqu(wordsNow, saved(each, 0)), paddd(each.abef, wordsNow)],
      [movdqu(wordsNow, saved(each, 1)), paddd(each.cdgh, wordsNow)],
    ]),
  ];
}

function nextOfMessage({ words, data }: Stream, four: number): Code {
  return [
    movdqu(words[four]!, { base: data, offset: four * vectorBytes }),
    pshufb(words[four]!, { base: constants, offset: byteOrder }),
  ];
}

function nextOfSchedule({ words, scratch }: Stream, four: number): Code {
  const [oldest, older, newer, newest] = [0, 1, 2, 3].map((age) => words[(four + age) % 4]!) as [
    number,
    number,
    number,
    number,
  ];
  return [
    sha256msg1(oldest, older),
    movdqa(scratch, newest),
    palignr(scratch, newer, 4),
    paddd(oldest, scratch),
    sha256msg2(oldest, newest),
  ];
}

/** From the order of the instructions to that of the digest. */
function end({ abef, cdgh }: Stream, index: number): Code {
  const [abcd, efgh] = [13, 14];
  const place = (vector: number) => ({ base: digests, offset: (2 * index + vector) * vectorBytes });
  const abfe = wordsNow;
  return [
    pshufd(abfe, abef, 0b00_01_10_11),
    pshufd(efgh, cdgh, 0b10_11_00_01),
    movdqa(abcd, abfe),
    pblendw(abcd, efgh, 0b1111_0000),
    palignr(efgh, abfe, 8),
    [abcd, efgh].map((words, vector) => [
      pshufb(words, { base: constants, offset: byteOrder }),
      store(words, place(vector)),
    ]),
  ];
}

// --- the constants ---

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
}

/** The first 32 bits behind the point. */
function fraction(root: number): number {
  return Math.floor((root % 1) * 2 ** 32);
}

/**
 * As much of WebAssembly's binary format as `md5-wasm.ts` needs (the specification's chapter 5), written so that
 * code reads as expressions: each function returns the bytes that leave its value on the stack. What is computed
 * is the business of others.
 */
export type Code = readonly (number | Code)[];

export const i32 = 0x7f;
export const v128 = 0x7b;
export type ValueType = typeof i32 | typeof v128;

/** LEB128. */
export function unsigned(value: number): Code {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, unsigned(value >>> 7)];
}

/** LEB128 of a 32-bit number, taken as signed. */
export function signed(value: number): Code {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = rest === (low & 0x40 ? -1 : 0);
  return isLast ? [low] : [low | 0x80, signed(rest)];
}

export const constant = (value: number): Code => [0x41, signed(value)];
export const get = (local: number): Code => [0x20, unsigned(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)];
/** An instruction with its operands, the last one on top of the stack. */
export const apply = (instruction: Code, ...operands: Code[]): Code => [operands, instruction];
/** Instructions on `v128` have a prefix of their own. */
export const simd = (number: number, ...immediates: Code[]): Code => [0xfd, unsigned(number), immediates];
/** What follows a load or a store: alignment as a power of two, a hint only, and what is added to the address. */
export const at = (offset: number, alignment = 2): Code => [alignment, unsigned(offset)];
/** Runs `body` as long as `condition` leaves something other than 0, at least once. */
export const loop = (body: Code, condition: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0, 0x0b];

export interface WasmFunction {
  name: string;
  parameters: ValueType[];
  /** Their numbers continue those of the parameters. */
  locals: ValueType[];
  body: Code;
}

/** A module that exports its functions, which return nothing, and its memory: `pages` of 64 KiB. */
export function moduleOf(functions: WasmFunction[], pages: number, data: Code): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, list(parameters.map((type) => [type])), 0]);
  const numbers = functions.map((_, index) => unsigned(index));
  const exports = functions.map(({ name }, index) => [text(name), 0, unsigned(index)]);
  const bodies = functions.map(({ locals, body }) =>
    sized([list(locals.map((type) => [1, type])), body, 0x0b]),
  );
  const module = [
    [0, ascii("asm"), 1, 0, 0, 0],
    section(1, types),
    section(3, numbers),
    section(5, [[1, unsigned(pages), unsigned(pages)]]),
    section(7, [...exports, [text("memory"), 2, 0]]),
    section(10, bodies),
    section(11, [[0, constant(0), 0x0b, sized(data)]]),
  ];
  return Uint8Array.from(flat(module));
}

function section(number: number, items: Code[]): Code {
  return [number, sized(list(items))];
}

function list(items: Code[]): Code {
  return [unsigned(items.length), items];
}

function text(name: string): Code {
  return sized(ascii(name));
}

function ascii(name: string): Code {
  return Array.from(name, (letter) => letter.charCodeAt(0));
}

/** With its length before it. */
function sized(code: Code): Code {
  const bytes = flat(code);
  return [unsigned(bytes.length), bytes];
}

function flat(code: Code, into: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === "number") into.push(part);
    else flat(part, into);
  }
  return into;
}

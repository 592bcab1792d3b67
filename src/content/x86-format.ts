/**
 * As much of the machine code of x86-64 as `sha256-x86.ts` needs (Intel's manual, volume 2): each function is the
 * instruction of its name, as bytes. Registers go by their numbers. What is computed is the business of others.
 */
export type Code = readonly (number | Code)[];

export const rcx = 1;
export const rdx = 2;
export const rsp = 4;
export const rsi = 6;
export const rdi = 7;
export const r8 = 8;
export const r9 = 9;
export const r10 = 10;
export const r11 = 11;
export const rax = 0;

export interface Memory {
  base: number;
  offset: number;
}

/** Of 16 bytes, as all that follow; in memory only where it is allowed to lie anywhere. */
export const movdqu = (to: number, from: Memory): Code => instruction([0xf3], [0x6f], to, from);
export const store = (from: number, to: Memory): Code => instruction([0xf3], [0x7f], from, to);
export const movdqa = (to: number, from: number): Code => instruction([0x66], [0x6f], to, from);
/** From memory: only from a multiple of 16. */
export const paddd = (to: number, by: number | Memory): Code => instruction([0x66], [0xfe], to, by);
export const pshufb = (to: number, order: Memory): Code => instruction([0x66], [0x38, 0x00], to, order);
export const pshufd = (to: number, from: number, order: number): Code => [
  instruction([0x66], [0x70], to, from),
  order,
];
export const pblendw = (to: number, from: number, mask: number): Code => [
  instruction([0x66], [0x3a, 0x0e], to, from),
  mask,
];
export const palignr = (to: number, from: number, bytes: number): Code => [
  instruction([0x66], [0x3a, 0x0f], to, from),
  bytes,
];
/** Its third operand is register 0. */
export const sha256rnds2 = (to: number, from: number): Code => instruction([], [0x38, 0xcb], to, from);
export const sha256msg1 = (to: number, from: number): Code => instruction([], [0x38, 0xcc], to, from);
export const sha256msg2 = (to: number, from: number): Code => instruction([], [0x38, 0xcd], to, from);

/** Of general registers, 64 bits wide. */
export const mov = (to: number, from: number): Code => [wide(from, to), 0x89, registers(from, to)];
export const add = (to: number, by: number): Code => [wide(by, to), 0x01, registers(by, to)];
export const addNumber = (to: number, by: number): Code => [wide(0, to), 0x81, registers(0, to), int32(by)];
/** Of what lies so many bytes after (before, when negative) the beginning of this instruction. */
export const addressOf = (to: number, distance: number): Code => {
  const length = 7;
  return [wide(to, 0), 0x8d, ((to & 7) << 3) | 5, int32(distance - length)];
};
export const ret: Code = [0xc3];

/** Runs `body` as long as its last instruction leaves something other than 0, at least once. */
export function loop(body: Code): Code {
  const length = 6;
  const bytes = flat(body);
  return [bytes, 0x0f, 0x85, int32(-(bytes.length + length))];
}

export function flat(code: Code): number[] {
  // Nothing is nested deeper, and the type of `Infinity` deep is too much for the compiler.
  return code.flat(20) as number[];
}

/** Two operands, the second of which may be in memory; registers from 8 on have a bit more in a prefix. */
function instruction(prefix: Code, opcode: Code, register: number, operand: number | Memory): Code {
  const isMemory = typeof operand !== "number";
  const other = isMemory ? operand.base : operand;
  const extension = (register > 7 ? 4 : 0) | (other > 7 ? 1 : 0);
  const rex = extension === 0 ? [] : [0x40 | extension];
  return [prefix, rex, 0x0f, opcode, isMemory ? address(register, operand) : registers(register, other)];
}

function address(register: number, { base, offset }: Memory): Code {
  // The stack pointer's number means "one byte more follows", which then says that it is the stack pointer.
  const more = (base & 7) === rsp ? [0x24] : [];
  return [0x80 | ((register & 7) << 3) | (base & 7), more, int32(offset)];
}

function registers(register: number, other: number): number {
  return 0xc0 | ((register & 7) << 3) | (other & 7);
}

function wide(register: number, other: number): number {
  return 0x48 | (register > 7 ? 4 : 0) | (other > 7 ? 1 : 0);
}

function int32(value: number): Code {
  return [0, 8, 16, 24].map((bits) => (value >> bits) & 0xff);
}

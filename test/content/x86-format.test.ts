/** Single instructions against what the GNU assembler makes of them, with registers on either side of number 8. */
import { expect, test } from "bun:test";
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
  r9,
  r10,
  r11,
  rax,
  rcx,
  rdi,
  ret,
  rsp,
  sha256msg1,
  sha256msg2,
  sha256rnds2,
  store,
} from "../../src/content/x86-format.ts";

const instructions: [string, Code, string][] = [
  ["movdqu xmm9, [r11 + 768]", movdqu(9, { base: r11, offset: 768 }), "f3450f6f8b00030000"],
  ["movdqu [rsp - 1024], xmm3", store(3, { base: rsp, offset: -1024 }), "f30f7f9c2400fcffff"],
  ["movdqa xmm13, xmm8", movdqa(13, 8), "66450f6fe8"],
  ["paddd xmm0, [r9 + 240]", paddd(0, { base: r9, offset: 240 }), "66410ffe81f0000000"],
  ["paddd xmm5, xmm14", paddd(5, 14), "66410ffeee"],
  ["pshufb xmm12, [r9 + 256]", pshufb(12, { base: r9, offset: 256 }), "66450f3800a100010000"],
  ["pshufd xmm14, xmm0, 14", pshufd(14, 0, 14), "66440f70f00e"],
  ["pblendw xmm13, xmm14, 240", pblendw(13, 14, 240), "66450f3a0eeef0"],
  ["palignr xmm14, xmm7, 8", palignr(14, 7, 8), "66440f3a0ff708"],
  ["sha256rnds2 xmm4, xmm2", sha256rnds2(4, 2), "0f38cbe2"],
  ["sha256msg1 xmm9, xmm10", sha256msg1(9, 10), "450f38ccca"],
  ["sha256msg2 xmm5, xmm8", sha256msg2(5, 8), "410f38cde8"],
  ["mov r10, rdi", mov(r10, rdi), "4989fa"],
  ["mov rax, rcx", mov(rax, rcx), "4889c8"],
  ["add r11, rcx", add(r11, rcx), "4901cb"],
  ["add r10, 4096", addNumber(r10, 4096), "4981c200100000"],
  ["lea r9, [rip - 311]", addressOf(r9, -304), "4c8d0dc9feffff"],
  ["ret", ret, "c3"],
  ["l: add rax, rcx; jnz l", loop(add(rax, rcx)), "4801c80f85f7ffffff"],
];

test.each(instructions)("%s", (_, code, expected) => {
  expect(Buffer.from(flat(code)).toString("hex")).toBe(expected);
});

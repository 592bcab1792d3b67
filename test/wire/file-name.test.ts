/** Which names are legal on the wire, and which a receiver's system can store. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  fileName,
  lastPart,
  nameProblem,
  safeName,
  safeNameProblem,
  safePartProblem,
} from "../../src/wire/file-name.ts";

const legal = [
  "a",
  "-rf",
  "--root",
  "a b",
  " leading and trailing ",
  "sub/folder/deep.bin",
  "ünïcödé 名前.txt",
  "🎉 party.dat",
  "👩\u200d💻",
  "a\u200bb",
  "cafe\u0301",
  "it's 100% & more; (really).txt",
  "C:x",
  "CON",
  "nul.txt",
  "a.",
  "...",
  "..a",
  ".env",
  ".bashrc",
  "~/.ssh/authorized_keys",
  "x".repeat(255),
  "é".repeat(127),
  Array(32).fill("x").join("/"),
  `${Array(3).fill("x".repeat(255)).join("/")}/${"y".repeat(255)}`,
];

const illegal: [name: string, why: RegExp][] = [
  ["", /empty/],
  [".", /part \./],
  ["..", /part \.\./],
  ["../x", /part \.\./],
  ["a/../../x", /part \.\./],
  ["./a", /part \./],
  ["/etc/passwd", /empty part/],
  ["a//b", /empty part/],
  ["a/", /empty part/],
  ["/", /empty part/],
  ["C:\\x", /backslash/],
  ["\\\\srv\\s", /backslash/],
  ["a\0b", /control/],
  ["a\rb", /control/],
  ["a\nb", /control/],
  ["\u001b]0;owned\u0007\u001b[2J", /control/],
  ["\u009b31m", /control/],
  ["\u007f", /control/],
  ["invoice\u202efdp.exe", /control/],
  ["\u2066a", /control/],
  ["a\u2028b", /control/],
  ["\ufeffa", /control/],
  ["\ud800", /well-formed/],
  ["x".repeat(256), /longer than 255/],
  ["é".repeat(128), /longer than 255/],
  [Array(33).fill("x").join("/"), /more than 32/],
  [Array(200).fill("x").join("/"), /more than 32/],
  ["x".repeat(4097), /longer than 1024/],
];

describe("on the wire", () => {
  test.each(legal)("%j is legal", (name) => {
    expect(nameProblem(name)).toBeUndefined();
    expect(fileName(name) as string).toBe(name);
  });

  test.each(illegal)("A10 A11 %j is not", (name, why) => {
    expect(nameProblem(name)).toMatch(why);
    expect(fileName(name)).toBeUndefined();
  });

  test("exactly 1,024 bytes are legal, one more is not", () => {
    const name = `${Array(4).fill("x".repeat(254)).join("/")}/1234`;
    expect(Buffer.byteLength(name)).toBe(1024);
    expect(nameProblem(name)).toBeUndefined();
    expect(nameProblem(`${name}6`)).toMatch(/longer/);
  });

  test("A10 no legal name leads out of a folder", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."./\\ab\0") }), (name) => {
        if (fileName(name) === undefined) return;
        const resolved = new URL(name.split("/").map(encodeURIComponent).join("/"), "file:///root/").pathname;
        expect(resolved.startsWith("/root/")).toBe(true);
      }),
    );
  });
});

test("the last part", () => {
  expect(lastPart("a")).toBe("a");
  expect(lastPart("x/y/a.iso")).toBe("a.iso");
});

describe("to be written", () => {
  const table: [part: string, linux: boolean, windows: boolean][] = [
    ["a.bin", true, true],
    ["-rf", true, true],
    [".env", true, true],
    ["desktop.ini", true, true],
    ["a/b", false, false],
    ["..", false, false],
    ["", false, false],
    [".p2p-0123456789abcdef.part", false, false],
    ["CON", true, false],
    ["con", true, false],
    ["nul.txt", true, false],
    ["COM1.log", true, false],
    ["COM\u00b9", true, false],
    ["LPT9", true, false],
    ["CONIN$", true, false],
    ["COM10", true, true],
    ["console", true, true],
    ["a:b", true, false],
    ["a?", true, false],
    ["a.", true, false],
    ["a ", true, false],
  ];
  test.each(table)("A12 %j: linux %p, windows %p", (part, linux, windows) => {
    expect(safeNameProblem(part, "linux") === undefined).toBe(linux);
    expect(safeNameProblem(part, "win32") === undefined).toBe(windows);
    expect(safeName(part, "win32") !== undefined).toBe(windows);
  });
});

test("the parts of a legal name need no second look at what made it legal", () => {
  const part = fc.constantFrom(
    "",
    ".",
    "..",
    "a",
    ".p2p-a",
    "con",
    "a.",
    "a\\b",
    "\u0007",
    "x".repeat(256),
    "\ud800",
  );
  const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(name, fc.constantFrom("linux" as const, "win32" as const), (text, platform) => {
      fc.pre(fileName(text) !== undefined);
      for (const each of text.split("/"))
        expect(safePartProblem(each, platform)).toBe(safeNameProblem(each, platform));
    }),
  );
});

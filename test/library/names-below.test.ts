import { expect, test } from "bun:test";
import { posix, win32 } from "node:path";
import { isBelow, nameBelow } from "../../src/library/names-below.ts";

test.each([
  ["/share", "/share/sub/f.txt", posix, "sub/f.txt"],
  ["/share", "/share/a\\b", posix, "a\\b"],
  ["/share", "/share", posix, ""],
  ["/", "/f", posix, "f"],
  ["C:\\share", "C:\\share\\sub\\deeper\\f.txt", win32, "sub/deeper/f.txt"],
  ["C:\\share", "C:\\share\\f.txt", win32, "f.txt"],
  ["C:\\share", "C:\\share", win32, ""],
  ["C:\\", "C:\\sub\\f", win32, "sub/f"],
] as const)("below %s, %s has a name with slashes", (folder, path, rules, name) => {
  expect(nameBelow(folder, path, rules)).toBe(name);
});

test("a name is below all folders above it", () => {
  for (const folder of ["", "a", "a/b"]) expect(isBelow("a/b/c", new Set([folder]))).toBe(true);
  for (const folder of ["a/b/c", "b", "a/", "A"]) expect(isBelow("a/b/c", new Set([folder]))).toBe(false);
});

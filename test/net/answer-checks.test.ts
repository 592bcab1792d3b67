/** Which pages of a folder are accepted. (Those of a list: page-checks.test.ts.) */
import { expect, test } from "bun:test";
import { isFolderPageOf } from "../../src/net/answer-checks.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { FolderEntry } from "../../src/wire/view-messages.ts";
import { fileEntry } from "../helpers/file-entries.ts";

/** `a/` is a folder, `a` a file. */
function entry(shown: string): FolderEntry {
  if (shown.endsWith("/")) return { folder: true, name: shown.slice(0, -1) as FileName };
  return { folder: false, ...fileEntry(shown), sources: 1 };
}

test.each<[shown: string, after: string, next: string | undefined, isFine: boolean]>([
  ["", "", undefined, true],
  ["a/ a a b", "", undefined, true],
  ["a/ a a b", "", "b", true],
  ["a b", "", "c", true],
  ["b c", "a", undefined, true],
  ["", "a", "b", true],
  ["Z a é", "", undefined, true],
  // In the order of UTF-16 units the second comes first.
  ["\uffee \u{1f600}", "", undefined, true],
  ["b a", "", undefined, false],
  ["a a/", "", undefined, false],
  ["a/ a/", "", undefined, false],
  ["a b a", "", undefined, false],
  ["a", "a", undefined, false],
  ["a/", "a", undefined, false],
  ["a", "b", undefined, false],
  ["b c", "a", "b", false],
  ["", "a", "a", false],
  ["", "b", "a", false],
])("%j after %j, next %j: %p", (shown, after, next, isFine) => {
  const entries = shown.split(" ").filter(Boolean).map(entry);
  expect(isFolderPageOf({ type: "FOLDER", id: 1, entries, next: next as FileName | undefined }, after)).toBe(
    isFine,
  );
});

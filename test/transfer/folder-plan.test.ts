/** What a folder stands for, and what cannot lie side by side. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FolderPlanner } from "../../src/transfer/folder-plan.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { ListedFile } from "../../src/wire/messages.ts";

function listed(name: string, root = "aa", sizeBytes = 1): ListedFile {
  return { name: name as FileName, root, sizeBytes, md5: "bb", total: 1, sources: [] };
}

/** Told in pages of two. */
function planFolder(files: readonly ListedFile[], platform: NodeJS.Platform) {
  const planner = new FolderPlanner(platform);
  for (let at = 0; at < files.length; at += 2) planner.add(files.slice(at, at + 2));
  return planner.plan();
}

function plan(...names: string[]) {
  return planFolder(
    names.map((name) => listed(name)),
    "linux",
  );
}

describe("names that clash", () => {
  test.each([
    ["a/Readme", "a/README"],
    ["caf\u00e9", "cafe\u0301"],
    ["straße/a", "STRASSE/a"],
    ["A/x", "a/y"],
    ["ς", "σ"],
    ["K", "\u212a"],
    ["ß", "ẞ"],
    ["ẞ", "ss"],
  ])("%p and %p", (one, other) => {
    expect(plan(one, other).clash?.reason).toContain("only in case");
    expect(plan(other, "between", one).clash?.reason).toContain("only in case");
  });

  test("a file and a folder of one name", () => {
    expect(plan("a", "a/b").clash?.reason).toContain("needs a folder");
    expect(plan("a/b", "a").clash).toBeDefined();
  });

  test.each([
    ["a/b", "a/c"],
    ["ab", "a/b"],
    ["a.b", "a-b"],
    ["ä", "a"],
  ])("but not %p and %p", (one, other) => {
    expect(plan(one, other)).toMatchObject({ clash: undefined, problems: [] });
  });

  test("do not depend on the order", () => {
    const part = fc.constantFrom("a", "A", "b", "\u00e9", "e\u0301");
    const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 6 }), (names) => {
        const forwards = plan(...names).clash === undefined;
        return forwards === (plan(...names.toReversed()).clash === undefined);
      }),
    );
  });
});

test("a name of several contents, or one that cannot be stored, does not keep the others from being fetched", () => {
  const files = [listed("ok"), listed("two", "aa"), listed("two", "bb"), listed("CON"), listed("ok", "aa")];
  const windows = planFolder(files, "win32");
  expect(windows.files.map(({ name }) => name as string)).toEqual(["ok"]);
  expect(windows.problems.map(({ name, kind }) => [name as string, kind])).toEqual([
    ["two", "ambiguous"],
    ["CON", "unstorable"],
  ]);
  expect(windows.clash).toBeUndefined();
});

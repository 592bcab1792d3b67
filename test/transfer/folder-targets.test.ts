/** Where the files of a folder go, and what is there already. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, utimesSync } from "node:fs";
import { LocalIoError, WouldOverwriteError } from "../../src/errors.ts";
import { checkContents, type FolderTarget, FolderTargets } from "../../src/transfer/folder-targets.ts";
import { whyNotReplaced } from "../../src/transfer/target.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { ListedFile } from "../../src/wire/messages.ts";
import { type TestContent, testContent } from "../helpers/contents.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const content = testContent(5_000);

function listed(name: string, { root, sizeBytes }: TestContent = content): ListedFile {
  return { name: name as FileName, root, sizeBytes, md5: "", total: 0, sources: [] };
}

function placed(targets: FolderTargets, name: string, of: TestContent = content): FolderTarget {
  const target = targets.place(listed(name, of));
  if (target instanceof Error) throw target;
  return target;
}

describe("the place of a file", () => {
  test("is below the output, with the folders that it needs", () => {
    using folder = temporaryFolder();
    const targets = new FolderTargets(folder.at("new/er"));
    const names = ["a", "b/c/d/e", "b/c/f", "-rf/--force", " / ", "Zoë/日本語"];
    for (const name of names) expect(placed(targets, name).path).toBe(folder.at(`new/er/${name}`));
    expect(readdirSync(folder.at("new/er")).sort()).toEqual([" ", "-rf", "Zoë", "b"]);
    expect(readdirSync(folder.at("new/er/b/c"))).toEqual(["d"]);
  });

  test("is shown as the user wrote it", () => {
    using folder = temporaryFolder();
    const below = `${folder.path}/x/../y`;
    expect(placed(new FolderTargets(below), "a/b")).toMatchObject({ shown: folder.at("y/a/b") });
  });

  test("in the way is a file: no place for all that is below, and others have theirs", () => {
    using folder = temporaryFolder();
    folder.write("a", "file");
    const targets = new FolderTargets(folder.path);
    for (const name of ["a/b", "a/c", "a/d/e"]) {
      const problem = targets.place(listed(name));
      expect(problem).toBeInstanceOf(LocalIoError);
      expect(String(problem)).toContain(folder.at("a"));
    }
    expect(placed(targets, "b/c").path).toBe(folder.at("b/c"));
  });

  test("in the way is a link: no place for all that is below, and nothing is made where it leads", () => {
    using folder = temporaryFolder();
    folder.write("out/x", "");
    mkdirSync(folder.at("elsewhere"));
    symlinkSync(folder.at("elsewhere"), folder.at("out/a"));
    mkdirSync(folder.at("out/b"));
    symlinkSync(folder.at("elsewhere"), folder.at("out/b/c"));
    symlinkSync(folder.at("out"), folder.at("link"));
    const targets = new FolderTargets(folder.at("link"));
    for (const name of ["a/b", "a/c/d", "b/c/d", "b/c/d/e"])
      expect(String(targets.place(listed(name)))).toContain("it is a link");
    expect(readdirSync(folder.at("elsewhere"))).toEqual([]);
    expect(placed(targets, "b/d").path).toBe(folder.at("out/b/d"));
    expect(placed(targets, "b/d").shown).toBe(folder.at("link/b/d"));
  });

  test("abandoned drafts there are removed, others are not", () => {
    using folder = temporaryFolder();
    for (const name of [".p2p-old.draft", ".p2p-new.draft", ".p2p-old.part", "old.draft"])
      folder.write(name, "");
    const ago = (ms: number) => new Date(Date.now() - ms);
    for (const name of readdirSync(folder.path)) {
      const time = ago(name.includes("new") ? 590_000 : 610_000);
      utimesSync(folder.at(name), time, time);
    }
    placed(new FolderTargets(folder.path), "a");
    expect(readdirSync(folder.path).sort()).toEqual([".p2p-new.draft", ".p2p-old.part", "old.draft"]);
  });
});

describe("what is there", () => {
  /** At a look, and when it is read. */
  const cases: [string, (folder: TemporaryFolder) => void, look: string, content: string | undefined][] = [
    ["nothing", () => {}, "nothing", undefined],
    ["the file", (folder) => folder.write("d/file", content.bytes), "candidate", "same"],
    ["one of its size", (folder) => folder.write("d/file", Buffer.alloc(5_000)), "candidate", "different"],
    ["a shorter one", (folder) => folder.write("d/file", "short"), "different", undefined],
    ["a folder", (folder) => mkdirSync(folder.at("d/file")), "different", undefined],
    ["a link to nowhere", (folder) => symlinkSync("nowhere", folder.at("d/file")), "nothing", undefined],
  ];

  test.each(cases)("%s", async (_, make, look, found) => {
    using folder = temporaryFolder();
    mkdirSync(folder.at("d"));
    make(folder);
    const targets = new FolderTargets(folder.path);
    const target = placed(targets, "d/file");
    expect(targets.look(target)).toBe(look as "nothing");
    if (found !== undefined) expect(await checked([target])).toEqual([[target, found]]);
  });

  test("in a folder made just now is nothing", () => {
    using folder = temporaryFolder();
    const targets = new FolderTargets(folder.path);
    expect(targets.look(placed(targets, "new/file"))).toBe("nothing");
  });

  test("many are read, each is told once, empty ones as well", async () => {
    using folder = temporaryFolder();
    const targets = new FolderTargets(folder.path);
    const all = Array.from({ length: 60 }, (_, i) => {
      const of = testContent(i * 997, i + 1);
      folder.write(String(i), i % 3 === 0 ? of.bytes : of.bytes.map((byte) => byte ^ 1));
      return placed(targets, String(i), of);
    });
    const found = new Map(await checked(all));
    expect(found.size).toBe(60);
    for (const [i, target] of all.entries())
      expect(found.get(target)).toBe(i % 3 === 0 ? "same" : "different");
  });

  test("that goes or shrinks meanwhile is not the file, and no failure of the others", async () => {
    using folder = temporaryFolder();
    const targets = new FolderTargets(folder.path);
    const all = ["gone", "short", "right"].map((name) => {
      folder.write(name, content.bytes);
      return placed(targets, name);
    });
    rmSync(folder.at("gone"));
    truncateSync(folder.at("short"), 100);
    const found = Object.fromEntries((await checked(all)).map(([{ shown }, what]) => [shown, what]));
    expect(found[folder.at("right")]).toBe("same");
    expect(found[folder.at("short")]).toBe("different");
    expect(found[folder.at("gone")]).not.toBe("same");
  });

  test("an abort ends the reading, and nothing is told after it", async () => {
    using folder = temporaryFolder();
    const targets = new FolderTargets(folder.path);
    const all = Array.from({ length: 50 }, (_, i) => {
      folder.write(String(i), content.bytes);
      return placed(targets, String(i));
    });
    const abort = new AbortController();
    let told = 0;
    const checking = checkContents(
      all,
      1,
      () => {
        if (++told === 1) abort.abort(new Error("enough"));
      },
      abort.signal,
    );
    expect(await checking.catch((error: unknown) => error)).toBe(abort.signal.reason);
    const toldThen = told;
    await Bun.sleep(20);
    expect(told).toBe(toldThen);
    await expect(checkContents(all, 1, () => {}, AbortSignal.abort(new Error("before")))).rejects.toThrow(
      "before",
    );
  });

  async function checked(targets: readonly FolderTarget[]) {
    const found: [FolderTarget, unknown][] = [];
    await checkContents(targets, 2, (...each) => found.push(each), new AbortController().signal);
    return found;
  }
});

test("what is replaced: a different file when that is wanted, a folder never", () => {
  using folder = temporaryFolder();
  const targets = new FolderTargets(folder.path);
  folder.write("file", "different");
  mkdirSync(folder.at("folder"));
  const [file, taken] = [placed(targets, "file"), placed(targets, "folder")];
  expect(whyNotReplaced(file, true)).toBeUndefined();
  expect(whyNotReplaced(file, false)).toBeInstanceOf(WouldOverwriteError);
  for (const force of [true, false]) expect(whyNotReplaced(taken, force)).toBeInstanceOf(LocalIoError);
});

test("the folders are synced, whatever has become of them", () => {
  using folder = temporaryFolder();
  const targets = new FolderTargets(folder.at("out"));
  const all = ["a", "b/c/d", "b/e"].map((name) => placed(targets, name));
  targets.sync(all);
  rmSync(folder.at("out"), { recursive: true });
  targets.sync(all);
  expect(existsSync(folder.at("out"))).toBe(false);
  new FolderTargets("/").sync([]);
});

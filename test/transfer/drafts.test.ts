/** A small file to its place: what may be there already, what must not be touched, and what is left behind. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import { folderCalls } from "../../src/library/folder-calls.ts";
import { syncFiles } from "../../src/library/sync-files.ts";
import { WalkedFolder } from "../../src/library/walked-folder.ts";
import { draftFor, draftSuffix, makeEmptyFile, nameDraft, writeDraft } from "../../src/transfer/drafts.ts";
import { partialPrefix } from "../../src/wire/file-name.ts";
import { testContent } from "../helpers/contents.ts";
import { canMount, SmallDisk } from "../helpers/small-disk.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const content = testContent(5_000);

let lastId = 0;

/** All the way, as a small file goes it. */
function store(folder: TemporaryFolder, replace = false, name = "file", of = content) {
  const path = folder.at(name);
  if (of.sizeBytes === 0) return makeEmptyFile(path, of.root, replace);
  const draft = draftFor(path, of.root, ++lastId);
  const failure = writeDraft(draft, of.bytes);
  if (failure !== undefined) return failure;
  syncFiles([draft]);
  return nameDraft({ draft, path, replace });
}

function isThere(folder: TemporaryFolder, name = "file", of = content): boolean {
  return Buffer.compare(readFileSync(folder.at(name)), of.bytes) === 0;
}

describe("a file", () => {
  test("is there under its name alone, for others to read and not to execute", () => {
    using folder = temporaryFolder();
    expect(store(folder)).toBeUndefined();
    expect(isThere(folder)).toBe(true);
    expect(readdirSync(folder.path)).toEqual(["file"]);
    expect(statSync(folder.at("file")).mode & 0o777).toBe(0o666 & ~process.umask());
    expect(statSync(folder.at("file")).nlink).toBe(1);
  });

  test("may be empty, or of the same content as its neighbours", () => {
    using folder = temporaryFolder();
    const empty = testContent(0);
    for (const name of ["a", "b"]) expect(store(folder, false, name, empty)).toBeUndefined();
    for (const name of ["c", "d"]) expect(store(folder, false, name)).toBeUndefined();
    expect(readdirSync(folder.path).sort()).toEqual(["a", "b", "c", "d"]);
    expect(statSync(folder.at("a")).size).toBe(0);
    expect(statSync(folder.at("c")).ino).not.toBe(statSync(folder.at("d")).ino);
  });

  test.each([
    ["the folder has no calls of its own", () => undefined],
    ["its file system renames nothing that way", () => ({ ...folderCalls()!, renameNew: () => false })],
  ])("gets its name where %s, and takes nobody's", (_, calls) => {
    using folder = temporaryFolder();
    const name = () => {
      const draft = draftFor(folder.at("file"), content.root, ++lastId);
      expect(writeDraft(draft, content.bytes)).toBeUndefined();
      return nameDraft({ draft, path: folder.at("file"), replace: false }, new WalkedFolder(calls));
    };
    expect(name()).toBeUndefined();
    expect(isThere(folder)).toBe(true);
    expect(statSync(folder.at("file")).nlink).toBe(1);
    folder.write("file", "mine");
    expect(name()).toEqual({ kind: "different" });
    expect(readFileSync(folder.at("file"), "utf8")).toBe("mine");
    expect(readdirSync(folder.path)).toEqual(["file"]);
  });

  test.each([false, true])("that is there already is no failure (replace: %p)", (replace) => {
    using folder = temporaryFolder();
    folder.write("file", content.bytes);
    expect(store(folder, replace)).toBeUndefined();
    expect(isThere(folder)).toBe(true);
    expect(readdirSync(folder.path)).toEqual(["file"]);
  });
});

describe("in place of something else", () => {
  test("another file stays, unless it is to be replaced", () => {
    using folder = temporaryFolder();
    for (const mine of [
      "mine",
      "",
      Buffer.alloc(5_000, 1),
      Buffer.concat([content.bytes, Buffer.from("x")]),
    ]) {
      folder.write("file", mine);
      expect(store(folder)).toEqual({ kind: "different" });
      expect(Buffer.compare(readFileSync(folder.at("file")), Buffer.from(mine))).toBe(0);
    }
    expect(store(folder, true)).toBeUndefined();
    expect(isThere(folder)).toBe(true);
    expect(readdirSync(folder.path)).toEqual(["file"]);
  });

  test("a link stays and nothing is written through it; replaced, it is the link that goes", () => {
    using folder = temporaryFolder();
    folder.write("elsewhere", "mine");
    mkdirSync(folder.at("folder"));
    for (const to of ["elsewhere", "nowhere", "folder"]) {
      symlinkSync(to, folder.at(`to ${to}`));
      expect(store(folder, false, `to ${to}`)).toEqual({ kind: "different" });
      expect(readlinkSync(folder.at(`to ${to}`))).toBe(to);
    }
    expect(store(folder, true, "to elsewhere")).toBeUndefined();
    expect(isThere(folder, "to elsewhere")).toBe(true);
    expect(readFileSync(folder.at("elsewhere"), "utf8")).toBe("mine");
    expect(readdirSync(folder.path)).not.toContain("nowhere");
  });

  test.each([false, true])("a folder stays, with all that is in it (replace: %p)", (replace) => {
    using folder = temporaryFolder();
    folder.write("file/inside", "mine");
    expect(store(folder, replace)).toBeDefined();
    expect(readdirSync(folder.path)).toEqual(["file"]);
    expect(readdirSync(folder.at("file"))).toEqual(["inside"]);
  });
});

describe("that cannot be", () => {
  test.each<[string, string, RegExp]>([
    ["its folder is missing", "missing/file", /ENOENT/],
    ["its folder is a file", "taken/file", /ENOTDIR/],
    ["its name is too long", "n".repeat(256), /ENAMETOOLONG/],
  ])("%s: it alone fails, and leaves nothing behind", (_, name, reason) => {
    using folder = temporaryFolder();
    folder.write("taken", "");
    expect(store(folder, false, name)).toMatchObject({
      kind: "failed",
      reason: expect.stringMatching(reason),
    });
    expect(readdirSync(folder.path)).toEqual(["taken"]);
  });

  test("many are synced at once, wherever they lie", () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at("inside"));
    const drafts = Array.from({ length: 20 }, (_, i) => {
      const path = folder.at(i % 2 === 0 ? `${i}` : `inside/${i}`);
      const draft = draftFor(path, content.root, ++lastId);
      expect(writeDraft(draft, content.bytes)).toBeUndefined();
      return { draft, path, replace: false };
    });
    syncFiles(drafts.map(({ draft }) => draft));
    for (const draft of drafts) expect(nameDraft(draft)).toBeUndefined();
    expect(readdirSync(folder.path).length).toBe(11);
    expect(readdirSync(folder.at("inside")).length).toBe(10);
  });

  test("a draft of somebody else stays", () => {
    using folder = temporaryFolder();
    const theirs = `${partialPrefix}${content.root.slice(0, 16)}-00000000${draftSuffix}`;
    folder.write(theirs, "theirs");
    expect(store(folder)).toBeUndefined();
    expect(readdirSync(folder.path).sort()).toEqual([theirs, "file"]);
  });

  test.skipIf(!canMount)("the disk is full: no other has room either; read-only: this one fails", () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at("disk"));
    using disk = new SmallDisk(folder.at("disk"), "size=16k");
    const large = testContent(100_000);
    expect(() => store(folder, false, "disk/large", large)).toThrow(/ENOSPC/);
    expect(readdirSync(folder.at("disk"))).toEqual([]);
    expect(store(folder, false, "disk/small")).toBeUndefined();
    disk.remount("ro");
    expect(store(folder, false, "disk/other")).toMatchObject({ kind: "failed" });
    expect(readdirSync(folder.at("disk"))).toEqual(["small"]);
  });
});

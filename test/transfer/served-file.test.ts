/** Real files under the hand of whoever serves them: what is given out is always what was hashed, or nothing. */
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { identityOf } from "../../src/library/file-identity.ts";
import { ContentBoard } from "../../src/transfer/content-board.ts";
import { OpenContents } from "../../src/transfer/open-contents.ts";
import { ServedFile, type ServedFileOptions } from "../../src/transfer/served-file.ts";
import type { FoundContent } from "../../src/transfer/upload-messages.ts";
import { testContent } from "../helpers/contents.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const mebibyte = 1024 * 1024;
const { shared: board } = ContentBoard.make(3);
const content = testContent(2 * mebibyte + 777);
/** Where tests change a byte. */
const changedAt = mebibyte + 5;

function optionsFor(path: string, different: Partial<ServedFileOptions> = {}): ServedFileOptions {
  const identity = identityOf(lstatSync(path, { bigint: true }));
  const { root, sizeBytes, chunkHashes } = content;
  // The tests share `sub/file`.
  const folder = dirname(dirname(path));
  return { folder, path, identity, root, sizeBytes, chunkHashes, trusted: true, ...different };
}

/** One second ago, so that every change moves the time. */
function share(folder: TemporaryFolder): string {
  return folder.write("sub/file", content.bytes, 1_000);
}

function overwrite(path: string, at: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.from([content.bytes[at]! ^ 0xff]), 0, 1, at);
  closeSync(fd);
}

/** What is read of a range, or undefined when it is not given out. */
function read(file: ServedFile, offset: number, length: number): Uint8Array | undefined {
  const into = new Uint8Array(length);
  return file.read(into, offset) ? into : undefined;
}

function isRight(file: ServedFile, offset: number, length: number): boolean {
  const bytes = read(file, offset, length);
  return bytes !== undefined && Buffer.compare(bytes, content.bytes.subarray(offset, offset + length)) === 0;
}

const ranges: [number, number][] = [
  [0, 1],
  [changedAt - 3, 10],
  [mebibyte - 1, 2],
  [content.sizeBytes - 5, 5],
  [0, content.sizeBytes],
];

describe("a served file", () => {
  test.each([true, false])("that nobody touches is given out (hashed in this run: %p)", (trusted) => {
    using folder = temporaryFolder();
    const file = ServedFile.open(optionsFor(share(folder), { trusted }))!;
    for (const [offset, length] of ranges) {
      expect(file.descriptorFor(offset, length)).toBeGreaterThan(2);
      expect(isRight(file, offset, length)).toBe(true);
    }
    file.close();
  });

  const changes: [string, (path: string, folder: TemporaryFolder) => void][] = [
    ["a byte is overwritten in place", (path) => overwrite(path, changedAt)],
    ["it is truncated", (path) => truncateSync(path, mebibyte)],
    ["it is truncated to nothing", (path) => truncateSync(path, 0)],
    ["something is appended", (path) => appendFileSync(path, "x")],
    ["an edit is hidden by setting the time back", (path) => hideEdit(path)],
  ];
  test.each(changes)("nothing is given out of it after %s, open or not", (_, change) => {
    using folder = temporaryFolder();
    const path = share(folder);
    const options = optionsFor(path);
    const open = ServedFile.open(options)!;
    expect(isRight(open, 0, 10)).toBe(true);
    change(path, folder);
    expect(open.descriptorFor(changedAt - 3, 10)).toBeUndefined();
    expect(read(open, changedAt - 3, 10)).toBeUndefined();
    open.close();
    const again = ServedFile.open(options);
    expect(again?.descriptorFor(changedAt - 3, 10)).toBeUndefined();
    if (again !== undefined) expect(read(again, changedAt - 3, 10)).toBeUndefined();
    again?.close();
  });

  const departures: [string, (path: string, folder: TemporaryFolder) => void][] = [
    ["replaced by a rename", (path, folder) => renameSync(folder.write("new", content.bytes.slice(1)), path)],
    ["deleted", (path) => unlinkSync(path)],
    ["moved away", (path, folder) => renameSync(path, folder.at("elsewhere"))],
    [
      "moved away, with a folder in its place",
      (path, folder) => {
        renameSync(path, folder.at("elsewhere"));
        mkdirSync(path);
      },
    ],
    [
      "moved away, with a pipe in its place",
      (path, folder) => {
        renameSync(path, folder.at("elsewhere"));
        pipe(path);
      },
    ],
    [
      "moved away, with a link to it in its place",
      (path, folder) => {
        renameSync(path, folder.at("elsewhere"));
        symlinkSync(folder.at("elsewhere"), path);
      },
    ],
    [
      "moved away with its folder, and a file is where that was",
      (path, folder) => {
        renameSync(folder.at("sub"), folder.at("away"));
        writeFileSync(folder.at("sub"), "x");
        chmodSync(folder.at("away/file"), 0o600);
        expect(() => lstatSync(path)).toThrow();
      },
    ],
    [
      "moved away with its folder, and a link to that is where it was",
      (path, folder) => {
        renameSync(folder.at("sub"), folder.at("away"));
        symlinkSync(folder.at("away"), folder.at("sub"));
        chmodSync(path, 0o600);
      },
    ],
  ];
  test.each(departures)("nothing is given out once it is %s", (_, depart) => {
    using folder = temporaryFolder();
    const path = share(folder);
    const options = optionsFor(path);
    const open = ServedFile.open(options)!;
    depart(path, folder);
    expect(open.descriptorFor(0, 10)).toBeUndefined();
    expect(read(open, 0, 10)).toBeUndefined();
    open.close();
    expect(ServedFile.open(options)).toBeUndefined();
  });

  const harmless: [string, (path: string, folder: TemporaryFolder) => void][] = [
    ["its permissions change", (path) => chmodSync(path, 0o640)],
    ["a hard link to it is made", (path, folder) => linkSync(path, folder.at("link"))],
    ["its time is set to what it was", (path) => setBack(path, lstatSync(path))],
  ];
  test.each(harmless)("it is still given out, hashed again, when %s", (_, change) => {
    using folder = temporaryFolder();
    const path = share(folder);
    // To the millisecond: utimes is no finer.
    setBack(path, lstatSync(path));
    const file = ServedFile.open(optionsFor(path))!;
    change(path, folder);
    for (const [offset, length] of ranges) expect(isRight(file, offset, length)).toBe(true);
    file.close();
  });

  test("hashes of an earlier run are not believed: what does not fit them is not given out", () => {
    using folder = temporaryFolder();
    const path = share(folder);
    const wrong = content.chunkHashes.slice();
    wrong[32]! ^= 1;
    const file = ServedFile.open(optionsFor(path, { chunkHashes: wrong, trusted: false }))!;
    expect(isRight(file, 0, mebibyte)).toBe(true);
    expect(file.descriptorFor(0, mebibyte)).toBeDefined();
    expect(file.descriptorFor(mebibyte, 1)).toBeUndefined();
    expect(file.descriptorFor(mebibyte - 1, 2)).toBeUndefined();
    expect(read(file, mebibyte, 1)).toBeUndefined();
    expect(read(file, mebibyte - 1, 2)).toBeUndefined();
    expect(isRight(file, 2 * mebibyte, 777)).toBe(true);
    file.close();
  });

  test("hashes that are trusted are not made again, until somebody touches the file", () => {
    using folder = temporaryFolder();
    const path = share(folder);
    const wrong = content.chunkHashes.slice();
    wrong[32]! ^= 1;
    const file = ServedFile.open(optionsFor(path, { chunkHashes: wrong }))!;
    expect(file.descriptorFor(mebibyte, 1)).toBeDefined();
    expect(isRight(file, mebibyte, 1)).toBe(true);
    chmodSync(path, 0o600);
    expect(file.descriptorFor(mebibyte, 1)).toBeUndefined();
    expect(read(file, mebibyte, 1)).toBeUndefined();
    file.close();
  });

  test("a content of one chunk is checked against its root", () => {
    using folder = temporaryFolder();
    const small = testContent(5_000, 2);
    const path = folder.write("small", small.bytes);
    const options = optionsFor(path, { ...small, trusted: false });
    const right = ServedFile.open(options)!;
    expect(read(right, 10, 20)).toEqual(small.bytes.slice(10, 30));
    right.close();
    const wrong = ServedFile.open({ ...options, root: content.root })!;
    expect(read(wrong, 10, 20)).toBeUndefined();
    wrong.close();
  });
});

describe("the open contents", () => {
  function offered(options: ServedFileOptions, root = content.root): FoundContent {
    return { root, content: { offer: { kind: "file", ...options }, board } };
  }

  function opened(path: string) {
    const asked: (readonly string[])[] = [];
    const changed: string[] = [];
    const contents = new OpenContents(
      (roots) => asked.push(roots),
      (changedPath) => changed.push(changedPath),
    );
    return { asked, changed, contents, options: optionsFor(path) };
  }

  const turn = () => Promise.resolve();
  const rootsFrom = (first: number, count: number) =>
    Array.from({ length: count }, (_, at) => `root ${first + at}`);

  test("asks once however many want it, and keeps the file open", async () => {
    using folder = temporaryFolder();
    const { asked, contents, options } = opened(share(folder));
    const found: unknown[] = [];
    for (let i = 0; i < 3; i++) contents.find(content.root, 0, (file) => found.push(file));
    await turn();
    contents.find(content.root, 0, (file) => found.push(file));
    expect(asked).toEqual([[content.root]]);
    contents.answer([offered(options)], 0);
    contents.find(content.root, 1, (file) => found.push(file));
    await turn();
    expect(found.length).toBe(5);
    expect(new Set(found).size).toBe(1);
    expect(asked.length).toBe(1);
    contents.closeAll();
  });

  test("asks together what is wanted in one turn, and opens it when it is its turn", async () => {
    using folder = temporaryFolder();
    const { asked, contents, options } = opened(share(folder));
    const found: unknown[] = [];
    const before = openFiles();
    contents.find("root 0", 0, (file) => found.push(file));
    for (const root of rootsFrom(0, 100)) expect(contents.expect(root, 0)).toBeUndefined();
    await turn();
    expect(asked).toEqual([rootsFrom(0, 100)]);
    // The first of them goes on at once to the next.
    contents.find("root 0", 0, () => contents.find("root 1", 0, (file) => found.push(file)));
    contents.answer(
      rootsFrom(0, 100).map((root) => offered(options, root)),
      0,
    );
    expect(found).toMatchObject([{ root: "root 0" }, { root: "root 1" }]);
    // Beside the shared folder and the one they are in, which are open for the rest of the turn.
    if (before !== undefined) expect(openFiles()! - before).toBe(4);
    await new Promise((resolve) => setImmediate(resolve));
    if (before !== undefined) expect(openFiles()! - before).toBe(2);
    expect(contents.expect("root 99", 0)).toMatchObject({ root: "root 99" });
    expect(contents.get("root 99", 0)).toBeUndefined();
    contents.find("root 99", 0, (file) => found.push(file));
    expect(found.length).toBe(3);
    expect(contents.get("root 99", 0)).toBeDefined();
    await turn();
    expect(asked.length).toBe(1);
    contents.closeAll();
    if (before !== undefined) expect(openFiles()!).toBeLessThanOrEqual(before);
  });

  test("are as many as were set; the one that was wanted longest ago is closed for the next", async () => {
    using folder = temporaryFolder();
    const { contents, options } = opened(share(folder));
    const before = openFiles();
    contents.maxOpenFiles = 5;
    for (const [at, root] of rootsFrom(0, 10).entries()) {
      contents.find(root, at, () => {});
      await turn();
      contents.answer([offered(options, root)], at);
    }
    const open = rootsFrom(0, 10).filter((root) => contents.get(root, 10) !== undefined);
    expect(open).toEqual(rootsFrom(7, 3));
    // With the folders.
    if (before !== undefined) expect(openFiles()! - before).toBeWithin(3, 6);
    contents.closeAll();
  });

  test("what was found ahead and is no more what it was, is not found", async () => {
    using folder = temporaryFolder();
    const path = share(folder);
    const { changed, contents, options } = opened(path);
    contents.answer([offered(options)], 0);
    overwrite(path, changedAt);
    let found: unknown = "nobody";
    contents.find(content.root, 1, (file) => {
      found = file;
    });
    expect(found).toBeUndefined();
    expect(changed).toEqual([path]);
  });

  test("what was found ahead is forgotten when it is idle, withdrawn, or not to be had any more", async () => {
    using folder = temporaryFolder();
    const { asked, contents, options } = opened(share(folder));
    contents.answer([offered(options)], 0);
    contents.closeIdle(5_000);
    expect(contents.expect(content.root, 5_000)).toBeDefined();
    contents.closeIdle(5_001);
    expect(contents.expect(content.root, 5_001)).toBeUndefined();
    contents.answer([offered(options)], 6_000);
    contents.close(content.root);
    expect(contents.expect(content.root, 6_000)).toBeUndefined();
    contents.answer([{ root: content.root, content: undefined }], 6_000);
    expect(contents.expect(content.root, 6_000)).toBeUndefined();
    await turn();
    expect(asked.flat()).toEqual([content.root, content.root, content.root]);
  });

  test("finds few ahead, and none with many hashes: however many are asked for", async () => {
    using folder = temporaryFolder();
    const { asked, contents, options } = opened(share(folder));
    for (const root of rootsFrom(0, 200)) contents.expect(root, 0);
    await turn();
    contents.answer(
      rootsFrom(0, 200).map((root) => offered(options, root)),
      0,
    );
    for (const root of rootsFrom(200, 200)) contents.expect(root, 0);
    await turn();
    expect(asked).toEqual([rootsFrom(0, 200), rootsFrom(200, 56)]);
    // Whose turn it is, is asked about all the same.
    contents.find("root 300", 0, () => {});
    await turn();
    expect(asked.at(-1)).toEqual(["root 300"]);
    const many = { ...options, chunkHashes: new Uint8Array(4 * 1024 + 32) };
    contents.answer(
      rootsFrom(200, 56).map((root) => offered(many, root)),
      0,
    );
    expect(contents.expect("root 200", 0)).toBeUndefined();
    contents.closeAll();
  });

  test("closes what is idle and finds it again", async () => {
    using folder = temporaryFolder();
    const { asked, contents, options } = opened(share(folder));
    contents.find(content.root, 0, () => {});
    await turn();
    contents.answer([offered(options)], 0);
    contents.get(content.root, 4_000);
    contents.closeIdle(8_000);
    expect(contents.get(content.root, 8_000)).toBeDefined();
    contents.closeIdle(13_001);
    expect(contents.get(content.root, 13_001)).toBeUndefined();
    contents.find(content.root, 13_001, () => {});
    await turn();
    expect(asked.length).toBe(2);
  });

  test("says which file changed, and forgets it", () => {
    using folder = temporaryFolder();
    const path = share(folder);
    const { changed, contents, options } = opened(path);
    contents.find(content.root, 0, () => {});
    contents.answer([offered(options)], 0);
    contents.drop(content.root);
    expect(changed).toEqual([path]);
    expect(contents.get(content.root, 0)).toBeUndefined();
    unlinkSync(path);
    let found: unknown = "nobody";
    contents.find(content.root, 0, (file) => {
      found = file;
    });
    contents.answer([offered(options)], 0);
    expect(found).toBeUndefined();
    expect(changed).toEqual([path, path]);
  });

  test("what is not shared is not found", () => {
    using folder = temporaryFolder();
    const { changed, contents } = opened(share(folder));
    let found: unknown = "nobody";
    contents.find(content.root, 0, (file) => {
      found = file;
    });
    contents.answer([{ root: content.root, content: undefined }], 0);
    expect(found).toBeUndefined();
    expect(changed).toEqual([]);
  });

  test("never has more than 64 files open", () => {
    using folder = temporaryFolder();
    const { contents, options } = opened(share(folder));
    const before = openFiles();
    for (let i = 0; i < 80; i++) {
      contents.find(`root ${i}`, i, () => {});
      contents.answer([offered(options, `root ${i}`)], i);
    }
    if (before !== undefined) expect(openFiles()! - before).toBeLessThanOrEqual(64);
    expect(contents.get("root 17", 100)).toBeUndefined();
    expect(contents.get("root 18", 100)).toBeDefined();
    contents.closeAll();
    if (before !== undefined) expect(openFiles()!).toBeLessThanOrEqual(before);
  });
});

function hideEdit(path: string): void {
  const before = lstatSync(path);
  setBack(path, before);
  overwrite(path, changedAt);
  setBack(path, before);
}

function setBack(path: string, { atimeMs, mtimeMs }: { atimeMs: number; mtimeMs: number }): void {
  utimesSync(path, new Date(atimeMs), new Date(mtimeMs));
}

function pipe(path: string): void {
  const { exitCode } = Bun.spawnSync(["mkfifo", path]);
  expect(exitCode).toBe(0);
}

function openFiles(): number | undefined {
  try {
    return readFileSync("/proc/self/stat").length > 0
      ? [...new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })].length
      : undefined;
  } catch {
    return undefined;
  }
}

import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { LocalIoError, WouldOverwriteError } from "../../src/errors.ts";
import { PartialFile } from "../../src/library/partial-file.ts";
import { testContent } from "../helpers/contents.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

const mebibyte = 1024 * 1024;
const content = testContent(2 * mebibyte + 9);
const base = `.p2p-${content.root.slice(0, 16)}`;

function open(folder: string, sizeBytes = content.sizeBytes, checkSpace = true): PartialFile {
  return PartialFile.open({ target: `${folder}/target`, root: content.root, sizeBytes, checkSpace });
}

function whole(folder: TemporaryFolder): PartialFile {
  const partial = open(folder.path);
  writeSync(partial.fd, content.bytes);
  partial.saveChunkHashes(content.chunkHashes);
  return partial;
}

function failure(attempt: () => unknown): unknown {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("a partial file", () => {
  test("becomes the target, and leaves nothing else", () => {
    using folder = temporaryFolder();
    const partial = whole(folder);
    expect(readdirSync(folder.path).sort()).toEqual([`${base}.hashes`, `${base}.lock`, `${base}.part`]);
    partial.complete(false);
    partial.close();
    expect(readdirSync(folder.path)).toEqual(["target"]);
    expect(Buffer.compare(readFileSync(folder.at("target")), content.bytes)).toBe(0);
    expect(statSync(folder.at("target")).mode & 0o111).toBe(0);
  });

  test("is kept for the next run, and checked: its size, and its hashes against the root", () => {
    using folder = temporaryFolder();
    const first = whole(folder);
    first.close();
    first.close();
    expect(readdirSync(folder.path).sort()).toEqual([`${base}.hashes`, `${base}.part`]);
    const second = open(folder.path);
    expect(second.chunksOnDisk).toBe(3);
    expect(second.readChunkHashes()).toEqual(Buffer.from(content.chunkHashes));
    const wrong = content.chunkHashes.slice();
    wrong[5]! ^= 1;
    writeFileSync(folder.at(`${base}.hashes`), wrong);
    expect(second.readChunkHashes()).toBeUndefined();
    rmSync(folder.at(`${base}.hashes`));
    expect(second.readChunkHashes()).toBeUndefined();
    second.close();
  });

  test("that is longer than the content is cut", () => {
    using folder = temporaryFolder();
    folder.write(`${base}.part`, new Uint8Array(4 * mebibyte));
    const partial = open(folder.path);
    expect(statSync(partial.path).size).toBe(content.sizeBytes);
    partial.close();
  });

  test("with nothing in it is not kept", () => {
    using folder = temporaryFolder();
    const partial = open(folder.path);
    partial.saveChunkHashes(content.chunkHashes);
    partial.close();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("replaces nothing unless told to, and both files stay as they were", () => {
    using folder = temporaryFolder();
    folder.write("target", "mine");
    const partial = whole(folder);
    expect(failure(() => partial.complete(false))).toBeInstanceOf(WouldOverwriteError);
    expect(readFileSync(folder.at("target"), "utf8")).toBe("mine");
    partial.close();
    expect(Buffer.compare(readFileSync(folder.at(`${base}.part`)), content.bytes)).toBe(0);
    const again = open(folder.path);
    again.complete(true);
    expect(Buffer.compare(readFileSync(folder.at("target")), content.bytes)).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["target"]);
  });

  test("does not go through a link that lies where the target goes", () => {
    using folder = temporaryFolder();
    symlinkSync(folder.at("elsewhere"), folder.at("target"));
    const partial = whole(folder);
    expect(failure(() => partial.complete(false))).toBeInstanceOf(WouldOverwriteError);
    partial.complete(true);
    expect(lstatSync(folder.at("target")).isFile()).toBe(true);
    expect(existsSync(folder.at("elsewhere"))).toBe(false);
  });

  test("does not replace a folder", () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at("target"));
    const partial = whole(folder);
    expect(failure(() => partial.complete(true))).toBeInstanceOf(LocalIoError);
    expect(statSync(folder.at("target")).isDirectory()).toBe(true);
    partial.close();
    expect(existsSync(folder.at(`${base}.part`))).toBe(true);
  });

  test.each<[string, (path: string, folder: TemporaryFolder) => void]>([
    ["a link", (path, folder) => symlinkSync(folder.write("victim", "mine"), path)],
    ["a link to nothing", (path, folder) => symlinkSync(folder.at("victim"), path)],
    ["a pipe", (path) => void Bun.spawnSync(["mkfifo", path])],
    ["a folder", (path) => mkdirSync(path)],
  ])("%s in its place is refused", (_, put) => {
    using folder = temporaryFolder();
    put(folder.at(`${base}.part`), folder);
    const error = failure(() => open(folder.path));
    expect(error).toBeInstanceOf(LocalIoError);
    expect(String(error)).toContain(`${base}.part`);
    expect(existsSync(folder.at(`${base}.lock`))).toBe(false);
    if (existsSync(folder.at("victim"))) expect(readFileSync(folder.at("victim"), "utf8")).toBe("mine");
  });

  test("another name of somebody's file is not written to, and what others may write to is not believed", () => {
    using folder = temporaryFolder();
    linkSync(folder.write("victim", "mine"), folder.at(`${base}.part`));
    whole(folder).complete(false);
    expect(readFileSync(folder.at("victim"), "utf8")).toBe("mine");
    rmSync(folder.at("target"));

    writeFileSync(folder.at(`${base}.part`), content.bytes);
    chmodSync(folder.at(`${base}.part`), 0o666);
    const planted = openSync(folder.at(`${base}.part`), "r+");
    const partial = whole(folder);
    writeSync(planted, "EVIL", 0);
    closeSync(planted);
    partial.complete(false);
    expect(Buffer.compare(readFileSync(folder.at("target")), content.bytes)).toBe(0);
  });

  test("what a run left that was killed after giving the name is tidied up, unless somebody is at it", () => {
    using folder = temporaryFolder();
    const partial = whole(folder);
    PartialFile.tidyUp(folder.at("target"), content.root);
    expect(existsSync(partial.path)).toBe(true);
    partial.close();
    PartialFile.tidyUp(folder.at("target"), content.root);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("a pipe in place of its hashes is not waited for, and written over", () => {
    using folder = temporaryFolder();
    Bun.spawnSync(["mkfifo", folder.at(`${base}.hashes`)]);
    const partial = open(folder.path);
    expect(partial.readChunkHashes()).toBeUndefined();
    partial.saveChunkHashes(content.chunkHashes);
    expect(partial.readChunkHashes()).toEqual(Buffer.from(content.chunkHashes));
    partial.close();
  });

  test("writes its hashes over a link, not through it", () => {
    using folder = temporaryFolder();
    symlinkSync(folder.write("victim", "mine"), folder.at(`${base}.hashes`));
    const partial = open(folder.path);
    partial.saveChunkHashes(content.chunkHashes);
    expect(readFileSync(folder.at("victim"), "utf8")).toBe("mine");
    partial.close();
  });

  test("what cannot fit is refused at once, and leaves nothing; unless that is not to be checked", () => {
    using folder = temporaryFolder();
    const error = failure(() => open(folder.path, 2 ** 52));
    expect(error).toBeInstanceOf(LocalIoError);
    expect(String(error)).toMatch(/needs .* but only .* free/);
    expect(readdirSync(folder.path)).toEqual([]);
    open(folder.path, 2 ** 52, false).close();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("in a folder that is not there, or not ours to write, is a clear error", () => {
    using folder = temporaryFolder();
    expect(failure(() => open(folder.at("nowhere")))).toBeInstanceOf(LocalIoError);
    if (process.getuid?.() === 0) return;
    mkdirSync(folder.at("closed"));
    chmodSync(folder.at("closed"), 0o500);
    expect(String(failure(() => open(folder.at("closed"))))).toContain("permission denied");
  });

  const mounted = mountSmall();
  test.skipIf(mounted === undefined)("on a full disk says so, and keeps what it has (needs to mount)", () => {
    const folder = mounted!;
    try {
      expect(String(failure(() => open(folder, 8 * mebibyte)))).toContain("are free in");
      const partial = open(folder, 8 * mebibyte, false);
      const error = failure(() => {
        for (let at = 0; at < 8 * mebibyte; at += mebibyte)
          writeSync(partial.fd, content.bytes, 0, mebibyte, at);
      });
      expect(error).toMatchObject({ code: "ENOSPC" });
      const hashes = failure(() => partial.saveChunkHashes(content.chunkHashes));
      if (hashes !== undefined) expect(hashes).toBeInstanceOf(LocalIoError);
      partial.close();
      expect(statSync(`${folder}/${base}.part`).size).toBeGreaterThanOrEqual(mebibyte);
    } finally {
      Bun.spawnSync(["umount", folder]);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** A file system of 2 MiB, or undefined where we may not mount one. */
function mountSmall(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const folder = `${process.env.TMPDIR ?? "/tmp"}/p2p-small-${process.pid}`;
  mkdirSync(folder);
  const { exitCode } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]);
  if (exitCode === 0) return folder;
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}

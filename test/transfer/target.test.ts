import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContentHasher } from "../../src/content/merkle.ts";
import { LocalIoError, WouldOverwriteError } from "../../src/errors.ts";
import { targetInFolder, targetOfQuery, whatIsThere, whyNotReplaced } from "../../src/transfer/target.ts";

let folder: string;
let before: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "p2p-target-")));
  before = process.cwd();
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

describe("where a query writes", () => {
  test.each([
    { name: "a.iso", output: undefined, path: "a.iso" },
    { name: "deep/er/a.iso", output: undefined, path: "a.iso" },
    { name: "sub/--root", output: undefined, path: "--root" },
    { name: "a.iso", output: "b.iso", path: "b.iso" },
    { name: "a.iso", output: "there", path: "there/a.iso" },
    { name: "x/a.iso", output: "new/", path: "new/a.iso" },
    { name: "a.iso", output: "new/deep/b.iso", path: "new/deep/b.iso" },
  ])("%j", ({ name, output, path }) => {
    mkdirSync("there");
    expect(targetOfQuery(name, output).path).toBe(join(process.cwd(), path));
  });

  test.each(["..", "a/..", ".", "x/", "", ".p2p-0011223344556677.part", "a\u0000b", "a\u202eb"])(
    "a name that cannot be a file's is refused: %j",
    (name) => {
      expect(() => targetOfQuery(name, undefined)).toThrow(LocalIoError);
    },
  );

  test("links on the way are the user's, and what is there is the place behind them", () => {
    mkdirSync("real");
    symlinkSync("real", "link");
    expect(targetOfQuery("a.iso", "link/a.iso")).toEqual({
      shown: "link/a.iso",
      path: join(folder, "real/a.iso"),
    });
    expect(targetOfQuery("a.iso", "link").path).toBe(join(folder, "real/a.iso"));
  });

  test("a folder in the way is refused", () => {
    mkdirSync("a.iso");
    expect(() => targetOfQuery("a.iso", undefined)).toThrow("it is a folder");
  });

  test("a file where a folder should be is refused", () => {
    writeFileSync("file", "");
    expect(() => targetOfQuery("a.iso", "file/a.iso")).toThrow(LocalIoError);
  });
});

describe("where the prompt writes", () => {
  test("the last part without a slash, the whole name with one", () => {
    expect(targetInFolder(folder, "a.iso").path).toBe(join(folder, "a.iso"));
    expect(targetInFolder(folder, "sub/a.iso").path).toBe(join(folder, "sub/a.iso"));
    expect(statSync("sub").isDirectory()).toBe(true);
  });

  test("over no link in the folder, whoever has put it there", () => {
    mkdirSync("outside");
    mkdirSync("share");
    symlinkSync("../outside", "share/sub");
    symlinkSync("share", "link");
    expect(() => targetInFolder("share", "sub/a.iso")).toThrow("it is a link");
    expect(() => targetInFolder("share", "sub/deeper/a.iso")).toThrow(LocalIoError);
    expect(readdirSync("outside")).toEqual([]);
    // The folder itself is the user's to choose.
    expect(targetInFolder("link", "deep/a.iso")).toEqual({
      shown: "link/deep/a.iso",
      path: join(process.cwd(), "share/deep/a.iso"),
    });
  });

  test.each(["../a", "sub/../../a", "/etc/passwd", "a//b"])("nothing outside: %j", (name) => {
    expect(() => targetInFolder(folder, name)).toThrow(LocalIoError);
  });
});

describe("what is there", () => {
  const bytes = new Uint8Array(100_000).fill(7);
  const hasher = new ContentHasher(bytes.length);
  hasher.update(bytes);
  const content = { root: Buffer.from(hasher.finish().root).toString("hex"), sizeBytes: bytes.length };
  const look = (signal = new AbortController().signal) =>
    whatIsThere(targetOfQuery("a.bin", undefined), content, signal);

  test("nothing, the same, other bytes, another size, something else", async () => {
    expect(await look()).toBe("nothing");
    writeFileSync("a.bin", bytes);
    expect(await look()).toBe("same");
    writeFileSync("a.bin", bytes.with(50_000, 8));
    expect(await look()).toBe("different");
    writeFileSync("a.bin", bytes.subarray(1));
    expect(await look()).toBe("different");
    rmSync("a.bin");
    symlinkSync("/dev/null", "a.bin");
    expect(await look()).toBe("different");
  });

  test("hashing can be given up", async () => {
    writeFileSync("a.bin", bytes);
    const reason = new Error("enough");
    expect(look(AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

test("a device is never replaced, whatever is forced; what leads to one may be", () => {
  symlinkSync("/dev/null", "link");
  const problem = (path: string, force: boolean) => whyNotReplaced({ shown: path, path }, force);
  expect(problem("/dev/null", false)).toBeInstanceOf(WouldOverwriteError);
  expect(String(problem("/dev/null", true))).toContain("it is a device");
  expect(problem(join(folder, "link"), true)).toBeUndefined();
});

import { expect, test } from "bun:test";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspectPath } from "../../src/library/inspect.ts";
import { scanFolder } from "../../src/library/scan.ts";
import { temporaryFolder } from "./temporary-folder.ts";

async function scan(root: string, from: string[] = [""]) {
  const files: string[] = [];
  const skipped = new Map<string, string>();
  const partials: string[] = [];
  await scanFolder(
    root,
    from,
    {
      file: (name) => files.push(name),
      skipped: (name, reason) => skipped.set(name, reason),
      partialFile: (name) => partials.push(name),
    },
    new AbortController().signal,
  );
  return { files: files.sort(), skipped, partials };
}

test("A28 finds regular files at any depth, hard links too, and says what it skips and why", async () => {
  using folder = temporaryFolder();
  using outside = temporaryFolder();
  outside.write("secret.txt", "not yours");
  folder.write("a.txt", "a");
  folder.write("sub/deep/Übung 1.bin", "b");
  folder.write("empty", "");
  linkSync(folder.at("a.txt"), folder.at("hard.txt"));
  symlinkSync(folder.at("a.txt"), folder.at("link.txt"));
  symlinkSync(outside.path, folder.at("link-folder"));
  symlinkSync("nowhere", folder.at("dangling"));
  folder.write(".hidden", "");
  folder.write(".git/config", "");
  folder.write("sub/.p2p-0123456789abcdef.part", "");
  folder.write("back\\slash", "");
  folder.write("bad\u001bfolder/x", "");
  expect(Bun.spawnSync(["mkfifo", folder.at("pipe")]).exitCode).toBe(0);
  writeFileSync(Buffer.concat([Buffer.from(`${folder.path}/bytes-`), Buffer.from([0xff, 0xfe])]), "");
  mkdirSync(folder.at("empty-folder"));

  const { files, skipped, partials } = await scan(folder.path);
  expect(files).toEqual(["a.txt", "empty", "hard.txt", "sub/deep/Übung 1.bin"]);
  expect(partials).toEqual(["sub/.p2p-0123456789abcdef.part"]);
  expect(Object.fromEntries(skipped)).toEqual({
    "link.txt": "it is a symbolic link",
    "link-folder": "it is a symbolic link",
    dangling: "it is a symbolic link",
    ".hidden": "its name begins with a dot",
    ".git": "its name begins with a dot",
    "back\\slash": "its name is not allowed: it contains a backslash",
    "bad\u001bfolder": "its name is not allowed: it contains a control character",
    pipe: "it is a FIFO, not a regular file",
    "bytes-\ufffd\ufffd": "its name is not UTF-8",
  });
});

test("walks only the folders it is told to, and never through a link", async () => {
  using folder = temporaryFolder();
  folder.write("one/a", "");
  folder.write("two/b", "");
  symlinkSync(folder.at("two"), folder.at("link"));
  expect((await scan(folder.path, ["one"])).files).toEqual(["one/a"]);
  expect((await scan(folder.path, ["link", "missing", "two/b"])).files).toEqual([]);
});

test("names deeper than 32 parts are not shared", async () => {
  using folder = temporaryFolder();
  folder.write(`${"d/".repeat(31)}ok`, "");
  folder.write(`${"d/".repeat(32)}too-deep`, "");
  const { files, skipped } = await scan(folder.path);
  expect(files).toEqual([`${"d/".repeat(31)}ok`]);
  expect([...skipped.keys()]).toEqual(["d/".repeat(32).slice(0, -1)]);
});

test("fails when the folder itself cannot be read", async () => {
  using folder = temporaryFolder();
  expect(scan(join(folder.path, "missing"))).rejects.toThrow("ENOENT");
});

test("10,000 files take well under a second and never keep the thread for long", async () => {
  using folder = temporaryFolder();
  for (let f = 0; f < 10_000; f++) {
    if (f % 100 === 0) mkdirSync(folder.at(`d${f / 100}`));
    writeFileSync(folder.at(`d${Math.floor(f / 100)}/f${f}`), "");
  }
  const began = performance.now();
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  expect((await scan(folder.path)).files).toHaveLength(10_000);
  clearInterval(turning);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(turns).toBeGreaterThan(1);
});

test("a path is not a file any more when a folder above it has become a link", () => {
  using folder = temporaryFolder();
  folder.write("real/a", "");
  symlinkSync(folder.at("real"), folder.at("link"));
  expect(inspectPath(folder.path, "real/a").kind).toBe("file");
  expect(inspectPath(folder.path, "link/a").kind).toBe("absent");
  expect(inspectPath(folder.path, "real").kind).toBe("folder");
  expect(inspectPath(folder.path, "real/a/b").kind).toBe("absent");
  expect(inspectPath(folder.path, ".x/a").kind).toBe("skipped");
});

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { win32 } from "node:path";
import firstMigration from "../../migrations/hash-cache/001-files.sql" with { type: "text" };
import type { FileIdentity } from "../../src/library/file-identity.ts";
import { HashCache } from "../../src/library/hash-cache.ts";
import type { FileHashes } from "../../src/library/hash-messages.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const identity: FileIdentity = {
  dev: 7n,
  ino: 2n ** 64n - 3n,
  sizeBytes: 3_000_000,
  mtimeNs: 1_763_852_000_123_456_789n,
  ctimeNs: 5n,
};
const hashes: FileHashes = {
  identity,
  md5: "0123456789abcdef0123456789abcdef",
  root: "ab".repeat(32),
  chunkHashes: Uint8Array.from({ length: 96 }, (_, i) => i),
};
const hashedMs = 1_763_852_060_000;
const noWarning = (line: string): void => {
  throw new Error(`unexpected: ${line}`);
};

test("knows the hashes of files that are as they were, also after a restart", () => {
  using folder = temporaryFolder();
  const path = folder.at("state/hashes.db");
  let cache = new HashCache(path, noWarning);
  cache.put("/share/a", hashes, hashedMs);
  for (let run = 0; run < 2; run++) {
    expect(cache.find("/share/a", identity)).toMatchObject({ md5: hashes.md5, root: hashes.root });
    expect(cache.find("/share/a", { ...identity, ctimeNs: 9n })).toBeDefined();
    expect(cache.find("/share/b", identity)).toBeUndefined();
    expect(cache.find("/share/a", { ...identity, mtimeNs: identity.mtimeNs + 1n })).toBeUndefined();
    expect(cache.find("/share/a", { ...identity, sizeBytes: 1 })).toBeUndefined();
    expect(cache.find("/share/a", { ...identity, ino: 3n })).toBeUndefined();
    expect(cache.chunkHashes("/share/a", identity, hashes.root)).toEqual(hashes.chunkHashes);
    expect(cache.chunkHashes("/share/a", identity, "cd".repeat(32))).toBeUndefined();
    cache.close();
    cache = new HashCache(path, noWarning);
  }
  cache.close();
  expect(readdirSync(folder.at("state"))).toEqual(["hashes.db"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

describe("hashes are trusted", () => {
  const stillKept = () => true;
  const racy = { ...identity, ctimeNs: BigInt(hashedMs) * 1_000_000n };
  const huge = { ...identity, dev: 2n ** 64n - 5n, ctimeNs: -7n };

  const cases: [string, FileIdentity, FileIdentity, (path: string) => boolean, boolean][] = [
    ["of a file that nobody has touched", identity, identity, stillKept, true],
    ["also by numbers that are larger than those of SQLite", huge, huge, stillKept, true],
    ["not of one with another ctime", identity, { ...identity, ctimeNs: 6n }, stillKept, false],
    ["not of one with an earlier ctime", identity, { ...identity, ctimeNs: 4n }, stillKept, false],
    ["not of one on another device", identity, { ...identity, dev: 8n }, stillKept, false],
    ["not of one that was hashed in the tick of its ctime", racy, racy, stillKept, false],
    ["not where nobody knows what ctime means", identity, identity, (path) => path !== "/share/a", false],
  ];
  test.each(cases)("%s", (_, then, now, isCtimeKept, trusted) => {
    using folder = temporaryFolder();
    let cache = new HashCache(folder.at("hashes.db"), noWarning, isCtimeKept);
    cache.put("/share/a", { ...hashes, identity: then }, hashedMs);
    for (let run = 0; run < 2; run++) {
      const found = cache.find("/share/a", now);
      // The device is a reason for doubt only: disks change their numbers when the machine starts.
      if (run > 0 || now.dev === then.dev) {
        expect(found).toEqual({ md5: hashes.md5, root: hashes.root, trusted });
      }
      cache.close();
      cache = new HashCache(folder.at("hashes.db"), noWarning, isCtimeKept);
    }
    cache.close();
  });

  test("not when they are of an older version, until the file has been hashed again", () => {
    using folder = temporaryFolder();
    const old = new Database(folder.at("hashes.db"));
    old.run(firstMigration);
    old.run("PRAGMA user_version = 1");
    old.run("INSERT INTO files VALUES ('/share/a', ?, ?, ?, ?, ?, ?)", [
      identity.sizeBytes,
      identity.mtimeNs,
      BigInt.asIntN(64, identity.ino),
      Uint8Array.fromHex(hashes.md5),
      Uint8Array.fromHex(hashes.root),
      hashes.chunkHashes,
    ]);
    old.close(true);
    for (const trusted of [false, true]) {
      const cache = new HashCache(folder.at("hashes.db"), noWarning, stillKept);
      expect(cache.find("/share/a", identity)).toEqual({ md5: hashes.md5, root: hashes.root, trusted });
      expect(cache.chunkHashes("/share/a", identity, hashes.root)).toEqual(hashes.chunkHashes);
      cache.put("/share/a", hashes, hashedMs);
      cache.close();
    }
  });
});

test("forgets what is removed at once, and below a folder what is not known", () => {
  using folder = temporaryFolder();
  const cache = new HashCache(folder.at("hashes.db"), noWarning);
  for (const path of ["/s/a", "/s/sub/b", "/s", "/s0", "/s/c"]) cache.put(path, hashes, hashedMs);
  cache.remove("/s/c");
  expect(cache.find("/s/c", identity)).toBeUndefined();
  cache.close();
  const again = new HashCache(folder.at("hashes.db"), noWarning);
  again.prune("/s", (name) => name !== "a");
  const left = ["/s/a", "/s/sub/b", "/s", "/s0", "/s/c"].filter(
    (path) => again.find(path, identity) !== undefined,
  );
  expect(left).toEqual(["/s/a", "/s", "/s0"]);
  again.close();
});

test("forgets below a folder of any system", () => {
  using folder = temporaryFolder();
  const cache = new HashCache(folder.at("hashes.db"), noWarning);
  const paths = ["C:\\s\\sub\\b", "C:\\s\\c", "C:\\s", "C:\\s0"];
  for (const path of paths) cache.put(path, hashes, hashedMs);
  cache.close();
  const again = new HashCache(folder.at("hashes.db"), noWarning);
  const asked: string[] = [];
  again.prune("C:\\s", (name) => asked.push(name) > 0, win32);
  expect(asked.sort()).toEqual(["c", "sub/b"]);
  expect(paths.map((path) => again.find(path, identity) !== undefined)).toEqual([false, false, true, true]);
  again.close();
});

test("two peers share one cache, with thousands of files each", () => {
  using folder = temporaryFolder();
  const one = new HashCache(folder.at("hashes.db"), noWarning);
  const other = new HashCache(folder.at("hashes.db"), noWarning);
  for (let i = 0; i < 2500; i++) {
    one.put(`/one/${i}`, hashes, hashedMs);
    other.put(`/other/${i}`, hashes, hashedMs);
  }
  one.close();
  other.close();
  const database = new Database(folder.at("hashes.db"));
  expect(database.query("SELECT count(*) FROM files").values()).toEqual([[5000]]);
  database.close(true);
});

test("what cannot be written is said once, and not lost while the peer runs", () => {
  using folder = temporaryFolder();
  const warnings: string[] = [];
  const cache = new HashCache(folder.at("hashes.db"), (line) => warnings.push(line));
  const other = new Database(folder.at("hashes.db"));
  other.run("DROP TABLE files");
  cache.put("/share/a", hashes, hashedMs);
  cache.prune("/share", () => true);
  cache.prune("/share", () => true);
  expect(warnings).toHaveLength(1);
  expect(cache.chunkHashes("/share/a", identity, hashes.root)).toEqual(hashes.chunkHashes);
  other.close(true);
  cache.close();
});

test("a damaged cache is set aside", () => {
  using folder = temporaryFolder();
  writeFileSync(folder.at("hashes.db"), "no database at all".repeat(500));
  const warnings: string[] = [];
  const cache = new HashCache(folder.at("hashes.db"), (line) => warnings.push(line));
  cache.put("/share/a", hashes, hashedMs);
  cache.close();
  expect(warnings).toHaveLength(1);
  expect(readdirSync(folder.path)).toHaveLength(2);
});

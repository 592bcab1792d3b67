/** Which files are brought to the disk one by one when those of a whole file system cannot be, or were not. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { isReliable, type SyncAll, syncFiles, tellsLosses } from "../../src/library/sync-files.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

interface Double extends SyncAll {
  /** The folders that it was called with. */
  readonly called: string[];
}

/** A call that answers with `result`, and syncs nothing. */
function answering(result: number, reliable = true): Double {
  const called: string[] = [];
  return {
    called,
    failed: new Set(),
    isReliable: () => reliable,
    call: (fd) => {
      called.push(process.platform === "linux" ? readlinkSync(`/proc/self/fd/${fd}`) : "");
      return result;
    },
  };
}

/** So many in each of three folders. */
function filesIn(folder: TemporaryFolder, each: number): string[] {
  return ["a", "b", "c"].flatMap((name) =>
    Array.from({ length: each }, (_, i) => folder.write(`${name}/${i}`, "x")),
  );
}

describe("the files of a file system", () => {
  test("are synced with one call, whatever folders they lie in", () => {
    using folder = temporaryFolder();
    const all = answering(0);
    const paths = filesIn(folder, 100);
    // What was synced is not opened: that is what is saved.
    rmSync(paths[5]!);
    syncFiles(paths, all);
    syncFiles(paths, all);
    expect(all.called.length).toBe(2);
    if (process.platform === "linux") expect(all.called).toEqual([folder.at("a"), folder.at("a")]);
  });

  test.each<[string, () => Double, number]>([
    ["the call fails", () => answering(-1), 1],
    ["the file system is none to rely on", () => answering(0, false), 0],
  ])("are synced one by one when %s: each that cannot be is noticed", (_, double, calls) => {
    using folder = temporaryFolder();
    const paths = filesIn(folder, 4);
    const all = double();
    syncFiles(paths, all);
    expect(all.called.length).toBe(calls);
    for (const bad of paths) {
      rmSync(bad);
      expect(() => syncFiles(paths, double())).toThrow(bad);
      folder.write(bad.slice(folder.path.length + 1), "x");
    }
  });

  test("are synced one by one from then on, also when the call works again: it had told already", () => {
    using folder = temporaryFolder();
    const paths = filesIn(folder, 4);
    const failing = answering(-1);
    syncFiles(paths, failing);
    expect([...failing.failed]).toEqual([statSync(folder.path).dev]);
    const working = { ...answering(0), failed: failing.failed };
    rmSync(paths[3]!);
    expect(() => syncFiles(paths, working)).toThrow("ENOENT");
    expect(working.called).toEqual([]);
  });

  test("are synced one by one when they are few", () => {
    using folder = temporaryFolder();
    const all = answering(0);
    const paths = filesIn(folder, 2);
    rmSync(paths[2]!);
    expect(() => syncFiles(paths, all)).toThrow("ENOENT");
    expect(all.called).toEqual([]);
  });
});

test("a folder that is missing, or may not be read, costs the others nothing and is no failure of its own", () => {
  using folder = temporaryFolder();
  const paths = filesIn(folder, 4);
  mkdirSync(folder.at("closed"));
  paths.unshift(folder.write("closed/file", "x"));
  // The names of its files can be used all the same.
  chmodSync(folder.at("closed"), 0o300);
  const all = answering(0);
  syncFiles(paths, all);
  expect(all.called.length).toBe(1);
  chmodSync(folder.at("closed"), 0o700);
  expect(() => syncFiles([...paths, folder.at("missing/file")], all)).toThrow("missing/file");
});

test("a thousand files in a few folders are really synced", () => {
  using folder = temporaryFolder();
  syncFiles(filesIn(folder, 334));
  expect(() => syncFiles([])).not.toThrow();
});

test.each([
  ["4.18.0-553.el8.x86_64", false],
  ["5.7.19", false],
  ["5.8", true],
  ["5.10.0-28-amd64", true],
  ["6.18.44", true],
  ["10.0.1-rc1", true],
  ["4.9.0", false],
  ["", false],
  ["of my own", false],
])("Linux %j tells what was lost: %p", (release, expected) => {
  expect(tellsLosses(release)).toBe(expected);
});

describe.if(process.platform === "linux")("a file system", () => {
  test.each(["/proc", "/sys", "/there-is-nothing"])("like that of %s is none to rely on", (folder) => {
    expect(isReliable(folder)).toBe(false);
  });

  test("in memory is one", () => {
    expect(isReliable("/dev/shm")).toBe(true);
  });
});

/** Ways to folders without links: what is done through them happens there and nowhere else. */
import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { systemCode } from "../../src/errors.ts";
import { canWalk, realPlaceOf, WalkedFolder } from "../../src/library/walked-folder.ts";
import { type TemporaryFolder, temporaryFolder, until } from "./temporary-folder.ts";

const workers: Worker[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return systemCode(error);
  }
}

/** A tree with links that lead out of it at every level. */
function tree(): TemporaryFolder {
  const folder = temporaryFolder();
  folder.write("top/a/b/file", "inside");
  folder.write("outside/b/file", "outside");
  symlinkSync(folder.at("outside"), folder.at("top/link"));
  symlinkSync(folder.at("outside/b"), folder.at("top/a/link"));
  symlinkSync(folder.at("top"), folder.at("link-to-top"));
  return folder;
}

/** What is left of a tree by both ways: with calls of its own, and without. */
describe.each([
  ["with calls", undefined],
  ["without", () => undefined],
])("in a folder, %s", (_, calls) => {
  const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

  test("a file is opened, or made, for this process alone", () => {
    using folder = tree();
    const walked = new WalkedFolder(calls);
    const open = (parts: string[], name: string, flags: number, mode?: number) =>
      walked.open(folder.at("top"), parts, name, flags, mode);
    const there = open(["a", "b"], "file", O_RDONLY | O_NOFOLLOW);
    expect(readFileSync(there, "utf8")).toBe("inside");
    if (canWalk) expect(readFileSync(`/proc/self/fdinfo/${there}`, "utf8")).toMatch(/^flags:\t0?2[0-7]{6}$/m);
    closeSync(there);
    const made = open([], "nüw 文", O_WRONLY | O_CREAT | O_EXCL, 0o666);
    writeSync(made, "new");
    closeSync(made);
    expect(readFileSync(folder.at("top/nüw 文"), "utf8")).toBe("new");
    expect(statSync(folder.at("top/nüw 文")).mode & 0o777).toBe(0o666 & ~process.umask());
    walked.close();
    expect(openBelow(folder)).toEqual([]);
  });

  test("what cannot be opened says why", () => {
    using folder = tree();
    symlinkSync("a/b/file", folder.at("top/file-link"));
    const walked = new WalkedFolder(calls);
    const code = (name: string, flags: number, ...parts: string[]) =>
      codeOf(() => walked.open(folder.at("top"), parts, name, flags, 0o600));
    expect(code("none", O_RDONLY)).toBe("ENOENT");
    expect(code("file-link", O_RDONLY | O_NOFOLLOW)).toBe("ELOOP");
    expect(code("file", O_WRONLY | O_CREAT | O_EXCL, "a", "b")).toBe("EEXIST");
    expect(code("file", O_RDONLY, "link", "b")).toBe("ENOTDIR");
    expect(code("n".repeat(256), O_WRONLY | O_CREAT)).toBe("ENAMETOOLONG");
    expect(code("文".repeat(100), O_WRONLY | O_CREAT)).toBe("ENAMETOOLONG");
    expect(
      codeOf(() => walked.open(folder.at("top"), [], "cut\0off", O_WRONLY | O_CREAT, 0o600)),
    ).toBeDefined();
    expect(readdirSync(folder.at("top")).sort()).toEqual(["a", "file-link", "link"]);
    walked.close();
    expect(openBelow(folder)).toEqual([]);
  });
});

test.skipIf(!canWalk)("a file is renamed in its folder, and nothing is replaced", () => {
  using folder = tree();
  for (const name of ["one", "two"]) folder.write(`top/a/${name}`, name);
  const walked = new WalkedFolder();
  const rename = (from: string, to: string) => walked.renameNew(folder.at(`top/a/${from}`), to);
  expect(rename("one", "neu ö")).toBe(true);
  expect(readFileSync(folder.at("top/a/neu ö"), "utf8")).toBe("one");
  expect(rename("two", "neu ö")).toBe(false);
  expect(rename("two", "b")).toBe(false);
  expect(rename("two", "link")).toBe(false);
  expect(rename("two", "n".repeat(256))).toBe(false);
  expect(rename("two", "cut\0off")).toBe(false);
  expect(rename("none", "new")).toBe(false);
  expect(readdirSync(folder.at("top/a")).sort()).toEqual(["b", "link", "neu ö", "two"]);
  expect(readFileSync(folder.at("top/a/two"), "utf8")).toBe("two");
  walked.close();
  expect(new WalkedFolder(() => undefined).renameNew(folder.at("top/a/two"), "three")).toBe(false);
  expect(openBelow(folder)).toEqual([]);
});

describe("a walk", () => {
  test("leads to the folder, through others that are kept for the next one", () => {
    using folder = tree();
    const walked = new WalkedFolder();
    for (const parts of [[], ["a"], ["a", "b"], ["a", "b"], ["a"], []]) {
      const place = walked.to(folder.at("top"), parts);
      expect(readdirSync(place)).toEqual(readdirSync(folder.at(["top", ...parts].join("/"))));
    }
    expect(readFileSync(walked.placeOf(folder.at("top/a/b/file")), "utf8")).toBe("inside");
    writeFileSync(walked.placeOf(folder.at("top/a/new")), "x");
    expect(readFileSync(folder.at("top/a/new"), "utf8")).toBe("x");
    walked.close();
    walked.close();
    expect(openBelow(folder)).toEqual([]);
  });

  test("ends at a link, wherever it is, at a file, and where nothing is", () => {
    using folder = tree();
    const walked = new WalkedFolder();
    const to = (top: string, ...parts: string[]) => codeOf(() => walked.to(folder.at(top), parts));
    expect(to("top", "link")).toBe("ENOTDIR");
    expect(to("top", "link", "b")).toBe("ENOTDIR");
    expect(to("top", "a", "link")).toBe("ENOTDIR");
    expect(to("link-to-top")).toBe("ENOTDIR");
    expect(to("link-to-top", "a")).toBe("ENOTDIR");
    expect(to("top/link/b")).toBe("ENOTDIR");
    expect(to("top", "a", "b", "file")).toBe("ENOTDIR");
    expect(to("top", "none")).toBe("ENOENT");
    walked.close();
    expect(openBelow(folder)).toEqual([]);
  });

  test("goes through folders that may be passed and not read", () => {
    using folder = tree();
    chmodSync(folder.at("top"), 0o300);
    const walked = new WalkedFolder();
    expect(readFileSync(walked.placeOf(folder.at("top/a/b/file")), "utf8")).toBe("inside");
    walked.close();
    chmodSync(folder.at("top"), 0o700);
  });

  test.skipIf(!canWalk)("stays where it led when another folder takes the place", () => {
    using folder = tree();
    const walked = new WalkedFolder();
    walked.to(folder.at("top"), ["a"]);
    renameSync(folder.at("top/a"), folder.at("elsewhere"));
    symlinkSync(folder.at("outside"), folder.at("top/a"));
    writeFileSync(`${walked.to(folder.at("top"), ["a"])}/new`, "x");
    expect(readFileSync(folder.at("elsewhere/new"), "utf8")).toBe("x");
    expect(readdirSync(folder.at("outside"))).toEqual(["b"]);
    walked.close();
    expect(codeOf(() => walked.to(folder.at("top"), ["a"]))).toBe("ENOTDIR");
    walked.close();
  });

  test.skipIf(!canWalk)("is over at the end of the turn when nobody goes on", async () => {
    using folder = tree();
    const walked = new WalkedFolder();
    walked.to(folder.at("top"), ["a"]);
    walked.closeSoon();
    walked.closeSoon();
    expect(openBelow(folder)).toHaveLength(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(openBelow(folder)).toEqual([]);
  });
});

test("a place that the user chose is the one behind the links on the way, and not behind its own", () => {
  using folder = tree();
  expect(realPlaceOf(folder.at("link-to-top/a/new"))).toBe(folder.at("top/a/new"));
  expect(realPlaceOf(folder.at("top/link"))).toBe(folder.at("top/link"));
  expect(codeOf(() => realPlaceOf(folder.at("none/new")))).toBe("ENOENT");
});

// Elsewhere it is only improbable.
test.skipIf(!canWalk)(
  "nothing is ever written outside while a folder is swapped for a link all the time",
  async () => {
    using folder = temporaryFolder();
    folder.write("top/d/sub/old", "");
    mkdirSync(folder.at("outside/sub"), { recursive: true });
    symlinkSync(folder.at("outside"), folder.at("top/link"));
    const worker = new Worker(new URL("swapping-worker.ts", import.meta.url).href);
    workers.push(worker);
    let said: number | "stopped" = 0;
    worker.onmessage = ({ data }: MessageEvent<number | "stopped">) => {
      said = data;
    };
    worker.postMessage({ one: folder.at("top/d"), other: folder.at("top/link"), spare: folder.at("spare") });
    await until(
      () => said !== 0,
      () => "the first swaps",
    );
    const walked = new WalkedFolder();
    const codes = new Map<string | undefined, number>();
    for (let i = 0; i < 5_000; i++) {
      const code = codeOf(() => writeFileSync(walked.placeOf(folder.at("top/d/sub/new")), "x"));
      codes.set(code, (codes.get(code) ?? 0) + 1);
      walked.close();
    }
    worker.postMessage("stop");
    await until(
      () => said === "stopped",
      () => "the end of the swaps",
    );
    expect(readdirSync(folder.at("outside/sub"))).toEqual([]);
    // Otherwise nothing was tried.
    expect(codes.get(undefined) ?? 0).toBeGreaterThan(0);
    expect(codes.get("ENOTDIR") ?? 0).toBeGreaterThan(0);
  },
);

function openBelow(folder: TemporaryFolder): string[] {
  if (!canWalk) return [];
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(folder.path) ? [path] : [];
    } catch {
      // That of the look itself.
      return [];
    }
  });
}

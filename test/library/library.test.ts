/**
 * The whole library on real folders. Every case ends the same way: what is offered is what is in the folder, with
 * the right hashes, and the listener was told exactly that.
 */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { EventEmitter } from "node:events";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { FSWatcher } from "chokidar";
import { ContentHasher } from "../../src/content/merkle.ts";
import { LocalIoError } from "../../src/errors.ts";
import { keepsCtime } from "../../src/library/ctime.ts";
import {
  Library,
  type LibraryOptions,
  type ScanProgress,
  type SharedFile,
} from "../../src/library/library.ts";
import { type TemporaryFolder, temporaryFolder, until } from "./temporary-folder.ts";

/** Many changes on a loaded machine; every wait in here has its own, shorter limit. */
setDefaultTimeout(30_000);

const settleMs = 100;

let folder: TemporaryFolder;
let state: TemporaryFolder;
const running: Watched[] = [];

beforeEach(() => {
  folder = temporaryFolder();
  state = temporaryFolder();
});
afterEach(async () => {
  for (const { library } of running.splice(0)) await library.stop();
  folder[Symbol.dispose]();
  state[Symbol.dispose]();
});

/** A library and everything it said. */
interface Watched {
  library: Library;
  /** What somebody knows who only listens: name to root. */
  told: Map<string, string>;
  calls: { added: string[]; removed: string[] }[];
  progress: ScanProgress[];
  notices: string[];
  readyCount: number;
}

async function start(options: Partial<LibraryOptions> = {}): Promise<Watched> {
  const told = new Map<string, string>();
  const listener = {
    changed(added: SharedFile[], removed: string[]) {
      for (const name of removed) expect(told.delete(name)).toBe(true);
      for (const { name, root } of added) told.set(name, root);
      watched.calls.push({ added: added.map(({ name }) => name), removed });
    },
    progress: (progress: ScanProgress) => void watched.progress.push(progress),
    ready: () => void watched.readyCount++,
    notice: (line: string) => void watched.notices.push(line),
  };
  const library = new Library({
    folder: folder.path,
    cachePath: state.at("hashes.db"),
    threads: 2,
    settleMs,
    rescanMs: 10_000,
    listener,
    ...options,
  });
  const watched: Watched = { library, told, calls: [], progress: [], notices: [], readyCount: 0 };
  running.push(watched);
  await library.start();
  return watched;
}

async function startReady(options: Partial<LibraryOptions> = {}): Promise<Watched> {
  const watched = await start(options);
  await until(
    () => watched.readyCount === 1,
    () => "ready",
  );
  return watched;
}

function rootOf(content: Uint8Array): string {
  const hasher = new ContentHasher(content.length);
  hasher.update(content);
  return hasher.finish().root.toHex();
}

/** What the folder should be offered as. */
function expected(path: string = folder.path, prefix = ""): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const name = prefix + entry.name;
    if (entry.isFile()) files.set(name, rootOf(readFileSync(join(path, entry.name))));
    if (!entry.isDirectory()) continue;
    for (const [below, root] of expected(join(path, entry.name), `${name}/`)) files.set(below, root);
  }
  return files;
}

function difference({ told }: Watched): string[] {
  const should = expected();
  const missing = [...should]
    .filter(([name, root]) => told.get(name) !== root)
    .map(([name]) => `missing ${name}`);
  const tooMany = [...told.keys()].filter((name) => !should.has(name)).map((name) => `not there: ${name}`);
  return [...missing, ...tooMany];
}

async function equal(watched: Watched, limitMs?: number): Promise<void> {
  await until(
    () => difference(watched).length === 0,
    () => `${difference(watched).slice(0, 5).join(", ")}; notices: ${watched.notices.slice(0, 5).join("; ")}`,
    limitMs,
  );
  const { library, told } = watched;
  expect(new Map(Array.from(library.files(), ({ name, root }) => [name as string, root]))).toEqual(told);
  expect(library.fileCount).toBe(told.size);
  expect(library.totalBytes).toBe(
    Array.from(library.files()).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
}

describe("the first scan", () => {
  test("offers what is there, by name and by content", async () => {
    folder.write("a.txt", "same", 60_000);
    folder.write("sub/b.txt", "same", 60_000);
    folder.write("large.bin", new Uint8Array(2_500_000).fill(7), 60_000);
    folder.write("empty", "", 60_000);
    folder.write(".hidden", "", 60_000);
    const watched = await startReady();
    await equal(watched);
    const { library } = watched;
    const same = library.contentOf(rootOf(Buffer.from("same")))!;
    expect([folder.at("a.txt"), folder.at("sub/b.txt")]).toContain(same.path);
    expect(same.chunkHashes).toHaveLength(0);
    const large = library.contentOf(watched.told.get("large.bin")!)!;
    expect(large).toMatchObject({
      path: folder.at("large.bin"),
      sizeBytes: 2_500_000,
      trusted: true,
    });
    expect(large.chunkHashes).toHaveLength(3 * 32);
    expect(large.identity.ino).toBe(statSync(folder.at("large.bin"), { bigint: true }).ino);
    expect(library.contentOf("00".repeat(32))!.path).toBe(folder.at("empty"));
    expect(library.contentOf("11".repeat(32))).toBeUndefined();
    expect(watched.notices).toEqual(["not shared: .hidden: its name begins with a dot"]);
    const [file] = Array.from(library.files()).filter(({ name }) => name === ("a.txt" as string));
    expect(file?.md5).toBe(new Bun.CryptoHasher("md5").update("same").digest("hex"));
  });

  test("an empty folder is ready at once, a missing one is made", async () => {
    const watched = await startReady({ folder: folder.at("new/share") });
    expect(watched.told.size).toBe(0);
    expect(statSync(folder.at("new/share")).isDirectory()).toBe(true);
  });

  test("a folder that is a link is shared, and one that is a file is refused", async () => {
    folder.write("real/a", "a", 60_000);
    symlinkSync(folder.at("real"), folder.at("link"));
    const watched = await startReady({ folder: folder.at("link") });
    expect([...watched.told.keys()]).toEqual(["a"]);
    folder.write("real/b", "b");
    await until(
      () => watched.told.has("b"),
      () => "b",
    );
    expect(start({ folder: folder.at("real/a") })).rejects.toThrow(LocalIoError);
  });

  test("files that are fresh, or from the future, wait until they are still", async () => {
    folder.write("fresh", "x");
    const future = folder.write("future", "y");
    const time = new Date(Date.now() + 3_600_000);
    utimesSync(future, time, time);
    const began = performance.now();
    const watched = await startReady({ settleMs: 300 });
    expect(performance.now() - began).toBeGreaterThan(299);
    await equal(watched);
  });

  test("a start with nothing changed hashes nothing; what changed meanwhile is hashed", async () => {
    for (let i = 0; i < 50; i++) folder.write(`f${i}`, `${i}`, 60_000);
    folder.write("large", new Uint8Array(2_000_000), 60_000);
    await (await startReady()).library.stop();
    folder.write("f7", "changed", 50_000);
    unlinkSync(folder.at("f8"));
    // What is hashed now is trusted now, and not what is only remembered.
    for (const name of ["f9", "large"]) chmodSync(folder.at(name), 0o600);
    const again = await startReady();
    await equal(again);
    expect(again.library.contentOf(again.told.get("f9")!)?.trusted).toBe(false);
    expect(again.library.contentOf(again.told.get("f7")!)?.trusted).toBe(true);
    const large = again.library.contentOf(again.told.get("large")!)!;
    expect([large.trusted, large.chunkHashes.length]).toEqual([false, 64]);
  });

  test("hashes of an earlier start are trusted while nobody has touched the file", async () => {
    // Longer than the margin in ctime.ts: what is hashed sooner after its ctime is not trusted.
    const slowly = { settleMs: 600 };
    for (const name of ["a", "touched", "rewritten"]) folder.write(name, name);
    folder.write("large", new Uint8Array(2_000_000));
    const first = await startReady(slowly);
    const roots = new Map(first.told);
    await first.library.stop();
    chmodSync(folder.at("touched"), 0o600);
    // To the nanosecond the time that it had: only the ctime tells.
    execFileSync("touch", ["-r", folder.at("rewritten"), state.at("time")]);
    writeFileSync(folder.at("rewritten"), "different");
    execFileSync("touch", ["-r", state.at("time"), folder.at("rewritten")]);
    const writtenMs = performance.now();
    folder.write("racy", "racy", 60_000);
    await (await startReady(slowly)).library.stop();
    const hashedSoon = performance.now() < writtenMs + 500;
    const again = await startReady(slowly);
    const isTrusted = (name: string) => again.library.contentOf(again.told.get(name)!)?.trusted;
    const kept = keepsCtime(folder.path);
    expect(["a", "large", "touched", "rewritten"].map(isTrusted)).toEqual([kept, kept, false, false]);
    if (hashedSoon) expect(isTrusted("racy")).toBe(false);
    expect(again.told.get("rewritten")).toBe(roots.get("rewritten"));
    expect(again.library.contentOf(again.told.get("large")!)?.chunkHashes).toHaveLength(64);
  });
});

describe("changes", () => {
  test("create, modify, append, touch, atomic save, rename, delete", async () => {
    folder.write("keep", "keep", 60_000);
    const watched = await startReady();
    folder.write("a", "1");
    await equal(watched);
    folder.write("a", "2");
    await equal(watched);
    appendFileSync(folder.at("a"), "3");
    await equal(watched);
    const callsBefore = watched.calls.length;
    utimesSync(folder.at("a"), 1_000_000, 1_000_000);
    await until(
      () => watched.calls.slice(callsBefore).some(({ added }) => added.includes("a")),
      () => "a again",
    );
    expect(watched.calls[callsBefore]).toEqual({ added: [], removed: ["a"] });
    folder.write(".a.swp", "4");
    renameSync(folder.at(".a.swp"), folder.at("a"));
    await equal(watched);
    renameSync(folder.at("a"), folder.at("b"));
    await equal(watched);
    unlinkSync(folder.at("b"));
    await equal(watched);
    expect([...watched.told.keys()]).toEqual(["keep"]);
  });

  test("one that is written to all the time keeps nobody waiting", async () => {
    folder.write("busy", "0");
    folder.write("still", "1", 60_000);
    const watched = await start({ settleMs: 1_000 });
    await until(
      () => watched.told.has("still"),
      () => "the other one",
    );
    await until(
      () => {
        appendFileSync(folder.at("busy"), "more");
        return watched.readyCount === 1;
      },
      () => "ready",
      5_000,
    );
    expect([...watched.told.keys()]).toEqual(["still"]);
  });

  test("a slow copy is not offered half-way, and soon after", async () => {
    const watched = await startReady({ settleMs: 400 });
    const file = openSync(folder.at("slow"), "w");
    for (let i = 0; i < 12; i++) {
      writeSync(file, "part of it");
      await Bun.sleep(100);
    }
    expect(watched.calls).toEqual([]);
    closeSync(file);
    const began = performance.now();
    await equal(watched);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(watched.calls).toHaveLength(1);
  });

  test("an offered file that is written to is withdrawn at once", async () => {
    folder.write("a", "1", 60_000);
    const watched = await startReady({ settleMs: 60_000 });
    const root = watched.told.get("a")!;
    appendFileSync(folder.at("a"), "2");
    await until(
      () => !watched.told.has("a"),
      () => "a withdrawn",
      1_000,
    );
    expect(watched.library.contentOf(root)).toBeUndefined();
  });

  test("folders moved in, out and within, mkdir -p races and rm -r", async () => {
    using outside = temporaryFolder();
    outside.write("in/deep/er/a", "a", 60_000);
    outside.write("in/b", "b", 60_000);
    folder.write("one/two/c", "c", 60_000);
    const watched = await startReady();
    renameSync(outside.at("in"), folder.at("in"));
    await equal(watched);
    renameSync(folder.at("in/deep"), folder.at("one/deep"));
    await equal(watched);
    folder.write("one/deep/er/late", "written after the move");
    await equal(watched);
    for (let i = 0; i < 20; i++) folder.write(`p${i}/q/r/s/f`, `${i}`);
    await equal(watched);
    renameSync(folder.at("one"), outside.at("one"));
    await equal(watched);
    rmSync(folder.at("p3"), { recursive: true });
    rmSync(folder.at("in"), { recursive: true });
    await equal(watched);
  });

  test("2,000 files at once, and all gone", async () => {
    const watched = await startReady();
    for (let i = 0; i < 2000; i++) folder.write(`d${i % 20}/f${i}`, `${i}`);
    await equal(watched);
    expect(watched.told.size).toBe(2000);
    for (let i = 0; i < 20; i++) rmSync(folder.at(`d${i}`), { recursive: true });
    await equal(watched);
    expect(watched.told.size).toBe(0);
  });

  test("a file becomes a folder, a link, a FIFO, and a file again", async () => {
    using outside = temporaryFolder();
    outside.write("secret", "not yours");
    const path = folder.write("a", "1", 60_000);
    const watched = await startReady();
    unlinkSync(path);
    folder.write("a/below", "2");
    await equal(watched);
    rmSync(path, { recursive: true });
    symlinkSync(outside.path, path);
    await equal(watched);
    unlinkSync(path);
    symlinkSync(outside.at("secret"), path);
    await equal(watched);
    unlinkSync(path);
    Bun.spawnSync(["mkfifo", path]);
    await until(
      () => watched.notices.some((line) => line.includes("FIFO")),
      () => watched.notices.join("; "),
    );
    await equal(watched);
    unlinkSync(path);
    writeFileSync(path, "3");
    await equal(watched);
    expect(watched.told.size).toBe(1);
  });

  test("the shared folder is deleted and comes back", async () => {
    folder.write("share/a", "a", 60_000);
    const watched = await startReady({ folder: folder.at("share"), rescanMs: 100 });
    rmSync(folder.at("share"), { recursive: true });
    await until(
      () => watched.told.size === 0,
      () => "nothing offered",
    );
    await until(
      () => watched.notices.length > 0,
      () => "a notice",
    );
    await Bun.sleep(250);
    expect(watched.notices).toHaveLength(1);
    expect(watched.notices[0]).toContain("cannot be read any more");
    folder.write("share/b", "b");
    await until(
      () => watched.told.has("b"),
      () => "b",
    );
    folder.write("share/sub/c", "c");
    await until(
      () => watched.told.has("sub/c"),
      () => "the new folder is watched",
    );
    expect(watched.notices[1]).toContain("is there again");
  });
});

test.each(["share", "above"])(
  "A27 a link takes the place of the shared folder, or of one above it (%s): nothing is shared until it is gone",
  async (swapped) => {
    folder.write("above/share/a", "mine", 60_000);
    folder.write("outside/share/a", "not yours");
    folder.write("outside/share/secret", "not yours");
    const watched = await startReady({ folder: folder.at("above/share"), rescanMs: 50 });
    const place = folder.at(swapped === "share" ? "above/share" : "above");
    renameSync(place, folder.at("away"));
    symlinkSync(folder.at(swapped === "share" ? "outside/share" : "outside"), place);
    // Of what happens above it the folder hears nothing; who is to serve the file finds that it is not there.
    if (swapped === "above") watched.library.suspect(folder.at("above/share/a"));
    await until(
      () => watched.told.size === 0 && watched.notices.length > 0,
      () => watched.notices.join("; "),
    );
    if (swapped === "share") expect(watched.notices[0]).toContain("a symbolic link has taken its place");
    const outside = rootOf(Buffer.from("not yours"));
    for (let looks = 0; looks < 20; looks++) {
      folder.write("outside/share/new", `${looks}`);
      await Bun.sleep(10);
      expect(watched.library.contentOf(outside)).toBeUndefined();
    }
    expect([...watched.calls.flatMap(({ added }) => added)]).toEqual(["a"]);
    unlinkSync(place);
    renameSync(folder.at("away"), place);
    utimesSync(folder.at("above/share/a"), new Date(), new Date());
    await until(
      () => watched.told.get("a") === rootOf(Buffer.from("mine")),
      () => "shared again",
    );
  },
);

describe("a folder that is away for a while", () => {
  test("comes back with what was known of its files", async () => {
    folder.write("share/a", "a", 60_000);
    folder.write("share/sub/b", "b", 60_000);
    const watched = await startReady({ folder: folder.at("share"), rescanMs: 50 });
    renameSync(folder.at("share"), folder.at("away"));
    await until(
      () => watched.told.size === 0,
      () => "nothing offered",
    );
    for (const name of ["a", "sub/b"]) chmodSync(folder.at(`away/${name}`), 0o600);
    renameSync(folder.at("away"), folder.at("share"));
    await until(
      () => watched.told.size === 2,
      () => "all offered",
    );
    for (const root of watched.told.values()) {
      expect(watched.library.contentOf(root)?.trusted).toBe(false);
    }
  });

  test.each(["", "disk/"])("is not forgotten by a start without it (%p)", async (mountPoint) => {
    folder.write(`share/${mountPoint}a`, "a", 60_000);
    if (mountPoint !== "") folder.write("share/deleted", "x", 60_000);
    folder.write("share/sub/deleted", "x", 60_000);
    const options = { folder: folder.at("share") };
    await (await startReady(options)).library.stop();
    // As when a disk has not been mounted.
    const disk = folder.at(`share/${mountPoint}`);
    renameSync(disk, folder.at("away"));
    mkdirSync(disk);
    if (mountPoint !== "") {
      unlinkSync(folder.at("share/deleted"));
      unlinkSync(folder.at("share/sub/deleted"));
      rmdirSync(folder.at("share/sub"));
    }
    await (await startReady(options)).library.stop();
    const { Database } = await import("bun:sqlite");
    const database = new Database(state.at("hashes.db"));
    const left = database.query("SELECT path FROM files").values().flat();
    database.close(true);
    expect(left).toContain(folder.at(`share/${mountPoint}a`));
    // Those were deleted for all that can be seen.
    if (mountPoint !== "") expect(left).toHaveLength(1);
    rmdirSync(disk);
    renameSync(folder.at("away"), disk);
    // Hashed again it would be trusted.
    chmodSync(folder.at(`share/${mountPoint}a`), 0o600);
    const watched = await startReady(options);
    expect(watched.library.contentOf(rootOf(Buffer.from("a")))?.trusted).toBe(false);
  });
});

describe("what the uploader finds", () => {
  test("a file that is written to and given its old time is not trusted, and hashed again once it is suspect", async () => {
    const path = folder.write("a", "old", 60_000);
    const { atime, mtime } = statSync(path);
    const watched = await startReady({ rescanMs: 50 });
    const old = watched.told.get("a")!;
    expect(watched.library.contentOf(old)?.trusted).toBe(true);
    writeFileSync(path, "new");
    utimesSync(path, atime, mtime);
    await until(
      () => watched.library.contentOf(old)?.trusted !== true,
      () => "the doubt",
    );
    watched.library.suspect(path);
    expect(watched.library.contentOf(old)).toBeUndefined();
    await equal(watched);
    expect(watched.library.contentOf(watched.told.get("a")!)?.trusted).toBe(true);
  });

  test("a suspect file is withdrawn at once and hashed again, whatever the cache knows", async () => {
    const path = folder.write("a", "old", 60_000);
    const { atime, mtime } = statSync(path);
    const watched = await startReady();
    const old = watched.told.get("a")!;
    // Behind everybody's back: same size, same time.
    writeFileSync(path, "new");
    utimesSync(path, atime, mtime);
    watched.library.suspect(path);
    expect(watched.library.contentOf(old)).toBeUndefined();
    await equal(watched);
    expect(watched.library.contentOf(watched.told.get("a")!)?.trusted).toBe(true);
  });

  test("a file that is touched while it is read is offered as what was read, not as what it is then", async () => {
    const path = folder.write("large", "", 60_000);
    truncateSync(path, 300 * 1024 * 1024);
    utimesSync(path, 1e9, 1e9);
    const watched = await start({ rescanMs: 50 });
    await until(
      () => watched.progress.some(({ bytes }) => bytes > 0),
      () => "the reading",
    );
    const before = statSync(path, { bigint: true });
    const fd = openSync(path, "r+");
    writeSync(fd, "x");
    closeSync(fd);
    utimesSync(path, 1e9, 1e9);
    await until(
      () => watched.told.has("large"),
      () => "the offer",
    );
    const { trusted, identity } = watched.library.contentOf(watched.told.get("large")!)!;
    expect(trusted && identity.ctimeNs !== before.ctimeNs).toBe(false);
  });

  test("chunk hashes that the cache has lost are made again", async () => {
    folder.write("large", new Uint8Array(3_000_000), 60_000);
    await (await startReady()).library.stop();
    const watched = await startReady();
    const { Database } = await import("bun:sqlite");
    const database = new Database(state.at("hashes.db"));
    database.run("DELETE FROM files");
    database.close(true);
    const root = watched.told.get("large")!;
    expect(watched.library.contentOf(root)).toBeUndefined();
    await until(
      () => watched.library.contentOf(root) !== undefined,
      () => "the content again",
    );
  });
});

describe("trouble", () => {
  class FakeWatcher extends EventEmitter {
    closed = false;
    async close(): Promise<void> {
      this.closed = true;
    }
  }

  test("F28: a watcher that fails is said once, and the folder is walked instead", async () => {
    folder.write("a", "a", 60_000);
    const watchers: FakeWatcher[] = [];
    const watch = () => {
      watchers.push(new FakeWatcher());
      return watchers.at(-1) as unknown as FSWatcher;
    };
    const watched = await startReady({ rescanMs: 100, watch });
    const [watcher] = watchers;
    watcher?.emit("ready");
    for (let i = 0; i < 10; i++) watcher?.emit("error", Object.assign(new Error("no"), { code: "ENOSPC" }));
    expect(watched.notices).toHaveLength(1);
    expect(watched.notices[0]).toContain("fs.inotify.max_user_watches");
    expect(watcher?.closed).toBe(true);
    folder.write("sub/b", "b");
    await equal(watched);
    unlinkSync(folder.at("a"));
    await equal(watched);
    expect(watched.notices).toHaveLength(1);
  });

  test("a changed mode withdraws nothing", async () => {
    folder.write("a", "1", 60_000);
    // Most watchers do not report it; a scan sees it.
    const watched = await startReady({
      rescanMs: 50,
      watch: () => new FakeWatcher() as unknown as FSWatcher,
    });
    const before = watched.library.contentOf(watched.told.get("a")!)!.identity.ctimeNs;
    chmodSync(folder.at("a"), 0o600);
    await until(
      () => watched.library.contentOf(watched.told.get("a")!)?.identity.ctimeNs !== before,
      () => "the new ctime",
    );
    expect(watched.calls).toHaveLength(1);
  });

  test("a watcher that never becomes ready does no harm", async () => {
    const watch = () => new FakeWatcher() as unknown as FSWatcher;
    const watched = await startReady({ rescanMs: 100, watch });
    folder.write("a", "a");
    await equal(watched);
  });

  test("stop ends everything, at any moment, and twice", async () => {
    for (let i = 0; i < 200; i++) folder.write(`d${i % 7}/f${i}`, "x".repeat(i), 60_000);
    for (const afterMs of [0, 1, 5, 20, 50]) {
      const watched = await start();
      await Bun.sleep(afterMs);
      await Promise.all([watched.library.stop(), watched.library.stop()]);
      const calls = watched.calls.length;
      folder.write("late", `${afterMs}`);
      await Bun.sleep(30);
      expect(watched.calls).toHaveLength(calls);
    }
  });
});

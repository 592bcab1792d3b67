import { afterEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { ContentHasher } from "../../src/content/merkle.ts";
import { identityOf } from "../../src/library/file-identity.ts";
import type { HashOutcome } from "../../src/library/hash-messages.ts";
import { type HashJob, HashPool, type HashPoolOptions } from "../../src/library/hash-pool.ts";
import { canHashPairs } from "../helpers/can-hash-pairs.ts";
import { temporaryFolder, until } from "./temporary-folder.ts";

const mib = 1024 * 1024;
const pools: HashPool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stop()));
});

function newPool(options: Partial<HashPoolOptions> = {}): HashPool {
  const pool = new HashPool({ threads: 2, ...options });
  pools.push(pool);
  return pool;
}

function hash(pool: HashPool, path: string, sizeBytes: number = lstatSync(path).size): Promise<HashOutcome> {
  const { promise, resolve } = Promise.withResolvers<HashOutcome>();
  pool.add({ folder: dirname(path), path, sizeBytes, done: resolve });
  return promise;
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31) ^ (i >> 8));
}

function expectedOf(path: string, content: Uint8Array): HashOutcome {
  const tree = new ContentHasher(content.length);
  tree.update(content);
  const { root, chunkHashes } = tree.finish();
  const identity = identityOf(lstatSync(path, { bigint: true }));
  const md5 = createHash("md5").update(content).digest("hex");
  return { kind: "hashed", hashes: { identity, md5, root: root.toHex(), chunkHashes } };
}

// Around the 64 KiB that are read at once, the leaf, the chunk, and several chunks.
test.each([0, 1, 16_384, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, mib, mib + 1, 5 * mib + 12_345])(
  "hashes a file of %d bytes like everybody else",
  async (length) => {
    using folder = temporaryFolder();
    const content = bytes(length);
    const path = folder.write("file", content);
    const outcome = await hash(newPool(), path);
    expect(outcome).toEqual(expectedOf(path, content));
  },
);

test("hashes a file of many chunks, two leaves at a time where that can be done, like everybody else", async () => {
  using folder = temporaryFolder();
  const content = bytes(16 * mib + 3 * 16_384 + 7);
  const path = folder.write("file", content);
  const pool = newPool();
  expect(await hash(pool, path)).toEqual(expectedOf(path, content));
  // And again, after the worker had nothing to do and freed what it hashes with.
  expect(await hash(pool, path)).toEqual(expectedOf(path, content));
}, 20_000);

test.if(canHashPairs)(
  "workers that have hashed a large file leave no memory behind that can be executed",
  async () => {
    using folder = temporaryFolder();
    const path = folder.write("file", bytes(16 * mib + 1));
    const code = () =>
      readFileSync("/proc/self/maps", "utf8").match(/ r-xp 00000000 00:00 0 *$/gm)?.length ?? 0;
    // What a first worker takes for itself is not counted.
    await hash(newPool(), path);
    await pools[0]?.stop();
    const before = code();
    for (let i = 0; i < 3; i++) {
      const pool = newPool();
      await hash(pool, path);
      await until(
        () => code() <= before,
        () => `${code()} instead of ${before}`,
      );
      await pool.stop();
    }
  },
  20_000,
);

test("hashes files of all sizes side by side like everybody else", async () => {
  using folder = temporaryFolder();
  // Small and large (above 4 MiB) ones, many more than go at once, with every remainder of a block.
  const sizes = Array.from({ length: 150 }, (_, i) => (i % 10 === 9 ? 5 * mib : 10_000) + i * 1_001);
  const all = bytes(Math.max(...sizes));
  const pool = newPool();
  const outcomes = sizes.map((size) => hash(pool, folder.write(`f${size}`, all.subarray(0, size))));
  for (const [at, size] of sizes.entries()) {
    expect(await outcomes[at]).toEqual(expectedOf(folder.at(`f${size}`), all.subarray(0, size)));
  }
});

test("a file that is no regular file (any more) is reported as changed", async () => {
  using folder = temporaryFolder();
  const path = folder.write("file", "x");
  symlinkSync(path, folder.at("link"));
  mkdirSync(folder.at("folder"));
  expect(Bun.spawnSync(["mkfifo", folder.at("pipe")]).exitCode).toBe(0);
  const pool = newPool();
  for (const name of ["missing", "file/below", "link", "folder", "pipe"]) {
    expect([name, await hash(pool, folder.at(name), 1)]).toEqual([name, { kind: "changed" }]);
  }
});

test("a file that a link in its folder leads to is reported as changed", async () => {
  using folder = temporaryFolder();
  const path = folder.write("outside/file", "x");
  mkdirSync(folder.at("share"));
  symlinkSync(folder.at("outside"), folder.at("share/sub"));
  const { promise, resolve } = Promise.withResolvers<HashOutcome>();
  newPool().add({
    folder: folder.at("share"),
    path: folder.at("share/sub/file"),
    sizeBytes: 1,
    done: resolve,
  });
  expect(await promise).toEqual({ kind: "changed" });
  expect((await hash(newPool(), path)).kind).toBe("hashed");
});

test.skipIf(process.platform !== "linux")("a pool that is stopped leaves no file open", async () => {
  using folder = temporaryFolder();
  const path = folder.write("large", "");
  truncateSync(path, 40_000 * mib);
  const isOpen = () =>
    readdirSync("/proc/self/fd").some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === path;
      } catch {
        return false;
      }
    });
  let doneCount = 0;
  for (let i = 0; i < 3; i++) {
    const pool = newPool();
    for (let job = 0; job < 3; job++) {
      pool.add({ folder: folder.path, path, sizeBytes: 40_000 * mib, done: () => doneCount++ });
    }
    await until(isOpen, () => "the file to be read");
    await Promise.all([pool.stop(), pool.stop()]);
    expect(isOpen()).toBe(false);
    expect(pool.workerCount).toBe(0);
  }
  expect(doneCount).toBe(0);
});

/** As it began, and not a byte longer. */
function overwrite(path: string, text: string): void {
  const file = openSync(path, "r+");
  writeSync(file, text, 0);
  closeSync(file);
}

test.each([
  ["grows", (path: string) => appendFileSync(path, "more")],
  ["shrinks", (path: string) => truncateSync(path, 1)],
  ["is written to", (path: string) => overwrite(path, "x")],
])("a file that %s while it is read is reported as changed", async (_, change) => {
  using folder = temporaryFolder();
  const path = folder.write("large", "");
  truncateSync(path, 200 * mib);
  const pool = newPool();
  const outcome = hash(pool, path);
  await until(
    () => pool.bytesInProgress > 0,
    () => "no progress",
  );
  change(path);
  expect(await outcome).toEqual({ kind: "changed" });
});

test("a file that is touched while it is read has the ctime from before", async () => {
  using folder = temporaryFolder();
  const path = folder.write("large", "");
  truncateSync(path, 200 * mib);
  const before = identityOf(lstatSync(path, { bigint: true }));
  const pool = newPool();
  const outcome = hash(pool, path);
  await until(
    () => pool.bytesInProgress > 0,
    () => "no progress",
  );
  chmodSync(path, 0o600);
  expect(await outcome).toMatchObject({ kind: "hashed", hashes: { identity: before } });
  expect(lstatSync(path, { bigint: true }).ctimeNs).not.toBe(before.ctimeNs);
});

test("small files are done while all workers are full of large ones, and a cancelled one is given up", async () => {
  using folder = temporaryFolder();
  const pool = newPool();
  const done: string[] = [];
  const add = (name: string): HashJob => {
    const job = {
      folder: folder.path,
      path: folder.at(name),
      sizeBytes: lstatSync(folder.at(name)).size,
      done: () => done.push(name),
    };
    pool.add(job);
    return job;
  };
  const large: HashJob[] = [];
  for (let i = 0; i < 9; i++) {
    truncateSync(folder.write(`large-${i}`, ""), 40_000 * mib);
    large.push(add(`large-${i}`));
  }
  await until(
    () => pool.bytesInProgress > 0,
    () => "no progress",
  );
  for (let i = 0; i < 50; i++) folder.write(`small-${i}`, "x".repeat(i));
  for (let i = 0; i < 50; i++) add(`small-${i}`);
  await until(
    () => done.length === 50,
    () => `${done.length} done`,
  );
  for (const job of large) pool.cancel(job);
  folder.write("after", new Uint8Array(5 * mib));
  add("after");
  await until(
    () => done.includes("after"),
    () => "the worker to be free again",
  );
  await until(
    () => pool.bytesInProgress === 0,
    () => "all given up",
  );
  expect(done).toHaveLength(51);
});

test("starts no more workers than allowed, and ends them when idle", async () => {
  using folder = temporaryFolder();
  const pool = newPool({ idleMs: 50 });
  expect(pool.workerCount).toBe(0);
  const all = Array.from({ length: 300 }, (_, i) => hash(pool, folder.write(`f${i}`, `${i}`)));
  expect(pool.workerCount).toBe(2);
  for (const outcome of await Promise.all(all)) expect(outcome.kind).toBe("hashed");
  await until(
    () => pool.workerCount === 0,
    () => `${pool.workerCount} workers`,
  );
  expect((await hash(pool, folder.at("f1"))).kind).toBe("hashed");
});

test("ends them soon when they have hashed many files", async () => {
  using folder = temporaryFolder();
  const pool = newPool({ idleMs: 60_000 });
  const path = folder.write("file", "x");
  for (const outcome of await Promise.all(Array.from({ length: 1_000 }, () => hash(pool, path))))
    expect(outcome.kind).toBe("hashed");
  await until(
    () => pool.workerCount === 0,
    () => `${pool.workerCount} workers`,
  );
});

test("the jobs of a worker that fails fail, and the pool goes on", async () => {
  using folder = temporaryFolder();
  const path = folder.write("file", "x");
  const broken = newPool({ entry: "library/there-is-no-such-worker.ts" });
  const outcome = await hash(broken, path);
  expect(outcome.kind).toBe("failed");
  expect((await hash(broken, path)).kind).toBe("failed");
});

test.skipIf(process.platform !== "linux")(
  "a pool that is stopped at its last answer leaves nothing open",
  async () => {
    using folder = temporaryFolder();
    const path = folder.write("deep/er/file", bytes(30_000));
    for (let i = 0; i < 20; i++) {
      const pool = newPool({ threads: 1 });
      expect((await hash(pool, path)).kind).toBe("hashed");
      await pool.stop();
    }
    const open = readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder.path);
      } catch {
        // That of the look itself.
        return false;
      }
    });
    expect(open).toEqual([]);
  },
);

/** Files that somebody else may have written or spoiled, read as the program reads them. */
import { Database } from "bun:sqlite";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { LocalIoError } from "../../../src/errors.ts";
import type { FileIdentity } from "../../../src/library/file-identity.ts";
import { HashCache } from "../../../src/library/hash-cache.ts";
import { PartialFile } from "../../../src/library/partial-file.ts";
import { ProcessLock } from "../../../src/process-lock.ts";
import { History } from "../../../src/prompt/history.ts";
import { fingerprintOfCertificate } from "../../../src/trust/fingerprint.ts";
import { identityIn } from "../../../src/trust/identity.ts";
import { testContent } from "../../helpers/contents.ts";
import { decoded, must, mustBeSame, type Running, shapeOf, type Target } from "../target.ts";

const isLocal = (error: unknown) => error instanceof LocalIoError;

/** Runs with a folder of its own. */
function inFolder(
  use: (folder: string) => Running["run"] | { run: Running["run"]; end: () => void },
): Target["begin"] {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), "p2p-fuzz-"));
    const used = use(folder);
    const { run, end } = typeof used === "function" ? { run: used, end: () => {} } : used;
    return {
      run,
      end: () => {
        end();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };
}

// --- the hash cache ---

const identity: FileIdentity = { dev: 7n, ino: 3n, sizeBytes: 3_000_000, mtimeNs: 5n, ctimeNs: 6n };
const hashes = {
  identity,
  md5: "0123456789abcdef".repeat(2),
  root: "ab".repeat(32),
  chunkHashes: new Uint8Array(96),
};
const path = "/share/a";

/** What it says of a file is what the wire can carry, or nothing. */
function checkFound(cache: HashCache): string {
  const found = cache.find(path, identity);
  if (found === undefined) return "nothing";
  must(
    /^[0-9a-f]{32}$/.test(found.md5) && /^[0-9a-f]{64}$/.test(found.root),
    `hashes ${found.md5} ${found.root}`,
  );
  must(typeof found.trusted === "boolean", "neither trusted nor not");
  const chunks = cache.chunkHashes(path, identity, found.root);
  must(
    chunks === undefined || (chunks instanceof Uint8Array && chunks.length === 96),
    "no hashes of its chunks",
  );
  return `found ${found.trusted} ${chunks !== undefined}`;
}

const hashCacheRows: Target = {
  name: "hash-cache-rows",
  maxBytes: 4 * 1024,
  // Device, ctime, MD5, root and chunk hashes; what begins with `x` are bytes.
  seeds: () => [
    JSON.stringify([7, 6, `x${hashes.md5}`, `x${hashes.root}`, `x${"00".repeat(96)}`]),
    JSON.stringify([null, null, hashes.md5, hashes.root, ""]),
    JSON.stringify([7, 7, `x${hashes.md5}00`, `x${hashes.root}`, `x${"00".repeat(64)}`]),
  ],
  inCheck: 200,
  leastMs: 50,
  begin: inFolder((folder) => {
    const file = join(folder, "hashes.db");
    const other = new Database(file);
    // The columns of our table, but they take everything.
    other.run(`CREATE TABLE files (
      path TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
      device INTEGER, ctime_ns INTEGER, md5 BLOB NOT NULL, root BLOB NOT NULL, chunk_hashes BLOB NOT NULL)`);
    other.run("PRAGMA user_version = 2");
    other.run("PRAGMA synchronous = OFF");
    const cache = new HashCache(file, () => {});
    const insert = other.prepare("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const key = [path, identity.sizeBytes, identity.mtimeNs, identity.ino];
    return {
      run: (input) => {
        insert.run(...key, ...columnsOf(Buffer.from(input).toString()));
        return checkFound(cache);
      },
      end: () => {
        cache.close();
        other.close(true);
      },
    };
  }),
};

/** Five values of any kinds that SQLite has; the first two may be null. */
function columnsOf(text: string): (string | number | null | Uint8Array)[] {
  const values = listIn(text);
  return Array.from({ length: 5 }, (_, i) => {
    const value = values[i];
    if (typeof value === "string") return value.startsWith("x") ? Buffer.from(value.slice(1), "hex") : value;
    return typeof value === "number" ? value : i < 2 ? null : "";
  });
}

function listIn(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch {
    return [text];
  }
}

const hashCacheFile: Target = {
  name: "hash-cache-file",
  maxBytes: 64 * 1024,
  seeds: () => [seedDatabase()],
  inCheck: 40,
  leastMs: 200,
  begin: inFolder((folder) => {
    let count = 0;
    return (input) => {
      const home = join(folder, String(count++));
      mkdirSync(home);
      try {
        const file = join(home, "hashes.db");
        writeFileSync(file, input);
        const result = decoded(() => new HashCache(file, () => {}), isLocal);
        if ("refusal" in result) return result.refusal;
        const cache = result.message;
        const word = checkFound(cache);
        cache.put("/share/b", hashes, 1);
        cache.prune("/share", () => false);
        cache.close();
        return word;
      } finally {
        rmSync(home, { recursive: true });
      }
    };
  }),
};

function seedDatabase(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "p2p-fuzz-"));
  try {
    const cache = new HashCache(
      join(folder, "hashes.db"),
      () => {},
      () => true,
    );
    cache.put(path, hashes, 1_000);
    cache.close();
    return readFileSync(join(folder, "hashes.db"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// --- partial files ---

const content = testContent(2 * 1024 * 1024 + 9);
const base = `.p2p-${content.root.slice(0, 16)}`;

const partialFile: Target = {
  name: "partial-file",
  maxBytes: 4 * 1024,
  seeds: () => [
    content.chunkHashes,
    content.chunkHashes.subarray(1),
    new Uint8Array(96),
    "",
    Buffer.concat([content.chunkHashes, Buffer.of(0)]),
  ],
  inCheck: 200,
  leastMs: 50,
  begin: inFolder((folder) => (input) => {
    writeFileSync(join(folder, `${base}.hashes`), input);
    // The mode of a partial file of ours: others would be thrown away.
    writeFileSync(join(folder, `${base}.part`), input, { mode: 0o600 });
    const { root, sizeBytes } = content;
    const partial = PartialFile.open({ target: join(folder, "target"), root, sizeBytes, checkSpace: true });
    try {
      const read = partial.readChunkHashes();
      if (read !== undefined)
        mustBeSame("hashes of another content", Buffer.from(read), Buffer.from(content.chunkHashes));
      must(partial.chunksOnDisk <= 3, "more chunks than there are");
      return `${read === undefined} ${partial.chunksOnDisk}`;
    } finally {
      partial.close();
    }
  }),
};

const lockFile: Target = {
  name: "lock-file",
  maxBytes: 8 * 1024,
  seeds: () => [
    '{"pid":1,"started":"1","host":"elsewhere"}',
    JSON.stringify({ pid: 999_999_999, started: "1", host: hostname() }),
    JSON.stringify({ pid: process.pid, host: hostname() }),
    "",
  ],
  inCheck: 200,
  leastMs: 50,
  begin: inFolder((folder) => (input) => {
    const lock = join(folder, "lock");
    rmSync(lock, { force: true });
    writeFileSync(lock, input);
    const result = decoded(() => ProcessLock.acquire(lock, "testing"), isLocal);
    if ("refusal" in result) return result.refusal;
    result.message.release();
    return "taken over";
  }),
};

// --- what is kept between runs ---

/** What stands for the key is none: it is not looked at before TLS needs it. */
const identityFile: Target = {
  name: "identity-file",
  maxBytes: 32 * 1024,
  seeds: () => [],
  inCheck: 200,
  leastMs: 50,
  begin: inFolder((folder) => async (input) => {
    writeFileSync(join(folder, "identity.pem"), input, { mode: 0o600 });
    try {
      const identity = await identityIn(folder);
      mustBeSame("the fingerprint", identity.fingerprint, fingerprintOfCertificate(identity.certificatePem));
      return shapeOf(identity);
    } catch (error) {
      if (!isLocal(error)) throw error;
      return "refused";
    }
  }),
};

const historyFile: Target = {
  name: "history-file",
  maxBytes: 256 * 1024,
  seeds: () => ["QUERY a.iso\nSEARCH b\n", "x\n".repeat(1_100)],
  inCheck: 100,
  leastMs: 50,
  begin: inFolder((folder) => (input) => {
    const file = join(folder, "history");
    writeFileSync(file, input);
    const history = new History(file, () => {});
    must(
      history.lines.length <= 1_000 && history.lines.every((line) => line !== "" && !line.includes("\n")),
      "no lines",
    );
    history.add("EXIT");
    return String(Math.min(history.lines.length, 5));
  }),
};

export const fileTargets: readonly Target[] = [
  hashCacheRows,
  hashCacheFile,
  partialFile,
  lockFile,
  identityFile,
  historyFile,
];

/**
 * Remembers the hashes of files across runs, so that a start with nothing changed reads no file. A hint and not a
 * truth: losing it costs time only. Several peers may share it at the same time.
 */
import type { Database, Statement } from "bun:sqlite";
import filesSql from "../../migrations/hash-cache/001-files.sql" with { type: "text" };
import ctimeSql from "../../migrations/hash-cache/002-ctime.sql" with { type: "text" };
import { chunkCountOf } from "../content/chunks.ts";
import { hashBytes } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { openRebuildableDatabase } from "../sqlite.ts";
import { ctimeShowsWritesAfter, keepsCtime } from "./ctime.ts";
import { type FileIdentity, sameContentIdentity, sameIdentity } from "./file-identity.ts";
import type { FileHashes } from "./hash-messages.ts";
import { nameBelow, type PathRules, thisSystem } from "./names-below.ts";

const md5Bytes = 16;
/** Collected this long before they are written in one transaction. */
const writeDelayMs = 200;
/** After a write that failed. */
const retryDelayMs = 30_000;
/** Rows in one transaction: a few milliseconds. */
const maxRowsPerWrite = 1_000;

export interface CachedHashes {
  /** In hex. */
  md5: string;
  /** In hex. */
  root: string;
  /** Nobody has written to the file since it was hashed: `ctime.ts` says how sure that is. Otherwise most likely so. */
  trusted: boolean;
}

/** As our table has it. Nothing is believed of it: a database that is damaged, or another one, has anything in it. */
interface Row {
  md5: unknown;
  root: unknown;
  /** 1 or 0; null when the row has no ctime. */
  sameCtime: number | null;
}

interface Unwritten extends FileHashes {
  /** Any write since it was hashed shows in the ctime. */
  ctimeTells: boolean;
}

/** Path, size, mtime and inode. */
type Key = [string, number, bigint, bigint];

export class HashCache {
  private readonly database: Database;
  private readonly select: Statement<Row, [bigint, bigint, ...Key]>;
  private readonly selectChunks: Statement<{ chunkHashes: unknown }, [...Key, Uint8Array]>;
  private readonly selectBelow: Statement<{ path: string }, [string, string]>;
  private readonly insert: Statement;
  private readonly delete: Statement;
  /** Not written yet (undefined: to be removed); what cannot be written stays here until it can. */
  private readonly unwritten = new Map<string, Unwritten | undefined>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private complained = false;

  /** Throws a LocalIoError when `path` cannot be used; `warn` gets one clear line about lesser trouble. */
  constructor(
    path: string,
    private readonly warn: (line: string) => void,
    private readonly isCtimeKept: (path: string) => boolean = keepsCtime,
  ) {
    this.database = openRebuildableDatabase({ path, migrations: [filesSql, ctimeSql] }, warn);
    const unchanged = "path = ? AND size = ? AND mtime_ns = ? AND inode = ?";
    this.select = this.database.prepare(
      `SELECT md5, root, device = ? AND ctime_ns = ? AS sameCtime FROM files WHERE ${unchanged}`,
    );
    this.selectChunks = this.database.prepare(
      `SELECT chunk_hashes AS chunkHashes FROM files WHERE ${unchanged} AND root = ?`,
    );
    this.selectBelow = this.database.prepare("SELECT path FROM files WHERE path >= ? AND path < ?");
    this.insert = this.database.prepare("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.delete = this.database.prepare("DELETE FROM files WHERE path = ?");
  }

  /** What the file had when it was hashed, if it is still that file. */
  find(path: string, identity: FileIdentity): CachedHashes | undefined {
    if (this.unwritten.has(path)) {
      const hashes = this.unwritten.get(path);
      if (hashes === undefined || !sameContentIdentity(hashes.identity, identity)) return undefined;
      const { md5, root, ctimeTells } = hashes;
      return { md5, root, trusted: ctimeTells && sameIdentity(hashes.identity, identity) };
    }
    const row = this.attempt("read", () => this.select.get(...ctimeOf(identity), ...keyOf(path, identity)));
    if (!isBytes(row?.md5, md5Bytes) || !isBytes(row?.root, hashBytes)) return undefined;
    return { md5: row.md5.toHex(), root: row.root.toHex(), trusted: row.sameCtime === 1 };
  }

  /** The chunk hashes of that content of that file, or undefined when they are not known (any more). */
  chunkHashes(path: string, identity: FileIdentity, root: string): Uint8Array | undefined {
    const unwritten = this.unwritten.get(path);
    if (unwritten?.root === root) return unwritten.chunkHashes;
    const row = this.attempt("read", () =>
      this.selectChunks.get(...keyOf(path, identity), Uint8Array.fromHex(root)),
    );
    const chunks = chunkCountOf(identity.sizeBytes);
    return isBytes(row?.chunkHashes, chunks > 1 ? chunks * hashBytes : 0) ? row.chunkHashes : undefined;
  }

  /** Nothing of the file was read before `wallClockMs`. */
  put(path: string, hashes: FileHashes, wallClockMs: number): void {
    // Asked now and not at every start: what has the same device and times is on the same file system.
    const ctimeTells = ctimeShowsWritesAfter(wallClockMs, hashes.identity) && this.isCtimeKept(path);
    this.writeLater(path, { ...hashes, ctimeTells });
  }

  remove(path: string): void {
    this.writeLater(path, undefined);
  }

  /** Forgets the files below `folder` of whose names `isGone` says so. */
  prune(folder: string, isGone: (name: string) => boolean, { relative, sep }: PathRules = thisSystem): void {
    this.attempt("written", () => {
      const above = folder.endsWith(sep) ? folder.slice(0, -1) : folder;
      const next = String.fromCharCode(sep.charCodeAt(0) + 1);
      const below = this.selectBelow.all(`${above}${sep}`, `${above}${next}`);
      const gone = below.filter(({ path }) => isGone(nameBelow(folder, path, { relative, sep })));
      if (gone.length === 0) return;
      this.database.transaction(() => {
        for (const { path } of gone) this.delete.run(path);
      })();
    });
  }

  /** Writes what is left. */
  close(): void {
    while (this.unwritten.size > 0 && this.write());
    clearTimeout(this.timer);
    this.database.close(true);
  }

  private writeLater(path: string, hashes: Unwritten | undefined): void {
    this.unwritten.set(path, hashes);
    this.timer ??= setTimeout(() => this.write(), writeDelayMs);
  }

  /** False when it could not be written. */
  private write(): boolean {
    clearTimeout(this.timer);
    this.timer = undefined;
    const rows = [...this.unwritten.entries().take(maxRowsPerWrite)];
    const written = this.attempt("written", () => {
      this.database.transaction(() => {
        for (const [path, hashes] of rows) this.writeRow(path, hashes);
      })();
      return true;
    });
    if (written === true) for (const [path] of rows) this.unwritten.delete(path);
    if (this.unwritten.size > 0) {
      this.timer = setTimeout(() => this.write(), written === true ? 0 : retryDelayMs);
    }
    return written === true;
  }

  private writeRow(path: string, hashes: Unwritten | undefined): void {
    if (hashes === undefined) {
      this.delete.run(path);
      return;
    }
    const { identity, ctimeTells, md5, root, chunkHashes } = hashes;
    const ctime = ctimeTells ? ctimeOf(identity) : [null, null];
    const contents = [Uint8Array.fromHex(md5), Uint8Array.fromHex(root), chunkHashes];
    this.insert.run(...keyOf(path, identity), ...ctime, ...contents);
  }

  /** Trouble with the cache is said once and survived: files are hashed again at worst. */
  private attempt<Result>(what: string, run: () => Result): Result | undefined {
    try {
      return run();
    } catch (error) {
      if (!this.complained) this.warn(`the hash cache cannot be ${what}: ${reasonOf(error)}`);
      this.complained = true;
      return undefined;
    }
  }
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function keyOf(path: string, { sizeBytes, mtimeNs, ino }: FileIdentity): Key {
  return [path, sizeBytes, BigInt.asIntN(64, mtimeNs), BigInt.asIntN(64, ino)];
}

function ctimeOf({ dev, ctimeNs }: FileIdentity): [bigint, bigint] {
  return [BigInt.asIntN(64, dev), BigInt.asIntN(64, ctimeNs)];
}

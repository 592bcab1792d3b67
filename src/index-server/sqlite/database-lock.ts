/** One index at a time has a database: the lock that says so. */
import { Database, SQLiteError } from "bun:sqlite";
import { chmodSync, closeSync, constants, mkdirSync, openSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LocalIoError, reasonOf } from "../../errors.ts";
import { printable } from "../../printable.ts";

/**
 * A lock beside the database and not on it, because people read the database meanwhile: an open transaction on an
 * empty file. The system ends it with the process, however that dies; the file stays.
 */
export function lockFile(path: string): Database {
  const shown = printable(path, 500);
  let lock: Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const lockPath = `${realPath(path)}.lock`;
    // For its owner alone, whatever the umask; SQLite gives its journal the same mode.
    closeSync(openSync(lockPath, constants.O_RDWR | constants.O_CREAT, 0o600));
    chmodSync(lockPath, 0o600);
    lock = new Database(lockPath, { create: true, readwrite: true });
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    if (error instanceof SQLiteError && error.code?.startsWith("SQLITE_BUSY")) {
      throw new LocalIoError(
        `the database ${shown} is in use by another index: end that one, or choose another file with --db`,
        { cause: error },
      );
    }
    if (error instanceof SQLiteError) {
      throw new LocalIoError(
        `cannot lock the database ${shown} (by ${printable(basename(path))}.lock beside it): ${error.message}`,
        { cause: error },
      );
    }
    throw new LocalIoError(`cannot open the database ${shown}: ${reasonOf(error)}`, { cause: error });
  }
}

/** The one path of a file that may be reached through links, also when it is not there yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return join(realpathSync(dirname(path)), basename(path));
  }
}

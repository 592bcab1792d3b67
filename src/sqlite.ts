/**
 * Opens a SQLite database the one way this program does it: pragmas, a check, numbered migrations, and errors a
 * user can act on. What is in the tables is the business of whoever opens it.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { closeSync, constants, existsSync, mkdirSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { monotonicMs } from "./clock.ts";
import { LocalIoError, reasonOf, systemCode } from "./errors.ts";
import { printable } from "./printable.ts";

export interface DatabaseOptions {
  /** A file, created (0600) with its folder (0700) when missing, or `:memory:`. */
  path: string;
  /** Texts of `migrations/<database>/001-….sql`, `002-….sql` … in that order. `PRAGMA user_version` counts them. */
  migrations: readonly string[];
  /** How long a statement waits for the lock of another process (5 s). The wait blocks this thread. */
  busyTimeoutMs?: number;
  /** Whether the file need not be read from end to end to see that it is whole. Asked before anything else is. */
  mayTrust?: (database: Database) => boolean;
}

/** The file is damaged, or no database. Whoever can rebuild its content may set it aside. */
export class CorruptDatabaseError extends LocalIoError {}

/**
 * Throws a `CorruptDatabaseError`, or a `LocalIoError` for whatever else keeps it from being used. The caller
 * closes it with `close(true)`, which also ends the prepared statements and so removes `-wal` and `-shm`. Integers
 * beyond 2^53 are rounded silently unless the statement is told `safeIntegers(true)`.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { path, migrations, busyTimeoutMs = 5_000, mayTrust = () => false } = options;
  if (path !== ":memory:") createFile(path);
  let database: Database | undefined;
  try {
    database = new Database(path, { readwrite: true, create: true, strict: true });
    prepare(database, path, busyTimeoutMs, migrations.length, mayTrust);
    migrate(database, path, migrations);
    checkTables(database, path, migrations);
    return database;
  } catch (error) {
    database?.close();
    throw explained(error, path, busyTimeoutMs);
  }
}

/**
 * As `openDatabase`, for a content that can be rebuilt: a corrupt file is renamed to `<path>.corrupt-<timestamp>`
 * and an empty database takes its place; `warn` gets one line about it.
 */
export function openRebuildableDatabase(options: DatabaseOptions, warn: (line: string) => void): Database {
  try {
    return openDatabase(options);
  } catch (error) {
    if (!(error instanceof CorruptDatabaseError)) throw error;
    const aside = setDatabaseAside(options.path);
    const database = openDatabase(options);
    warn(`${error.message}; it was set aside as ${printable(aside, pathLimit)} and is rebuilt from nothing`);
    return database;
  }
}

/**
 * A database that is there already and has the newest schema, for whoever looks at it: nothing is made, set aside or
 * migrated. Throws as `openDatabase` does.
 */
export function openExistingDatabase({ path, migrations, busyTimeoutMs = 5_000 }: DatabaseOptions): Database {
  const shown = printable(path, pathLimit);
  let database: Database | undefined;
  try {
    if (!existsSync(path)) throw new LocalIoError(`there is no database ${shown}`);
    // Not read-only: SQLite could not tidy up what a killed process has left, and would leave files of its own. Where
    // the file may not be written, it is read all the same.
    database = new Database(path, { readwrite: true, create: false, strict: true });
    database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    database.run("PRAGMA trusted_schema = OFF");
    checkOurs(database, path, migrations.length);
    const version = versionOf(database);
    if (version === 0) throw new LocalIoError(`the database ${shown} is empty: nobody has used it yet`);
    if (version === migrations.length) {
      checkTables(database, path, migrations);
      return database;
    }
    throw new LocalIoError(
      `the database ${shown} has schema ${version} of an older p2p, this one has schema ${migrations.length}: ` +
        "let this one use it once, which converts it",
    );
  } catch (error) {
    database?.close();
    throw explained(error, path, busyTimeoutMs);
  }
}

const pathLimit = 500;

/** Made here and not by SQLite: state is for its owner alone, whatever the umask; and errors have their code. */
function createFile(path: string): void {
  try {
    const folder = dirname(path);
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600));
  } catch (error) {
    throw new LocalIoError(`cannot open the database ${printable(path, pathLimit)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function prepare(
  database: Database,
  path: string,
  busyTimeoutMs: number,
  knownVersions: number,
  mayTrust: (database: Database) => boolean,
): void {
  database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  database.run("PRAGMA trusted_schema = OFF");
  database.run("PRAGMA foreign_keys = ON");
  const isWhole = () => database.query("PRAGMA quick_check(1)").values()[0]?.[0] === "ok";
  if (!mayTrust(database) && !isWhole()) throw corrupt(path, undefined);
  // The journal mode is written into the file: not into one that is not ours.
  // In a transaction: another process may be making the tables between two looks.
  database.transaction(() => checkOurs(database, path, knownVersions))();
  useWal(database, busyTimeoutMs);
  database.run("PRAGMA synchronous = NORMAL");
}

const walRetryMs = 10;

/** Changing the journal mode does not wait for a lock as statements do; somebody else may be changing it right now. */
function useWal(database: Database, busyTimeoutMs: number): void {
  const deadlineMs = monotonicMs() + busyTimeoutMs;
  for (;;) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      const isBusy = error instanceof SQLiteError && error.code?.startsWith("SQLITE_BUSY");
      if (!isBusy || monotonicMs() >= deadlineMs) throw error;
    }
    Bun.sleepSync(walRetryMs);
  }
}

/** One transaction a migration, each deciding anew under the lock: several processes may start at once. */
function migrate(database: Database, path: string, migrations: readonly string[]): void {
  const step = database.transaction((): boolean => {
    checkOurs(database, path, migrations.length);
    const version = versionOf(database);
    const sql = migrations[version];
    if (sql === undefined) return false;
    database.run(sql);
    database.run(`PRAGMA user_version = ${version + 1}`);
    return true;
  });
  // Current already: no write lock, so that a start does not wait for whoever is writing.
  if (versionOf(database) === migrations.length) return;
  while (step.immediate()) {
    // Until there is none left.
  }
}

/** Throws LocalIoError for a database of another program, or of a newer version of this one. */
function checkOurs(database: Database, path: string, knownVersions: number): void {
  const version = versionOf(database);
  if (version > knownVersions) {
    throw new LocalIoError(
      `the database ${printable(path, pathLimit)} has schema ${version} of a newer p2p, this one knows schemas up ` +
        `to ${knownVersions}: use the newer p2p, or another file`,
    );
  }
  if (version === 0 && hasTables(database)) {
    throw new LocalIoError(
      `${printable(path, pathLimit)} is a database of another program: choose another file`,
    );
  }
}

/**
 * Throws CorruptDatabaseError when a table has not the columns that the migrations make: the number of a version says
 * nothing of what damage has done to their names, which are text in the file. What people have added is theirs.
 */
function checkTables(database: Database, path: string, migrations: readonly string[]): void {
  const made = new Database(":memory:");
  try {
    for (const sql of migrations) made.run(sql);
    const there = new Set(columnsOf(database));
    if (!columnsOf(made).every((column) => there.has(column))) throw corrupt(path, undefined);
  } finally {
    made.close();
  }
}

function columnsOf(database: Database): string[] {
  const columns = database.query(
    `SELECT tables.name, columns.name, columns.type, columns."notnull", columns.pk
     FROM sqlite_schema AS tables, pragma_table_xinfo(tables.name) AS columns WHERE tables.type = 'table'`,
  );
  return columns.values().map((column) => JSON.stringify(column));
}

function versionOf(database: Database): number {
  return Number(database.query("PRAGMA user_version").values()[0]?.[0]);
}

function hasTables(database: Database): boolean {
  return database.query("SELECT 1 FROM sqlite_schema LIMIT 1").values().length > 0;
}

/** What SQLite has thrown, as a LocalIoError that says what to do; anything else as it is. */
export function explained(error: unknown, path: string, busyTimeoutMs: number): unknown {
  if (!(error instanceof SQLiteError)) return error;
  const shown = printable(path, pathLimit);
  const code = error.code ?? "";
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return corrupt(path, error);
  const say = (line: string): LocalIoError => new LocalIoError(line, { cause: error });
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return say(
      `the database ${shown} is locked by another process for over ${busyTimeoutMs / 1000} s: end that process, or use another file`,
    );
  }
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) {
    return say(
      `the database ${shown} cannot be written: the file, its folder or the file system is read-only`,
    );
  }
  if (code.startsWith("SQLITE_FULL"))
    return say(`the database ${shown} cannot be written: no space left on the device`);
  return say(`cannot open the database ${shown}: ${error.message}${code === "" ? "" : ` (${code})`}`);
}

function corrupt(path: string, cause: unknown): CorruptDatabaseError {
  return new CorruptDatabaseError(`the database ${printable(path, pathLimit)} is damaged or no database`, {
    cause,
  });
}

/**
 * Renames the file and what belongs to it; a `-wal` left behind would be replayed into the new one. Returns its new
 * path. Nobody may have it open. Throws LocalIoError.
 */
export function setDatabaseAside(path: string): string {
  const timestamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const aside = `${path}.corrupt-${timestamp}`;
  for (const suffix of ["-wal", "-shm", ""]) {
    try {
      renameSync(path + suffix, aside + suffix);
    } catch (error) {
      // It may never have been there, or go in this very moment: whoever closes the database last removes what is beside it.
      if (systemCode(error) === "ENOENT") continue;
      throw new LocalIoError(
        `the damaged database ${printable(path, pathLimit)} cannot be set aside: ${reasonOf(error)}`,
        { cause: error },
      );
    }
  }
  return aside;
}

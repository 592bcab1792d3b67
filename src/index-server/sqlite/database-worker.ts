/**
 * Worker entry point: one statement over a whole database can take minutes, and the thread that runs it hears nothing
 * meanwhile. The main thread so hears signals; when it ends the process, SQLite leaves the file as it was.
 */
import { LocalIoError } from "../../errors.ts";
import { explained, openExistingDatabase } from "../../sqlite.ts";
import { migrations } from "./database.ts";
import { checkDatabase } from "./database-check.ts";
import { lockFile } from "./database-lock.ts";
import type { DatabaseAnswer, DatabaseOrder } from "./database-messages.ts";

declare const self: Worker;

/** For the lock of another program. */
const busyTimeoutMs = 5_000;

self.onmessage = ({ data }: MessageEvent<DatabaseOrder>) => self.postMessage(answerTo(data));

function answerTo({ do: what, path }: DatabaseOrder): DatabaseAnswer {
  try {
    return what === "check" ? check(path) : vacuum(path);
  } catch (error) {
    const known = explained(error, path, busyTimeoutMs);
    // Anything else is a bug: it ends the worker, and who waits for it is told.
    if (!(known instanceof LocalIoError)) throw error;
    return { type: "failed", message: known.message };
  }
}

function check(path: string): DatabaseAnswer {
  const database = openExistingDatabase({ path, migrations, busyTimeoutMs });
  try {
    return { type: "checked", report: checkDatabase(database) };
  } finally {
    database.close(true);
  }
}

/** Under the lock of the index: one that runs would wait for all of it, and its peers with it. */
function vacuum(path: string): DatabaseAnswer {
  openExistingDatabase({ path, migrations, busyTimeoutMs }).close(true);
  const lock = lockFile(path);
  try {
    const database = openExistingDatabase({ path, migrations, busyTimeoutMs });
    try {
      database.run("VACUUM");
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      return { type: "vacuumed" };
    } finally {
      database.close(true);
    }
  } finally {
    lock.close(true);
  }
}

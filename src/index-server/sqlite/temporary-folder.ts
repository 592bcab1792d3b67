/**
 * Where an index "in memory" keeps its file: a folder of its own that goes with it. What was left by an index that was
 * killed is removed by the next one. The database's lock tells which that is, and not the number of a process: in
 * another container that shares /dev/shm, the number means somebody else or nobody.
 */
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalIoError, reasonOf } from "../../errors.ts";
import { lockFile } from "./database-lock.ts";

const prefix = "p2p-index-";
/** Made after the lock: in a folder that has none yet, an index may be about to begin. */
const databaseName = "index.db";

/** A new folder, and in it the path where the database belongs. */
export function temporaryDatabase(): { folder: string; path: string } {
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  try {
    for (const name of readdirSync(base)) if (name.startsWith(prefix)) removeLeftover(join(base, name));
    const folder = mkdtempSync(join(base, prefix));
    return { folder, path: join(folder, databaseName) };
  } catch (error) {
    throw new LocalIoError(`cannot make a folder in ${base} for the index database: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function removeLeftover(folder: string): void {
  const path = join(folder, databaseName);
  try {
    // Anybody may put something here, also a link to where we should not write.
    const found = lstatSync(folder);
    const isOurs = found.isDirectory() && found.uid === (process.geteuid?.() ?? found.uid);
    if (!isOurs || !existsSync(path)) return;
    const lock = lockFile(path);
    rmSync(folder, { recursive: true, force: true });
    lock.close(true);
  } catch {
    // In use, or gone by now: not needed for what we want here.
  }
}

/**
 * A lock file that says which process holds something, and that a dead process does not hold anything any more:
 * `kill -9` leaves the file, not the lock. (Bun has no flock.)
 */
import { linkSync, lstatSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import { printable } from "../printable.ts";

/** The lock is taken over from dead holders at most this often before giving up: others do the same. */
const maxAttempts = 10;

export class ProcessLock {
  private held = true;

  private constructor(
    private readonly path: string,
    private readonly ours: string,
  ) {}

  /** Throws LocalIoError when a living process has it (`what` says what for) or the file cannot be made. */
  static acquire(path: string, what: string): ProcessLock {
    const ours = JSON.stringify({ pid: process.pid, started: startOf(process.pid), host: hostname() });
    // Made whole under a name of our own and then linked: nobody ever reads half a lock.
    const draft = `${path}.${process.pid}`;
    try {
      writeFileSync(draft, ours, { mode: 0o600 });
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        if (take(draft, path, ours)) return new ProcessLock(path, ours);
        const text = readLock(path);
        const holder = text === undefined ? undefined : livingHolder(text);
        if (holder !== undefined) throw new LocalIoError(`another p2p (pid ${holder}) is using it: ${what}`);
        if (text !== undefined) removeDead(path, draft, text);
      }
      throw new LocalIoError(`cannot lock ${printable(path)}: others take it all the time`);
    } catch (error) {
      if (error instanceof LocalIoError) throw error;
      throw new LocalIoError(`cannot write ${printable(path)}: ${reasonOf(error)}`, { cause: error });
    } finally {
      removeQuietly(draft);
    }
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    if (readQuietly(this.path) === this.ours) removeQuietly(this.path);
  }
}

/** False when the lock is taken. */
function take(draft: string, path: string, ours: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
  }
  // A file system without hard links.
  try {
    writeFileSync(path, ours, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * Removes the lock of a dead process. Somebody else may have done so and locked since we read `text`: what is
 * moved aside is looked at again and put back when it is another lock.
 */
function removeDead(path: string, draft: string, text: string): void {
  const aside = `${draft}.dead`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw error;
  }
  if (readQuietly(aside) !== text) take(aside, path, readQuietly(aside) ?? "");
  removeQuietly(aside);
}

/** The pid of the lock's text when that process lives (or is on another machine, where we cannot know). */
function livingHolder(text: string): number | undefined {
  let holder: { pid?: unknown; started?: unknown; host?: unknown } | null;
  try {
    holder = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { pid, started, host } = holder ?? {};
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (host !== hostname()) return pid;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) === "ESRCH") return undefined;
  }
  // The number of a dead process may have been given to another one since.
  const startedNow = startOf(pid);
  return startedNow !== undefined && started !== undefined && startedNow !== started ? undefined : pid;
}

/** Undefined when it is gone or unreadable. Throws when something lies there that is no lock (a pipe would hang us). */
function readLock(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isFile()) throw new LocalIoError(`cannot write ${printable(path)}: it is no regular file`);
  return readQuietly(path);
}

/** When the process began, in clock ticks since boot (field 22 of /proc/PID/stat); undefined elsewhere. */
function startOf(pid: number): string | undefined {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** For files whose absence or unreadability is an answer, too. */
function readQuietly(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, which is what was wanted; or not ours to remove, which the next link says.
  }
}

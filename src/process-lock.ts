/**
 * A lock file that says which process holds something, and that a dead process does not hold anything any more:
 * `kill -9` leaves the file, not the lock. (Bun has no flock.)
 */
import { linkSync, lstatSync, readFileSync, renameSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { monotonicMs } from "./clock.ts";
import { LocalIoError, reasonOf, systemCode } from "./errors.ts";
import { printable } from "./printable.ts";
import { readRegularFile, writeNewFile } from "./private-file.ts";

/** The lock is taken over from dead holders at most this often before giving up: others do the same. */
const maxAttempts = 10;
/** For locks that are held for some milliseconds at a time. */
const retryMs = 5;
/** A lock of ours has about 100 bytes. */
const maxLockBytes = 4 * 1024;

export class ProcessLock {
  private held = true;

  private constructor(
    private readonly path: string,
    private readonly ours: string,
  ) {}

  /**
   * Throws LocalIoError when a living process has it (`what` says what for) and keeps it for `patienceMs`, or the file
   * cannot be made. `shown`: what people know the path by.
   */
  static acquire(path: string, what: string, { shown = path, patienceMs = 0 } = {}): ProcessLock {
    const endMs = monotonicMs() + patienceMs;
    const ours = JSON.stringify({ pid: process.pid, started: startOf(process.pid), host: hostname() });
    // Made whole under a name that nobody can guess and then linked: nobody ever reads half a lock.
    const draft = `${path}.${crypto.randomUUID()}`;
    try {
      writeNewFile(draft, Buffer.from(ours));
      for (let attempt = 0; attempt < maxAttempts; ) {
        if (take(draft, path, ours)) return new ProcessLock(path, ours);
        const text = readLock(path, shown);
        const holder = text === undefined ? undefined : livingHolder(text, shown);
        if (holder === undefined) {
          attempt++;
          if (text !== undefined) removeDead(path, draft, text);
        } else if (monotonicMs() < endMs) Bun.sleepSync(retryMs);
        else throw new LocalIoError(`another p2p (${holder}) is ${what}`);
      }
      throw new LocalIoError(`cannot lock ${printable(shown)}: others take it all the time`);
    } catch (error) {
      if (error instanceof LocalIoError) throw error;
      const folder = printable(dirname(shown));
      throw new LocalIoError(`cannot write to the folder ${folder}: ${reasonOf(error)}`, { cause: error });
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
    writeNewFile(path, Buffer.from(ours));
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

/** Who holds the lock, in words, when that process lives (or is on another machine, where we cannot know). */
function livingHolder(text: string, shown: string): string | undefined {
  let holder: { pid?: unknown; started?: unknown; host?: unknown } | null;
  try {
    holder = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { pid, started, host } = holder ?? {};
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (host !== hostname()) {
    const where = printable(String(host), 100);
    return `pid ${pid} on ${where}; if that one has ended, remove ${printable(shown)}`;
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) === "ESRCH") return undefined;
  }
  // The number of a dead process may have been given to another one since.
  const startedNow = startOf(pid);
  const isAnother = startedNow !== undefined && started !== undefined && startedNow !== started;
  return isAnother ? undefined : `pid ${pid}`;
}

/** Undefined when it is gone or unreadable. Throws when something lies there that is no lock. */
function readLock(path: string, shown: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isFile()) throw new LocalIoError(`cannot write ${printable(shown)}: it is no regular file`);
  return readQuietly(path);
}

/** When the process began, in clock ticks since boot (field 22 of /proc/PID/stat); undefined elsewhere. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** For files whose absence or unreadability is an answer, too. */
function readQuietly(path: string): string | undefined {
  try {
    const bytes = readRegularFile(path, maxLockBytes);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
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

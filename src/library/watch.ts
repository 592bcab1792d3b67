/**
 * Watches the shared folder and passes on hints: "something happened at this path". What happened there is for the
 * receiver to see; that no hint is missed is not promised (`rescan-plan.ts` makes up for it).
 */

import { join } from "node:path";
import { type ChokidarOptions, type FSWatcher, watch } from "chokidar";
import { monotonicMs } from "../clock.ts";
import { systemCode } from "../errors.ts";
import { printable } from "../printable.ts";
import { nameBelow } from "./names-below.ts";

export interface WatchListener {
  /** `name` is relative to the folder, `""` for itself; it may be of anything but a dot-file, or of nothing. */
  hint(name: string): void;
  /** From now on changes are noticed. */
  ready(): void;
  /** Called at most once: nothing more is to be expected from this watcher, and why. */
  failed(reason: string): void;
  /** The same, because so much happened that nothing else had its turn. */
  flooded(): void;
}

/**
 * So long a turn of the event loop may be full of events. Who swaps two folders as fast as possible makes more of them
 * than can be looked at on a busy machine, and while there are any no socket is looked at.
 */
const maxTurnMs = 1_000;

export type Watch = (folder: string, options: ChokidarOptions) => FSWatcher;

export class FolderWatcher {
  private watcher: FSWatcher | undefined;
  private closing: Promise<void> | undefined;
  /** Of the turn of the event loop, when its first event came. */
  private turnBeganMs: number | undefined;

  constructor(
    private readonly folder: string,
    private readonly listener: WatchListener,
    private readonly watchFolder: Watch = watch,
    private readonly nowMs = monotonicMs,
  ) {}

  start(): void {
    const { folder, listener } = this;
    const watcher = this.watchFolder(folder, {
      ignoreInitial: true,
      // The default leaves the folder through links, and walks in circles.
      followSymlinks: false,
      // Its pairing of unlink and add delays every unlink by 100 ms.
      atomic: false,
      ignorePermissionErrors: true,
      // Folders only: one watch each instead of one a file, and half the memory (10,000 files: 30 instead of 65 MiB).
      ignored: (path, stats) => isHidden(nameBelow(folder, path)) || stats?.isDirectory() === false,
    });
    this.watcher = watcher;
    const hint = (path: string): void => {
      if (this.watcher !== watcher) return;
      const name = nameBelow(folder, path);
      if (!isHidden(name)) listener.hint(name);
      if (!this.isTurnTooLong()) return;
      this.close();
      listener.flooded();
    };
    // What the system reports of a folder names the file; it also comes where chokidar's own events do not (a FIFO,
    // a file that takes the place of a folder).
    watcher.on("raw", (_event, file, details) => hint(join(watchedPath(details) ?? folder, file ?? "")));
    // And these come for what was in a new folder before that was watched.
    watcher.on("all", (_event, path) => hint(path));
    watcher.once("ready", () => {
      if (this.watcher === watcher) listener.ready();
    });
    watcher.on("error", (error) => {
      // With no watches left there is one error a file.
      if (this.watcher !== watcher) return;
      this.close();
      listener.failed(failureReason(error));
    });
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.close();
    await this.closing;
  }

  private isTurnTooLong(): boolean {
    const nowMs = this.nowMs();
    if (this.turnBeganMs === undefined) {
      this.turnBeganMs = nowMs;
      setImmediate(() => {
        this.turnBeganMs = undefined;
      });
    }
    return nowMs - this.turnBeganMs > maxTurnMs;
  }

  private close(): void {
    // It only frees things: an error of it changes nothing for anybody.
    this.closing ??= this.watcher?.close().catch(() => undefined);
    this.watcher = undefined;
  }
}

/** Dot-files are nobody's business, least of all the thousands of writes to a partial file. */
function isHidden(name: string): boolean {
  return name.startsWith(".") || name.includes("/.");
}

function watchedPath(details: unknown): string | undefined {
  if (typeof details !== "object" || details === null || !("watchedPath" in details)) return undefined;
  return typeof details.watchedPath === "string" ? details.watchedPath : undefined;
}

function failureReason(error: unknown): string {
  const code = systemCode(error);
  if (code === "ENOSPC") {
    return "no inotify watches left, raise them with: sysctl fs.inotify.max_user_watches=524288";
  }
  if (code === "EMFILE") {
    return "too many inotify instances or open files, raise them with: sysctl fs.inotify.max_user_instances=1024";
  }
  return printable(error instanceof Error ? error.message : String(error));
}

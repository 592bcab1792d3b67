/**
 * What one peer shares: keeps the list of offered files equal to a folder. Here it is found out that something
 * happened in the folder (first scan, watcher, rescans); what that means for a file is in `file-tracker.ts`.
 * Announcing the files and serving their bytes is the business of others.
 */
import { monotonicMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { printable } from "../printable.ts";
import type { FileName } from "../wire/file-name.ts";
import { FileTracker } from "./file-tracker.ts";
import { HashCache } from "./hash-cache.ts";
import type { ScanProgress } from "./hash-progress.ts";
import { KeptWatcher } from "./kept-watcher.ts";
import { nameBelow } from "./names-below.ts";
import { RescanPlan } from "./rescan-plan.ts";
import { scanFolder } from "./scan.ts";
import type { SharedContent, SharedFile } from "./shared-files.ts";
import { openFolder, refuseLinkTo } from "./shared-folder.ts";
import { SkipNotices } from "./skip-notices.ts";
import type { Watch } from "./watch.ts";

export type { ScanProgress } from "./hash-progress.ts";
export type { SharedContent, SharedFile } from "./shared-files.ts";

export interface LibraryListener {
  /**
   * Files that can be offered from now on and names that no longer can, in one step. A changed file is removed when
   * that is noticed and added when it has been hashed again; a rename may come as one call or two.
   */
  changed(added: SharedFile[], removed: FileName[]): void;
  /** At most 5 times a second while files are hashed. */
  progress(progress: ScanProgress): void;
  /** Once: every file of the first scan is hashed, or known to be not shareable, or being written to. */
  ready(): void;
  /** One line for the user, already printable. */
  notice(line: string): void;
}

export interface LibraryOptions {
  /** Created when missing. May be a symbolic link, unlike anything in it. */
  folder: string;
  /** The hash cache's database. */
  cachePath: string;
  /** Workers that hash, at most. */
  threads: number;
  /** How long a file must have been still before it is hashed and offered. */
  settleMs: number;
  /** How often the folder is walked while it cannot be watched. */
  rescanMs: number;
  listener: LibraryListener;
  /** For tests of watchers that fail. */
  watch?: Watch;
}

/** Hints of one event come in bunches. */
const hintDelayMs = 20;
/** How long hints keep the thread at most. */
const sliceMs = 8;

export class Library {
  private readonly plan: RescanPlan;
  private readonly notices = new SkipNotices();
  private readonly stopping = new AbortController();
  /** Names where something happened. */
  private readonly hints = new Set<string>();
  /** Folders to walk, `""` for everything. */
  private toScan = new Set<string>();
  private scanning: Promise<void> | undefined;
  private firstScanDone = false;
  private hintTimer: Timer | undefined;
  private planTimer: Timer | undefined;
  private watcher: KeptWatcher | undefined;
  private wasFlooded = false;
  private folderLost = false;
  private opened: { root: string; cache: HashCache; tracker: FileTracker } | undefined;

  constructor(private readonly options: LibraryOptions) {
    this.plan = new RescanPlan(options.rescanMs);
  }

  /** Throws a LocalIoError when folder or cache cannot be used. Does not wait for the first scan. */
  async start(): Promise<void> {
    const { cachePath, listener, threads, settleMs } = this.options;
    const root = openFolder(this.options.folder);
    const cache = new HashCache(cachePath, (line) => listener.notice(line));
    const tracker = new FileTracker({
      root,
      cache,
      threads,
      settleMs,
      listener: {
        changed: (added, removed) => listener.changed(added, removed),
        progress: (progress) => listener.progress(progress),
        ready: () => listener.ready(),
        skipped: (name, reason) => this.say(this.notices.line(name, reason)),
      },
    });
    this.opened = { root, cache, tracker };
    this.startWatcher(root);
    this.scan([""]);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.hintTimer);
    clearTimeout(this.planTimer);
    await Promise.all([this.opened?.tracker.stop(), this.watcher?.stop(), this.scanning]);
    this.opened?.cache.close();
    this.opened = undefined;
  }

  /** The sum of all calls of `changed`. */
  files(): Iterable<SharedFile> {
    return this.opened?.tracker.shared.files() ?? [];
  }

  get fileCount(): number {
    return this.opened?.tracker.shared.fileCount ?? 0;
  }

  get totalBytes(): number {
    return this.opened?.tracker.shared.totalBytes ?? 0;
  }

  /** Undefined when nobody here has it (any more). */
  contentOf(root: string): SharedContent | undefined {
    return this.opened?.tracker.contentOf(root);
  }

  /** The file at `path` is not what it was: it is withdrawn at once, and looked at again. */
  suspect(path: string): void {
    if (this.opened !== undefined) this.opened.tracker.suspect(nameBelow(this.opened.root, path));
  }

  // --- hints of the watcher ---

  private startWatcher(folder: string): void {
    this.watcher = new KeptWatcher({
      folder,
      listener: {
        hint: (name) => this.hint(name),
        ready: () => {
          this.plan.onWatching(true);
          // For what happened between the first look at a folder and its being watched.
          this.scan([""]);
        },
        failed: (reason) => this.onWatcherFailed(reason),
        flooded: () => this.onFlooded(),
      },
      later: (run, delayMs) => {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
      watch: this.options.watch,
    });
    this.watcher.start();
  }

  private onWatcherFailed(reason: string): void {
    const seconds = this.options.rescanMs / 1000;
    this.say(
      `cannot watch ${printable(this.options.folder)} for changes, looking every ${seconds} s instead: ${reason}`,
    );
    this.plan.onWatching(false);
    this.armPlan();
  }

  /** It is watched again, and walked, some seconds later. */
  private onFlooded(): void {
    const shown = printable(this.options.folder);
    if (!this.wasFlooded) this.say(`${shown} changes faster than can be followed, looking every few seconds`);
    this.wasFlooded = true;
    this.plan.onWatching(false);
    this.armPlan();
  }

  private hint(name: string): void {
    if (this.stopping.signal.aborted || this.hints.has(name)) return;
    this.plan.onHint(monotonicMs());
    this.armPlan();
    this.hints.add(name);
    this.hintTimer ??= setTimeout(() => this.followHints(), hintDelayMs);
  }

  private followHints(): void {
    this.hintTimer = undefined;
    const { tracker } = this.opened!;
    const folders: string[] = [];
    const sliceEndsMs = monotonicMs() + sliceMs;
    for (const name of this.hints) {
      this.hints.delete(name);
      const kind = name === "" ? "folder" : tracker.look(name).kind;
      if (kind === "folder") this.plan.onFolder(name, monotonicMs());
      // What is no folder may have been one: a scan notices that its files are gone.
      if (kind !== "file") folders.push(name);
      if (monotonicMs() > sliceEndsMs) break;
    }
    if (this.hints.size > 0) this.hintTimer = setTimeout(() => this.followHints(), 0);
    if (folders.length > 0) this.scan(folders);
  }

  // --- scans ---

  /** One walk at a time; what is asked for during one is done after it. */
  private scan(folders: readonly string[]): void {
    for (const folder of folders) this.toScan.add(folder);
    this.scanning ??= this.scanAll().finally(() => {
      this.scanning = undefined;
      this.armPlan();
    });
  }

  private async scanAll(): Promise<void> {
    while (this.toScan.size > 0 && !this.stopping.signal.aborted) {
      const folders = this.toScan.has("") ? new Set([""]) : this.toScan;
      this.toScan = new Set();
      await this.walk(folders);
    }
  }

  private async walk(folders: ReadonlySet<string>): Promise<void> {
    const { root, tracker } = this.opened!;
    tracker.beginScan();
    try {
      refuseLinkTo(root);
      await scanFolder(
        root,
        [...folders],
        {
          file: (name, identity) => tracker.seen(name, identity),
          skipped: (name, reason) => this.say(this.notices.line(name, reason)),
          partialFile: (name) => {
            // Later on they are our own downloads.
            if (!this.firstScanDone) this.say(this.notices.line(name, "it is a partial file"));
          },
        },
        this.stopping.signal,
      );
      this.onFolderFound();
    } catch (error) {
      this.onFolderLost(error);
    }
    if (this.stopping.signal.aborted) return;
    tracker.goneUnlessSeen(folders);
    if (folders.has("")) this.plan.onScanned(monotonicMs());
    if (!this.firstScanDone) tracker.endFirstScan();
    this.firstScanDone = true;
  }

  private onFolderLost(error: unknown): void {
    this.plan.onWatching(false);
    if (this.folderLost) return;
    this.folderLost = true;
    const seconds = this.options.rescanMs / 1000;
    this.say(
      `the shared folder ${printable(this.options.folder)} cannot be read any more, trying again every ${seconds} s: ` +
        reasonOf(error),
    );
  }

  private onFolderFound(): void {
    if (this.folderLost) this.say(`the shared folder ${printable(this.options.folder)} is there again`);
    const { folderLost, plan, stopping, watcher } = this;
    this.folderLost = false;
    if (!stopping.signal.aborted && watcher!.folderFound(folderLost)) plan.onWatching(false);
  }

  private armPlan(): void {
    clearTimeout(this.planTimer);
    if (this.stopping.signal.aborted || !this.firstScanDone) return;
    const delayMs = Math.max(0, this.plan.nextWakeup() - monotonicMs());
    this.planTimer = setTimeout(() => this.followPlan(), delayMs);
  }

  private followPlan(): void {
    const rescan = this.plan.take(monotonicMs());
    if (rescan === undefined) this.armPlan();
    else this.scan(rescan === "everything" ? [""] : rescan);
  }

  private say(line: string | undefined): void {
    if (line !== undefined) this.options.listener.notice(line);
  }
}

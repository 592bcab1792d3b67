/**
 * Keeps a folder watched: begins anew where another folder has taken its place, and some time after changes came faster
 * than they could be followed. What was missed meanwhile is for the receiver to look for.
 */
import { systemCode } from "../errors.ts";
import { folderIdentity } from "./shared-folder.ts";
import { FolderWatcher, type Watch, type WatchListener } from "./watch.ts";

/** Whoever makes so many changes is seldom done in less. */
const restMs = 5_000;

export interface KeptWatcherOptions {
  /** A real path. */
  folder: string;
  /** `ready` comes as often as it begins anew, `flooded` as often as it rests; `failed` once, and then there is no more. */
  listener: WatchListener;
  /** Runs something once after a time, unless what it returns is called before. */
  later(run: () => void, delayMs: number): () => void;
  /** For tests of watchers that fail, and of floods. */
  watch?: Watch | undefined;
  nowMs?: () => number;
}

export class KeptWatcher {
  private watcher: FolderWatcher | undefined;
  /** The folder that is watched; another one of that name may take its place. */
  private identity: string | undefined;
  private hasFailed = false;
  private endRest: (() => void) | undefined;
  private readonly closing = new Set<Promise<void>>();

  constructor(private readonly options: KeptWatcherOptions) {}

  start(): void {
    const { folder, listener, watch, nowMs } = this.options;
    this.identity = folderIdentity(folder);
    this.watcher = new FolderWatcher(
      folder,
      {
        hint: (name) => listener.hint(name),
        ready: () => listener.ready(),
        failed: (reason) => {
          this.hasFailed = true;
          listener.failed(reason);
        },
        flooded: () => {
          this.rest();
          listener.flooded();
        },
      },
      watch,
      nowMs,
    );
    this.watcher.start();
  }

  /**
   * The folder is there. A watcher stays with the one that it was started on, wherever that has gone: returns whether it is
   * watched anew, and not until that is ready.
   */
  folderFound(wasLost: boolean): boolean {
    if (this.hasFailed || this.endRest !== undefined) return false;
    if (!wasLost && folderIdentity(this.options.folder) === this.identity) return false;
    this.end();
    this.start();
    return true;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.endRest?.();
    this.end();
    await Promise.all(this.closing);
  }

  // --- internal ---

  private rest(): void {
    this.end();
    this.endRest = this.options.later(() => {
      this.endRest = undefined;
      try {
        this.start();
      } catch (error) {
        if (systemCode(error) === undefined) throw error;
        // What is the matter with the folder, whoever walks it says.
        this.rest();
      }
    }, restMs);
  }

  private end(): void {
    const closed = this.watcher?.stop();
    this.watcher = undefined;
    if (closed === undefined) return;
    this.closing.add(closed);
    void closed.then(() => this.closing.delete(closed));
  }
}

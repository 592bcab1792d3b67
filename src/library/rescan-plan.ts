/**
 * Decides when to walk the folder again, so that the library ends equal to it whatever the watcher missed. Pure: it
 * is told what happened when, and asked what to walk.
 *
 * A watcher misses things in a burst: what is created in a new folder before that is watched too, and whatever does
 * not fit into the kernel's queue. So once it is calm, folders that appeared are walked again, and everything if the
 * burst was a storm. Without a working watcher everything is walked periodically.
 */

/** No hint for so long is calm. */
const calmMs = 1_000;
/** It may never become calm. */
const maxBurstMs = 10_000;
/** Hints in one burst; the kernel's queue holds 16,384 events, a new file causes several. */
const stormHints = 2_000;
/** Changes made on another machine of a network file system cause no event at all. */
const quietRescanMs = 300_000;

export type Rescan = "everything" | readonly string[];

interface Burst {
  firstMs: number;
  lastMs: number;
  hints: number;
  folders: Set<string>;
}

export class RescanPlan {
  private burst: Burst | undefined;
  private watching = false;
  /** It was not watched for a while: what went on as that began again is looked for once more. */
  private isDoubtful = false;
  private lastScanMs = 0;

  /** `rescanMs`: how often without a working watcher. */
  constructor(private readonly rescanMs: number) {}

  /** The watcher reported something. */
  onHint(nowMs: number): void {
    this.currentBurst(nowMs).hints++;
  }

  /** It was that there is a folder now. */
  onFolder(folder: string, nowMs: number): void {
    this.currentBurst(nowMs).folders.add(folder);
  }

  /** A walk of everything ends, or could not be done. */
  onScanned(nowMs: number): void {
    this.lastScanMs = nowMs;
  }

  onWatching(works: boolean): void {
    this.watching = works;
    if (!works) this.isDoubtful = true;
  }

  /** What to walk now; it is not named again. */
  take(nowMs: number): Rescan | undefined {
    if (nowMs >= this.periodicMs()) {
      this.burst = undefined;
      this.isDoubtful = !this.watching;
      this.lastScanMs = nowMs;
      return "everything";
    }
    if (this.burst === undefined || nowMs < calmAt(this.burst)) return undefined;
    const { hints, folders } = this.burst;
    this.burst = undefined;
    if (hints >= stormHints) return "everything";
    return folders.size > 0 ? [...folders] : undefined;
  }

  nextWakeup(): number {
    return this.burst === undefined ? this.periodicMs() : Math.min(this.periodicMs(), calmAt(this.burst));
  }

  private currentBurst(nowMs: number): Burst {
    this.burst ??= { firstMs: nowMs, lastMs: nowMs, hints: 0, folders: new Set() };
    this.burst.lastMs = nowMs;
    return this.burst;
  }

  private periodicMs(): number {
    const isQuiet = this.watching && !this.isDoubtful;
    return this.lastScanMs + (isQuiet ? quietRescanMs : this.rescanMs);
  }
}

function calmAt({ firstMs, lastMs }: Burst): number {
  return Math.min(lastMs + calmMs, firstMs + maxBurstMs);
}

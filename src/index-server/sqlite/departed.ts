/**
 * The rows of peers that have left: kept for a while, because a peer may come back with the same library, then purged,
 * one peer after the other.
 */
import type { CatalogWriter } from "./catalog-writer.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface DepartedOptions {
  keepLeftMs: number;
  /** Monotonic. */
  nowMs(): number;
  later(run: () => void, delayMs: number): void;
  /** So many are kept now. */
  onCount(count: number): void;
  /** No row of the slot is left. */
  onGone(slot: number): void;
  onTrouble(error: unknown): void;
}

/** A purge that failed (no space, a lock) is tried again after this. */
const retryMs = 5_000;
/** How often it is looked whose rows have been kept for long enough: so often, or as often as it matters. */
const minSweepMs = 100;
const maxSweepMs = 10_000;

export class Departed {
  /** Owns the purges, which so come one after the other. */
  private readonly purger = {};
  /** By slot: when its peer left. */
  private readonly leftMs = new Map<number, number>();
  private readonly purging = new Set<number>();

  constructor(
    private readonly catalog: CatalogWriter,
    private readonly queue: WorkQueue,
    private readonly options: DepartedOptions,
  ) {
    this.sweep();
  }

  /** Its peer has left. */
  add(slot: number): void {
    const { keepLeftMs, nowMs, onCount } = this.options;
    this.leftMs.set(slot, nowMs());
    onCount(this.leftMs.size);
    if (keepLeftMs <= 0) this.purge(slot);
  }

  /** Its peer is back, or its rows are gone. False when that was so. */
  remove(slot: number): boolean {
    const wasKept = this.leftMs.delete(slot);
    if (wasKept) this.options.onCount(this.leftMs.size);
    return wasKept;
  }

  /** Their room is needed. False when there are none. */
  purgeAll(): boolean {
    for (const slot of this.leftMs.keys()) this.purge(slot);
    return this.leftMs.size > 0;
  }

  // --- internal ---

  private purge(slot: number): void {
    if (this.purging.has(slot)) return;
    this.purging.add(slot);
    this.queue.add({
      owner: this.purger,
      steps: () => this.catalog.purge(slot),
      finished: () => {
        this.purging.delete(slot);
        if (!this.remove(slot)) return;
        this.catalog.forget(slot);
        this.options.onGone(slot);
      },
      failed: (error) => {
        this.purging.delete(slot);
        this.options.onTrouble(error);
        this.options.later(() => {
          if (this.leftMs.has(slot)) this.purge(slot);
        }, retryMs);
      },
    });
  }

  private sweep(): void {
    const { keepLeftMs, nowMs, later } = this.options;
    for (const [slot, sinceMs] of this.leftMs) if (nowMs() - sinceMs >= keepLeftMs) this.purge(slot);
    later(() => this.sweep(), Math.max(minSweepMs, Math.min(maxSweepMs, keepLeftMs)));
  }
}

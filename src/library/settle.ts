/**
 * Decides when a file that appeared or changed has been still long enough to be hashed and offered, so that a copy
 * in progress is never offered half-way. Pure: it is told what was seen when, and asked what to look at again.
 */
import { type FileIdentity, sameContentIdentity } from "./file-identity.ts";

interface Waiting {
  identity: FileIdentity;
  sinceMs: number;
}

export class Settling {
  /** In the order in which their waits end: all are equally long, and who starts anew goes to the end. */
  private readonly waiting = new Map<string, Waiting>();

  constructor(private readonly settleMs: number) {}

  /** `path` has this identity now. Its wait starts, or starts again when it differs from what was seen before. */
  seen(path: string, identity: FileIdentity, nowMs: number): void {
    const before = this.waiting.get(path);
    if (before !== undefined && sameContentIdentity(before.identity, identity)) return;
    this.waiting.delete(path);
    this.waiting.set(path, { identity, sinceMs: nowMs });
  }

  /** `path` is there no more, or no longer of interest. */
  gone(path: string): void {
    this.waiting.delete(path);
  }

  /** Paths whose wait is over if nothing has changed meanwhile: look again, and ask `settled` about each. */
  due(nowMs: number): string[] {
    const due: string[] = [];
    for (const [path, { sinceMs }] of this.waiting) {
      if (sinceMs + this.settleMs > nowMs) break;
      due.push(path);
    }
    return due;
  }

  /**
   * The answer to `due`: whether `path`, seen as `identity` now, has been still for the whole wait. If so it is
   * forgotten here; otherwise its wait goes on, or starts again.
   */
  settled(path: string, identity: FileIdentity, nowMs: number): boolean {
    this.seen(path, identity, nowMs);
    const { sinceMs } = this.waiting.get(path)!;
    if (sinceMs + this.settleMs > nowMs) return false;
    this.waiting.delete(path);
    return true;
  }

  /** When to ask `due` next; undefined when nothing waits. */
  nextWakeup(): number | undefined {
    for (const { sinceMs } of this.waiting.values()) return sinceMs + this.settleMs;
    return undefined;
  }

  get count(): number {
    return this.waiting.size;
  }
}

/**
 * Whether a file found by the first scan needs no waiting, because it was last written long enough ago. A time in
 * the future proves nothing. (Later on it does not count: copies may be given the time of their original.)
 */
export function alreadyStill(identity: FileIdentity, wallClockMs: number, settleMs: number): boolean {
  const mtimeMs = Number(identity.mtimeNs / 1_000_000n);
  return mtimeMs <= wallClockMs - settleMs;
}

/**
 * How many files one statement should have: as many as it writes in half a second, so that those of other peers soon have
 * their turn, and that a slow disk never makes it come near its deadline. No clock.
 */
import { maxFilesPerMessage } from "../../wire/limits.ts";

/** A request alone may have as many. */
const fewest = maxFilesPerMessage;
/** With more, each file takes as long (measured). */
const most = 4 * maxFilesPerMessage;
const wantedMs = 500;

export class Pace {
  private wanted = most;

  get files(): number {
    return this.wanted;
  }

  /** So many were written. */
  took(files: number, ms: number): void {
    if (files < fewest) return;
    this.wanted = Math.max(fewest, Math.min(most, Math.floor((files * wantedMs) / ms)));
  }

  /** Nobody knows how long it would have taken. */
  failed(): void {
    this.wanted = fewest;
  }
}

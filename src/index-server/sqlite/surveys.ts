/**
 * Peers that came back to the rows they had: which of their files may somebody want to hear of? Where nobody wants to
 * hear of anything nothing is read. Else they are looked at one after the other, and who has something to write comes
 * first, because after a restart of the index thousands come back within seconds.
 */
import type { FileEntry } from "../../wire/messages.ts";
import type { WantedFiles } from "../wanted-files.ts";

export interface SurveysOptions {
  wanted: Pick<WantedFiles, "any" | "mayWant">;
  /** What a peer has, some files at a time. */
  filesOf(slot: number): Iterator<FileEntry[], void>;
  /** Somebody waits for something to be written. */
  isBusy(): boolean;
  /** Monotonic. */
  nowMs(): number;
  later(run: () => void, delayMs: number): void;
  tell(slot: number, files: FileEntry[]): void;
  /** That peer is given up. */
  onTrouble(error: unknown): void;
}

/** Of reading at a stretch, and what others then have while they wait to write. */
const turnMs = 5;
const restBesideOthersMs = 20;
/** To look at a file that is told takes others so long. */
const restPerToldMs = 0.01;

export class Surveys {
  /** In the order in which they came back; of each what is left. */
  private readonly waiting = new Map<number, Iterator<FileEntry[], void>>();
  private isScheduled = false;

  constructor(private readonly options: SurveysOptions) {}

  /** The peer of that slot has come back, and can be found. */
  add(slot: number): void {
    // Who wants to hear of something from now on finds it.
    if (!this.options.wanted.any) return;
    this.waiting.set(slot, this.options.filesOf(slot));
    this.schedule(0);
  }

  /** It has left. */
  remove(slot: number): void {
    this.waiting.delete(slot);
  }

  stop(): void {
    this.waiting.clear();
  }

  // --- internal ---

  private schedule(delayMs: number): void {
    if (this.isScheduled || this.waiting.size === 0) return;
    this.isScheduled = true;
    this.options.later(() => {
      this.isScheduled = false;
      this.turn();
    }, delayMs);
  }

  private turn(): void {
    const { wanted, nowMs, isBusy } = this.options;
    if (!wanted.any) this.waiting.clear();
    const endMs = nowMs() + turnMs;
    let told = 0;
    for (const [slot, pages] of this.waiting) {
      told += this.advance(slot, pages, endMs);
      if (nowMs() >= endMs) break;
    }
    this.schedule(Math.max(told * restPerToldMs, isBusy() ? restBesideOthersMs : 0));
  }

  /** Returns how many files were told. */
  private advance(slot: number, pages: Iterator<FileEntry[], void>, endMs: number): number {
    const { wanted, nowMs, tell, onTrouble } = this.options;
    let told = 0;
    try {
      do {
        const page = pages.next();
        if (page.done === true) {
          this.waiting.delete(slot);
          break;
        }
        const files = page.value.filter((file) => wanted.mayWant(file));
        if (files.length > 0) tell(slot, files);
        told += files.length;
      } while (nowMs() < endMs);
    } catch (error) {
      this.waiting.delete(slot);
      onTrouble(error);
    }
    return told;
  }
}

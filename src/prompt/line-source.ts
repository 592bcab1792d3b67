/**
 * Where the prompt's lines come from: `piped-lines.ts` or `terminal-lines.ts`. What they mean is `parse.ts`.
 */
export interface LineSource {
  /**
   * The next line without its end, in order; undefined at the end of input, and from the moment `close` is called.
   * A call supersedes one that has not been answered.
   */
  next(): Promise<Line | undefined>;
  /** Gives a line back: the next call of `next` answers with it. */
  putBack(line: string): void;
  /** Gives the input back as it was. */
  close(): void;
}

/** Stands for a line beyond `maxPromptLineBytes`, which was dropped. */
export const tooLong = Symbol("line too long");

export type Line = string | typeof tooLong;

/** Lines that have arrived, and who waits for one. */
export class LineQueue {
  private readonly lines: Line[] = [];
  private waiting: ((line: Line | undefined) => void) | undefined;
  private ended = false;

  get isEmpty(): boolean {
    return this.lines.length === 0;
  }

  push(line: Line): void {
    if (this.waiting === undefined) this.lines.push(line);
    else this.answer(line);
  }

  putBack(line: Line): void {
    this.lines.unshift(line);
  }

  /** What has arrived is still given out. */
  end(): void {
    this.ended = true;
    if (this.waiting !== undefined) this.answer(undefined);
  }

  /** Forgets what has arrived and was not given out. */
  drop(): void {
    this.lines.length = 0;
  }

  /** Nothing is given out any more. */
  clear(): void {
    this.drop();
    this.end();
  }

  next(): Promise<Line | undefined> {
    const line = this.lines.shift();
    if (line !== undefined || this.ended) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  private answer(line: Line | undefined): void {
    const answer = this.waiting;
    this.waiting = undefined;
    answer?.(line);
  }
}

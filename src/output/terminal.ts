/**
 * The terminal, as its one owner: at any time its lowest line is a prompt, a progress bar or nothing, and everything
 * else is printed above that line, whole. What the line says is its owner's business.
 */
import { redacted } from "../redaction.ts";

/** What stdout and stderr have in common with the streams of a test. */
export interface TextStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
  on?(event: "resize", listener: () => void): unknown;
  off?(event: "resize", listener: () => void): unknown;
}

/** Something that keeps the lowest line. Both methods write with `Terminal.draw`. */
export interface LowerLine {
  /** Leaves the cursor at the start of an empty line, nothing below it. */
  erase(): void;
  /** Called with the cursor at the start of an empty line. */
  draw(): void;
}

export class Terminal {
  /** Whether there is a person at a screen that can move its cursor. */
  readonly isInteractive: boolean;
  /** Whether colours are welcome there (https://no-color.org). */
  readonly hasColours: boolean;
  private readonly stderr: TextStream;
  private readonly lines: LowerLine[] = [];

  constructor(stderr: TextStream, environment: Readonly<Record<string, string | undefined>>) {
    this.stderr = stderr;
    this.isInteractive = stderr.isTTY === true && environment.TERM !== "dumb";
    this.hasColours = this.isInteractive && !environment.NO_COLOR;
  }

  get columns(): number {
    return this.stderr.columns || 80;
  }

  /**
   * Prints whole lines above the lowest one. `write` is how they reach the screen; without it they go to stderr.
   */
  print(text: string, write: (text: string) => void = (some) => this.draw(some)): void {
    const lower = this.lines.at(-1);
    lower?.erase();
    write(text);
    lower?.draw();
  }

  /**
   * Gives the lowest line to `line`; who has it now gets it back at `release`. A `background` line instead waits
   * behind all others and is seen when there is none.
   */
  occupy(line: LowerLine, place: "front" | "background" = "front"): void {
    if (this.lines.includes(line)) return;
    if (place === "background" && this.lines.length > 0) {
      this.lines.unshift(line);
      return;
    }
    this.lines.at(-1)?.erase();
    this.lines.push(line);
    line.draw();
  }

  release(line: LowerLine): void {
    const position = this.lines.indexOf(line);
    if (position === -1) return;
    const wasLowest = position === this.lines.length - 1;
    if (wasLowest) line.erase();
    this.lines.splice(position, 1);
    if (wasLowest) this.lines.at(-1)?.draw();
  }

  /** Whether `line` is the one on the screen: only then may it draw. */
  shows(line: LowerLine): boolean {
    return this.lines.at(-1) === line;
  }

  /** Leaves the screen as a shell expects it, whatever was going on. For the end of the program. */
  restore(): void {
    this.lines.at(-1)?.erase();
    this.lines.length = 0;
    if (this.isInteractive) this.draw(showCursor);
  }

  /** Raw text to the screen, for owners of the lowest line: the one way to standard error, so no secret passes. */
  draw(text: string): void {
    this.stderr.write(redacted(text));
  }

  onResize(listener: () => void): () => void {
    this.stderr.on?.("resize", listener);
    return () => this.stderr.off?.("resize", listener);
  }
}

/** To the first column, and nothing on the line. */
export const clearLine = "\r\u001b[2K";
export const hideCursor = "\u001b[?25l";
export const showCursor = "\u001b[?25h";

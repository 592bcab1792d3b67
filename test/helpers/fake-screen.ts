/**
 * Streams that remember what was written, for tests of what prints.
 */
import type { OutputStream } from "../../src/output/output.ts";
import type { TextStream } from "../../src/output/terminal.ts";

export class FakeScreen implements TextStream {
  written = "";

  constructor(
    readonly isTTY: boolean = true,
    public columns: number = 80,
  ) {}

  write(text: string): void {
    this.written += text;
  }

  /** What a person would see, as long as lines are redrawn from their start and do not fold. */
  get rows(): string[] {
    const rows = [""];
    for (const piece of this.written.split(/(\r|\n|\u001b\[[?\d]*[A-Za-z])/)) {
      if (piece === "\n") rows.push("");
      else if (/^\u001b\[\d?[KJ]$/.test(piece)) rows[rows.length - 1] = "";
      else if (piece !== "\r" && !piece.startsWith("\u001b")) rows[rows.length - 1] += piece;
    }
    return rows;
  }
}

/** Standard output; `failWith` makes every write fail. */
export class FakeStdout implements OutputStream {
  written = "";
  failWith: Error | undefined;
  writableLength = 0;
  /** While true, writes are not acknowledged. */
  isSlow = false;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly isTTY: boolean = false) {}

  write(text: string, done: (error?: Error | null) => void): boolean {
    if (this.failWith === undefined) this.written += text;
    const finish = (): void => done(this.failWith);
    if (this.isSlow) this.#waiting.push(finish);
    else queueMicrotask(finish);
    return !this.isSlow;
  }

  on(): void {}

  catchUp(): void {
    for (const finish of this.#waiting.splice(0)) finish();
  }

  get events(): { event: string; [field: string]: unknown }[] {
    return this.written
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }
}

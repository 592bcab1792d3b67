/**
 * Progress of one thing at a time: a bar on the lowest line of a terminal, or elsewhere a line in the log now and
 * then. How the line looks is `progress-line.ts`.
 */
import { Format, type Options, SingleBar } from "cli-progress";
import type { Log } from "./log.ts";
import { fit, type ProgressState, progressLine, progressSummary } from "./progress-line.ts";
import { clearLine, hideCursor, type LowerLine, showCursor, type Terminal } from "./terminal.ts";

export interface ProgressOptions {
  terminal: Terminal;
  log: Log;
  /** With `--quiet` there is none. */
  quiet?: boolean;
  /** For what goes on beside the commands, such as hashing: never covers a prompt or another bar. */
  isBackground?: boolean;
}

/** Off a terminal. */
const summaryIntervalMs = 10_000;
const redrawsPerSecond = 10;

export class Progress {
  private readonly options: ProgressOptions;
  private state: ProgressState | undefined;
  private stopDisplay: (() => void) | undefined;

  constructor(options: ProgressOptions) {
    this.options = options;
  }

  /** Begins anew; what was shown before is over. */
  start(about: Pick<ProgressState, "label" | "sizeBytes" | "files">): void {
    this.stop();
    const { terminal, log, quiet, isBackground } = this.options;
    this.state = { ...about, bytes: 0, bytesPerSecond: 0 };
    if (quiet) return;
    const current = () => this.state ?? { ...about, bytes: 0, bytesPerSecond: 0 };
    this.stopDisplay = terminal.isInteractive
      ? showBar(new BarScreen(terminal, isBackground ? "background" : "front"), current)
      : logSummaries(log, current);
  }

  /** Cheap: may be called for every chunk. */
  update(change: Partial<Omit<ProgressState, "label">>): void {
    if (this.state !== undefined) this.state = { ...this.state, ...change };
  }

  /** Leaves nothing behind: what came of it is the command's to say. */
  stop(): void {
    this.stopDisplay?.();
    this.stopDisplay = undefined;
    this.state = undefined;
  }
}

function logSummaries(log: Log, current: () => ProgressState): () => void {
  let last = "";
  const timer = setInterval(() => {
    const summary = progressSummary(current());
    if (summary !== last) log.info(summary);
    last = summary;
  }, summaryIntervalMs);
  return () => clearInterval(timer);
}

function showBar(screen: BarScreen, current: () => ProgressState): () => void {
  const options: Options & { terminal: BarScreen } = {
    terminal: screen,
    fps: redrawsPerSecond,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 40,
    format: (given, { maxWidth }) =>
      progressLine(current(), maxWidth, (share, width) =>
        Format.BarFormat(share, { ...given, barsize: width }),
      ),
  };
  const bar = new SingleBar(options);
  bar.start(1, 0);
  return () => {
    bar.stop();
    screen.close();
  };
}

/**
 * The terminal as cli-progress wants it: it asks when and what to draw, and the line stays under the control of
 * `Terminal`, which may print above it at any time.
 */
class BarScreen implements LowerLine {
  private readonly terminal: Terminal;
  private readonly stopListening: () => void;
  private text = "";

  constructor(terminal: Terminal, place: "front" | "background") {
    this.terminal = terminal;
    terminal.occupy(this, place);
    // Where a terminal folded the old line, a piece of it stays above: better than to move up by a guess and erase
    // what was printed.
    this.stopListening = terminal.onResize(() => this.write(fit(this.text, this.getWidth())));
  }

  isTTY(): boolean {
    return true;
  }

  /** One column less: a full line would make some terminals wrap. */
  getWidth(): number {
    return this.terminal.columns - 1;
  }

  write(text: string): void {
    this.text = text;
    if (this.terminal.shows(this)) this.draw();
  }

  draw(): void {
    this.terminal.draw(clearLine + hideCursor + this.text);
  }

  erase(): void {
    this.terminal.draw(clearLine + showCursor);
  }

  close(): void {
    this.stopListening();
    this.terminal.release(this);
  }

  // The rest of what cli-progress calls has no meaning for a line that it does not own.
  cursor(): void {}
  cursorSave(): void {}
  cursorRestore(): void {}
  cursorTo(): void {}
  lineWrapping(): void {}
  clearRight(): void {}
  clearLine(): void {}
  newline(): void {}
}

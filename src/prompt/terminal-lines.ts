/**
 * Lines typed at a terminal: node:readline edits them, with history and Tab, on the lowest line that `Terminal`
 * gives away. While a command runs the line is not on the screen, but what is typed is kept for later.
 */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import type { LowerLine, Terminal } from "../output/terminal.ts";
import type { History } from "./history.ts";
import { type Line, LineQueue, type LineSource, tooLong } from "./line-source.ts";
import { maxPromptLineBytes } from "./parse.ts";

export interface TerminalLinesOptions {
  input: NodeJS.ReadStream;
  terminal: Terminal;
  history: History;
  complete: (line: string) => [string[], string];
  /** What goes on beside the prompt, in a few printable words; shown in it. */
  status: () => string | undefined;
  /** Ctrl-C. */
  onInterrupt: () => void;
}

const statusIntervalMs = 500;

export class TerminalLines implements LineSource, LowerLine {
  private readonly terminal: Terminal;
  private readonly queue = new LineQueue();
  private readonly readline: Interface;
  private readonly stopListening: () => void;
  private readonly statusTimer: Timer;
  private prompt = promptWith(undefined);
  private isDrawn = false;
  /** By Ctrl-D or by `close`; what was typed before is still given out. */
  private isClosed = false;

  constructor(options: TerminalLinesOptions) {
    const { terminal, history } = options;
    this.terminal = terminal;
    const screen = screenOf(terminal, () => terminal.shows(this));
    this.stopListening = terminal.onResize(() => screen.emit("resize"));
    this.readline = createInterface({
      input: options.input,
      output: screen,
      terminal: true,
      prompt: this.prompt,
      completer: options.complete,
      history: history.lines.toReversed(),
      historySize: 1_000,
      removeHistoryDuplicates: true,
    });
    this.readline.on("SIGINT", options.onInterrupt);
    this.statusTimer = setInterval(() => this.setPrompt(promptWith(options.status())), statusIntervalMs);
    this.readline.on("close", () => {
      this.isClosed = true;
      // What comes next begins on a row of its own.
      if (this.isDrawn && terminal.shows(this)) terminal.draw("\r\n");
      this.leaveScreen();
      this.queue.end();
    });
    this.readline.on("line", (line) => {
      // Readline has moved to the next row: what was typed stays on the screen, and there is no lowest line now.
      this.leaveScreen();
      const isTooLong = Buffer.byteLength(line) > maxPromptLineBytes;
      if (!isTooLong && line.trim() !== "") history.add(line);
      this.queue.push(isTooLong ? tooLong : line);
    });
  }

  async next(): Promise<Line | undefined> {
    const typedAhead = !this.queue.isEmpty;
    if (!typedAhead && !this.isClosed) this.terminal.occupy(this);
    const line = await this.queue.next();
    // Typed while a command was running and not seen yet.
    if (typedAhead && typeof line === "string") this.terminal.print(`${this.prompt}${line}\n`);
    return line;
  }

  putBack(line: string): void {
    this.queue.putBack(line);
  }

  /** Drops whole lines that were typed while a command ran: who cancels it means those as well. */
  dropTypedAhead(): void {
    this.queue.drop();
  }

  /** Drops what has been typed so far, as Ctrl-C does in a shell. */
  dropTyped(): void {
    if (this.readline.line !== "") this.readline.write(null, { ctrl: true, name: "e" });
    this.readline.write(null, { ctrl: true, name: "u" });
  }

  close(): void {
    this.queue.clear();
    clearInterval(this.statusTimer);
    this.readline.close();
    this.stopListening();
  }

  erase(): void {
    if (!this.isDrawn) return;
    const { rows } = this.readline.getCursorPos();
    const up = rows > 0 ? `\u001b[${rows}A` : "";
    this.terminal.draw(`${up}\r\u001b[J`);
    this.isDrawn = false;
  }

  draw(): void {
    this.isDrawn = true;
    // Readline believes to be still on the rows where it last drew, and would move up from here.
    (this.readline as Interface & { prevRows?: number }).prevRows = 0;
    this.readline.prompt(true);
  }

  private setPrompt(text: string): void {
    if (text === this.prompt) return;
    const isShown = this.isDrawn && this.terminal.shows(this);
    if (isShown) this.erase();
    this.prompt = text;
    this.readline.setPrompt(text);
    if (isShown) this.draw();
  }

  private leaveScreen(): void {
    this.isDrawn = false;
    this.terminal.release(this);
  }
}

function promptWith(status: string | undefined): string {
  return status === undefined ? "p2p> " : `p2p [${status}]> `;
}

/** What readline draws on: the terminal while the line is shown, nothing while it is not. */
function screenOf(terminal: Terminal, isShown: () => boolean): Writable {
  const screen = new Writable({
    decodeStrings: false,
    write(text: string | Buffer, _encoding, done) {
      if (isShown()) terminal.draw(String(text));
      done();
    },
  });
  Object.defineProperties(screen, {
    isTTY: { value: true },
    columns: { get: () => terminal.columns },
  });
  return screen;
}

/**
 * The prompt of `p2p peer`: reads lines from a terminal or a pipe, one command at a time, and keeps going whatever a
 * command comes to. What the commands do is given by `PromptActions`.
 */
import { InterruptedError, UsageError } from "../errors.ts";
import { reportFailure } from "../output/failure.ts";
import type { Log } from "../output/log.ts";
import type { Output } from "../output/output.ts";
import type { Terminal } from "../output/terminal.ts";
import { printable } from "../printable.ts";
import { completePromptLine } from "./complete.ts";
import { History } from "./history.ts";
import { type LineSource, tooLong } from "./line-source.ts";
import {
  type LimitChange,
  maxPromptLineBytes,
  type PromptCommand,
  parsePromptLine,
  promptHelp,
} from "./parse.ts";
import { PipedLines } from "./piped-lines.ts";
import { TerminalLines } from "./terminal-lines.ts";

/** Each says its result itself, through the output, and throws what goes wrong. */
export interface PromptActions {
  query(name: string, signal: AbortSignal): Promise<void>;
  search(words: string, signal: AbortSignal): Promise<void>;
  ls(folder: string, signal: AbortSignal): Promise<void>;
  peers(signal: AbortSignal): Promise<void>;
  stats(signal: AbortSignal): Promise<void>;
  list(): Promise<void> | void;
  status(): Promise<void> | void;
  /** Changes a limit if that is wanted, and says what holds. */
  limit(change: LimitChange | undefined): void;
  /** Names seen so far, for Tab. */
  names(): Iterable<string>;
  /** What goes on beside the commands, in a few printable words, for the prompt itself. */
  activity(): string | undefined;
}

export interface PromptOptions {
  actions: PromptActions;
  input: NodeJS.ReadStream;
  terminal: Terminal;
  output: Output;
  log: Log;
  /** Without it lines are remembered for this run only. */
  historyPath?: string;
  /** Ends the prompt, and before that the command it is running. */
  signal: AbortSignal;
}

/** How long a cancelled command may take to put its things in order while the prompt is being left. */
const cancelTimeoutMs = 5_000;

/**
 * Resolves with "exit" when the user, the end of the input or `signal` ends it, and with "headless" when the input
 * was empty from the start: then there is nobody to prompt.
 */
export async function runPrompt(options: PromptOptions): Promise<"exit" | "headless"> {
  return await new Prompt(options).run();
}

class Prompt {
  private readonly options: PromptOptions;
  private readonly isInteractive: boolean;
  private readonly lines: LineSource;
  private readonly terminalLines: TerminalLines | undefined;
  private readonly leaving = new AbortController();
  /** Of the command being run. */
  private running: AbortController | undefined;
  /** Resolved when the command being run is not waited for any longer. */
  private readonly abandoned = Promise.withResolvers<void>();
  private giveUp: ReturnType<typeof setTimeout> | undefined;
  private hasHinted = false;

  constructor(options: PromptOptions) {
    const { input, terminal, log, historyPath, actions } = options;
    this.options = options;
    this.isInteractive = input.isTTY === true && terminal.isInteractive;
    this.terminalLines = this.isInteractive
      ? new TerminalLines({
          input,
          terminal,
          history: new History(historyPath, (message) => log.warn(message)),
          complete: (line) => completePromptLine(line, actions.names()),
          status: () => actions.activity(),
          onInterrupt: () => this.onInterrupt(),
        })
      : undefined;
    this.lines = this.terminalLines ?? new PipedLines(input);
  }

  async run(): Promise<"exit" | "headless"> {
    const { signal } = this.options;
    const leave = (): void => this.leave();
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    try {
      return await this.runLines();
    } finally {
      signal.removeEventListener("abort", leave);
      clearTimeout(this.giveUp);
      this.lines.close();
    }
  }

  private async runLines(): Promise<"exit" | "headless"> {
    let hasHadLines = this.isInteractive;
    for (;;) {
      const line = await this.lines.next();
      if (this.leaving.signal.aborted) return "exit";
      if (line === undefined) return hasHadLines ? "exit" : "headless";
      hasHadLines = true;
      this.hasHinted = false;
      try {
        if (line === tooLong) throw new UsageError(`the line is longer than ${maxPromptLineBytes} bytes`);
        const command = parsePromptLine(line);
        if (command?.verb === "exit") return "exit";
        if (command !== undefined) await this.runCommand(command);
      } catch (error) {
        if (this.leaving.signal.aborted) return "exit";
        reportFailure(error, this.options.output, this.options.terminal);
      }
    }
  }

  /** Ends with the command; at once when it does not heed being cancelled. */
  private async runCommand(command: PromptCommand): Promise<void> {
    const running = new AbortController();
    this.running = running;
    try {
      await Promise.race([this.perform(command, running.signal), this.abandoned.promise]);
    } finally {
      this.running = undefined;
    }
  }

  private async perform(command: PromptCommand, signal: AbortSignal): Promise<void> {
    const { actions, output, terminal } = this.options;
    switch (command.verb) {
      case "query":
        return await actions.query(command.name, signal);
      case "search":
        return await actions.search(command.words, signal);
      case "ls":
        return await actions.ls(command.folder, signal);
      case "peers":
        return await actions.peers(signal);
      case "stats":
        return await actions.stats(signal);
      case "list":
        return await actions.list();
      case "status":
        return await actions.status();
      case "wait":
        return await (command.seconds === undefined
          ? this.waitForEnter(signal)
          : sleep(command.seconds, signal));
      case "limit":
        return actions.limit(command.change);
      case "help":
        if (output.json) terminal.print(`${promptHelp.join("\n")}\n`);
        else output.text(promptHelp);
        return;
      case "exit":
        return;
    }
  }

  private async waitForEnter(signal: AbortSignal): Promise<void> {
    const { log } = this.options;
    if (this.isInteractive) log.info("serving; press Enter to go on");
    const cancelled = Promise.withResolvers<never>();
    const cancel = (): void => cancelled.reject(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    for (;;) {
      const line = await Promise.race([this.lines.next(), cancelled.promise]);
      if (line === undefined) return;
      if (line === tooLong) continue;
      if (line.trim() === "") return;
      if (this.isInteractive) return this.lines.putBack(line);
      log.warn(`ignored while waiting for an empty line: ${printable(line)}`, "ignored lines");
    }
  }

  /** The first Ctrl-C cancels the command, or says how to leave; the second leaves. */
  private onInterrupt(): void {
    const { terminal } = this.options;
    if (this.running !== undefined && !this.running.signal.aborted) {
      this.terminalLines?.dropTypedAhead();
      this.running.abort(new InterruptedError("cancelled"));
    } else if (this.running !== undefined || this.hasHinted) {
      this.leave();
    } else {
      this.hasHinted = true;
      this.terminalLines?.dropTyped();
      terminal.print("press Ctrl-C again to leave\n");
    }
  }

  private leave(): void {
    if (this.leaving.signal.aborted) return;
    this.leaving.abort();
    this.lines.close();
    if (this.running?.signal.aborted) this.abandoned.resolve();
    else this.running?.abort(this.options.signal.reason ?? new InterruptedError("cancelled"));
    this.giveUp = setTimeout(() => this.abandoned.resolve(), cancelTimeoutMs);
  }
}

async function sleep(seconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = (): void => reject(signal.reason);
  const timer = setTimeout(resolve, seconds * 1000);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

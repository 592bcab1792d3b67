/**
 * Runs a command for one file after the other, and never two at a time. What it says goes where ours goes, it reads
 * nothing; when it fails that is told, and the next one runs.
 */
import type { Subprocess } from "bun";
import { monotonicMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { Match } from "../wire/messages.ts";
import type { CommandTemplate } from "./command-template.ts";

export interface CommandOutcome {
  match: Match;
  /** Undefined: it could not be run, for this reason. */
  exit: number | undefined;
  problem: string | undefined;
  seconds: number;
}

export interface CommandQueueOptions {
  template: CommandTemplate;
  /** Variables by which a p2p that it runs takes part in the same network. */
  networkVariables: Readonly<Record<string, string>>;
  /** Our standard output is for events: what the command says goes to standard error. */
  stdoutIsTaken: boolean;
  onDone: (outcome: CommandOutcome) => void;
}

/** From SIGTERM to SIGKILL, when we are ended. */
const graceMs = 5_000;

export class CommandQueue {
  private readonly waiting: Match[] = [];
  private running: Promise<void> | undefined;
  private child: Subprocess | undefined;
  private stopped = false;

  constructor(private readonly options: CommandQueueOptions) {}

  get length(): number {
    return this.waiting.length;
  }

  add(match: Match): void {
    this.waiting.push(match);
    this.running ??= this.run();
  }

  /** Resolves when all that was added is done. */
  async done(): Promise<void> {
    await this.running;
  }

  /** Ends what runs, and forgets the rest. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.waiting.length = 0;
    const { child } = this;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await this.running;
    clearTimeout(timer);
  }

  // --- internal ---

  private async run(): Promise<void> {
    for (let match = this.waiting.shift(); match !== undefined; match = this.waiting.shift()) {
      const startMs = monotonicMs();
      const end = await this.runFor(match);
      if (this.stopped) break;
      this.options.onDone({ match, ...end, seconds: (monotonicMs() - startMs) / 1000 });
    }
    this.running = undefined;
  }

  private async runFor(match: Match): Promise<Pick<CommandOutcome, "exit" | "problem">> {
    const { template, networkVariables, stdoutIsTaken } = this.options;
    const { name, root, sizeBytes } = match;
    try {
      const child = Bun.spawn(template.argvFor(name), {
        // As variables they are what `p2p query` takes for its options: it fetches this very content.
        env: {
          ...process.env,
          ...networkVariables,
          P2P_NAME: name,
          P2P_ROOT: root,
          P2P_SIZE: String(sizeBytes),
        },
        stdin: "ignore",
        stdout: stdoutIsTaken ? 2 : "inherit",
        stderr: "inherit",
      });
      this.child = child;
      const exit = await child.exited;
      return { exit, problem: exit === 0 ? undefined : `it ended with exit code ${exit}` };
    } catch (error) {
      return { exit: undefined, problem: reasonOf(error) };
    } finally {
      this.child = undefined;
    }
  }
}

/**
 * What `main.ts` hands to the verb it runs, and what a verb's module looks like from there.
 */

import type { Declaration, OptionsOf } from "../options/options.ts";
import type { Log } from "../output/log.ts";
import type { Output } from "../output/output.ts";
import type { Progress } from "../output/progress.ts";
import type { Terminal } from "../output/terminal.ts";
import type { Secret } from "../trust/secret.ts";

export interface CommandContext {
  /** The data of the command. */
  output: Output;
  log: Log;
  /** Of the command that is running. */
  progress: Progress;
  /** Of what goes on beside it, such as hashing. */
  backgroundProgress: Progress;
  terminal: Terminal;
  /** What P2P_TOKEN held when the program was started. */
  givenToken: Secret | undefined;
  /**
   * Aborted by a signal, or when standard output fails. `query` and `search` throw its reason
   * (`signal.throwIfAborted()`), which carries the exit code; servers stop cleanly and return.
   */
  signal: AbortSignal;
}

/** `commands/<verb>.ts`: flags in, one call, lines out. Failures are thrown, never printed. */
export interface CommandModule<Declared extends Declaration> {
  declaration: Declared;
  run(options: OptionsOf<Declared>, context: CommandContext): Promise<void>;
}

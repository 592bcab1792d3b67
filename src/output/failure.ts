/**
 * How a failure is told: `main.ts` tells the one that ends a command, the prompt those of single commands. Nobody
 * else prints errors.
 */
import { ExitCode, P2pError } from "../errors.ts";
import { printable } from "../printable.ts";
import { redacted } from "../redaction.ts";
import type { Output } from "./output.ts";
import type { Terminal } from "./terminal.ts";

/** One line must stay readable, and some paths are long. */
const messageLimit = 2_000;

/**
 * One line: with `--json` the error event on stdout, else `p2p: …` on stderr. What is no `P2pError` is a bug, and
 * its stack goes to stderr in both cases. Returns the exit code.
 */
export function reportFailure(error: unknown, output: Output, terminal: Terminal): number {
  const known = error instanceof P2pError;
  const exit = known ? error.exit : ExitCode.internal;
  const code = known ? error.code : "INTERNAL";
  // In this order: what is cut might be the half of a secret.
  const message = printable(redacted(error instanceof Error ? error.message : String(error)), messageLimit);
  // When it is standard output that failed, the event will not be read.
  if (!output.json || !known || output.failure !== undefined) terminal.print(`p2p: ${message}\n`);
  if (!known)
    terminal.print(`${stackOf(error)}\np2p: this is a bug, please report it with the lines above\n`);
  if (output.json) output.event({ event: "error", code, exit, message });
  return exit;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error) || error.stack === undefined) return "    (no stack)";
  const frames = error.stack.split("\n").filter((line) => /^\s+at /.test(line));
  const causes =
    error.cause === undefined ? [] : [`    caused by ${printable(String(error.cause), messageLimit)}`];
  return [...frames.map((line) => printable(line, 500)), ...causes].join("\n");
}

/**
 * `p2p watch WORDS`: tells of files as they come, and runs a command for each.
 */
import { formatAddress } from "../address.ts";
import { type IndexError, UsageError } from "../errors.ts";
import { LastingWatch } from "../net/lasting-watch.ts";
import * as kinds from "../options/kinds.ts";
import { declare, manyArguments, type OptionsOf, optional } from "../options/options.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import { tokenVariable } from "../trust/given-token.ts";
import type { Network } from "../trust/network.ts";
import { maxNameBytes } from "../wire/limits.ts";
import type { Match } from "../wire/messages.ts";
import { type CommandOutcome, CommandQueue } from "./command-queue.ts";
import { CommandTemplate } from "./command-template.ts";
import type { CommandContext } from "./context.ts";
import { networkOf } from "./network.ts";
import { asUsageError, searchText } from "./search.ts";
import { asking, printing } from "./shared-args.ts";
import { followToken } from "./token-follow.ts";

export const declaration = declare({
  verb: "watch",
  summary: "Tell of files that come, by parts of their names; run a command for each",
  arguments: {
    words: manyArguments({ name: "WORDS", description: "As for search" }),
  },
  options: {
    ...asking,
    exec: optional(kinds.text("CMD"), {
      flag: "exec",
      defaultText: "none",
      description:
        "Command to run for each, one at a time and without a shell; {} is the name, P2P_NAME, P2P_ROOT and " +
        "P2P_SIZE are in its environment",
    }),
    count: optional(kinds.integer({ min: 1, max: 1_000_000_000 }), {
      flag: "count",
      defaultText: "no end",
      description: "End after so many contents",
    }),
    ...printing,
  },
});

export type WatchOptions = OptionsOf<typeof declaration>;

/** Commands that wait; whoever has a million files come at once is not to fill our memory. */
const maxWaitingCommands = 100_000;

export async function run(options: WatchOptions, context: CommandContext): Promise<void> {
  const { log, signal } = context;
  const network = await networkOf(options, context);
  const text = searchText(options.words.join(" "));
  const commands = commandsOf(options, network, context);
  const following = followToken(network, log);
  const end = Promise.withResolvers<void>();
  // Heard below; it may be refused before that.
  end.promise.catch(() => {});
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const watch = new LastingWatch({
    network,
    text,
    onFound: (match) => {
      if (left === 0) return;
      left--;
      tell(match, commands, context);
      if (left === 0 || !context.output.isRead) end.resolve();
    },
    onRefused: (error: IndexError) => end.reject(asUsageError(error)),
    onNotice: (line) => log.warn(line, "index"),
  });
  try {
    await unlessAborted(watch.start(), signal);
    log.info(`waiting for files that fit: ${printable(text)}`);
    await unlessAborted(end.promise, signal);
    await unlessAborted(commands?.done() ?? Promise.resolve(), signal);
  } finally {
    watch.stop();
    following.stop();
    await commands?.stop();
  }
}

function tell(match: Match, commands: CommandQueue | undefined, { output, log }: CommandContext): void {
  const { name, sizeBytes, root, sources } = match;
  output.event({ event: "match", name, size: sizeBytes, root, sources });
  if (commands === undefined) return;
  if (commands.length < maxWaitingCommands) commands.add(match);
  else log.warn(`${printable(name, maxNameBytes)}: too many wait for --exec, so it is not run`, "dropped");
}

function commandsOf(
  options: WatchOptions,
  network: Network,
  context: CommandContext,
): CommandQueue | undefined {
  const { output, log } = context;
  if (options.exec === undefined) return undefined;
  // It would be without the token, and in no network.
  if (context.givenToken !== undefined)
    throw new UsageError(
      `--exec runs nothing that has ${tokenVariable}: give the token with --token-file instead`,
    );
  const template = CommandTemplate.parse(options.exec);
  if (Bun.which(template.program) === null)
    throw new UsageError(`--exec: there is no program ${printable(template.program)}`);
  return new CommandQueue({
    template,
    networkVariables: {
      P2P_INDEX: network.indexes.map(formatAddress).join(","),
      ...(options.network && { P2P_NETWORK: options.network }),
      ...(options.open && { P2P_OPEN: "1" }),
      ...(options.tokenFile && { P2P_TOKEN_FILE: options.tokenFile }),
    },
    stdoutIsTaken: output.json,
    onDone: ({ match, exit, problem, seconds }: CommandOutcome) => {
      const { name, root } = match;
      output.event({ event: "executed", name, root, exit: exit ?? null, seconds });
      if (problem !== undefined) log.warn(`--exec for ${printable(name, maxNameBytes)}: ${problem}`, "exec");
    },
  });
}

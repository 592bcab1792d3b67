/**
 * The program: finds the verb, runs it, and is the one place that prints a failure and sets the exit code. What a
 * verb does is in `commands/`.
 */
import type { CommandContext, CommandModule } from "./commands/context.ts";
import { type ConfigFile, configPath, type Environment, readConfigFile } from "./config.ts";
import { ExitCode, InterruptedError, UsageError } from "./errors.ts";
import { asksForHelp } from "./options/arguments.ts";
import { nearest } from "./options/nearest.ts";
import type { Declaration } from "./options/options.ts";
import { checkConfig, type OptionSources, resolveOptions, wantsJson } from "./options/resolve.ts";
import { reportFailure } from "./output/failure.ts";
import { createLog } from "./output/log.ts";
import { Output } from "./output/output.ts";
import { Progress } from "./output/progress.ts";
import { Terminal } from "./output/terminal.ts";
import { printable } from "./printable.ts";
import { aborted, Shutdown } from "./shutdown.ts";
import { takeGivenToken } from "./trust/given-token.ts";
import { version } from "./version.ts";

/** Options of every verb that decide how it prints. */
interface Printing {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

/** A verb whose options have been read. */
interface PreparedVerb {
  printing: Printing;
  run(context: CommandContext): Promise<void>;
}

interface Verb {
  declaration: Declaration;
  prepare(sources: OptionSources): PreparedVerb;
}

/** The modules are loaded when they are needed: `--version` needs none of them. */
const verbs = {
  "serve-index": async () => verb(await import("./commands/serve-index.ts")),
  peer: async () => verb(await import("./commands/peer.ts")),
  query: async () => verb(await import("./commands/query.ts")),
  search: async () => verb(await import("./commands/search.ts")),
  ls: async () => verb(await import("./commands/ls.ts")),
  watch: async () => verb(await import("./commands/watch.ts")),
  peers: async () => verb(await import("./commands/peers.ts")),
  stats: async () => verb(await import("./commands/stats.ts")),
  doctor: async () => verb(await import("./commands/doctor.ts")),
  index: async () => verb(await import("./commands/index-database.ts")),
  ban: async () => verb(await import("./commands/ban.ts")),
  join: async () => verb(await import("./commands/join.ts")),
  leave: async () => verb(await import("./commands/leave.ts")),
  token: async () => verb(await import("./commands/token.ts")),
} satisfies Record<string, () => Promise<Verb>>;

function verb<Declared extends Declaration & { options: Record<keyof Printing, unknown> }>(
  module: CommandModule<Declared>,
): Verb {
  return {
    declaration: module.declaration,
    prepare: (sources) => {
      const options = resolveOptions(module.declaration, sources);
      // Every verb spreads `printing` of shared-args.ts into its options; the constraint above sees to it.
      const printing = options as unknown as Printing;
      return { printing, run: (context) => module.run(options, context) };
    },
  };
}

/** How long a reader that has stopped reading is waited for after a signal. */
const lastWordsMs = 1_000;

const terminal = new Terminal(process.stderr, process.env);
// A standard error that nobody reads any more is no reason to stop, and there is nowhere left to tell it.
process.stderr.on("error", () => {});

/** Before anything else runs that could pass the environment on. */
const givenToken = takeGivenToken(process.env);

await main(process.argv.slice(2), process.env);

async function main(argv: readonly string[], environment: Environment): Promise<void> {
  const shutdown = new Shutdown({ source: process, endAtOnce: end });
  const output = new Output({
    stream: process.stdout,
    terminal,
    onFailure: (error) => shutdown.abort(error),
  });
  const onBug = (error: unknown): void => {
    reportFailure(error, output, terminal);
    void output.flush().then(() => end(ExitCode.internal));
  };
  process.on("uncaughtException", onBug);
  process.on("unhandledRejection", onBug);

  let exit: number = ExitCode.ok;
  try {
    const text = await helpOrVersion(argv);
    if (text !== undefined) output.text([text.trimEnd()]);
    else await run(argv, environment, output, shutdown);
  } catch (error) {
    exit = reportFailure(error, output, terminal);
  }
  exit = await flushed(output, shutdown.signal, exit);
  if (output.failure !== undefined) {
    // On standard error, also with --json. What went wrong before that remains the reason.
    const failed = reportFailure(output.failure, output, terminal);
    if (exit === ExitCode.ok) exit = failed;
  }
  end(exit);
}

/**
 * Waits until all that was printed has left this process; for ever, as any program does whose reader is slow, but not
 * beyond a signal. Returns the exit code: `exit`, or the signal's when that cut it short.
 */
async function flushed(output: Output, signal: AbortSignal, exit: number): Promise<number> {
  const cut = aborted(signal).then(() => Bun.sleep(lastWordsMs));
  const isWhole = await Promise.race([output.flush().then(() => true), cut.then(() => false)]);
  return isWhole || !(signal.reason instanceof InterruptedError) ? exit : signal.reason.exit;
}

/** By `process.exit`: what still runs now is not worth waiting for. Standard output has been flushed before. */
function end(exit: number): never {
  terminal.restore();
  process.exit(exit);
}

async function run(
  argv: readonly string[],
  environment: Environment,
  output: Output,
  shutdown: Shutdown,
): Promise<void> {
  // In steps, because each can fail, and how to say so must be known by then.
  output.json = wantsJson({ argv, environment, config: undefined });
  const config = readConfigFile(configPath(environment));
  output.json = wantsJson({ argv, environment, config });
  const prepared = await prepare(argv, environment, config);
  const { json, quiet, verbose } = prepared.printing;
  output.json = json;

  const log = createLog({ terminal, quiet, verbose });
  const progress = new Progress({ terminal, log, quiet });
  const backgroundProgress = new Progress({ terminal, log, quiet, isBackground: true });
  try {
    const { signal } = shutdown;
    await prepared.run({ output, log, progress, backgroundProgress, terminal, givenToken, signal });
  } finally {
    progress.stop();
    backgroundProgress.stop();
    log.close();
  }
}

async function prepare(
  argv: readonly string[],
  environment: Environment,
  config: ConfigFile | undefined,
): Promise<PreparedVerb> {
  const load = findVerb(argv[0]);
  if (config !== undefined) {
    const all = await Promise.all(Object.values(verbs).map((loadOther) => loadOther()));
    checkConfig(
      config,
      all.map((one) => one.declaration),
    );
  }
  const { prepare: prepareVerb } = await load();
  return prepareVerb({ argv: argv.slice(1), environment, config });
}

function findVerb(word: string | undefined): () => Promise<Verb> {
  const names = Object.keys(verbs);
  if (word === undefined)
    throw new UsageError(`missing command: one of ${names.join(", ")} (see p2p --help)`);
  if (Object.hasOwn(verbs, word)) return verbs[word as keyof typeof verbs];
  if (word.startsWith("-")) {
    const found = nearest(word.replace(/^-+/, ""), ["help", "version"]);
    const hint =
      found === undefined ? "options come after the command, see p2p --help" : `did you mean --${found}?`;
    // What is behind the = may be a secret.
    throw new UsageError(`unknown option ${printable(word.replace(/=.*/s, ""))} (${hint})`);
  }
  const found = nearest(word, names);
  const hint = found === undefined ? "see p2p --help" : `did you mean ${found}?`;
  throw new UsageError(`unknown command ${word === "" ? '""' : printable(word)} (${hint})`);
}

/** The text to print when that is all that was asked for. */
async function helpOrVersion(argv: readonly string[]): Promise<string | undefined> {
  const [first, second] = argv;
  if (first === "--version") return version;
  if (first === "--help" || first === "-h" || (first === "help" && second === undefined)) {
    const { programUsage } = await import("./options/usage.ts");
    const all = await Promise.all(Object.values(verbs).map((load) => load()));
    return await programUsage(
      all.map((one) => one.declaration),
      version,
      columns(),
    );
  }
  if (first === "help") return await verbHelp(await findVerb(second)());
  if (first === undefined || !Object.hasOwn(verbs, first)) return undefined;
  const found = await findVerb(first)();
  return asksForHelp(found.declaration, argv.slice(1)) ? await verbHelp(found) : undefined;
}

async function verbHelp(found: Verb): Promise<string> {
  const { verbUsage } = await import("./options/usage.ts");
  return await verbUsage(found.declaration, columns());
}

/** Help in a pipe is read by people all the same. */
function columns(): number {
  return process.stdout.columns || 100;
}

/**
 * The text of `--help`, of the program and of a verb: citty lays it out, this file says what is in it and keeps it
 * inside the width of the terminal.
 */
import { type ArgsDef, type CommandDef, renderUsage } from "citty";
import { type Declaration, helpFlag, type Option, spelling, variableOf } from "./options.ts";

export interface VerbSummary {
  verb: string;
  summary: string;
}

export async function programUsage(
  verbs: readonly VerbSummary[],
  version: string,
  columns: number,
): Promise<string> {
  const subCommands: Record<string, CommandDef> = {};
  for (const { verb, summary } of verbs) subCommands[verb] = { meta: { name: verb, description: summary } };
  const args: ArgsDef = {
    help: { type: "boolean", alias: "h", description: "Show this, or after a command all its options" },
    version: { type: "boolean", description: "Show the version" },
  };
  const meta = {
    name: "p2p",
    version,
    description: "Share folders between machines: find a file by name, fetch it from everybody who has it",
  };
  return layout(linesOf(await renderUsage({ meta, args, subCommands })), programNotes, columns);
}

export async function verbUsage(declaration: Declaration, columns: number): Promise<string> {
  const args: ArgsDef = {};
  for (const { name, description, takesAll, fallback } of Object.values(declaration.arguments)) {
    args[takesAll ? `${name}...` : name] = {
      type: "positional",
      description,
      ...(fallback === undefined ? {} : { required: false }),
      // An empty one says only that nothing need be given.
      ...(fallback ? { default: String(fallback) } : {}),
    };
  }
  const options = Object.values(declaration.options);
  for (const option of options) if (option.group === undefined) args[spelling(option)] = usageOf(option);
  args[helpFlag.flag] = { type: "boolean", alias: helpFlag.short, description: "Show this" };
  const meta = { name: `p2p ${declaration.verb}`, description: declaration.summary };
  const lines = linesOf(await renderUsage({ meta, args }));
  return layout([...lines, ...groupLines(options)], verbNotes, columns);
}

const programNotes = `
Data goes to standard output, everything else to standard error. Exit codes: 0 ok, 2 usage, 3 not found,
4 several contents of that name, 5 no source delivered, 6 verification failed, 7 disk or permission, 8 index
unreachable, 9 would overwrite, 10 not let in, 130 or 143 interrupted, 1 anything else.
`;

const verbNotes = `
An option is taken from the command line, else from the variable in brackets, else from the config file
($XDG_CONFIG_HOME/p2p/config.toml, flag names as keys), else it has its default. SIZE is a number of bytes, with
K, M, G (or KiB, MiB, GiB) for powers of 1024 and kB, MB, GB for powers of 1000. What follows -- is no option.
`;

function usageOf(option: Option<unknown>): ArgsDef[string] {
  const description = descriptionOf(option);
  const alias = option.short === undefined ? {} : { alias: option.short };
  if (option.isBoolean)
    return { type: "boolean", description, default: "off" as unknown as boolean, ...alias };
  return { type: "string", valueHint: option.hint, description, default: option.fallbackText, ...alias };
}

function descriptionOf(option: Option<unknown>): string {
  return `${option.description} [${variableOf(spelling(option))}]`;
}

/** One below the other, as the names of options that are told apart in groups tend to be long. */
function groupLines(options: readonly Option<unknown>[]): string[] {
  const lines: string[] = [];
  for (const [group, members] of Map.groupBy(options, (option) => option.group)) {
    if (group === undefined) continue;
    lines.push("", group.title.toUpperCase(), "", `  ${group.note}`, "");
    for (const option of members) {
      lines.push(`  --${option.flag}=<${option.hint}>`);
      lines.push(`      ${descriptionOf(option)} (Default: ${option.fallbackText})`);
    }
  }
  return lines;
}

function layout(rendered: readonly string[], notes: string, columns: number): string {
  const width = Math.max(60, Math.min(columns, 110));
  const text = notes.trim().replaceAll("\n", " ");
  return [...rendered.map((line) => line.trimEnd()), "", text]
    .flatMap((line) => wrapHanging(keptTogether(line), width))
    .map((line) => `${line.replaceAll("\u00a0", " ")}\n`)
    .join("");
}

function linesOf(rendered: string): string[] {
  return Bun.stripANSI(rendered).trimEnd().split("\n");
}

/** A default is read at a glance, so it is not broken over two lines. */
function keptTogether(line: string): string {
  return line.replace(/\(Default: [^)]{0,20}\)$/, (found) => found.replaceAll(" ", "\u00a0"));
}

/** Breaks a line between words; what follows is indented to the second column, or like the line if it has none. */
export function wrapHanging(line: string, width: number): string[] {
  const indent = (/^\s+\S.*?\s{2,}/.exec(line) ?? /^\s*/.exec(line))?.[0].length ?? 0;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const space = rest.lastIndexOf(" ", width);
    if (space <= indent) break;
    lines.push(rest.slice(0, space).trimEnd());
    rest = " ".repeat(indent) + rest.slice(space + 1);
  }
  return [...lines, rest];
}

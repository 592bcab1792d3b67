/**
 * Which value an option has in the end: the flag wins over the environment, that over the config file (where the
 * table of the verb wins over the top level), that over the default. A list replaces a list, they never mix.
 */
import type { ConfigFile, Environment } from "../config.ts";
import { UsageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { takeApart } from "./arguments.ts";
import { truth } from "./kinds.ts";
import { nearest } from "./nearest.ts";
import { type Declaration, type Option, type OptionsOf, variableOf } from "./options.ts";

export interface OptionSources {
  /** The words after the verb. */
  argv: readonly string[];
  environment: Environment;
  config: ConfigFile | undefined;
}

export function resolveOptions<Declared extends Declaration>(
  declaration: Declared,
  sources: OptionSources,
): OptionsOf<Declared> {
  const given = takeApart(declaration, sources.argv);
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(declaration.options)) {
    const texts = given.options.get(option.flag);
    values[key] =
      texts === undefined
        ? valueWithoutFlag(declaration.verb, option, sources)
        : read(option, texts, `--${option.flag}`);
  }
  Object.entries(declaration.arguments).forEach(([key, argument], position) => {
    values[key] = argument.takesAll
      ? given.words.slice(position)
      : (given.words[position] ?? argument.fallback);
  });
  return values as OptionsOf<Declared>;
}

/** A key that no verb knows is a mistake, wherever in the file it is; so is a value of the wrong type. */
export function checkConfig(config: ConfigFile, declarations: readonly Declaration[]): void {
  const flags = (some: readonly Declaration[]) =>
    some.flatMap((one) => Object.values(one.options).flatMap(keysOf));
  const verbs = declarations.map((declaration) => declaration.verb);
  for (const [key, value] of Object.entries(config.entries)) {
    const declaration = declarations.find((one) => one.verb === key);
    const all = flags(declarations);
    // `index` is both: a table is the command's, a value the option's.
    if (declaration === undefined || (all.includes(key) && !isTable(value))) {
      checkKey(config, key, key, all, [...verbs, ...all]);
      if (isTable(value)) throw new UsageError(`${key} in ${fileOf(config)} must be a value and no table`);
      continue;
    }
    if (!isTable(value)) throw new UsageError(`[${key}] in ${fileOf(config)} must be a table of options`);
    for (const inner of Object.keys(value)) {
      checkKey(config, inner, `${key}.${inner}`, flags([declaration]), flags([declaration]));
    }
  }
}

/**
 * Whether failures are to be told as JSON, as far as can be said before the options are read (and even when they
 * cannot be read). The last spelling wins.
 */
export function wantsJson(sources: OptionSources): boolean {
  const end = sources.argv.indexOf("--");
  const words = end === -1 ? sources.argv : sources.argv.slice(0, end);
  const last = words.findLast((word) => /^--(no-)?json(=.*)?$/.test(word));
  if (last !== undefined) {
    return (
      last.startsWith("--json") &&
      (!last.includes("=") || truth.parse(last.slice(last.indexOf("=") + 1)) === true)
    );
  }
  const variable = sources.environment[variableOf("json")];
  if (variable) return truth.parse(variable) === true;
  const verb = sources.config?.entries[sources.argv[0] ?? ""];
  return (
    (isTable(verb) ? (verb.json ?? sources.config?.entries.json) : sources.config?.entries.json) === true
  );
}

function valueWithoutFlag(verb: string, option: Option<unknown>, sources: OptionSources): unknown {
  const { environment, config } = sources;
  for (const key of keysOf(option)) {
    const variable = variableOf(key);
    const text = environment[variable];
    // An empty variable is how a wrapper script says "not set".
    if (!text) continue;
    const texts = option.isRepeatable ? text.split(/[,\s]+/).filter((part) => part !== "") : [text];
    return negatedIf(key !== option.flag, read(option, texts, variable));
  }
  const table = config?.entries[verb];
  for (const entries of [isTable(table) ? table : {}, config?.entries ?? {}]) {
    for (const key of keysOf(option)) {
      if (entries[key] === undefined || config === undefined) continue;
      // Of the command of that name.
      if (entries === config.entries && isTable(entries[key])) continue;
      const where = `${key} in ${fileOf(config)}`;
      return negatedIf(key !== option.flag, read(option, textsOf(option, entries[key], where), where));
    }
  }
  return option.fallback(environment);
}

/** A switch also answers to its negation (`P2P_NO_PROMPT=1`, `no-prompt = true`), as on the command line. */
function keysOf(option: Option<unknown>): string[] {
  return option.isBoolean ? [option.flag, `no-${option.flag}`] : [option.flag];
}

function negatedIf(negated: boolean, value: unknown): unknown {
  return negated ? !value : value;
}

function read(option: Option<unknown>, texts: readonly string[], where: string): unknown {
  const value = option.read(texts);
  if (value !== undefined) return value;
  const bad = option.isRepeatable
    ? (texts.find((text) => option.read([text]) === undefined) ?? "")
    : texts.at(-1);
  throw new UsageError(`bad value "${printable(bad ?? "")}" for ${where}: expected ${option.expected}`);
}

/** What TOML has as text: one value, or a list of them for an option that can be repeated. */
function textsOf(option: Option<unknown>, value: unknown, where: string): string[] {
  const values = Array.isArray(value) && option.isRepeatable ? (value as unknown[]) : [value];
  return values.map((one) => {
    if (typeof one === "string" || typeof one === "number" || typeof one === "boolean") return String(one);
    throw new UsageError(`bad value for ${where}: expected ${option.expected}`);
  });
}

function checkKey(
  config: ConfigFile,
  key: string,
  path: string,
  legal: readonly string[],
  candidates: readonly string[],
): void {
  if (legal.includes(key)) return;
  const found = nearest(key, candidates);
  const hint = found === undefined ? "" : ` (did you mean ${found}?)`;
  throw new UsageError(`unknown key ${printable(path)} in ${fileOf(config)}${hint}`);
}

function fileOf(config: ConfigFile): string {
  return `the config file ${printable(config.path, 500)}`;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

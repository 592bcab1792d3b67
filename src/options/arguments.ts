/**
 * The words of a command line, taken apart strictly: what is unknown, missing or too much is named. Pure; values
 * are still texts here, `resolve.ts` reads them.
 */
import { parseArgs } from "node:util";
import { UsageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { nearest } from "./nearest.ts";
import { type Declaration, helpFlag, type Option, spelling } from "./options.ts";

export interface GivenArguments {
  /** Texts by flag, in the order given. A boolean has "true" and "false". */
  options: ReadonlyMap<string, readonly string[]>;
  /** What is no option, in order. */
  words: readonly string[];
}

/** True when `--help` or `-h` is among the options: then nothing else counts, not even a mistake. */
export function asksForHelp(declaration: Declaration, argv: readonly string[]): boolean {
  return tokensOf(declaration, argv).some((token) => token.kind === "option" && token.name === helpFlag.flag);
}

export function takeApart(declaration: Declaration, argv: readonly string[]): GivenArguments {
  const declared = new Map(Object.values(declaration.options).map((option) => [option.flag, option]));
  const options = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokensOf(declaration, argv)) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const { option, text } = recognise(declaration, declared, token);
    options.set(option.flag, [...(options.get(option.flag) ?? []), text]);
  }
  checkWords(declaration, words);
  return { options, words };
}

type Token = ReturnType<typeof tokensOf>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

function tokensOf(declaration: Declaration, argv: readonly string[]) {
  const options: Record<string, { type: "boolean" | "string"; short?: string }> = {
    [helpFlag.flag]: { type: "boolean", short: helpFlag.short },
  };
  for (const { flag, short, isBoolean } of Object.values(declaration.options)) {
    options[flag] = { type: isBoolean ? "boolean" : "string", ...(short === undefined ? {} : { short }) };
  }
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function recognise(
  declaration: Declaration,
  declared: ReadonlyMap<string, Option<unknown>>,
  token: OptionToken,
): { option: Option<unknown>; text: string } {
  const option = declared.get(token.name);
  if (option?.isBoolean) return { option, text: token.value ?? "true" };
  if (option !== undefined) return { option, text: requiredValue(token) };

  const negated = token.name.startsWith("no-") ? declared.get(token.name.slice(3)) : undefined;
  if (negated?.isBoolean) {
    if (token.value === undefined) return { option: negated, text: "false" };
    throw new UsageError(`${token.rawName} takes no value`);
  }
  if (token.name === "token")
    throw new UsageError(
      "there is no --token, as others could read it in the list of processes: put it into P2P_TOKEN, or into a file " +
        "for --token-file",
    );
  throw new UsageError(`unknown option ${printable(token.rawName)}${suggestion(declaration, token.name)}`);
}

/** A word that looks like an option is no value unless written with `=`; `-1` and `-` do not look like one. */
function requiredValue(token: OptionToken): string {
  const { value, rawName } = token;
  if (value === undefined) throw new UsageError(`${rawName} needs a value (see p2p --help)`);
  if (!token.inlineValue && /^-[^\d]/.test(value)) {
    const shown = printable(value);
    throw new UsageError(`${rawName} needs a value; if ${shown} is meant, write ${rawName}=${shown}`);
  }
  return value;
}

function suggestion(declaration: Declaration, name: string): string {
  const flags = [
    helpFlag.flag,
    ...Object.values(declaration.options).flatMap((option) => spellingsOf(option)),
  ];
  const found = nearest(name, flags);
  return found === undefined ? ` (see p2p ${declaration.verb} --help)` : ` (did you mean --${found}?)`;
}

function spellingsOf(option: Option<unknown>): string[] {
  return option.isBoolean
    ? [...new Set([option.flag, spelling(option), `no-${option.flag}`])]
    : [option.flag];
}

function checkWords(declaration: Declaration, words: readonly string[]): void {
  const expected = Object.values(declaration.arguments);
  expected.forEach((argument, position) => {
    if (words[position] !== undefined && words[position] !== "") return;
    if (words[position] === undefined && argument.fallback !== undefined) return;
    const what = words[position] === undefined ? "missing" : "empty";
    throw new UsageError(`${what} argument ${argument.name} (see p2p ${declaration.verb} --help)`);
  });
  const extra = words[expected.length];
  if (extra === undefined || expected.some((argument) => argument.takesAll)) return;
  if (declaration.wordRefusal !== undefined) throw new UsageError(declaration.wordRefusal);
  throw new UsageError(`unexpected argument ${printable(extra)} (see p2p ${declaration.verb} --help)`);
}

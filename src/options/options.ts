/**
 * How a verb declares its options and arguments, once, with name, kind, default and sentence; the types of the
 * values follow from it. Reading the command line, the environment and the config file is `resolve.ts`.
 */
import type { Environment } from "../config.ts";
import { type Kind, truth } from "./kinds.ts";

/** Options with a value that the help shows together, below the others, with a note on what they have in common. */
export interface OptionGroup {
  readonly title: string;
  readonly note: string;
}

export interface Option<Value> {
  /** Long name without the dashes, lower case, parts joined by `-`. */
  readonly flag: string;
  /** One letter. */
  readonly short?: string;
  readonly group?: OptionGroup;
  readonly description: string;
  readonly isBoolean: boolean;
  readonly isRepeatable: boolean;
  readonly hint: string;
  readonly expected: string;
  /** The value of the texts given, in their order; undefined when one of them is none of this kind. */
  read(texts: readonly string[]): Value | undefined;
  fallback(environment: Environment): Value;
  /** The default as the help shows it. */
  readonly fallbackText: string;
}

interface Described {
  flag: string;
  short?: string;
  group?: OptionGroup;
  description: string;
}

/** `--json`, `--no-json`. */
export function flag(given: Described & { default: boolean }): Option<boolean> {
  return { ...single(truth, given), isBoolean: true };
}

/**
 * An option with a value. Given more than once, the last one counts. A default that depends on the machine is a
 * function, and then `defaultText` names it in the help.
 */
export function single<Value>(
  kind: Kind<Value>,
  given: Described &
    ({ default: Value } | { defaultFrom: (environment: Environment) => Value; defaultText: string }),
): Option<Value> {
  return {
    ...common(kind, given),
    isRepeatable: false,
    read: (texts) => kind.parse(texts.at(-1) ?? ""),
    fallback: "default" in given ? () => given.default : given.defaultFrom,
    fallbackText: "default" in given ? kind.show(given.default) : given.defaultText,
  };
}

/** An option without a default of its own: undefined says that nobody asked for it. */
export function optional<Value>(
  kind: Kind<Value>,
  given: Described & { defaultText: string },
): Option<Value | undefined> {
  return {
    ...common(kind, given),
    isRepeatable: false,
    read: (texts) => kind.parse(texts.at(-1) ?? ""),
    fallback: () => undefined,
    fallbackText: given.defaultText,
  };
}

/** An option that can be given several times, and all of them count; undefined says that nobody asked for it. */
export function repeated<Value>(
  kind: Kind<Value>,
  given: Described & { defaultText: string },
): Option<readonly Value[] | undefined> {
  return {
    ...common(kind, given),
    isRepeatable: true,
    read: (texts) => {
      const values = texts.map((text) => kind.parse(text));
      return values.some((value) => value === undefined) ? undefined : (values as Value[]);
    },
    fallback: () => undefined,
    fallbackText: given.defaultText,
  };
}

function common<Value>(kind: Kind<Value>, given: Described) {
  const { flag, description } = given;
  const short = given.short === undefined ? {} : { short: given.short };
  const group = given.group === undefined ? {} : { group: given.group };
  return {
    flag,
    ...short,
    ...group,
    description,
    isBoolean: false,
    hint: kind.hint,
    expected: kind.expected,
  };
}

/** A word of the command line that is no option. A verb has at most one, or one that takes all words. */
export interface Argument<Value> {
  readonly name: string;
  readonly description: string;
  readonly takesAll: boolean;
  /** What is taken when it is missing; without it the argument is required. */
  readonly fallback?: Value;
}

export function argument(given: { name: string; description: string; default?: string }): Argument<string> {
  const { name, description } = given;
  return {
    name,
    description,
    takesAll: false,
    ...(given.default === undefined ? {} : { fallback: given.default }),
  };
}

export function manyArguments(given: { name: string; description: string }): Argument<readonly string[]> {
  return { ...given, takesAll: true };
}

export interface Declaration {
  readonly verb: string;
  readonly summary: string;
  readonly arguments: Readonly<Record<string, Argument<string> | Argument<readonly string[]>>>;
  /** Said of a word too much, in place of naming it: for verbs where people put a secret there. */
  readonly wordRefusal?: string;
  readonly options: Readonly<Record<string, Option<unknown>>>;
}

/** Checks a declaration and keeps its exact type. */
export function declare<const Declared extends Declaration>(declaration: Declared): Declared {
  return declaration;
}

/** The values that a verb with this declaration runs with. */
export type OptionsOf<Declared extends Declaration> = {
  readonly [Key in keyof Declared["options"]]: Declared["options"][Key] extends Option<infer Value>
    ? Value
    : never;
} & {
  readonly [Key in keyof Declared["arguments"]]: Declared["arguments"][Key] extends Argument<infer Value>
    ? Value
    : never;
};

/** Options every verb has without declaring them. */
export const helpFlag = { flag: "help", short: "h" } as const;

/** `P2P_CHUNK_SIZE` for `chunk-size`. */
export function variableOf(flag: string): string {
  return `P2P_${flag.toUpperCase().replaceAll("-", "_")}`;
}

/** How people write the option: one that is on by default is only ever switched off. */
export function spelling(option: Pick<Option<unknown>, "flag" | "isBoolean" | "fallbackText">): string {
  return option.isBoolean && option.fallbackText === "true" ? `no-${option.flag}` : option.flag;
}

/**
 * What a line typed at the prompt means. Pure; `prompt.ts` does it.
 */
import { UsageError } from "../errors.ts";
import { rate, seconds } from "../options/kinds.ts";
import { nearest } from "../options/nearest.ts";
import { printable } from "../printable.ts";

export type PromptCommand =
  | { verb: "query"; name: string }
  | { verb: "search"; words: string }
  /** The folder as typed; empty: the top. */
  | { verb: "ls"; folder: string }
  | { verb: "peers" }
  | { verb: "stats" }
  | { verb: "list" }
  | { verb: "status" }
  /** Without `seconds`: until Enter. */
  | { verb: "wait"; seconds?: number }
  /** Without `change`: show them. */
  | { verb: "limit"; change?: LimitChange }
  | { verb: "help" }
  | { verb: "exit" };

/** Infinite: no limit. */
export interface LimitChange {
  direction: "up" | "down";
  bytesPerSecond: number;
}

export type PromptVerb = PromptCommand["verb"];

export const promptVerbs: readonly PromptVerb[] = [
  "query",
  "search",
  "ls",
  "peers",
  "stats",
  "list",
  "status",
  "wait",
  "limit",
  "help",
  "exit",
];

/** Longest line that is read at all, in bytes; the longest legal name has 1,024. */
export const maxPromptLineBytes = 8 * 1024;

/**
 * The command of `line`, or undefined for a blank one; throws a `UsageError` that names the word at fault. A name
 * may have blanks inside and is all that follows QUERY; quotes are characters like any other, since names have them.
 */
export function parsePromptLine(line: string): PromptCommand | undefined {
  const [, word = "", rest = ""] = /^(\S*)\s*(.*)$/su.exec(line.trim()) ?? [];
  if (word === "") return undefined;
  const verb = word.toLowerCase();
  switch (verb) {
    case "query":
      return { verb, name: required(rest, "QUERY needs a name: QUERY debian.iso") };
    case "search":
      return { verb, words: required(rest, "SEARCH needs words: SEARCH debian iso -live") };
    case "wait":
      return rest === "" ? { verb } : { verb, seconds: secondsOf(rest) };
    case "limit":
      return rest === "" ? { verb } : { verb, change: limitOf(rest) };
    case "ls":
      return { verb, folder: rest };
    case "peers":
    case "stats":
    case "list":
    case "status":
    case "help":
    case "exit":
      if (rest === "") return { verb };
      throw new UsageError(`${verb.toUpperCase()} takes no argument, but there is "${printable(rest)}"`);
    default: {
      const found = nearest(verb, promptVerbs);
      const hint = found === undefined ? "HELP lists them" : `did you mean ${found.toUpperCase()}?`;
      throw new UsageError(`unknown command ${printable(word)} (${hint})`);
    }
  }
}

function required(rest: string, message: string): string {
  if (rest === "") throw new UsageError(message);
  return rest;
}

const waitSeconds = seconds();

function secondsOf(text: string): number {
  const value = waitSeconds.parse(text);
  if (value === undefined)
    throw new UsageError(`bad value "${printable(text)}" for WAIT: expected ${waitSeconds.expected}`);
  return value;
}

function limitOf(text: string): LimitChange {
  const [word = "", value = "", ...more] = text.split(/\s+/);
  const direction = word.toLowerCase();
  if ((direction !== "up" && direction !== "down") || value === "" || more.length > 0) {
    throw new UsageError("LIMIT is LIMIT up RATE or LIMIT down RATE: LIMIT up 5M, LIMIT down off");
  }
  const bytesPerSecond = rate.parse(value);
  if (bytesPerSecond === undefined)
    throw new UsageError(`bad value "${printable(value)}" for LIMIT: expected ${rate.expected}`);
  return { direction, bytesPerSecond };
}

export const promptHelp: readonly string[] = [
  "QUERY name      fetch a file, DIR/ or all that fits * ? **; the name is the rest of the line,",
  "                blanks and quotes included",
  "SEARCH words    find files whose names have all the words; -word must not be there",
  "LS [folder]     what the index has, folder by folder",
  "PEERS, STATS    who is registered at the index; its numbers",
  "LIST            the files shared from here",
  "STATUS          connections, files, transfers",
  "WAIT [seconds]  keep serving for that long; without a number until Enter (in a pipe: until",
  "                an empty line or the end)",
  "LIMIT [up|down RATE]",
  "                how fast to send and to fetch at most, all transfers together: LIMIT up 5M,",
  "                LIMIT down off; without a rate: what holds now",
  "HELP            this",
  "EXIT            stop sharing and leave; Ctrl-D does the same",
  "Ctrl-C cancels the running command; a second one leaves.",
];

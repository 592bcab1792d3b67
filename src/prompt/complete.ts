/**
 * What Tab offers at the prompt. Pure.
 */
import { printable } from "../printable.ts";
import { promptVerbs } from "./parse.ts";

/** More can neither be read nor chosen from. */
const maxCompletions = 100;

/**
 * As node:readline wants it: what the text could become, and the part of it that they replace. Verbs first; after
 * QUERY, SEARCH and LS the names seen.
 */
export function completePromptLine(line: string, names: Iterable<string>): [string[], string] {
  const query = /^\s*(?:query|search|ls)\s+/i.exec(line);
  if (query !== null) {
    const typed = line.slice(query[0].length);
    return [matchingNames(typed, names), typed];
  }
  const typed = line.trimStart();
  const isLower = typed !== "" && typed === typed.toLowerCase();
  const verbs = promptVerbs.filter((verb) => verb.startsWith(typed.toLowerCase()));
  const takesArgument = new Set<string>(["query", "search", "ls", "wait", "limit"]);
  return [
    verbs.map((verb) => `${isLower ? verb : verb.toUpperCase()}${takesArgument.has(verb) ? " " : ""}`),
    typed,
  ];
}

function matchingNames(typed: string, names: Iterable<string>): string[] {
  const found = new Set<string>();
  for (const name of names) {
    // A name is matched from its start or from the start of its last part, which is how QUERY looks it up.
    for (const candidate of [name, name.slice(name.lastIndexOf("/") + 1)]) {
      // Readline prints the candidates itself: those that would not be printed as they are cannot be offered.
      if (candidate.startsWith(typed) && printable(candidate, candidate.length) === candidate)
        found.add(candidate);
    }
    if (found.size >= maxCompletions) break;
  }
  return [...found].slice(0, maxCompletions).sort();
}

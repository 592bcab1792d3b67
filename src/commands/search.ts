/**
 * `p2p search WORDS`: lists the files whose names have all the words.
 */
import { NotFoundError, UsageError } from "../errors.ts";
import { IndexClient } from "../net/index-client.ts";
import * as kinds from "../options/kinds.ts";
import { declare, manyArguments, type OptionsOf, single } from "../options/options.ts";
import type { Log } from "../output/log.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import {
  defaultMatchesPerSearch,
  maxMatchesPerSearch,
  maxSearchTextBytes,
  maxSearchWords,
} from "../wire/limits.ts";
import type { Matches } from "../wire/messages.ts";
import type { CommandContext } from "./context.ts";
import { index, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "search",
  summary: "Find files by parts of their names",
  arguments: {
    words: manyArguments({
      name: "WORDS",
      description: "Each must be in the name, in any case; after --, -WORD must not be",
    }),
  },
  options: {
    index,
    limit: single(kinds.integer({ min: 1, max: maxMatchesPerSearch }), {
      flag: "limit",
      default: defaultMatchesPerSearch,
      description: "Most matches to show",
    }),
    ...printing,
  },
});

export type SearchOptions = OptionsOf<typeof declaration>;

export async function run(options: SearchOptions, context: CommandContext): Promise<void> {
  const { output, log, signal } = context;
  const text = searchText(options.words.join(" "));
  // A connect cannot be cancelled; what comes of it after an interruption is closed and forgotten.
  const answer = await unlessAborted(searchOnce(options, text, signal), signal);
  sayMatches(answer, text, output, log);
}

/** The words as SEARCH sends them; throws when no index would take them. Also for the prompt. */
export function searchText(words: string): string {
  const text = words.trim();
  const count = text.split(/\s+/).length;
  if (text === "" || count > maxSearchWords || Buffer.byteLength(text) > maxSearchTextBytes) {
    throw new UsageError(`a search has 1 to ${maxSearchWords} words of ${maxSearchTextBytes} bytes together`);
  }
  return text;
}

/** Also for the prompt. No match is a failure. */
export function sayMatches(answer: Matches, text: string, output: Output, log: Log): void {
  if (answer.matches.length === 0)
    throw new NotFoundError(`no name has all of: ${printable(text)} (parts of names, without wildcards)`);
  for (const { name, sizeBytes, root, sources } of answer.matches) {
    output.event({ event: "match", name, size: sizeBytes, root, sources });
  }
  if (answer.more) {
    log.info("there are more matches: add words, or raise --limit");
  }
}

async function searchOnce(options: SearchOptions, text: string, signal: AbortSignal): Promise<Matches> {
  const client = await IndexClient.open(options.index);
  try {
    signal.throwIfAborted();
    return await client.search(text, options.limit);
  } finally {
    client.close();
  }
}

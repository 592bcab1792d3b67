/**
 * `p2p search WORDS`: lists the files whose names have all the words.
 */
import { NotFoundError, UsageError } from "../errors.ts";
import type { IndexClient } from "../net/index-client.ts";
import { IndexRefusal } from "../net/index-refusal.ts";
import * as kinds from "../options/kinds.ts";
import { declare, flag, manyArguments, type OptionsOf, single } from "../options/options.ts";
import { printable } from "../printable.ts";
import {
  defaultMatchesPerSearch,
  maxMatchesPerSearch,
  maxSearchTextBytes,
  maxSearchWords,
} from "../wire/limits.ts";
import type { Match, Matches } from "../wire/messages.ts";
import { withIndex } from "./ask-index.ts";
import type { CommandContext } from "./context.ts";
import { networkOf } from "./network.ts";
import { asking, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "search",
  summary: "Find files by parts of their names",
  arguments: {
    words: manyArguments({
      name: "WORDS",
      description:
        'In any order and case, also parts of words. "A B": next to each other; *.iso; size:>1G; type:video; peer:HOST; after --, -WORD: not',
    }),
  },
  options: {
    ...asking,
    limit: single(kinds.integer({ min: 1, max: 1_000_000_000 }), {
      flag: "limit",
      default: defaultMatchesPerSearch,
      description: "Most matches to show",
    }),
    all: flag({ flag: "all", default: false, description: "Show all matches, however many" }),
    ...printing,
  },
});

export type SearchOptions = OptionsOf<typeof declaration>;

export async function run(options: SearchOptions, context: CommandContext): Promise<void> {
  const text = searchText(options.words.join(" "));
  const limit = options.all ? Number.POSITIVE_INFINITY : options.limit;
  await withIndex(await networkOf(options, context), context.signal, (client) =>
    showMatches(client, text, limit, context),
  );
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

/** Also for the prompt, which is told of each match. No match is a failure. */
export async function showMatches(
  client: IndexClient,
  text: string,
  limit: number,
  { output, log, signal }: Pick<CommandContext, "output" | "log" | "signal">,
  onMatch: (match: Match) => void = () => {},
): Promise<void> {
  let shown = 0;
  let page: Matches | undefined;
  do {
    page = await pageOf(client, text, Math.min(limit - shown, maxMatchesPerSearch), page?.next);
    for (const match of page.matches) {
      const { name, sizeBytes, root, sources } = match;
      output.event({ event: "match", name, size: sizeBytes, root, sources });
      onMatch(match);
    }
    shown += page.matches.length;
    // Whoever reads may be slower than the index.
    if (page.next !== undefined) await output.flush();
  } while (page.next !== undefined && shown < limit && !signal.aborted && output.isRead);
  if (shown === 0) throw new NotFoundError(`nobody shares a file that fits: ${printable(text)}`);
  if (page.more) log.info("there are more matches: add words, or raise --limit, or say --all");
}

/** What an index says of a search that it does not understand is about the words that were typed. */
export function asUsageError<Problem>(error: Problem): Problem | UsageError {
  if (!(error instanceof IndexRefusal) || !["BAD_SEARCH", "TOO_MANY"].includes(error.wireCode)) return error;
  return new UsageError(error.message, { cause: error });
}

async function pageOf(client: IndexClient, text: string, limit: number, after: string | undefined) {
  try {
    return await client.search(text, limit, after);
  } catch (error) {
    throw asUsageError(error);
  }
}

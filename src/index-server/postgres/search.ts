/**
 * SEARCH: names are looked up by trigrams of their words, where the server has pg_trgm; whether they fit, and in which
 * order they come, is search-match.ts's to say, as everywhere. Of very many that may fit, some are looked at.
 */
import { ProtocolError } from "../../wire/protocol-error.ts";
import { FoldedName } from "../../wire/search-fold.ts";
import { compareRanked, isPeerMeant, matchesFolded, matchesSize, rank } from "../../wire/search-match.ts";
import { parseSearch, type SearchQuery } from "../../wire/search-query.ts";
import type { MatchPage } from "../catalog.ts";
import type { Pool } from "./database.ts";
import { keyOf, textArray } from "./keys.ts";
import { type Hit, ListedEntries } from "./listed.ts";
import type { Members } from "./members.ts";

/** Looked at for one search: those called so, and others. */
const maxExact = 500;
const maxOthers = 2_000;

export class NameSearch {
  private readonly entries: ListedEntries;

  constructor(
    private readonly pool: Pool,
    members: Members,
  ) {
    this.entries = new ListedEntries(pool, members);
  }

  /** `after`: how many were on the pages before. Rejects with ProtocolError BAD_SEARCH or TOO_MANY. */
  async run(text: string, after: string, limit: number): Promise<MatchPage> {
    const query = parseSearch(text);
    if (!/^\d{0,6}$/.test(after))
      throw new ProtocolError("BAD_SEARCH", null, "after is no next of a former page");
    const skip = Number(after);
    const { names, isAll } = await this.namesFor(query);
    const fitting = new Map<string, FoldedName>();
    for (const name of names) {
      const folded = new FoldedName(name);
      if (matchesFolded(query, folded)) fitting.set(name, folded);
    }
    const listed = await this.entries.withNames(textArray(fitting.keys()));
    const hits = [...this.entries.hitsByName(listed).values()]
      .flat()
      .filter((hit) => fitsContent(query, hit));
    const ranked = hits
      .map(({ name, sizeBytes, root, holders }) => {
        const folded = fitting.get(name) ?? new FoldedName(name);
        return { name, sizeBytes, root, sources: holders.size, rank: rank(query, folded) };
      })
      .sort((a, b) => compareRanked(a, b) || (a.root < b.root ? -1 : 1));
    const matches = ranked.slice(skip, skip + limit).map(({ rank: _, ...match }) => match);
    const hasNext = skip + limit < ranked.length;
    return { matches, more: hasNext || !isAll, next: hasNext ? String(skip + limit) : undefined };
  }

  // --- internal ---

  private async namesFor(query: SearchQuery): Promise<{ names: Set<string>; isAll: boolean }> {
    const patterns = piecesOf(query).map((piece) => `%${piece.replace(/[\\%_]/g, "\\$&")}%`);
    const conditions = patterns.map((_, i) => `words LIKE $${i + 1}`).join(" AND ");
    const where = conditions === "" ? "" : `WHERE ${conditions}`;
    const exact =
      query.exact.length > 2
        ? await this.pool.run(
            `(SELECT name FROM names WHERE last_key = $1::bigint LIMIT ${maxExact})
             UNION (SELECT name FROM names WHERE stem_key = $1::bigint LIMIT ${maxExact})`,
            [keyOf(query.exact)],
          )
        : [];
    const others = await this.pool.run(`SELECT name FROM names ${where} LIMIT ${maxOthers}`, patterns);
    const names = new Set([...exact, ...others].map(([name]) => String(name)));
    return { names, isAll: others.length < maxOthers };
  }
}

/** What the words of every name that fits contain. */
function piecesOf({ wanted }: SearchQuery): string[] {
  return wanted.flatMap((condition) => {
    if (condition.kind === "words") return [condition.words];
    return condition.kind === "glob" ? condition.pieces : [];
  });
}

function fitsContent(query: SearchQuery, { sizeBytes, holders }: Hit): boolean {
  const isAt = (prefix: string) =>
    [...holders.values()].some(({ host, port }) => isPeerMeant(prefix, host, port));
  const isMet = (condition: SearchQuery["wanted"][number]) =>
    condition.kind !== "peer" || isAt(condition.prefix);
  const isUnmet = (condition: SearchQuery["wanted"][number]) =>
    condition.kind === "peer" && isAt(condition.prefix);
  return matchesSize(query, sizeBytes) && query.wanted.every(isMet) && !query.unwanted.some(isUnmet);
}

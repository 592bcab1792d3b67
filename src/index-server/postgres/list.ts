/** LIST: the files whose names fit a pattern, page by page in the order of the bytes of their names. */
import type { FileName } from "../../wire/file-name.ts";
import { maxSourcesPerListedFile } from "../../wire/limits.ts";
import type { ListedFile } from "../../wire/messages.ts";
import { NamePattern } from "../../wire/name-pattern.ts";
import type { ListPage } from "../catalog.ts";
import { sample, sourceOf } from "./choose-sources.ts";
import type { Pool } from "./database.ts";
import { type Hit, ListedEntries } from "./listed.ts";
import type { Members } from "./members.ts";

/** Looked at for one page, whether they fit or not. */
const maxNamesPerPage = 200_000;
const entriesRead = 2_000;

/** Entries of one name. */
interface Named {
  name: string;
  ids: string[];
}

export class NameList {
  private readonly entries: ListedEntries;

  constructor(
    private readonly pool: Pool,
    members: Members,
    private readonly chance: () => number,
  ) {
    this.entries = new ListedEntries(pool, members);
  }

  async run(text: string, after: string, limit: number): Promise<ListPage> {
    const pattern = new NamePattern(text);
    if (/\0/.test(pattern.prefix + after)) return { files: [], next: undefined };
    const files: ListedFile[] = [];
    let last: string | undefined;
    let looked = 0;
    for await (const { names, isLast } of this.walk(pattern, after)) {
      const fitting = names.filter(({ name }) => pattern.matches(name));
      const listed = await this.entries.withIds(fitting.flatMap(({ ids }) => ids));
      // Most pages are of one reading; what was found in an earlier one may have gone since, as after any answer.
      const hits = this.entries.hitsByName(listed);
      for (const { name } of fitting) {
        const found = hits.get(name) ?? [];
        if (files.length > 0 && files.length + found.length > limit) return page(files, last);
        files.push(...found.slice(0, limit).map((hit) => this.listedFile(hit)));
        last = name;
      }
      last = names.at(-1)?.name ?? last;
      looked += names.length;
      if (isLast) break;
      if (looked >= maxNamesPerPage) return page(files, last);
    }
    return page(files, undefined);
  }

  // --- internal ---

  private async *walk(
    { prefix, isName }: NamePattern,
    after: string,
  ): AsyncGenerator<{ names: Named[]; isLast: boolean }> {
    const isBehind = Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0;
    let [sign, from] = isBehind ? [">", after] : [">=", prefix];
    for (;;) {
      const rows = await this.pool.run(
        `SELECT id, name FROM entries WHERE name ${sign} $1 ORDER BY name LIMIT ${entriesRead}`,
        [from],
      );
      const names: Named[] = [];
      let isLast = rows.length < entriesRead;
      for (const [id, text] of rows) {
        const name = String(text);
        if (!name.startsWith(prefix) || (isName && name !== prefix)) {
          isLast = true;
          break;
        }
        const previous = names.at(-1);
        if (previous?.name === name) previous.ids.push(String(id));
        else names.push({ name, ids: [String(id)] });
      }
      // Of the last one there may be more, unless it is the only one: then these are enough.
      if (!isLast && names.length > 1) names.pop();
      yield { names, isLast };
      const previous = names.at(-1);
      if (isLast || previous === undefined) return;
      [sign, from] = [">", previous.name];
    }
  }

  private listedFile({ name, sizeBytes, md5, root, holders }: Hit): ListedFile {
    const sources = sample(holders, maxSourcesPerListedFile, this.chance).map((peer) =>
      sourceOf(peer, false),
    );
    return { name: name as FileName, sizeBytes, md5, root, total: holders.size, sources };
  }
}

function page(files: ListedFile[], next: string | undefined): ListPage {
  return { files, next: next as FileName | undefined };
}

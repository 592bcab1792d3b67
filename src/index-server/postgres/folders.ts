/**
 * BROWSE: what is directly in a folder. Names are walked in their order, and what lies below a folder is jumped over.
 *
 * The order of names is not that of the parts they begin with: `data-1` comes before `data/x`, but `data` before
 * `data-1`. A folder that comes too late in this way is called like the beginning of one that was found, so these are
 * asked for by name.
 */
import type { FileName } from "../../wire/file-name.ts";
import type { FolderEntry } from "../../wire/view-messages.ts";
import type { FolderPage } from "../catalog.ts";
import type { Pool } from "./database.ts";
import { textArray } from "./keys.ts";
import { ListedEntries } from "./listed.ts";
import type { Members } from "./members.ts";

const fewRows = 16;
const manyRows = 1_000;
const maxRowsPerPage = 20_000;
/** Below a folder: when all of these are of peers that left, others are taken to be there. */
const maxHoldings = 256;

/** Between the `/` of a name and whatever may follow in its place. */
const afterSlash = "0";
/** No name has it: what begins with a name and this comes directly behind the name. */
const directlyBehind = "\u0001";

interface Child {
  isFolder: boolean;
  isFile: boolean;
}

export class Folders {
  private readonly entries: ListedEntries;

  constructor(
    private readonly pool: Pool,
    private readonly members: Members,
  ) {
    this.entries = new ListedEntries(pool, members);
  }

  async run(folder: string, after: string, limit: number): Promise<FolderPage> {
    if (/\0/.test(folder + after)) return { entries: [], next: undefined };
    const prefix = folder === "" ? "" : `${folder}/`;
    const { children, next } = await this.childrenOf(prefix, after, limit);
    const names = [...children.keys()].sort(byBytes);
    const isFolder = await this.foldersAmong(
      names.filter((name) => children.get(name)?.isFolder),
      prefix,
    );
    const files = names.filter((name) => children.get(name)?.isFile).map((name) => prefix + name);
    const hits = this.entries.hitsByName(await this.entries.withNames(textArray(files)));
    const entries: FolderEntry[] = [];
    let last: FileName | undefined;
    for (const name of names) {
      const part = name as FileName;
      const own: FolderEntry[] = isFolder.has(name) ? [{ name: part, folder: true }] : [];
      for (const { sizeBytes, md5, root, holders } of hits.get(prefix + name) ?? [])
        own.push({ name: part, folder: false, sizeBytes, md5, root, sources: holders.size });
      if (entries.length > 0 && entries.length + own.length > limit) return { entries, next: last };
      entries.push(...own.slice(0, limit));
      last = part;
    }
    return { entries, next: next === undefined ? undefined : (last ?? (next as FileName)) };
  }

  // --- internal ---

  /** At least as many as fit a page, and all up to the last of them. `next`: there are more behind it. */
  private async childrenOf(prefix: string, after: string, limit: number) {
    const children = new Map<string, Child>();
    const from = after === "" ? prefix : prefix + after + directlyBehind;
    const end = prefix === "" ? undefined : prefix.slice(0, -1) + afterSlash;
    let cursor = from;
    let looked = 0;
    let rowsWanted = fewRows;
    let next: string | undefined;
    for (;;) {
      const rows = await this.names(cursor, end, rowsWanted);
      let used = 0;
      for (const name of rows) {
        if (Buffer.compare(Buffer.from(name), Buffer.from(cursor)) < 0) continue;
        used++;
        const rest = name.slice(prefix.length);
        const slash = rest.indexOf("/");
        const part = slash === -1 ? rest : rest.slice(0, slash);
        cursor = slash === -1 ? name + directlyBehind : prefix + part + afterSlash;
        if (after !== "" && byBytes(part, after) <= 0) continue;
        const child = children.get(part) ?? { isFolder: false, isFile: false };
        if (slash === -1) child.isFile = true;
        else child.isFolder = true;
        children.set(part, child);
        next = part;
      }
      looked += rows.length;
      if (rows.length < rowsWanted) {
        next = undefined;
        break;
      }
      if (children.size > limit || looked >= maxRowsPerPage) break;
      rowsWanted = used * 2 > rows.length ? Math.min(manyRows, 4 * rowsWanted) : fewRows;
    }
    await this.addLateFolders(children, prefix, after);
    return { children, next };
  }

  private async names(from: string, end: string | undefined, limit: number): Promise<string[]> {
    const rows =
      end === undefined
        ? await this.pool.run(`SELECT name FROM entries WHERE name >= $1 ORDER BY name LIMIT ${limit}`, [
            from,
          ])
        : await this.pool.run(
            `SELECT name FROM entries WHERE name >= $1 AND name < $2 ORDER BY name LIMIT ${limit}`,
            [from, end],
          );
    return rows.map(([name]) => String(name));
  }

  private async addLateFolders(children: Map<string, Child>, prefix: string, after: string): Promise<void> {
    const candidates = new Set<string>();
    for (const name of children.keys()) {
      for (let i = 1; i < name.length; i++) {
        const begin = name.slice(0, i);
        if (name[i]! < "/" && byBytes(begin, after) > 0) candidates.add(begin);
      }
      // A file may have a folder of its name far behind it.
      candidates.add(name);
    }
    const rows = await this.pool.run(
      `SELECT c.part FROM unnest($1::text[]) AS c(part) WHERE EXISTS (SELECT 1 FROM entries
         WHERE name >= $2::text || c.part || '/' AND name < $2::text || c.part || '${afterSlash}')`,
      [textArray(candidates), prefix],
    );
    for (const [part] of rows) {
      const name = String(part);
      children.set(name, { isFile: children.get(name)?.isFile ?? false, isFolder: true });
    }
  }

  /** Those below which somebody has something whole. */
  private async foldersAmong(parts: readonly string[], prefix: string): Promise<Set<string>> {
    if (parts.length === 0) return new Set();
    const rows = await this.pool.run(
      `SELECT c.part, string_agg(DISTINCT h.peer::text, ','), count(*) FROM unnest($1::text[]) AS c(part),
         LATERAL (SELECT holdings.peer FROM entries JOIN holdings ON holdings.entry = entries.id
           WHERE entries.name >= $2::text || c.part || '/' AND entries.name < $2::text || c.part || '${afterSlash}'
             AND NOT holdings.partial LIMIT ${maxHoldings}) h
       GROUP BY c.part`,
      [textArray(parts), prefix],
    );
    const slots = rows.map(([, list]) => String(list).split(","));
    await this.members.meet(new Set(slots.flat()));
    const isThere = (list: readonly string[]) => list.some((slot) => this.members.at(slot) !== undefined);
    return new Set(
      rows
        .filter(([, , count], i) => Number(count) === maxHoldings || isThere(slots[i] ?? []))
        .map(([part]) => String(part)),
    );
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

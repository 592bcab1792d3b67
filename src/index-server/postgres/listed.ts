/** Entries as LIST, BROWSE and SEARCH show them: only what somebody has whole, counted by who has it whole. */
import { maxContentsPerResult } from "../../wire/limits.ts";
import type { CatalogPeer } from "../catalog.ts";
import { addressOf } from "./choose-sources.ts";
import type { Pool } from "./database.ts";
import { plainArray, rootKey } from "./keys.ts";
import { hexOf, splitSlots } from "./lookup.ts";
import type { Members } from "./members.ts";

/** Read of one entry, and of one content. */
const maxHolders = 8_192;
const maxHoldings = 10_000;

const entriesOf = (which: string) => `SELECT e.name, e.size, e.md5, e.root,
    (SELECT string_agg(peer::text, ',') FROM (
      SELECT peer FROM holdings WHERE entry = e.id AND NOT partial LIMIT ${maxHolders}) held)
  FROM entries e WHERE ${which}`;

const holdersOfContents = `SELECT c.root, c.size, string_agg(c.peer::text, ',') FROM unnest($1::bigint[]) AS r(k),
    LATERAL (SELECT DISTINCT root, size, peer FROM (
      SELECT e.root, e.size, h.peer FROM entries e JOIN holdings h ON h.entry = e.id
      WHERE e.root_key = r.k AND NOT h.partial LIMIT ${maxHoldings}) held) c
  GROUP BY c.root, c.size`;

export interface ListedEntry {
  name: string;
  sizeBytes: number;
  md5: string;
  root: string;
  /** Slots that have it whole under this name, and under any. */
  under: readonly string[];
  all: readonly string[];
}

/** An entry with who has its content whole now. */
export interface Hit extends ListedEntry {
  holders: Map<string, CatalogPeer>;
}

export class ListedEntries {
  constructor(
    private readonly pool: Pool,
    private readonly members: Members,
  ) {}

  withIds(ids: readonly string[]): Promise<ListedEntry[]> {
    return this.read("e.id = ANY($1::bigint[])", plainArray(ids));
  }

  /** `names`: an array parameter. */
  withNames(names: string): Promise<ListedEntry[]> {
    return this.read("e.name = ANY($1::text[])", names);
  }

  /** Of each name its contents, most sources first. Nobody can leave while this runs, so it is the last step. */
  hitsByName(entries: readonly ListedEntry[]): Map<string, Hit[]> {
    const byName = new Map<string, Map<string, Hit>>();
    for (const entry of entries) {
      if (this.holdersOf(entry.under).size === 0) continue;
      const holders = this.holdersOf(entry.all);
      const contents = byName.get(entry.name) ?? new Map<string, Hit>();
      byName.set(entry.name, contents);
      const key = `${entry.root} ${entry.sizeBytes}`;
      const known = contents.get(key);
      // The same content with another MD5 is a lie of somebody: most count.
      if (known === undefined || known.under.length < entry.under.length)
        contents.set(key, { ...entry, holders });
    }
    const mostFirst = (contents: Map<string, Hit>) =>
      [...contents.values()].sort((a, b) => b.holders.size - a.holders.size).slice(0, maxContentsPerResult);
    return new Map([...byName].map(([name, contents]) => [name, mostFirst(contents)]));
  }

  // --- internal ---

  private async read(which: string, values: string): Promise<ListedEntry[]> {
    const rows = await this.pool.run(entriesOf(which), [values]);
    const entries = rows
      .filter((row) => row[4] !== null)
      .map(([name, size, md5, root, under]) => ({
        name: String(name),
        sizeBytes: Number(size),
        md5: hexOf(md5),
        root: hexOf(root),
        under: splitSlots(under),
      }));
    if (entries.length === 0) return [];
    const roots = plainArray(new Set(entries.map(({ root }) => rootKey(root))));
    const holders = new Map<string, readonly string[]>();
    for (const [root, size, slots] of await this.pool.run(holdersOfContents, [roots]))
      holders.set(`${hexOf(root)} ${size}`, splitSlots(slots));
    const listed = entries.map((entry) => ({
      ...entry,
      all: holders.get(`${entry.root} ${entry.sizeBytes}`) ?? entry.under,
    }));
    await this.members.meet(new Set(listed.flatMap(({ all, under }) => [...all, ...under])));
    return listed;
  }

  private holdersOf(slots: readonly string[]): Map<string, CatalogPeer> {
    const holders = new Map<string, CatalogPeer>();
    for (const slot of slots) {
      const peer = this.members.at(slot);
      if (peer !== undefined) holders.set(addressOf(peer), peer);
    }
    return holders;
  }
}

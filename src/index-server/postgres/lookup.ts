/**
 * QUERY: which contents a name stands for, and who has them. One statement reads the entries of the contents and the
 * slots that hold them; who of these is connected, members.ts knows.
 *
 * The work is bounded. A name with many entries ("crowded": thousands of lies, or README.md) is answered from others
 * that rank its contents by how many have them; one such name at a time, and whoever asks for it meanwhile gets the same.
 */
import { lastPart } from "../../wire/file-name.ts";
import { maxContentsPerResult, maxNamesPerContent } from "../../wire/limits.ts";
import type { FoundContent } from "../../wire/messages.ts";
import { type CatalogPeer, StoreError } from "../catalog.ts";
import { addressOf, chooseSources } from "./choose-sources.ts";
import type { Pool, Row } from "./database.ts";
import { JointQuestions } from "./joint-questions.ts";
import { keyOf, plainArray, textArray } from "./keys.ts";
import type { Members } from "./members.ts";

/** From so many rows on a name is crowded. */
const maxEntries = 300;
/** More than an index can have connected. */
const maxHolders = 8_192;
/** Of a crowded name: entries that are ranked, and rows of holdings that are read for each of its contents. */
const maxRanked = 200_000;
const maxHoldingsOfCrowded = 10_000;
/** So many names at once: who would wait for longer is told to come again. */
const maxCrowdedAtOnce = 16;

/** Slots that have the entry in that state, as `1,2,3`. */
const slots = (state: string) => `string_agg(peer::text, ',') FILTER (WHERE ${state})`;

const holdersOfEntry = `LATERAL (SELECT ${slots("NOT partial")} AS whole, ${slots("partial")} AS partial
  FROM (SELECT peer, partial FROM holdings WHERE entry = e.id LIMIT ${maxHolders}) held) h`;

const columns = "e.name, e.size, e.md5, e.root, h.whole, h.partial";

/**
 * Arrays of roots, because a join is planned from statistics, and there are none when a million files have just come. That
 * of keys is made once more, so that the plan does not depend on how many they are: else each statement is planned anew.
 */
const find = (by: string, type: string) => `SELECT asked.key, found.*
  FROM unnest(ARRAY(SELECT unnest($1::${type}[]))) AS asked(key), LATERAL (
    SELECT ${columns} FROM entries e, ${holdersOfEntry}
    WHERE e.root_key = ANY(ARRAY(SELECT root_key FROM entries WHERE ${by} = asked.key LIMIT ${maxEntries + 1}))
    LIMIT ${maxEntries + 1}) found`;
const findByName = find("name", "text");
const findByLastPart = find("last_key", "bigint");

/** The contents that most live peers have, as far as is told apart. */
const rank = (by: string) => `SELECT root_key FROM (
    SELECT root_key, (SELECT count(*) FROM (SELECT 1 FROM holdings JOIN peers ON peers.id = holdings.peer
      WHERE holdings.entry = e.id AND peers.live LIMIT 64) live) AS held
    FROM (SELECT id, root_key FROM entries WHERE ${by} = $1 LIMIT ${maxRanked}) e) ranked
  WHERE held > 0 GROUP BY root_key ORDER BY max(held) DESC LIMIT ${maxContentsPerResult}`;

const namesOfCrowded = (by: string) => `SELECT ${columns} FROM unnest($1::bigint[]) AS r(k),
  LATERAL (SELECT * FROM entries WHERE root_key = r.k AND ${by} = $2 LIMIT ${2 * maxNamesPerContent}) e,
  ${holdersOfEntry}`;

/** As rows without a name: of the whole content, whatever it is called. */
const holdersOfCrowded = `SELECT NULL, c.size, NULL, c.root, ${slots("NOT c.partial")}, ${slots("c.partial")}
  FROM unnest($1::bigint[]) AS r(k), LATERAL (SELECT root, size, peer, bool_and(partial) AS partial FROM (
      SELECT e.root, e.size, h.peer, h.partial FROM entries e JOIN holdings h ON h.entry = e.id
      WHERE e.root_key = r.k LIMIT ${maxHoldingsOfCrowded}) held
    GROUP BY root, size, peer) c
  GROUP BY c.root, c.size`;

interface Entry {
  /** Undefined: of the content under whatever name. */
  name: string | undefined;
  sizeBytes: number;
  md5: string;
  root: string;
  whole: readonly string[];
  partial: readonly string[];
}

export class Lookup {
  /** Answers for crowded names that are being made, and who waits to make one. */
  private readonly crowded = new Map<string, Promise<Entry[]>>();
  private turn: Promise<unknown> = Promise.resolve();
  private readonly byName: JointQuestions;
  private readonly byLastPart: JointQuestions;

  constructor(
    private readonly pool: Pool,
    private readonly members: Members,
    private readonly chance: () => number,
  ) {
    this.byName = new JointQuestions((names) => pool.run(findByName, [textArray(names)]));
    this.byLastPart = new JointQuestions((keys) => pool.run(findByLastPart, [plainArray(keys)]));
  }

  /** Whether anybody waits for an answer. */
  get isBusy(): boolean {
    return this.byName.isBusy || this.byLastPart.isBusy;
  }

  async find(name: string): Promise<FoundContent[]> {
    // PostgreSQL has no NUL in a text, and no name has one.
    if (name.includes("\0")) return [];
    const isWhole = name.includes("/");
    const key = isWhole ? name : keyOf(name);
    let entries = (await (isWhole ? this.byName : this.byLastPart).rowsOf(key)).map(entryOf);
    if (entries.length > maxEntries) entries = await this.findCrowded(isWhole ? "name" : "last_key", key);
    if (entries.length === 0) return [];
    await this.members.meet(slotsOf(entries));
    // From here to the end nobody can leave.
    const fits = isWhole ? (has: string) => has === name : (has: string) => lastPart(has) === name;
    return contentsOf(entries)
      .map((content) => this.found(content, fits))
      .filter((content) => content !== undefined)
      .sort((a, b) => b.total - a.total || (a.root < b.root ? -1 : 1))
      .slice(0, maxContentsPerResult);
  }

  // --- internal ---

  private async findCrowded(by: string, key: string): Promise<Entry[]> {
    const known = this.crowded.get(key);
    if (known !== undefined) return known;
    if (this.crowded.size >= maxCrowdedAtOnce) throw new StoreError("RETRY");
    const made = this.turn.then(() => this.rankCrowded(by, key)).finally(() => this.crowded.delete(key));
    this.crowded.set(key, made);
    this.turn = made.catch(() => {});
    return made;
  }

  private async rankCrowded(by: string, key: string): Promise<Entry[]> {
    const ranked = await this.pool.run(rank(by), [key]);
    const roots = plainArray(ranked.map(([root]) => String(root)));
    const rows = await Promise.all([
      this.pool.run(namesOfCrowded(by), [roots, key]),
      this.pool.run(holdersOfCrowded, [roots]),
    ]);
    return rows.flat().map(entryOf);
  }

  private found(entries: readonly Entry[], fits: (name: string) => boolean): FoundContent | undefined {
    const whole = new Map<string, CatalogPeer>();
    const partial = new Map<string, CatalogPeer>();
    const names = new Set<string>();
    /** The entry whose MD5 most agree on. */
    let first: Entry | undefined;
    let mostHeldBy = 0;
    for (const entry of entries) {
      const heldBy = this.gather(entry.whole, whole) + this.gather(entry.partial, partial);
      if (heldBy === 0 || entry.name === undefined || !fits(entry.name)) continue;
      names.add(entry.name);
      if (heldBy <= mostHeldBy) continue;
      mostHeldBy = heldBy;
      first = entry;
    }
    if (first === undefined) return undefined;
    // An address that has it whole is not partial, whatever else it says.
    for (const address of whole.keys()) partial.delete(address);
    const { root, sizeBytes, md5 } = first;
    return {
      root,
      sizeBytes,
      md5,
      names: [...names].sort().slice(0, maxNamesPerContent),
      total: whole.size + partial.size,
      sources: chooseSources(whole, partial, this.chance),
    };
  }

  /** Adds those who are connected, and says how many they are. */
  private gather(slots: readonly string[], into: Map<string, CatalogPeer>): number {
    let count = 0;
    for (const slot of slots) {
      const peer = this.members.at(slot);
      if (peer === undefined) continue;
      count++;
      into.set(addressOf(peer), peer);
    }
    return count;
  }
}

function contentsOf(entries: readonly Entry[]): Entry[][] {
  const contents = new Map<string, Entry[]>();
  for (const entry of entries) {
    const key = `${entry.root} ${entry.sizeBytes}`;
    const known = contents.get(key);
    if (known === undefined) contents.set(key, [entry]);
    else known.push(entry);
  }
  return [...contents.values()];
}

function* slotsOf(entries: readonly Entry[]): Generator<string> {
  for (const { whole, partial } of entries) {
    yield* whole;
    yield* partial;
  }
}

function entryOf([name, size, md5, root, whole, partial]: Row): Entry {
  return {
    name: name === null ? undefined : String(name),
    sizeBytes: Number(size),
    md5: md5 === null ? "" : hexOf(md5),
    root: hexOf(root),
    whole: splitSlots(whole),
    partial: splitSlots(partial),
  };
}

export function splitSlots(list: unknown): readonly string[] {
  return list === null ? [] : String(list).split(",");
}

export function hexOf(bytes: unknown): string {
  return (bytes as Buffer).toString("hex");
}

/**
 * LIST: the files whose names fit a pattern, page by page in the order of their names. Names are walked in that order
 * from where the pattern (or the page) begins, as a generator that rests every few names, so that nobody else waits
 * for it; a page ends where the next file has no room, or where it has looked at too many.
 */
import type { Database } from "bun:sqlite";
import type { FileName } from "../../wire/file-name.ts";
import { maxContentsPerResult, maxSourcesPerListedFile } from "../../wire/limits.ts";
import type { ListedFile } from "../../wire/messages.ts";
import { NamePattern } from "../../wire/name-pattern.ts";
import type { ListPage } from "../catalog.ts";
import { type HeldContent, type HolderLookup, type Holders, sourceOf } from "./holders.ts";

/** Looked at for one page, whether they fit or not: about half a second of this thread, in slices. */
const maxNamesPerPage = 200_000;
/** Of a content, to count who has it under another one. */
const maxNamesRead = 64;
/** Read at a time. No fewer than the contents of a name that are listed. */
const entriesRead = maxContentsPerResult;
/** The worst pattern takes 0.3 ms for the worst name. */
const namesBetweenRests = 8;
/** Rows of holders: less than 0.1 ms, or one look at 1,024 of them, which takes 0.3 ms. */
const rowsBetweenRests = 64;

/** A name with its entries, the most popular first: one for each content, and some more for lies about its MD5. */
interface Named {
  name: FileName;
  entries: number[];
}

interface EntryRow extends HeldContent {
  name: FileName;
  md5: Uint8Array;
}

/** Of names that are read together: their entries, and who has those that few have under one name, by their ids. */
interface Read {
  rows: Map<number, EntryRow>;
  holders: ReadonlyMap<number, Holders>;
}

interface Hit {
  row: EntryRow;
  holders: Holders;
}

export class NameList {
  private readonly entriesFrom;
  private readonly entriesAfter;
  private readonly rowsOf;
  /** Of all that use `holders`, when one of our lists last rested: what counts is the time of the thread. */
  private rowsAtRest = 0;

  constructor(
    database: Database,
    private readonly holders: HolderLookup,
  ) {
    const entries = (isFrom: string) =>
      database.prepare<{ id: number; name: FileName }, [string]>(
        `SELECT id, name FROM entries WHERE name ${isFrom} ? ORDER BY name, popularity DESC LIMIT ${entriesRead}`,
      );
    this.entriesFrom = entries(">=");
    this.entriesAfter = entries(">");
    // Of many at once: running a statement costs as much as ten of its rows.
    this.rowsOf = database.prepare<EntryRow, [ids: string]>(
      `SELECT entries.id, entries.name, entries.root, size, md5, holders, partial_holders, others
       FROM json_each(?) AS wanted CROSS JOIN entries ON entries.id = wanted.value`,
    );
  }

  /** At most `limit` files whose names come after `after`. */
  *run(text: string, after: string, limit: number): Generator<void, ListPage> {
    const pattern = new NamePattern(text);
    const hits: Hit[] = [];
    let looked = 0;
    let last: FileName | undefined;
    for (const names of this.names(pattern, after)) {
      const fitting: Named[] = [];
      for (const each of names) {
        if (pattern.matches(each.name)) fitting.push(each);
        if (++looked % namesBetweenRests === 0) yield;
      }
      const read = this.read(fitting);
      for (const named of fitting) {
        const found = hitsAtOnce(named, read) ?? (yield* this.hitsOf(named, read));
        if (found.length === 0) continue;
        if (hits.length > 0 && hits.length + found.length > limit) return this.page(hits, last);
        hits.push(...found.slice(0, limit));
        last = named.name;
      }
      last = names.at(-1)?.name;
      if (looked + entriesRead > maxNamesPerPage) return this.page(hits, last);
    }
    return this.page(hits, undefined);
  }

  // --- internal ---

  /** Those that may fit, in the order of their bytes, some at a time. */
  private *names({ prefix, isName }: NamePattern, after: string): Generator<Named[], void> {
    const isBehind = Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0;
    let rows = isBehind ? this.entriesAfter.all(after) : this.entriesFrom.all(prefix);
    for (;;) {
      const names: Named[] = [];
      for (const { id, name } of rows) {
        if (!name.startsWith(prefix) || (isName && name !== prefix)) {
          if (names.length > 0) yield names;
          return;
        }
        const last = names.at(-1);
        if (last?.name === name) last.entries.push(id);
        else names.push({ name, entries: [id] });
      }
      const areAll = rows.length < entriesRead;
      // Of the last one there may be more, unless it is the only one: then these are enough.
      if (!areAll && names.length > 1) names.pop();
      if (names.length > 0) yield names;
      const last = names.at(-1);
      if (areAll || last === undefined) return;
      rows = this.entriesAfter.all(last.name);
    }
  }

  private read(names: readonly Named[]): Read {
    const rows = new Map<number, EntryRow>();
    if (names.length === 0) return { rows, holders: new Map() };
    const ids = names.flatMap(({ entries }) => entries);
    for (const row of this.rowsOf.all(JSON.stringify(ids))) rows.set(row.id, row);
    const alone = [...rows.values()].filter((row) => row.others === 0);
    return { rows, holders: this.holders.wholeOfEach(alone, maxSourcesPerListedFile) };
  }

  /** Most sources first. The same content with another MD5 is a lie of somebody. */
  private *hitsOf(named: Named, { rows, holders: known }: Read): Generator<void, Hit[]> {
    const byContent = new Map<string, Hit>();
    for (const entry of named.entries) {
      const row = rows.get(entry);
      // An entry may have gone while we rested.
      if (row === undefined || row.holders === row.partial_holders) continue;
      const content = `${row.root.toHex()} ${row.size}`;
      if (byContent.has(content)) continue;
      const holders = known.get(entry) ?? this.holdersOf(row);
      if (holders.total > 0) byContent.set(content, { row, holders });
      if (this.holders.rowsRead - this.rowsAtRest < rowsBetweenRests) continue;
      this.rowsAtRest = this.holders.rowsRead;
      yield;
    }
    return [...byContent.values()].sort((a, b) => b.holders.total - a.holders.total);
  }

  private holdersOf(row: EntryRow): Holders {
    const names = this.holders.names([row], maxNamesRead);
    // With one name in all, who has it has it under that.
    if (names.length > 1 && !this.holders.isHeld(row, false)) return { total: 0, peers: [] };
    return this.holders.fewWhole(names, maxSourcesPerListedFile);
  }

  /** Peers may have left while we rested: this last look does not rest. */
  private page(hits: readonly Hit[], next: FileName | undefined): ListPage {
    const files: ListedFile[] = [];
    for (const { row, holders } of hits) {
      const areThere = holders.peers.every(({ peer }) => peer.isLive);
      const { total, peers } = areThere ? holders : this.holdersOf(row);
      if (total === 0) continue;
      const { name, root, size, md5 } = row;
      const sources = peers.map(({ peer, partial }) => sourceOf(peer, partial));
      files.push({ name, sizeBytes: size, md5: md5.toHex(), root: root.toHex(), total, sources });
    }
    return { files, next };
  }
}

/** Of a name with one content that few have, as most are. Undefined: it has to be looked at. */
function hitsAtOnce({ entries: [entry, other] }: Named, { rows, holders: known }: Read): Hit[] | undefined {
  if (entry === undefined || other !== undefined) return undefined;
  const row = rows.get(entry);
  const holders = known.get(entry);
  if (row === undefined || holders === undefined) return undefined;
  return holders.total > 0 ? [{ row, holders }] : [];
}

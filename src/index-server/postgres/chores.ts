/**
 * What nobody waits for, by one process at a time for all: names for SEARCH are made, rows of peers that left long ago
 * go, and with them entries and names that nobody has any more; in slices that take a fraction of a second each.
 */
import { monotonicMs } from "../../clock.ts";
import { FoldedName } from "../../wire/search-fold.ts";
import { ChoreRest } from "./chore-rest.ts";
import type { Pool, Statements } from "./database.ts";
import { keyOf, plainArray, textArray } from "./keys.ts";
import { ignoreStoreError } from "./news.ts";

const entriesAtOnce = 1_000;
const holdingsAtOnce = 5_000;

/** Connections of index processes (of one user; also of this one) with a statement under way. */
const othersAtWork = `(SELECT count(*) FROM pg_stat_activity
  WHERE datname = current_database() AND usename = current_user AND state = 'active' AND pid <> pg_backend_pid()
    AND application_name = current_setting('application_name'))`;

/** Not EXISTS: that may be planned as a join with the whole table. */
const holder = "(SELECT 1 FROM holdings WHERE entry = entries.id LIMIT 1)";

export interface ChoresOptions {
  /** How long the rows of a peer that left are kept for its return. */
  keepMs: number;
  /** Whether rows are so many that they should go at once. */
  isFull(): boolean;
  /** Whether anybody waits for a change or an answer. */
  isBusy(): boolean;
  /** So many names more, or less. */
  onNames(more: number): void;
}

export class Chores {
  private isRunning = false;
  private isToRunAgain = false;
  private running: Promise<void> = Promise.resolve();
  private closed = false;
  private readonly rest = new ChoreRest();

  constructor(
    private readonly process: string,
    private readonly pool: Pool,
    private readonly options: ChoresOptions,
  ) {}

  /** There is something to do, perhaps. */
  wake(): void {
    this.isToRunAgain = true;
    if (this.isRunning || this.closed) return;
    this.isRunning = true;
    this.running = this.runAll();
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }

  // --- internal ---

  private async runAll(): Promise<void> {
    try {
      while (this.isToRunAgain && !this.closed) {
        this.isToRunAgain = false;
        let startMs = monotonicMs();
        while (!this.closed && (await this.settleSome())) {
          const restMs = this.rest.ms(monotonicMs() - startMs, this.options.isBusy());
          if (restMs > 0) await Bun.sleep(restMs);
          startMs = monotonicMs();
        }
        while (!this.closed && (await this.purgeSome()));
      }
    } catch (error) {
      ignoreStoreError(error);
    } finally {
      this.isRunning = false;
    }
  }

  /** False when nothing is left, or it is another process's turn. */
  private async settleSome(): Promise<boolean> {
    let more = 0;
    const isMore = await this.pool.transaction(async (run) => {
      more = 0;
      if (!(await takeTurn(run))) return false;
      const rows = await run(
        `SELECT id, entry, ${othersAtWork} FROM unsettled ORDER BY id LIMIT ${entriesAtOnce}`,
      );
      if (rows.length === 0) return false;
      this.rest.saw(Number(rows[0]![2]), monotonicMs());
      const entries = plainArray(new Set(rows.map(([, entry]) => String(entry))));
      const found = await run(
        `SELECT id, name, ${holder} IS NOT NULL FROM entries
         WHERE id = ANY($1::bigint[])`,
        [entries],
      );
      more += await addNames(
        run,
        found.filter(([, , isHeld]) => isHeld === true).map(([, name]) => String(name)),
      );
      const unheld = found.filter(([, , isHeld]) => isHeld !== true).map(([id]) => String(id));
      if (unheld.length > 0) more -= await removeEntries(run, unheld);
      await run("DELETE FROM unsettled WHERE id = ANY($1::bigint[])", [
        plainArray(rows.map(([id]) => String(id))),
      ]);
      if (more !== 0)
        await run("UPDATE processes SET names = names + $1::bigint WHERE id = $2::bigint", [
          more,
          this.process,
        ]);
      return rows.length === entriesAtOnce;
    });
    this.options.onNames(more);
    return isMore;
  }

  private async purgeSome(): Promise<boolean> {
    const { keepMs, isFull } = this.options;
    const seconds = isFull() ? 0 : keepMs / 1000;
    const isMore = await this.pool.transaction(async (run) => {
      if (!(await takeTurn(run))) return false;
      // From here on nobody can take it over.
      const [row] = await run(
        `UPDATE peers SET digest = NULL, session = '' WHERE id = (SELECT id FROM peers
           WHERE NOT live AND left_at <= now() - $1::float8 * INTERVAL '1 second'
           ORDER BY left_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id`,
        [seconds],
      );
      if (row === undefined) return false;
      const slot = String(row[0]);
      const gone = await run(
        `DELETE FROM holdings WHERE peer = $1::bigint AND name_key = ANY(ARRAY(
           SELECT name_key FROM holdings WHERE peer = $1::bigint LIMIT ${holdingsAtOnce})) RETURNING entry`,
        [slot],
      );
      await run("INSERT INTO unsettled(entry) SELECT unnest($1::bigint[])", [
        plainArray(gone.map(([entry]) => String(entry))),
      ]);
      if (gone.length < holdingsAtOnce) await run("DELETE FROM peers WHERE id = $1::bigint", [slot]);
      else
        await run("UPDATE peers SET files = greatest(files - $2::bigint, 0) WHERE id = $1::bigint", [
          slot,
          gone.length,
        ]);
      return true;
    });
    if (isMore) this.isToRunAgain = true;
    return isMore;
  }
}

/** False when another process has it. */
async function takeTurn(run: Statements): Promise<boolean> {
  const rows = await run("SELECT id FROM turns WHERE id = 2 FOR UPDATE SKIP LOCKED");
  return rows.length > 0;
}

/** Returns how many are new. */
async function addNames(run: Statements, found: readonly string[]): Promise<number> {
  const names = [...new Set(found)];
  if (names.length === 0) return 0;
  const folded = names.map((name) => new FoldedName(name));
  const added = await run(
    `INSERT INTO names(id, name, words, last_key, stem_key)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
     ON CONFLICT (id) DO NOTHING RETURNING id`,
    [
      plainArray(names.map(keyOf)),
      textArray(names),
      textArray(folded.map(({ words }) => words)),
      plainArray(folded.map(({ lastWords }) => keyOf(lastWords))),
      plainArray(folded.map(({ stemWords }) => keyOf(stemWords))),
    ],
  );
  return added.length;
}

/** Those that nobody holds; returns how many names went with them. */
async function removeEntries(run: Statements, entries: readonly string[]): Promise<number> {
  // Waits for the changes under way, and keeps others waiting: so no more than this is done from here to the end.
  await run("SELECT id FROM turns WHERE id = 1 FOR UPDATE");
  const removed = await run(
    `DELETE FROM entries WHERE id = ANY($1::bigint[])
       AND ${holder} IS NULL RETURNING name`,
    [plainArray(entries)],
  );
  const names = [...new Set(removed.map(([name]) => String(name)))];
  const gone = await run(
    `DELETE FROM names WHERE id = ANY($1::bigint[])
       AND (SELECT 1 FROM entries WHERE entries.name = names.name LIMIT 1) IS NULL RETURNING id`,
    [plainArray(names.map(keyOf))],
  );
  return gone.length;
}

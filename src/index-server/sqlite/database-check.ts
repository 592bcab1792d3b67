/**
 * Whether a database of an index is what it should be: pages, rows that belong together, counters. Reads only, and
 * sees one state of the database from start to end, whatever an index that uses it does meanwhile. It takes long for
 * a large one: see database-worker.ts.
 */
import type { Database } from "bun:sqlite";

export interface DatabaseReport {
  schema: number;
  peers: number;
  entries: number;
  holdings: number;
  /** One line each. */
  problems: string[];
}

/** More of a kind say nothing more. */
const maxPageProblems = 20;

/** `needs`: columns without which there is nothing to look at, as `table.column`. */
interface RowCheck {
  needs: readonly string[];
  /** Gives the number of rows that are wrong. */
  sql: string;
  /** What is wrong with them, after their number. */
  wrong: string;
}

const rowChecks: readonly RowCheck[] = [
  {
    needs: [],
    sql: "SELECT count(*) FROM holdings WHERE NOT EXISTS (SELECT 1 FROM entries WHERE id = holdings.entry)",
    wrong: "holdings of an entry that is not there",
  },
  {
    needs: [],
    sql: "SELECT count(*) FROM holdings WHERE NOT EXISTS (SELECT 1 FROM peers WHERE id = holdings.peer)",
    wrong: "holdings of a peer that is not there",
  },
  {
    needs: ["entries.holders"],
    sql: "SELECT count(*) FROM entries WHERE holders <> (SELECT count(*) FROM holdings WHERE entry = entries.id)",
    wrong: "entries whose number of holders is not that of their holdings",
  },
  {
    needs: ["entries.partial_holders", "holdings.partial"],
    sql: `SELECT count(*) FROM entries
          WHERE partial_holders <> (SELECT count(*) FROM holdings WHERE entry = entries.id AND partial = 1)`,
    wrong: "entries whose number of partial holders is not that of their partial holdings",
  },
  {
    needs: ["totals.rooted_to"],
    sql: `SELECT (SELECT count(*) FROM entries WHERE id <= rooted_to)
            - (SELECT count(*) FROM roots WHERE entry <= rooted_to) FROM totals`,
    wrong: "entries that are not found by their root",
  },
  {
    needs: ["roots.entry"],
    sql: `SELECT count(*) FROM roots WHERE NOT EXISTS (
            SELECT 1 FROM entries WHERE id = roots.entry AND popularity = roots.popularity)`,
    wrong: "roots of an entry that is not there, or is otherwise popular",
  },
  {
    needs: ["entries.others"],
    sql: `SELECT count(*) FROM roots JOIN entries ON id = roots.entry WHERE others = 0 AND EXISTS (
            SELECT 1 FROM roots AS other WHERE other.root_key = roots.root_key AND other.entry <> roots.entry)`,
    wrong: "entries that know nothing of others of their root",
  },
  {
    needs: ["peers.files"],
    sql: `SELECT count(*) FROM peers
          WHERE live = 1 AND files <> (SELECT count(*) FROM holdings WHERE peer = peers.id)`,
    wrong: "peers whose number of files is not that of their holdings",
  },
  {
    needs: ["contents.id"],
    sql: "SELECT count(*) FROM entries WHERE NOT EXISTS (SELECT 1 FROM contents WHERE id = entries.content)",
    wrong: "entries of a content that is not there",
  },
  {
    needs: ["contents.partial_holders"],
    sql: `SELECT count(*) FROM contents
          WHERE holders <> (SELECT count(*) FROM holders WHERE content = contents.id AND partial = 0)
            OR partial_holders <> (SELECT count(*) FROM holders WHERE content = contents.id AND partial = 1)`,
    wrong: "contents whose numbers of holders are not those of their holders",
  },
  {
    needs: ["holders.names"],
    sql: `SELECT abs((SELECT count(*) FROM holdings) - (SELECT ifnull(sum(names), 0) FROM holders))`,
    wrong: "holdings more or less than the holders of contents have names",
  },
];

export function checkDatabase(database: Database): DatabaseReport {
  const number = (sql: string) => Number(database.query(sql).values()[0]?.[0]);
  database.run("BEGIN");
  try {
    const problems = pageProblems(database);
    for (const { needs, sql, wrong } of rowChecks) {
      if (!needs.every((column) => hasColumn(database, column))) continue;
      const count = number(sql);
      if (count !== 0) problems.push(`${count.toLocaleString("en-US")} ${wrong}`);
    }
    return {
      schema: number("PRAGMA user_version"),
      peers: number("SELECT count(*) FROM peers WHERE live = 1"),
      entries: number("SELECT count(*) FROM entries"),
      holdings: number("SELECT count(*) FROM holdings"),
      problems,
    };
  } finally {
    // After some errors SQLite has ended it by itself.
    if (database.inTransaction) database.run("ROLLBACK");
  }
}

/** One row "ok", or one a problem. */
function pageProblems(database: Database): string[] {
  const rows = database.query(`PRAGMA integrity_check(${maxPageProblems})`).values();
  return rows.map(([line]) => String(line)).filter((line) => line !== "ok");
}

function hasColumn(database: Database, column: string): boolean {
  const [table = "", name = ""] = column.split(".");
  return database.query("SELECT 1 FROM pragma_table_xinfo(?) WHERE name = ?").values(table, name).length > 0;
}

/**
 * Everything that live peers have registered, row by row as the view `files` has it, in pages. Each page is read for
 * itself: a reader that takes hours keeps the log of a running index from being emptied for a moment only. So what
 * changes meanwhile may be in it or not, and every row is there at most once.
 */
import type { Database } from "bun:sqlite";

export interface HoldingRow {
  host: string;
  port: number;
  name: string;
  size: number;
  md5: string;
  root: string;
  complete: boolean;
}

/** About 300 KB of them. */
const rowsPerPage = 1_000;

interface PageRow extends Omit<HoldingRow, "complete"> {
  entry: number;
  peer: number;
  partial: number;
}

export function* holdingPages(database: Database): Generator<HoldingRow[], void> {
  const page = preparePage(database);
  let entry = -1;
  let peer = -1;
  for (;;) {
    const rows = page.all(entry, peer);
    const last = rows.at(-1);
    if (last === undefined) return;
    ({ entry, peer } = last);
    yield rows.map(({ host, port, name, size, md5, root, partial }) => {
      return { host, port, name, size, md5, root, complete: partial === 0 };
    });
  }
}

function preparePage(database: Database) {
  const hasContents =
    database.query("SELECT 1 FROM sqlite_schema WHERE name = 'contents'").values().length > 0;
  const identity = hasContents ? "contents" : "entries";
  return database.prepare<PageRow, [entry: number, peer: number]>(
    `SELECT holdings.entry, holdings.peer, peers.host, peers.port, entries.name, ${identity}.size,
       lower(hex(entries.md5)) AS md5, lower(hex(${identity}.root)) AS root, holdings.partial
     FROM holdings
       CROSS JOIN peers ON peers.id = holdings.peer AND peers.live = 1
       CROSS JOIN entries ON entries.id = holdings.entry
       ${hasContents ? "CROSS JOIN contents ON contents.id = entries.content" : ""}
     WHERE (holdings.entry, holdings.peer) > (?, ?)
     ORDER BY holdings.entry, holdings.peer LIMIT ${rowsPerPage}`,
  );
}

/**
 * `p2p index check|vacuum|export`: looks after the database of an index, from outside.
 */
import { monotonicMs } from "../clock.ts";
import { LocalIoError, UsageError } from "../errors.ts";
import { shown } from "../index-server/postgres/database.ts";
import { isPostgresUrl } from "../index-server/postgres/open.ts";
import { bytesOnDisk, inMemory, migrations } from "../index-server/sqlite/database.ts";
import { checkedDatabase, vacuumDatabase } from "../index-server/sqlite/database-work.ts";
import { holdingPages } from "../index-server/sqlite/export-holdings.ts";
import { nearest } from "../options/nearest.ts";
import { argument, declare, type OptionsOf } from "../options/options.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import { explained, openExistingDatabase } from "../sqlite.ts";
import type { CommandContext } from "./context.ts";
import { indexDatabase, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "index",
  summary: "Look after the database of an index: check, vacuum, export",
  arguments: {
    action: argument({
      name: "ACTION",
      description:
        "check: is it whole, do its counters agree with its rows; vacuum: make it as small as can be, while no index " +
        "uses it; export: all that live peers share, one JSON object a line",
    }),
  },
  options: {
    databasePath: indexDatabase("SQLite database of the index; check and export may be used while it runs"),
    ...printing,
  },
});

export type IndexDatabaseOptions = OptionsOf<typeof declaration>;

const actions = { check, vacuum, export: exportAll } satisfies Record<
  string,
  (path: string, context: CommandContext) => Promise<void>
>;

export async function run(options: IndexDatabaseOptions, context: CommandContext): Promise<void> {
  const { action, databasePath } = options;
  const known = Object.keys(actions);
  if (!Object.hasOwn(actions, action)) {
    const found = nearest(action, known);
    const hint = found === undefined ? known.join(", ") : `did you mean ${found}?`;
    throw new UsageError(`unknown action ${printable(action)} of p2p index (${hint})`);
  }
  if (isPostgresUrl(databasePath))
    throw new UsageError(
      `this is about SQLite files, and not about ${shown(databasePath)}: name one with --db`,
    );
  if (databasePath === inMemory) throw new UsageError("an index in memory has no file: name one with --db");
  await actions[action as keyof typeof actions](databasePath, context);
}

async function check(db: string, { output, signal }: CommandContext): Promise<void> {
  const { problems, ...counts } = await checkedDatabase(db, signal);
  for (const message of problems) output.event({ event: "problem", message });
  output.event({ event: "checked", db, ...counts, bytes: bytesOnDisk(db), problems: problems.length });
  if (problems.length === 0) return;
  throw new LocalIoError(
    `the database ${printable(db, 500)} is not right: stop the index, move the file away and start it again; ` +
      "the peers register anew by themselves",
  );
}

async function vacuum(db: string, { output, signal }: CommandContext): Promise<void> {
  const startMs = monotonicMs();
  const bytesBefore = bytesOnDisk(db);
  await vacuumDatabase(db, signal);
  const seconds = (monotonicMs() - startMs) / 1000;
  output.event({ event: "vacuumed", db, bytesBefore, bytes: bytesOnDisk(db), seconds });
}

/** JSON whether asked for or not: there is no other way to say it that a name could not break. */
async function exportAll(path: string, { output, signal }: CommandContext): Promise<void> {
  const busyTimeoutMs = 5_000;
  const database = openExistingDatabase({ path, migrations, busyTimeoutMs });
  try {
    for (const rows of holdingPages(database)) {
      const lines = rows.map((row) => `${JSON.stringify({ event: "holding", ...row })}\n`);
      await unlessAborted(output.data(lines.join("")), signal);
      // `p2p index export | head -1`
      if (!output.isRead) return;
    }
  } catch (error) {
    throw explained(error, path, busyTimeoutMs);
  } finally {
    database.close(true);
  }
}

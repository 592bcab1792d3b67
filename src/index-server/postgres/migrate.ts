/** Numbered migrations of a database that several processes may open at the same moment. */
import { LocalIoError } from "../../errors.ts";
import type { Pool } from "./database.ts";

/**
 * `migrations`: texts, in order. The table says how many were made; its only row is locked meanwhile, so that the
 * second process waits for the first one. Rejects with StoreError, or LocalIoError for tables of a later program.
 */
export async function migrate(pool: Pool, migrations: readonly string[]): Promise<void> {
  // Two may create it at once, and one of them fails: it is there for both then.
  await pool.attempt(
    "CREATE TABLE IF NOT EXISTS p2p_index(id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
  );
  await pool.run("INSERT INTO p2p_index(id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING");
  await pool.transaction(async (run) => {
    const [row] = await run("SELECT version FROM p2p_index WHERE id = 1 FOR UPDATE");
    const made = Number(row?.[0]);
    if (made > migrations.length)
      throw new LocalIoError("the database is of a later version of this program: use that one");
    for (const text of migrations.slice(made)) {
      for (const statement of statementsOf(text)) await run(statement);
    }
    await run("UPDATE p2p_index SET version = $1::int WHERE id = 1", [migrations.length]);
  });
  await makeTrigrams(pool);
}

function statementsOf(text: string): string[] {
  const withoutComments = text.replace(/--.*$/gm, "");
  return withoutComments.split(";").filter((statement) => statement.trim() !== "");
}

/** Without the right to make the extension, or the extension itself, searches look at every name. */
async function makeTrigrams(pool: Pool): Promise<void> {
  await pool.attempt("CREATE EXTENSION IF NOT EXISTS pg_trgm");
  await pool.attempt("CREATE INDEX IF NOT EXISTS names_by_words ON names USING gin (words gin_trgm_ops)");
}

/** The SQL of changes.ts. What it is for is said there. */
import { setImmediate } from "node:timers/promises";
import type { ChangePlan } from "./change-plan.ts";
import { bytesArray, plainArray, rootKey, textArray } from "./keys.ts";
import type { Held, OwnPeer } from "./own-peer.ts";

export const versionOf = "SELECT version FROM peers WHERE id = $1::bigint AND session = $2";

export const stateOf = "SELECT version, files, digest FROM peers WHERE id = $1::bigint AND session = $2";

export const heldUnder = `SELECT h.name_key, h.entry, h.partial, e.name, e.size, e.md5, e.root
  FROM holdings h JOIN entries e ON e.id = h.entry
  WHERE h.peer = $1::bigint AND h.name_key = ANY($2::bigint[])`;

/** The session has left, or begins anew under another row. */
export const leave = `UPDATE peers SET live = false, left_at = now(), version = 0
  WHERE id = $1::bigint AND session = $2 AND live`;

/**
 * Of a peer that left, or that is at another process and does not know yet that its connection is gone: it can only
 * come from the same address with the same library when it has lost that.
 */
export const adopt = `WITH adopted AS (
    UPDATE peers SET process = $1::bigint, session = $2, version = $3::bigint, host = $4, port = $5::int, live = true,
      fingerprint = $9, since = now(), left_at = NULL
    WHERE id = (SELECT id FROM peers WHERE digest = $6::bytea AND files = $7::bigint AND host = $4 AND fingerprint = $9
        AND (NOT live OR (port = $5::int AND process <> $1::bigint))
      ORDER BY live, left_at DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id),
  told AS (INSERT INTO news(process, peer) SELECT $1::bigint, id FROM adopted WHERE $8::boolean)
  SELECT id FROM adopted`;

export const adopted = "SELECT id FROM peers WHERE session = $1 AND version = $2::bigint";

/** Whoever removes entries waits for this, and the other way round: or one could go just as somebody comes to hold it. */
const shared = "turn AS (SELECT id FROM turns WHERE id = 1 FOR SHARE)";

const insertPeer = `INSERT INTO peers(id, process, session, version, host, port, live, files, digest, fingerprint)
  SELECT $1::bigint, $4::bigint, $2, $3::bigint, $5, $6::int, true, $7::bigint, $8::bytea, $22 FROM turn
  ON CONFLICT (id) DO NOTHING RETURNING id`;

const updatePeer = `UPDATE peers SET version = $3::bigint, host = $5, port = $6::int, files = $7::bigint, digest = $8::bytea, fingerprint = $22
  WHERE id = $1::bigint AND process = $4::bigint AND session = $2 AND version = $19::bigint AND EXISTS (SELECT 1 FROM turn)
  RETURNING id`;

const dropNamed = "h.name_key = ANY($17::bigint[])";
const dropOthers =
  "NOT EXISTS (SELECT 1 FROM unnest($17::bigint[]) AS keep(name_key) WHERE keep.name_key = h.name_key)";

const insertEntries = (
  source: string,
  first: number,
) => `INSERT INTO entries(id, name, last_key, root_key, size, md5, root)
    SELECT f.id, f.name, f.last_key, f.root_key, f.size, f.md5, f.root FROM ${source}
      unnest(${["bigint", "text", "bigint", "bigint", "bigint", "bytea", "bytea"].map((type, i) => `$${first + i}::${type}[]`).join(", ")})
        AS f(id, name, last_key, root_key, size, md5, root)
    ON CONFLICT (id) DO NOTHING RETURNING id`;

/**
 * Most of the work on a change that can be done at any time: entries that nobody holds are in no answer, and go again when
 * they are looked at.
 */
const entriesAhead = `WITH fresh AS (${insertEntries("", 1)})
  INSERT INTO unsettled(entry) SELECT id FROM fresh`;

/** Sorted by id everywhere, so that no two changes wait for each other. Returns 1 when it took effect, else 0. */
const text = (owner: string, drop: string) => `WITH ${shared},
  owner AS (${owner}),
  fresh AS (${insertEntries("owner,", 9)}),
  put AS (INSERT INTO holdings(peer, name_key, entry, partial)
    SELECT $1::bigint, f.name_key, f.entry, f.partial FROM owner,
      unnest($16::bigint[], $9::bigint[], $18::boolean[]) AS f(name_key, entry, partial)
    ON CONFLICT (peer, name_key) DO UPDATE SET entry = excluded.entry, partial = excluded.partial),
  gone AS (DELETE FROM holdings h USING owner WHERE h.peer = $1::bigint AND ${drop} RETURNING h.entry),
  look AS (INSERT INTO unsettled(entry) SELECT id FROM fresh UNION ALL SELECT entry FROM gone
    UNION ALL SELECT r.entry FROM owner, unnest($20::bigint[]) AS r(entry)),
  told AS (INSERT INTO news(process, peer, name_keys)
    SELECT $4::bigint, id, $21::bigint[] FROM owner WHERE $21::bigint[] IS NOT NULL)
  SELECT count(*) FROM owner WHERE $19::bigint IS NULL OR $19::bigint IS NOT NULL`;

const texts = {
  insert: { named: text(insertPeer, dropNamed), others: text(insertPeer, dropOthers) },
  update: { named: text(updatePeer, dropNamed), others: text(updatePeer, dropOthers) },
};

/** Files of a change whose statement is made in one go: a millisecond. */
const shortChange = 500;

export interface Statement {
  text: string;
  values: unknown[];
}

interface Given {
  peer: OwnPeer;
  /** What its row says before. */
  held: Held;
  slot: string;
  process: string;
  port: number;
  version: string;
  plan: ChangePlan;
  /** Other processes are to hear of what is new. */
  isToTell: boolean;
}

/**
 * The statement that makes a change; and one that may be run before it, so that it has less to do. For thousands of files
 * that takes 10 ms, and others are answered in between.
 */
export async function change({ peer, held, slot, process, port, version, plan, isToTell }: Given) {
  const { id, host } = peer;
  const put = [...plan.put].sort((a, b) => (a.entry < b.entry ? -1 : 1));
  const rest = put.length > shortChange ? () => setImmediate() : () => undefined;
  await rest();
  const files = put.map(({ file }) => file);
  const { named, others } = held.version === undefined ? texts.insert : texts.update;
  const entries = await madeResting(rest, [
    () => plainArray(put.map(({ entry }) => entry)),
    () => textArray(files.map(({ name }) => name)),
    () => plainArray(put.map(({ lastKey }) => lastKey)),
    () => plainArray(files.map(({ root }) => rootKey(root))),
    () => plainArray(files.map(({ sizeBytes }) => sizeBytes)),
    () => bytesArray(files.map(({ md5 }) => md5)),
    () => bytesArray(files.map(({ root }) => root)),
  ]);
  const values = [
    slot,
    id,
    version,
    process,
    host,
    port,
    plan.files,
    `\\x${plan.digest.hex}`,
    ...entries,
    plainArray(put.map(({ nameKey }) => nameKey)),
    plainArray(plan.drop ?? plan.keep),
    plainArray(files.map(({ partial }) => partial === true)),
    held.version ?? null,
    plainArray(plan.replaced),
    isToTell && plan.news.length > 0 ? plainArray(plan.news.map(({ nameKey }) => nameKey)) : null,
    peer.fingerprint ?? "",
  ];
  return {
    change: { text: plan.drop === undefined ? others : named, values },
    ahead: { text: entriesAhead, values: entries },
  };
}

async function madeResting(rest: () => unknown, makers: readonly (() => string)[]): Promise<string[]> {
  const all: string[] = [];
  for (const make of makers) {
    all.push(make());
    await rest();
  }
  return all;
}

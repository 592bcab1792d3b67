/**
 * This process among those that share the database: its row, by which others see that it lives, and theirs. Whoever is
 * not seen for a while is taken for dead; its peers are in no answer, and later its row goes, with what they had.
 */
import { monotonicMs } from "../../clock.ts";
import type { Pool } from "./database.ts";

export interface Times {
  /** How often others are looked at. */
  tickMs: number;
  /** How often this process says that it lives. */
  beatMs: number;
  /** Not seen for this long: dead. */
  deadMs: number;
  /** Dead for this long: buried. Longer than any statement of its may take. */
  buryMs: number;
  /** How long the rows of a peer that left are kept for its return. */
  keepMs: number;
}

export const usualTimes: Times = {
  tickMs: 1_000,
  beatMs: 3_000,
  deadMs: 15_000,
  buryMs: 60_000,
  keepMs: 300_000,
};

interface OtherProcess {
  isAlive: boolean;
  mayBeBuried: boolean;
}

export class ProcessRow {
  private others = new Map<string, OtherProcess>();
  private beatMs = Number.NEGATIVE_INFINITY;
  /** When the database was reached again after it could not be; others need a moment to be seen. */
  private reachableSinceMs = monotonicMs();
  private isReachable = true;
  /** Of the whole index, as last read. */
  names = 0;

  private constructor(
    readonly id: string,
    private readonly pool: Pool,
    private readonly times: Times,
  ) {}

  /** Rejects with StoreError. */
  static async begin(pool: Pool, times: Times): Promise<ProcessRow> {
    // Run twice, one of the rows is never seen alive, and buried.
    const [row] = await pool.run("INSERT INTO processes DEFAULT VALUES RETURNING id");
    const process = new ProcessRow(String(row?.[0]), pool, times);
    await process.readOthers();
    return process;
  }

  /** Others that may have peers. */
  get hasOthers(): boolean {
    for (const { isAlive } of this.others.values()) if (isAlive) return true;
    return false;
  }

  isAlive(process: string): boolean {
    // One that is not known has come just now.
    return this.others.get(process)?.isAlive ?? true;
  }

  /** False when others have buried this process. Rejects with StoreError. */
  async tick(): Promise<boolean> {
    try {
      const nowMs = monotonicMs();
      if (nowMs - this.beatMs >= this.times.beatMs) {
        const rows = await this.pool.run(
          "UPDATE processes SET seen = now() WHERE id = $1::bigint AND NOT ended RETURNING id",
          [this.id],
        );
        if (rows.length === 0) return false;
        this.beatMs = nowMs;
      }
      await this.readOthers();
    } catch (error) {
      this.isReachable = false;
      throw error;
    }
    if (!this.isReachable) {
      this.isReachable = true;
      this.reachableSinceMs = monotonicMs();
    }
    await this.buryDead();
    return true;
  }

  /** Rejects with StoreError. */
  async end(): Promise<void> {
    await this.pool.run("UPDATE processes SET ended = true WHERE id = $1::bigint", [this.id]);
    await this.pool.run(
      `UPDATE peers SET live = false, left_at = now(), version = 0 WHERE process = $1::bigint AND live`,
      [this.id],
    );
  }

  // --- internal ---

  private async readOthers(): Promise<void> {
    const rows = await this.pool.run(
      "SELECT id, ended, (extract(epoch FROM now() - seen) * 1000)::float8, names FROM processes",
    );
    const { deadMs, buryMs, beatMs } = this.times;
    const reachableMs = monotonicMs() - this.reachableSinceMs;
    const others = new Map<string, OtherProcess>();
    let names = 0;
    for (const [id, ended, age, ownNames] of rows) {
      names += Number(ownNames);
      const process = String(id);
      if (process === this.id) continue;
      const ageMs = Number(age);
      // When nobody could be seen, the database was away, and they with it.
      const isExcused = (!this.isReachable || reachableMs < 2 * beatMs) && this.others.get(process)?.isAlive;
      const isAlive = ended !== true && (ageMs < deadMs || isExcused === true);
      const mayBeBuried = ended === true || (ageMs > buryMs && reachableMs > buryMs / 2);
      others.set(process, { isAlive, mayBeBuried });
    }
    this.others = others;
    this.names = names;
  }

  private async buryDead(): Promise<void> {
    for (const [process, { mayBeBuried }] of this.others) {
      if (!mayBeBuried) continue;
      await this.pool.run(
        `WITH dead AS (DELETE FROM processes WHERE id = $2::bigint
             AND (ended OR seen < now() - $3::float8 * INTERVAL '1 second') RETURNING names),
           freed AS (UPDATE peers SET live = false, left_at = now(), version = 0
             WHERE process = $2::bigint AND live AND EXISTS (SELECT 1 FROM dead))
         UPDATE processes SET names = processes.names + dead.names FROM dead WHERE processes.id = $1::bigint`,
        [this.id, process, this.times.buryMs / 1000],
      );
      this.others.delete(process);
    }
  }
}

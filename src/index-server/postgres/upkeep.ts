/** What happens every second: this process says that it lives, and everything is read that others have done. */
import type { CatalogListener } from "../catalog.ts";
import type { Chores } from "./chores.ts";
import type { Pool } from "./database.ts";
import type { Members } from "./members.ts";
import { ignoreStoreError, type News } from "./news.ts";
import type { OwnPeer } from "./own-peer.ts";
import type { ProcessRow } from "./process-row.ts";

export interface UpkeepParts {
  readonly tickMs: number;
  readonly pool: Pool;
  readonly process: ProcessRow;
  readonly members: Members;
  readonly news: News;
  readonly chores: Chores;
  readonly listener: CatalogListener;
  /** Of whoever is connected here. */
  ownSlots(): ReadonlySet<string | undefined>;
  /** What was counted since the last time is in what was read. */
  counted(): void;
  /** Their rows are now of sessions of another process. */
  taken(peers: readonly OwnPeer[]): void;
}

export class Upkeep {
  private timer: Timer | undefined;
  private running: Promise<void> = Promise.resolve();
  private ended = false;

  constructor(private readonly parts: UpkeepParts) {}

  begin(): void {
    if (this.ended) return;
    this.timer = setTimeout(() => {
      this.running = this.tick().finally(() => this.begin());
    }, this.parts.tickMs);
  }

  async end(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.running;
  }

  // --- internal ---

  /** Never rejects. */
  private async tick(): Promise<void> {
    try {
      await this.tickNow();
    } catch (error) {
      ignoreStoreError(error);
    }
  }

  private async tickNow(): Promise<void> {
    const { process, members, news, chores, listener, pool } = this.parts;
    if (!(await process.tick())) {
      this.ended = true;
      listener.lost("the others of this database have taken this index for dead: it begins anew", false);
      return;
    }
    const { ghosts, taken, missing } = await members.readAll();
    if (missing.length > 0) {
      this.ended = true;
      listener.lost("the database has lost what peers had registered: the index begins anew", false);
      return;
    }
    this.parts.counted();
    if (taken.length > 0) this.parts.taken(taken);
    await this.sendAway(ghosts);
    await pool.run("DELETE FROM news WHERE at < now() - INTERVAL '60 seconds'");
    chores.wake();
    await news.readNew();
  }

  /** Rows of sessions that ended while the database could not be told. */
  private async sendAway(ghosts: readonly string[]): Promise<void> {
    const { pool, process, ownSlots } = this.parts;
    const slots = ownSlots();
    for (const slot of ghosts) {
      if (slots.has(slot)) continue;
      await pool.run(
        `UPDATE peers SET live = false, left_at = now(), version = 0
         WHERE id = $1::bigint AND process = $2::bigint AND live`,
        [slot, process.id],
      );
    }
  }
}

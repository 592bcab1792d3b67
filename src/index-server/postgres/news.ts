/**
 * What arrives at other processes. They write it into the table `news` with the change that brought it; a notification
 * says that there is something to read. Where one is lost, or the server has none, it is read a second later.
 */
import { SQL } from "bun";
import { monotonicMs } from "../../clock.ts";
import type { FileName } from "../../wire/file-name.ts";
import type { FileEntry } from "../../wire/messages.ts";
import { type CatalogListener, type CatalogPeer, StoreError } from "../catalog.ts";
import { sourceOf } from "./choose-sources.ts";
import type { Pool, Row } from "./database.ts";
import { plainArray } from "./keys.ts";
import { hexOf } from "./lookup.ts";
import type { Members } from "./members.ts";

/** One that cannot be told whether anybody waits for anything is told of everything. */
export interface NewsListener extends CatalogListener {
  /** Whether `wants` can say yes at all. */
  wantsAny?(): boolean;
}

const channel = "p2p_index";
/** Between two notifications. */
const gatherMs = 20;
/** A notification has room for 8,000 bytes. */
const maxToldSlots = 300;
/** A row whose number is smaller than that of others may come later than these; not as late as this. */
const lateMs = 15_000;
const rowsRead = 20;
const filesRead = 2_000;
const heldColumns = "e.name, e.size, e.md5, e.root, h.partial";

export class News {
  /** Rows that were read, since when; all of smaller numbers than `floor` were. */
  private readonly read = new Map<string, number>();
  private floor = "0";
  private isReading = false;
  private isToReadAgain = false;
  private left: string[] = [];
  private timer: Timer | undefined;
  private listening: SQL | undefined;
  private closed = false;

  constructor(
    private readonly process: string,
    private readonly pool: Pool,
    private readonly members: Members,
    private readonly listener: NewsListener,
    private readonly onRead: () => void,
  ) {}

  /** What came before this is no news. Throws StoreError. */
  async begin(url: string): Promise<void> {
    const [row] = await this.pool.run("SELECT coalesce(max(id), 0)::bigint FROM news");
    this.floor = String(row?.[0]);
    const listening = new SQL({ url, max: 1 });
    this.listening = listening;
    // A server without LISTEN is asked every second.
    listening.listen(channel, (payload) => this.onNotified(payload)).catch(() => {});
  }

  /** Others should read soon: something came, and these left. */
  tell(left: readonly string[] = []): void {
    this.left.push(...left);
    if (this.closed) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const payload = `${this.process} ${this.left.splice(0, maxToldSlots).join(",")}`;
      if (this.left.length > 0) this.tell();
      this.pool.run("SELECT pg_notify($1, $2)", [channel, payload]).catch(ignoreStoreError);
    }, gatherMs);
  }

  /** Never rejects. */
  async readNew(): Promise<void> {
    this.isToReadAgain = true;
    if (this.isReading) return;
    this.isReading = true;
    try {
      while (this.isToReadAgain && !this.closed) {
        this.isToReadAgain = false;
        while (!this.closed && (await this.readSome()) === rowsRead);
      }
    } catch (error) {
      ignoreStoreError(error);
    } finally {
      this.isReading = false;
    }
  }

  /** All that a peer has has come at once. Tells of it as far as anybody here wants it; never rejects. */
  async arrivedWhole(slot: string): Promise<void> {
    try {
      await this.readWhole(slot);
    } catch (error) {
      ignoreStoreError(error);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.listening?.close({ timeout: 0 }).catch(() => {});
  }

  // --- internal ---

  private onNotified(payload: string): void {
    const [process, left = ""] = payload.split(" ");
    if (process === this.process || this.closed) return;
    for (const slot of left.split(",")) this.members.forget(slot);
    this.onRead();
    void this.readNew();
  }

  private get isAnyWanted(): boolean {
    return this.listener.wantsAny?.() ?? true;
  }

  private async readSome(): Promise<number> {
    const names = this.isAnyWanted ? "name_keys::text" : "''";
    const rows = await this.pool.run(
      `SELECT id, peer, ${names} FROM news WHERE id > $1::bigint AND process <> $2::bigint
         AND NOT (id = ANY($3::bigint[])) ORDER BY id LIMIT ${rowsRead}`,
      [this.floor, this.process, plainArray(this.read.keys())],
    );
    const nowMs = monotonicMs();
    for (const [id] of rows) this.read.set(String(id), nowMs);
    this.raiseFloor(nowMs);
    for (const [, slot, nameKeys] of rows) {
      if (nameKeys === "") continue;
      if (nameKeys === null) await this.readWhole(String(slot));
      else await this.readNamed(String(slot), String(nameKeys));
    }
    return rows.length;
  }

  private raiseFloor(nowMs: number): void {
    for (const [id, readMs] of this.read) {
      if (nowMs - readMs < lateMs) break;
      this.read.delete(id);
      if (BigInt(id) > BigInt(this.floor)) this.floor = id;
    }
  }

  /** As far as the peer has them still. `nameKeys`: an array, as PostgreSQL writes it. */
  private async readNamed(slot: string, nameKeys: string): Promise<void> {
    const rows = await this.pool.run(
      `SELECT ${heldColumns} FROM holdings h JOIN entries e ON e.id = h.entry
       WHERE h.peer = $1::bigint AND h.name_key = ANY($2::bigint[])`,
      [slot, nameKeys],
    );
    await this.tellFiles(slot, rows.map(fileOf));
  }

  private async readWhole(slot: string): Promise<void> {
    let after: string | null = null;
    while (this.isAnyWanted && !this.closed) {
      const rows = await this.pool.run(
        `SELECT ${heldColumns}, h.name_key FROM holdings h JOIN entries e ON e.id = h.entry
         WHERE h.peer = $1::bigint AND ($2::bigint IS NULL OR h.name_key > $2::bigint)
         ORDER BY h.name_key LIMIT ${filesRead}`,
        [slot, after],
      );
      await this.tellFiles(slot, rows.map(fileOf));
      if (rows.length < filesRead) return;
      after = String(rows.at(-1)?.at(-1));
    }
  }

  private async tellFiles(slot: string, files: readonly FileEntry[]): Promise<void> {
    const wanted = files.filter((file) => this.listener.wants(file));
    if (wanted.length === 0) return;
    await this.members.meet([slot], true);
    const peer = this.members.at(slot);
    if (peer !== undefined) tellArrived(this.listener, peer, wanted);
  }
}

/** These can be found at the peer now. */
export function tellArrived(listener: CatalogListener, peer: CatalogPeer, files: readonly FileEntry[]): void {
  for (const isPartial of [false, true]) {
    const some = files.filter(({ partial }) => (partial === true) === isPartial);
    if (some.length > 0) listener.arrived(sourceOf(peer, isPartial), some);
  }
}

function fileOf([name, size, md5, root, partial]: Row): FileEntry {
  const file = { name: name as FileName, sizeBytes: Number(size), md5: hexOf(md5), root: hexOf(root) };
  return partial === true ? { ...file, partial: true } : file;
}

/** It was told where it happened, and what was to be done is done the next time. */
export function ignoreStoreError(error: unknown): void {
  if (!(error instanceof StoreError)) throw error;
}

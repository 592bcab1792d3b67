/**
 * Who is connected, here and at the other processes that share the database. Of the own peers that is known at once
 * and for certain; the others are read every second, and when an answer has somebody in it who is not known.
 *
 * A row of `peers` is called a slot: the rows of `holdings` are of a slot, and a slot is of one session after another.
 */
import { monotonicMs } from "../../clock.ts";
import { fingerprint } from "../../wire/fingerprint.ts";
import type { CatalogPeer } from "../catalog.ts";
import type { Pool } from "./database.ts";
import { plainArray } from "./keys.ts";
import type { OwnPeer } from "./own-peer.ts";

/** A peer of another process. */
interface OtherPeer extends CatalogPeer {
  readonly process: string;
}

/** A slot of nobody is looked at again after this: somebody may have taken it over elsewhere. */
const absentMs = 400;
const maxAbsent = 100_000;

const columns = `id, session, host, fingerprint, port, process, files,
  (extract(epoch FROM now() - since) * 1000)::float8 AS age`;

export class Members {
  private readonly own = new Map<string, OwnPeer>();
  private others = new Map<string, OtherPeer>();
  /** Of `others`. */
  private otherIds = new Set<string>();
  /** Slots of nobody, and when that was seen. */
  private readonly absent = new Map<string, number>();
  /** Rows of all slots, those of peers that left included, when they were last read. */
  rowsOfAll = 0;
  /** Peers that left, wherever that was, and whose rows are there: as above. */
  hidden = 0;
  private otherFiles = 0;
  /** Rows of sessions of ours that nobody here has, as they were last read. */
  private ghostsBefore: ReadonlySet<string> = new Set();

  constructor(
    private readonly process: string,
    private readonly pool: Pool,
    /** Whether a process is alive, as far as is known. */
    private readonly isAlive: (process: string) => boolean,
  ) {}

  // --- facts ---

  add(slot: string, peer: OwnPeer): void {
    this.own.set(slot, peer);
    this.absent.delete(slot);
  }

  remove(slot: string): void {
    this.own.delete(slot);
    this.noteAbsent(slot);
  }

  /** Somebody left elsewhere. */
  forget(slot: string): void {
    const other = this.others.get(slot);
    if (other === undefined) return;
    this.others.delete(slot);
    this.otherIds.delete(other.id);
    this.noteAbsent(slot);
  }

  // --- questions ---

  /** Whose slot it is, if somebody's who is connected. */
  at(slot: string): CatalogPeer | undefined {
    return this.own.get(slot) ?? this.others.get(slot);
  }

  isAtAnother(id: string): boolean {
    return this.otherIds.has(id);
  }

  otherPeers(): Iterable<CatalogPeer> {
    return this.others.values();
  }

  get otherCounts(): { peers: number; files: number } {
    return { peers: this.others.size, files: this.otherFiles };
  }

  /** Reads of whom we know nothing fresh, if there are any. `isNews`: somebody has just come. */
  async meet(slots: Iterable<string>, isNews = false): Promise<void> {
    const nowMs = monotonicMs();
    const strange: string[] = [];
    for (const slot of slots) {
      if (this.own.has(slot) || this.others.has(slot)) continue;
      const seenMs = this.absent.get(slot);
      if (isNews || seenMs === undefined || nowMs - seenMs >= absentMs) strange.push(slot);
    }
    if (strange.length === 0) return;
    const rows = await this.pool.run(`SELECT ${columns} FROM peers WHERE live AND id = ANY($1::bigint[])`, [
      plainArray(strange),
    ]);
    for (const slot of strange) if (!this.own.has(slot)) this.noteAbsent(slot);
    for (const row of rows) {
      const [slot, peer] = otherPeer(row);
      if (peer.process === this.process || !this.isAlive(peer.process)) continue;
      this.absent.delete(slot);
      this.others.set(slot, peer);
      this.otherIds.add(peer.id);
    }
  }

  /**
   * Reads them all. `ghosts`: slots that are ours in the database, and in truth nobody's any more; `missing`: those of
   * which it does not know, though it has said that it does.
   */
  async readAll(): Promise<{ ghosts: string[]; taken: OwnPeer[]; missing: string[] }> {
    // What has come about since then may not be in what is read.
    const before = new Map(this.own);
    const rows = await this.pool.run(`SELECT ${columns} FROM peers WHERE live`);
    const [[all, hidden] = []] = await this.pool.run(
      "SELECT coalesce(sum(files), 0)::bigint, count(*) FILTER (WHERE NOT live) FROM peers",
    );
    this.rowsOfAll = Number(all);
    this.hidden = Number(hidden);
    const others = new Map<string, OtherPeer>();
    const ghosts: string[] = [];
    const taken: OwnPeer[] = [];
    let files = 0;
    for (const row of rows) {
      const [slot, peer] = otherPeer(row);
      const own = this.own.get(slot);
      if (peer.process === this.process) {
        if (own === undefined) ghosts.push(slot);
      } else if (this.isAlive(peer.process)) {
        others.set(slot, peer);
        files += peer.files;
        if (own !== undefined && own.id !== peer.id && before.get(slot) === own) {
          this.own.delete(slot);
          taken.push(own);
        }
      }
    }
    this.others = others;
    this.otherIds = new Set([...others.values()].map(({ id }) => id));
    this.otherFiles = files;
    if (this.absent.size > maxAbsent) this.absent.clear();
    const there = new Set(rows.map(([slot]) => String(slot)));
    const missing = [...before.keys()].filter((slot) => this.own.has(slot) && !there.has(slot));
    // A row that is being adopted is there before the peer is known to have it.
    const seenTwice = ghosts.filter((slot) => this.ghostsBefore.has(slot));
    this.ghostsBefore = new Set(ghosts);
    return { ghosts: seenTwice, taken, missing };
  }

  // --- internal ---

  private noteAbsent(slot: string): void {
    this.absent.set(slot, monotonicMs());
  }
}

function otherPeer(row: readonly unknown[]): [slot: string, peer: OtherPeer] {
  const [slot, session, host, shown, port, process, files, ageMs] = row;
  const peer = {
    id: String(session),
    host: String(host),
    fingerprint: fingerprint(String(shown)),
    port: Number(port),
    process: String(process),
    files: Number(files),
    sinceMs: monotonicMs() - Number(ageMs),
  };
  return [String(slot), peer];
}

/** Looks into what peers of a private network announce: the driver of audit-plan.ts. */
import type { Membership } from "../trust/membership.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { type AnnouncedEntry, entryByChance } from "./announced-entry.ts";
import { askChunk } from "./ask-chunk.ts";
import { AuditPlan } from "./audit-plan.ts";
import type { Place } from "./reach.ts";

export interface AuditOptions {
  membership(): Membership;
  nowMs(): number;
  /** Gives numbers from 0 to 1, 1 excluded. */
  chance(): number;
  /** One that is out, for the log. */
  onUnbacked(place: Place, entry: AnnouncedEntry): void;
}

/** To decode it takes less than a tenth of a millisecond. */
const shortLineBytes = 4 * 1024;

export class Audit {
  private readonly plan = new AuditPlan();
  /** The connections of each: one machine may have several. */
  private readonly watching = new Map<Fingerprint, Set<() => void>>();

  constructor(private readonly options: AuditOptions) {}

  /** What it registers is not wanted now. */
  isOut(peer: Fingerprint): boolean {
    return this.plan.isOut(peer, this.options.nowMs());
  }

  /** `onOut` is called when the peer is out, on whichever connection that shows, until the function returned is. */
  watch(peer: Fingerprint, onOut: () => void): () => void {
    const watching = this.watching.get(peer) ?? new Set();
    watching.add(onOut);
    this.watching.set(peer, watching);
    return () => {
      watching.delete(onOut);
      if (watching.size === 0 && this.watching.get(peer) === watching) this.watching.delete(peer);
    };
  }

  /** Whether to look into what is being announced, and if so into what: then `look` is called, or `giveUp`. */
  pick(peer: Fingerprint, line: Uint8Array): AnnouncedEntry | undefined {
    const { nowMs, chance } = this.options;
    // Before the line is decoded: of a long one that takes some milliseconds, and so happens only every few seconds.
    if (!this.plan.begins(peer, nowMs())) return undefined;
    const entry = entryByChance(line, chance());
    if (entry !== undefined) return entry;
    if (line.length <= shortLineBytes) this.plan.undo(peer);
    else this.giveUp(peer);
    return undefined;
  }

  /** It was not registered after all. */
  giveUp(peer: Fingerprint): void {
    this.plan.ended(peer, "nothing", this.options.nowMs());
  }

  /** Never rejects. */
  async look(place: Place, entry: AnnouncedEntry): Promise<void> {
    const { nowMs, chance, membership, onUnbacked } = this.options;
    const { fingerprint } = place;
    const finding = await askChunk(place, entry, membership(), chance());
    if (!this.plan.ended(fingerprint, finding, nowMs())) return;
    onUnbacked(place, entry);
    for (const onOut of [...(this.watching.get(fingerprint) ?? [])]) onOut();
  }
}

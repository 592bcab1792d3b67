/** Looks into what peers of a private network announce: the driver of audit-plan.ts. */

import { chunkCountOf } from "../content/chunks.ts";
import type { Membership } from "../trust/membership.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { type AnnouncedEntry, entryByChance } from "./announced-entry.ts";
import { askChunk, maxAuditedChunks } from "./ask-chunk.ts";
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

export class Audit {
  private readonly plan = new AuditPlan();

  constructor(private readonly options: AuditOptions) {}

  /** What it registers is not wanted now. */
  isOut(peer: Fingerprint): boolean {
    return this.plan.isOut(peer, this.options.nowMs());
  }

  /** Of what is being announced: to be looked into once it is registered, perhaps. */
  pick(line: Uint8Array): AnnouncedEntry | undefined {
    return entryByChance(line, this.options.chance());
  }

  /** Never rejects. `onOut`: the peer has announced what it has not. */
  async look(place: Place, entry: AnnouncedEntry, onOut: () => void): Promise<void> {
    const { nowMs, chance, membership, onUnbacked } = this.options;
    const { fingerprint } = place;
    if (chunkCountOf(entry.sizeBytes) > maxAuditedChunks || !this.plan.begins(fingerprint, nowMs())) return;
    const finding = await askChunk(place, entry, membership(), chance());
    if (!this.plan.ended(fingerprint, finding, nowMs())) return;
    onUnbacked(place, entry);
    onOut();
  }
}

/**
 * Which announcements of peers are looked into, and who is out: told what is announced and what was found. Pure.
 *
 * One entry of a fresh announcement is picked by chance and one chunk of it asked for, now and then: who shares what it
 * says loses a megabyte, and who announces what it does not have is soon found out.
 */
import type { Fingerprint } from "../wire/fingerprint.ts";
import { auditIntervalMs, auditPeerIntervalMs, maxAuditsAtOnce, unbackedMs } from "../wire/limits.ts";

/** What a peer was found to do when it was asked for what it had announced. */
export type AuditFinding =
  | "backed"
  /** What came has another hash: that does not happen by itself. */
  | "wrong"
  /** It says that it has no such content: files change, so one is not enough. */
  | "missing"
  /** It did not answer, or is busy: twice is as bad as once missing. */
  | "unknown"
  /** There was nothing to ask for. */
  | "nothing";

/** So many in a row that are not there. */
const maxMissing = 3;
/** Whoever commands more machines than this has the oldest of them forgotten. */
const maxKnown = 100_000;

interface Known {
  auditedMs: number;
  /** The time before. */
  earlierMs: number;
  missing: number;
  /** On the monotonic clock; undefined: it is not out. */
  outUntilMs: number | undefined;
}

export class AuditPlan {
  private readonly known = new Map<Fingerprint, Known>();
  private running = 0;
  /** Audits that may begin at once, as of `grantedMs`. */
  private granted = maxAuditsAtOnce;
  private grantedMs = Number.NEGATIVE_INFINITY;

  /** Whether to look into what this peer announces now; then `ended` is to be said. */
  begins(peer: Fingerprint, nowMs: number): boolean {
    const earned = Math.max(0, nowMs - this.grantedMs) / auditIntervalMs;
    const granted = Math.min(maxAuditsAtOnce, this.granted + earned);
    const known = this.known.get(peer);
    if (granted < 1 || this.running >= maxAuditsAtOnce) return false;
    if (known !== undefined && nowMs - known.auditedMs < auditPeerIntervalMs) return false;
    this.granted = granted - 1;
    this.grantedMs = nowMs;
    this.running++;
    this.known.delete(peer);
    const { auditedMs: earlierMs = Number.NEGATIVE_INFINITY, missing = 0, outUntilMs } = known ?? {};
    this.known.set(peer, { auditedMs: nowMs, earlierMs, missing, outUntilMs });
    if (this.known.size > maxKnown) this.forgetFirst();
    return true;
  }

  /** It has announced nothing that could be asked for, and that was seen at a glance: as if it had not begun. */
  undo(peer: Fingerprint): void {
    this.running--;
    this.granted++;
    const known = this.known.get(peer);
    if (known !== undefined) known.auditedMs = known.earlierMs;
  }

  /** Returns true when the peer is out from now on. */
  ended(peer: Fingerprint, finding: AuditFinding, nowMs: number): boolean {
    this.running--;
    const known = this.known.get(peer);
    if (known === undefined) return finding === "wrong";
    if (finding === "backed") known.missing = 0;
    if (finding === "missing") known.missing++;
    // It may be busy, but not for ever, and not only when it is asked by the index.
    if (finding === "unknown") known.missing += 0.5;
    const isOut = finding === "wrong" || known.missing >= maxMissing;
    if (isOut) {
      known.missing = 0;
      known.outUntilMs = nowMs + unbackedMs;
    }
    return isOut;
  }

  /** Whether what it registers is not wanted now. */
  isOut(peer: Fingerprint, nowMs: number): boolean {
    return nowMs < (this.known.get(peer)?.outUntilMs ?? nowMs);
  }

  private forgetFirst(): void {
    for (const peer of this.known.keys()) {
      this.known.delete(peer);
      return;
    }
  }
}

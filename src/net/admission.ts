/**
 * Who may come in at a listener, and who has to go again. Pure: told who comes and leaves. Sockets, time, and how
 * somebody is turned away, are listener.ts's.
 *
 * Who has not said HELLO yet is *pending*. When there are too many of these it is not the newest who goes: a stranger
 * who opens connections and says nothing would keep everybody out for the time of a handshake, again and again, with
 * no more than a few hundred of them. An honest client says HELLO as soon as it is connected; so it is left alone for
 * a moment (from one review to the next, within which everything that has arrived is read), and who is silent beyond
 * that makes room: first whoever belongs to the address with most of them, the oldest first. A flood from one address
 * so ends no connection but its own.
 */
import { arrivalWindowMs, failedProofWindowMs } from "../wire/limits.ts";
import { AddressCounts, ArrivalRates, type Origin } from "./address-limits.ts";
import type { ConnectionLimits } from "./connection-limits.ts";

export interface Guest {
  readonly origin: Origin;
  /** It has said HELLO. */
  readonly greeted: boolean;
}

/** For so long an address that a member has left is one that members come from. */
const memberMs = 600_000;
const maxKnownMembers = 16_384;

export class Admission<Visitor extends Guest> {
  private size = 0;
  private readonly perAddress = new AddressCounts();
  private readonly arrivals: ArrivalRates;
  private readonly failedProofs: ArrivalRates;
  /** They have proved to belong to the network. */
  private readonly members = new Set<Visitor>();
  private readonly membersPerAddress = new AddressCounts();
  /** When a member was last seen at an address, the newest at the end; those who are here are not seen before they leave. */
  private readonly memberSeenMs = new Map<string, number>();
  /** In the order in which they came. Some may have said HELLO meanwhile, which `tidy` and a review find. */
  private readonly pending = new Set<Visitor>();
  /** Were pending at the last review. */
  private reviewed: ReadonlySet<Visitor> = new Set();
  private readonly maxPending: number;

  constructor(private readonly limits: ConnectionLimits) {
    this.arrivals = new ArrivalRates(limits.newPerAddress, arrivalWindowMs);
    this.failedProofs = new ArrivalRates(limits.failedProofsPerAddress, failedProofWindowMs);
    // Else they could take all the room there is.
    this.maxPending = Math.min(limits.pending, Math.ceil(limits.total / 2));
  }

  /** Somebody comes from `origin`: whether to let it `enter`. */
  admits(origin: Origin, nowMs: number): boolean {
    const { perAddress, total } = this.limits;
    if (this.size >= total || !this.perAddress.hasRoom(origin, perAddress)) return false;
    // Members behind one address with a stranger are not kept out by him.
    if (!this.hasMembers(origin, nowMs) && !this.failedProofs.hasRoom(origin, nowMs)) return false;
    return this.arrivals.accept(origin, nowMs);
  }

  enter(guest: Visitor): void {
    this.size++;
    this.perAddress.add(guest.origin);
    this.pending.add(guest);
  }

  /** It has proved to belong to the network. */
  proved(member: Visitor): void {
    this.members.add(member);
    this.membersPerAddress.add(member.origin);
  }

  /** It has not proved to belong to the network. */
  failedProof(origin: Origin, nowMs: number): void {
    this.failedProofs.accept(origin, nowMs);
  }

  /** To be said once of everybody who has entered, but for those whom a review has shown out. */
  leave(guest: Visitor, nowMs: number): void {
    this.size--;
    this.perAddress.remove(guest.origin);
    this.pending.delete(guest);
    if (!this.members.delete(guest)) return;
    this.membersPerAddress.remove(guest.origin);
    this.noteMember(guest.origin, nowMs);
  }

  /** A review should come in a moment. */
  get isCrowded(): boolean {
    return this.pending.size > this.maxPending;
  }

  /** Those who have to go: they are counted no longer. */
  review(nowMs: number): Visitor[] {
    this.forgetGreeted();
    const surplus = Math.max(0, this.pending.size - this.maxPending);
    const silent = [...this.pending].filter((guest) => this.reviewed.has(guest));
    const leaving = inOrderOfLeaving(silent).slice(0, surplus);
    for (const guest of leaving) this.leave(guest, nowMs);
    this.reviewed = new Set(this.isCrowded ? this.pending : []);
    return leaving;
  }

  /** Now and then, to give memory back: a place in a set is 30 bytes, of thousands who stay. */
  tidy(nowMs: number): void {
    this.arrivals.forgetRested(nowMs);
    this.failedProofs.forgetRested(nowMs);
    this.forgetGreeted();
  }

  // --- internal ---

  private forgetGreeted(): void {
    for (const guest of this.pending) if (guest.greeted) this.pending.delete(guest);
  }

  /** They are here, or were a while ago. */
  private hasMembers(origin: Origin, nowMs: number): boolean {
    if (this.membersPerAddress.hasAny(origin)) return true;
    return nowMs - (this.memberSeenMs.get(origin.group) ?? Number.NEGATIVE_INFINITY) < memberMs;
  }

  private noteMember({ group }: Origin, nowMs: number): void {
    this.memberSeenMs.delete(group);
    this.memberSeenMs.set(group, nowMs);
    if (this.memberSeenMs.size <= maxKnownMembers) return;
    for (const oldest of this.memberSeenMs.keys()) {
      this.memberSeenMs.delete(oldest);
      return;
    }
  }
}

/** Of guests in the order in which they came: always the oldest one of the address that has most left. */
function inOrderOfLeaving<Visitor extends Guest>(guests: readonly Visitor[]): Visitor[] {
  const newer = new Map<string, number>();
  const ranks = new Map<Visitor, number>();
  for (const guest of guests.toReversed()) {
    const rank = (newer.get(guest.origin.group) ?? 0) + 1;
    newer.set(guest.origin.group, rank);
    ranks.set(guest, rank);
  }
  // Sorting is stable: of one rank the oldest goes first.
  return guests.toSorted((a, b) => ranks.get(b)! - ranks.get(a)!);
}

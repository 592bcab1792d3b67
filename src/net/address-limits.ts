/**
 * Limits that hold for each address: how many of something it may have, and how often it may come. Pure. What is
 * counted, and what happens to whoever is over, is not here.
 */
import { isLoopback } from "../loopback.ts";
import { hostGroup } from "./host-group.ts";

export interface AddressLimit {
  readonly most: number;
  /** Somebody has set it: then addresses of this machine are counted like others. */
  readonly countsLoopback: boolean;
}

/** What was set, else `usual`: that is for strangers, and hundreds of our own processes may share 127.0.0.1. */
export function addressLimit(usual: number, set?: number): AddressLimit {
  return { most: set ?? usual, countsLoopback: set !== undefined };
}

/** An address as limits see it. */
export interface Origin {
  readonly group: string;
  readonly isLoopback: boolean;
}

export function originOf(host: string): Origin {
  return { group: hostGroup(host), isLoopback: isLoopback(host) };
}

function isCounted(origin: Origin, limit: AddressLimit): boolean {
  return limit.countsLoopback || !origin.isLoopback;
}

/** How many there are of each address. */
export class AddressCounts {
  private readonly counts = new Map<string, number>();

  hasRoom(origin: Origin, limit: AddressLimit): boolean {
    return !isCounted(origin, limit) || (this.counts.get(origin.group) ?? 0) < limit.most;
  }

  hasAny({ group }: Origin): boolean {
    return this.counts.has(group);
  }

  add({ group }: Origin): void {
    this.counts.set(group, (this.counts.get(group) ?? 0) + 1);
  }

  remove({ group }: Origin): void {
    const left = (this.counts.get(group) ?? 1) - 1;
    if (left > 0) this.counts.set(group, left);
    else this.counts.delete(group);
  }
}

/** Whoever commands more addresses than this has the oldest of them forgotten, and gains little by it. */
const maxKnownAddresses = 16_384;

/**
 * How often each address may come: `most` at once, and `most` more in every `windowMs`, evenly. Who is turned away
 * loses nothing by having tried.
 */
export class ArrivalRates {
  /** When the address may come `most` times at once again, those that came last at the end. */
  private readonly rested = new Map<string, number>();

  constructor(
    private readonly limit: AddressLimit,
    private readonly windowMs: number,
  ) {}

  /** Whether one more may come now. */
  hasRoom(origin: Origin, nowMs: number): boolean {
    // A millisecond for what is lost in rounding.
    return !isCounted(origin, this.limit) || this.restedAfter(origin, nowMs) <= nowMs + this.windowMs + 1;
  }

  /** Whether one more may come now; it has come then. */
  accept(origin: Origin, nowMs: number): boolean {
    if (!this.hasRoom(origin, nowMs)) return false;
    if (!isCounted(origin, this.limit)) return true;
    const restedMs = this.restedAfter(origin, nowMs);
    this.rested.delete(origin.group);
    this.rested.set(origin.group, restedMs);
    if (this.rested.size > maxKnownAddresses) this.forgetFirst();
    return true;
  }

  /** Gives memory back. */
  forgetRested(nowMs: number): void {
    for (const [group, restedMs] of this.rested) if (restedMs <= nowMs) this.rested.delete(group);
  }

  /** When it would be rested if one more came now. */
  private restedAfter({ group }: Origin, nowMs: number): number {
    return Math.max(nowMs, this.rested.get(group) ?? nowMs) + this.windowMs / this.limit.most;
  }

  private forgetFirst(): void {
    for (const group of this.rested.keys()) {
      this.rested.delete(group);
      return;
    }
  }
}

/** How many of something each address has, of as many as it may have. */
export class AddressShares {
  private readonly counts = new AddressCounts();

  constructor(private readonly limit: AddressLimit) {}

  hasRoom(host: string): boolean {
    return this.counts.hasRoom(originOf(host), this.limit);
  }

  enter(host: string): void {
    this.counts.add(originOf(host));
  }

  leave(host: string): void {
    this.counts.remove(originOf(host));
  }
}

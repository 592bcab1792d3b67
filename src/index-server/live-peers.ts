/** Which peers are connected and registered now, in memory. Nothing of what they hold is here. */
import { AddressCounts, type AddressLimit, originOf } from "../net/address-limits.ts";

export interface LivePeer {
  /** Session number: larger for whoever came later, never given twice. */
  readonly id: number;
  readonly host: string;
  port: number;
  /** How many names it has registered. */
  holdings: number;
  /** When it first registered, on the monotonic clock. */
  readonly sinceMs: number;
}

export class LivePeers {
  private readonly byId = new Map<number, LivePeer>();
  /** The same peers in any order, and where each of them stands: for a fair choice by chance. */
  private readonly list: LivePeer[] = [];
  private readonly places = new Map<number, number>();
  private readonly perAddress = new AddressCounts();

  get size(): number {
    return this.list.length;
  }

  get(id: number): LivePeer | undefined {
    return this.byId.get(id);
  }

  /** Whether `limit` allows one more peer of that address. */
  hasRoom(host: string, limit: AddressLimit): boolean {
    return this.perAddress.hasRoom(originOf(host), limit);
  }

  /** Peers must be added in the order of their ids. */
  add(peer: LivePeer): void {
    this.byId.set(peer.id, peer);
    this.places.set(peer.id, this.list.length);
    this.list.push(peer);
    this.perAddress.add(originOf(peer.host));
  }

  remove(id: number): void {
    const place = this.places.get(id);
    if (place === undefined) return;
    this.perAddress.remove(originOf(this.list[place]!.host));
    this.byId.delete(id);
    this.places.delete(id);
    const last = this.list.pop()!;
    if (last.id === id) return;
    this.list[place] = last;
    this.places.set(last.id, place);
  }

  /** The smallest id of all, or Infinity: rows of smaller ones need not be looked at. */
  get oldestId(): number {
    for (const id of this.byId.keys()) return id;
    return Number.POSITIVE_INFINITY;
  }

  inOrder(): Iterable<LivePeer> {
    return this.byId.values();
  }

  all(): readonly LivePeer[] {
    return this.list;
  }

  /** `chance` gives numbers from 0 to 1, 1 excluded. There must be at least one peer. */
  any(chance: () => number): LivePeer {
    return this.list[Math.floor(chance() * this.list.length)]!;
  }
}

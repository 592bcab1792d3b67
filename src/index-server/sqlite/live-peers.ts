/**
 * Which peers are connected, in memory, by their slots in the tables. What they hold is not here. Who has registered has
 * a bit that other threads can read, too.
 */
import type { Fingerprint } from "../../wire/fingerprint.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { CatalogPeer } from "../catalog.ts";
import { maxSlots, PeerPorts } from "./peer-ports.ts";

export interface LivePeer extends CatalogPeer {
  /** `peers.id`. Another one once it has come back to what it had. */
  slot: number;
  port: number;
  files: number;
  /** False from the moment on in which its connection is known to be gone. */
  isLive: boolean;
}

/** Bits by slot, shared between threads. */
export class LiveBits {
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(maxSlots / 8)) {
    this.bits = new Uint8Array(shared);
  }
  private readonly bits: Uint8Array;

  has(slot: number): boolean {
    return (this.bits[slot >> 3]! & (1 << (slot & 7))) !== 0;
  }

  set(slot: number, isLive: boolean): void {
    if (isLive) Atomics.or(this.bits, slot >> 3, 1 << (slot & 7));
    else Atomics.and(this.bits, slot >> 3, ~(1 << (slot & 7)) & 0xff);
  }
}

export class LivePeers {
  readonly bits = new LiveBits();
  /** Written by whoever writes the rows. */
  readonly ports = new PeerPorts();
  private readonly bySlot: (LivePeer | undefined)[] = [];
  /** The same peers in any order, and where each of them stands: for a fair choice by chance. */
  private readonly list: LivePeer[] = [];
  private readonly places = new Map<LivePeer, number>();
  private readonly ids = new Map<string, LivePeer>();
  private readonly inOrder = new Set<LivePeer>();
  private readonly freeSlots: number[] = [];
  private nextSlot = 1;
  private lastId = 0;
  private fileCount = 0;
  private joined = 0;
  private left = 0;

  /** Nobody is here who may have anything. */
  get isEmpty(): boolean {
    return this.joined === 0;
  }

  /** How many have left so far, registered or not: as long as that is the same, who was here is. */
  get departures(): number {
    return this.left;
  }

  /** Registered ones, as in all that follows. */
  get size(): number {
    return this.list.length;
  }

  /** Names of all of them together. */
  get files(): number {
    return this.fileCount;
  }

  byId(id: string): LivePeer | undefined {
    return this.ids.get(id);
  }

  /** Whose rows these are. Its rows may be seen before it is told what it has: then its port is known all the same. */
  at(slot: number): LivePeer | undefined {
    const peer = this.bySlot[slot];
    if (peer === undefined || peer.port !== 0) return peer;
    const port = this.ports.at(slot);
    if (port === 0) return undefined;
    this.appear(peer, port);
    return peer;
  }

  all(): readonly LivePeer[] {
    return this.list;
  }

  /** As they came. */
  sorted(): Iterable<LivePeer> {
    return this.inOrder;
  }

  /** `chance` gives numbers from 0 to 1, 1 excluded. There must be at least one peer. */
  any(chance: () => number): LivePeer {
    return this.list[Math.floor(chance() * this.list.length)]!;
  }

  /** Throws ProtocolError RETRY when there is no slot. */
  join(host: string, nowMs: number, fingerprint?: Fingerprint): LivePeer {
    if (this.freeSlots.length === 0 && this.nextSlot === maxSlots) throw new ProtocolError("RETRY");
    const slot = this.freeSlots.pop() ?? this.nextSlot++;
    const id = String(++this.lastId);
    const peer: LivePeer = { id, host, fingerprint, slot, port: 0, files: 0, sinceMs: nowMs, isLive: true };
    this.ports.set(slot, 0);
    this.bySlot[slot] = peer;
    this.joined++;
    return peer;
  }

  /**
   * What it has registered by now, under which slot (the one that it had may then be `release`d), and where it listens.
   * From the first time on others are told of it.
   */
  has(peer: LivePeer, { slot, port, files }: { slot: number; port: number; files: number }): void {
    if (!peer.isLive) return;
    this.fileCount += files - peer.files;
    peer.files = files;
    if (slot !== peer.slot) this.clear(peer.slot);
    peer.slot = slot;
    this.bySlot[slot] = peer;
    this.appear(peer, port);
  }

  /** False when it had left already. */
  leave(peer: LivePeer): boolean {
    if (!peer.isLive) return false;
    peer.isLive = false;
    this.joined--;
    this.left++;
    this.clear(peer.slot);
    const place = this.places.get(peer);
    if (place === undefined) return true;
    this.fileCount -= peer.files;
    this.inOrder.delete(peer);
    this.ids.delete(peer.id);
    this.places.delete(peer);
    const last = this.list.pop()!;
    if (last !== peer) {
      this.list[place] = last;
      this.places.set(last, place);
    }
    return true;
  }

  /** Rows of an earlier run have it: nobody gets it before it is `release`d. */
  reserve(slots: Iterable<number>): void {
    const taken = new Set(slots);
    const highest = Math.max(0, ...taken);
    for (let slot = this.nextSlot; slot < highest; slot++) if (!taken.has(slot)) this.freeSlots.push(slot);
    this.nextSlot = Math.max(this.nextSlot, highest + 1);
  }

  /** There are no rows of it left. */
  release(slot: number): void {
    this.freeSlots.push(slot);
  }

  // --- internal ---

  private appear(peer: LivePeer, port: number): void {
    peer.port = port;
    this.bits.set(peer.slot, true);
    if (this.places.has(peer)) return;
    this.places.set(peer, this.list.length);
    this.list.push(peer);
    this.inOrder.add(peer);
    this.ids.set(peer.id, peer);
  }

  private clear(slot: number): void {
    this.bits.set(slot, false);
    this.bySlot[slot] = undefined;
  }
}

/**
 * Peers that are not connected, and whose rows are not all gone: by slot, and by what they had when they left, so that
 * to find one that comes back costs the same however many there are.
 */
import type { LibraryClaim } from "../../wire/messages.ts";
import type { Holder } from "./holding-tables.ts";

export class HiddenPeers {
  private readonly bySlot = new Map<number, { holder: Holder; digest: string }>();
  /** Of many peers with the same library the slots stand together. */
  private readonly byDigest = new Map<string, Set<number>>();

  slots(): Iterable<number> {
    return this.bySlot.keys();
  }

  has(slot: number): boolean {
    return this.bySlot.has(slot);
  }

  get(slot: number): Holder | undefined {
    return this.bySlot.get(slot)?.holder;
  }

  /** One that still has just that, whose slot `isFree`. */
  find(claim: LibraryClaim, isFree: (slot: number) => boolean): Holder | undefined {
    for (const slot of this.byDigest.get(claim.digest) ?? []) {
      const holder = this.get(slot);
      // Some of its rows may be gone since.
      if (holder?.digest.is(claim) && isFree(slot)) return holder;
    }
    return undefined;
  }

  add(holder: Holder): void {
    const { slot } = holder;
    const digest = holder.digest.hex;
    this.bySlot.set(slot, { holder, digest });
    const same = this.byDigest.get(digest);
    if (same === undefined) this.byDigest.set(digest, new Set([slot]));
    else same.add(slot);
  }

  /** False when it was not there. */
  delete(slot: number): boolean {
    const known = this.bySlot.get(slot);
    if (known === undefined) return false;
    this.bySlot.delete(slot);
    const same = this.byDigest.get(known.digest)!;
    same.delete(slot);
    if (same.size === 0) this.byDigest.delete(known.digest);
    return true;
  }
}

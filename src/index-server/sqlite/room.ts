/** Whether there is room for what a change brings: asked before anything of it is done. */
import type { FileName } from "../../wire/file-name.ts";
import type { FileEntry } from "../../wire/messages.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { CatalogLimits } from "../catalog.ts";
import type { Holder, HoldingTables } from "./holding-tables.ts";

export class Room {
  constructor(
    private readonly tables: HoldingTables,
    private readonly limits: CatalogLimits,
  ) {}

  /** For `more` files of a peer. Throws ProtocolError: TOO_MANY, STORAGE_FULL. */
  check({ digest }: Holder, more: number): void {
    if (more <= 0) return;
    if (digest.count + more > this.limits.filesPerPeer) throw new ProtocolError("TOO_MANY");
    if (this.tables.totals.holdings + more > this.limits.filesPerIndex)
      throw new ProtocolError("STORAGE_FULL");
  }

  /** Counts only where it matters: names that merely change, and removals of what is not there, are not more. */
  *checkUpdate(
    holder: Holder,
    add: readonly FileEntry[],
    remove: readonly FileName[],
  ): Generator<void, void> {
    const { filesPerPeer, filesPerIndex } = this.limits;
    const { slot, digest } = holder;
    const isFar = digest.count + add.length <= filesPerPeer;
    if (isFar && this.tables.totals.holdings + add.length <= filesPerIndex) return;
    const added = new Set(add.map((file) => file.name));
    let more = 0;
    for (const name of added) {
      if (this.tables.held(slot, name) === undefined) more++;
      yield;
    }
    for (const name of new Set(remove)) {
      if (!added.has(name) && this.tables.held(slot, name) !== undefined) more--;
      yield;
    }
    this.check(holder, more);
  }
}

/** A peer that is connected to this process, with what is known of its row in `peers`. No statements. */
import type { Fingerprint } from "../../wire/fingerprint.ts";
import { LibraryDigest } from "../../wire/library-digest.ts";
import type { CatalogPeer } from "../catalog.ts";
import { WaitingChanges } from "./waiting-changes.ts";

/** What its row says of what it holds. */
export interface Held {
  /** Undefined: there is no row yet. */
  version: string | undefined;
  files: number;
  digest: LibraryDigest;
}

export class OwnPeer implements CatalogPeer {
  port = 0;
  /** Undefined after the row has become another session's. */
  slot: string | undefined;
  held: Held = nothingHeld();
  /** A change was said to have failed, and may not have: the row is to be read first. */
  isUncertain = false;
  hasLeft = false;
  readonly waiting = new WaitingChanges();
  /** Until nothing of it is begun or waits; never rejects. */
  served: Promise<void> | undefined;

  constructor(
    /** Also its `session` in the database. */
    readonly id: string,
    readonly host: string,
    readonly fingerprint: Fingerprint | undefined,
    readonly sinceMs: number,
  ) {}

  /** Its row is another session's, or gone: it has to register anew. */
  disown(): void {
    this.slot = undefined;
    this.port = 0;
    this.held = nothingHeld();
    this.isUncertain = false;
  }

  get files(): number {
    return this.held.files;
  }

  get isRegistered(): boolean {
    return this.port !== 0;
  }
}

export function nothingHeld(): Held {
  return { version: undefined, files: 0, digest: new LibraryDigest() };
}

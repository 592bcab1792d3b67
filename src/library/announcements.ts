/**
 * What the index knows of a peer's files against what the peer shares, and the next message that brings the one
 * nearer to the other. Pure; `announcer.ts` sends the messages.
 *
 * Invariant: once nothing is left to say, what the index has acknowledged over this connection is what we share but
 * for what is held back, whatever changed or was lost on the way. Of what is held back the index has nothing.
 *
 * A library that is complete begins with a RESUME, the digest of all of it. An index that still holds just that has
 * acknowledged all of it so; only what changed since the RESUME went out is still to be said.
 *
 * An index without room for all: what takes no room (removals, replacements) is said alone, then new names, half as
 * many each time it refuses. When it refuses a single one, the rest is held back.
 */
import { encodedEntryBytes } from "../wire/encode.ts";
import type { FileName } from "../wire/file-name.ts";
import { maxFilesPerMessage, maxIndexLineBytes } from "../wire/limits.ts";
import type { FileEntry, LibraryClaim } from "../wire/messages.ts";
import { SharedEntries } from "./shared-entries.ts";

/** The first one of a connection is a RESUME or a REGISTER: either replaces whatever the index had. */
export type Announcement = Resume | Change;

/** A REGISTER with `library`. */
export interface Resume {
  type: "RESUME";
  library: LibraryClaim;
}

export interface Change {
  type: "REGISTER" | "UPDATE";
  add: FileEntry[];
  remove: FileName[];
}

/** What the index has of a name. After some refusals that is anybody's guess. */
type Known = FileEntry | "nothing" | "unsure";

/** For the message around the entries. */
const envelopeBytes = 1_024;

export class Announcements {
  /** What we share. Whoever knows of a change tells it here. */
  readonly shared = new SharedEntries((name, before) => this.differs(name, before));
  /** All files of the first scan are in. */
  private isComplete = false;
  /** What the index has acknowledged over this connection, where that may differ from what we share. */
  private readonly known = new Map<FileName, Known>();
  /** Of these names, such as may have to be said, but for those under way. */
  private readonly dirty = new Set<FileName>();
  private underWay: Announcement | undefined;
  /** Names of what we share that the index had no room for. Not empty only while `room` is 0. */
  private readonly heldBack = new Set<FileName>();
  /** How many new names the next message may have. */
  private room = Number.POSITIVE_INFINITY;
  /** After a wait `room` begins with one and doubles. */
  private isRoomGrowing = false;
  private isConnected = false;
  /** Something was said over this connection: from then on `known` and `dirty` count. */
  private hasBegun = false;
  private isRegistered = false;

  // --- facts ---

  /** What is shared is all that there is to share: the first scan is over. */
  complete(): void {
    this.isComplete = true;
  }

  /** A new connection: the index knows nothing of us until we say it. */
  connected(): void {
    this.lost();
    this.isConnected = true;
  }

  lost(): void {
    this.isConnected = false;
    this.forgotten();
  }

  /** The index says that over this connection we are not registered: all begins anew. */
  forgotten(): void {
    this.hasBegun = false;
    this.isRegistered = false;
    this.underWay = undefined;
    this.known.clear();
    this.dirty.clear();
    this.heldBack.clear();
    this.room = Number.POSITIVE_INFINITY;
  }

  /** The RESUME under way was accepted: the index still `held` all of it, or has nothing now. */
  resumed(held: boolean): void {
    if (this.underWay?.type !== "RESUME") return;
    this.underWay = undefined;
    this.isRegistered = true;
    if (!held) this.nothingIsKnown();
  }

  /** The message under way was accepted. Returns what of it is about whole files: partial ones are no news to people. */
  acknowledged(): { added: FileName[]; removed: FileName[] } {
    const message = this.underWay;
    if (message === undefined || message.type === "RESUME") return { added: [], removed: [] };
    const added = message.add.filter(({ partial }) => partial !== true).map(({ name }) => name);
    const removed = message.remove.filter((name) => !isPartial(this.knownOf(name)));
    this.underWay = undefined;
    this.isRegistered = true;
    if (this.isRoomGrowing && this.takersOf(message) === this.room) this.room *= 2;
    let freed = 0;
    for (const name of message.remove) {
      if (!this.takesRoom(name) && !this.heldBack.has(name)) freed++;
      this.learn(name, "nothing");
    }
    for (const entry of message.add) this.learn(entry.name, entry);
    if (freed > 0 && this.heldBack.size > 0) this.release(freed, false);
    return { added, removed };
  }

  /**
   * The index has no room for the message under way; `isWhole`: it has applied nothing of it. False when no smaller
   * one can be said, so that it is better to wait.
   */
  refusedForRoom(isWhole: boolean): boolean {
    const message = this.underWay;
    if (message === undefined || message.type === "RESUME") {
      this.refused(isWhole);
      return false;
    }
    const takers = this.takersOf(message);
    const isMixed = message.remove.length + message.add.length > takers;
    this.refused(isWhole);
    if (takers === 0) return false;
    this.isRoomGrowing = false;
    this.room = isMixed ? takers : Math.floor(takers / 2);
    return true;
  }

  /** The index may have room again for what is held back. */
  retryHeldBack(): void {
    if (this.heldBack.size > 0) this.release(1, true);
  }

  /**
   * The message under way was not accepted: it is still to be said. An index that ran into trouble may have applied
   * a part of it, unless `isWhole`.
   */
  refused(isWhole = false): void {
    const message = this.underWay;
    this.underWay = undefined;
    if (message === undefined) return;
    if (message.type === "RESUME") {
      this.forgotten();
      return;
    }
    for (const name of [...message.add.map((entry) => entry.name), ...message.remove]) {
      this.dirty.add(name);
      // A REGISTER will be said again as a whole, and replaces whatever is there.
      if (message.type === "UPDATE" && !isWhole) this.known.set(name, "unsure");
    }
  }

  // --- questions ---

  get heldBackCount(): number {
    return this.heldBack.size;
  }

  /** Names that the index has acknowledged. Takes as long as it has many to learn. */
  get acceptedCount(): number {
    let count = this.shared.count;
    for (const [name, known] of this.known) {
      if (known === "nothing" && this.shared.get(name) !== undefined) count--;
      if (known !== "nothing" && this.shared.get(name) === undefined) count++;
    }
    return count;
  }

  /** The index has acknowledged everything that is not held back. */
  get settled(): boolean {
    return this.isRegistered && this.underWay === undefined && this.dirty.size === 0;
  }

  /**
   * The next message, which is then under way; undefined: nothing to say, or not now. Its line has at most `maxBytes`,
   * of which one file can take 8 KiB.
   */
  nextMessage(maxBytes = maxIndexLineBytes): Announcement | undefined {
    if (!this.isConnected || this.underWay !== undefined) return undefined;
    if (!this.hasBegun) {
      this.hasBegun = true;
      if (this.isComplete && this.shared.count > 0) return this.resume();
      this.nothingIsKnown();
    }
    if (this.room === 0 && this.isRegistered) this.holdBack();
    const isTight = this.room !== Number.POSITIVE_INFINITY;
    let message = this.collect(isTight && this.isRegistered ? 0 : this.room, maxBytes);
    if (isTight && isEmpty(message)) message = this.collect(this.room, maxBytes);
    if (message.type === "UPDATE" && isEmpty(message)) {
      if (this.heldBack.size === 0) this.room = Number.POSITIVE_INFINITY;
      return undefined;
    }
    this.underWay = message;
    return message;
  }

  // --- internal ---

  private differs(name: FileName, before: FileEntry | undefined): void {
    if (!this.hasBegun) return;
    if (!this.known.has(name)) this.known.set(name, before ?? "nothing");
    this.heldBack.delete(name);
    this.dirty.add(name);
  }

  private resume(): Resume {
    const message: Resume = { type: "RESUME", library: this.shared.claim };
    this.underWay = message;
    return message;
  }

  private nothingIsKnown(): void {
    this.known.clear();
    this.dirty.clear();
    for (const name of this.shared.names()) {
      this.known.set(name, "nothing");
      this.dirty.add(name);
    }
  }

  private knownOf(name: FileName): Known {
    return this.known.get(name) ?? this.shared.get(name) ?? "nothing";
  }

  /** What the index has of the name is certain now. */
  private learn(name: FileName, known: Known): void {
    if (isSame(this.shared.get(name) ?? "nothing", known)) this.known.delete(name);
    else this.known.set(name, known);
  }

  /** What may be said in one message, with at most `room` new names. */
  private collect(room: number, maxBytes: number): Change {
    const message: Change = { type: this.isRegistered ? "UPDATE" : "REGISTER", add: [], remove: [] };
    let bytes = envelopeBytes;
    let takers = 0;
    for (const name of this.dirty) {
      const entry = this.heldBack.has(name) ? undefined : this.shared.get(name);
      if (!isSame(entry ?? "nothing", this.knownOf(name))) {
        if (entry !== undefined && this.takesRoom(name) && ++takers > room) continue;
        // A removed name takes at most three bytes a UTF-16 unit, its quotes and comma.
        bytes += entry === undefined ? 3 * name.length + 3 : encodedEntryBytes(entry);
        const isFull = message.add.length + message.remove.length === maxFilesPerMessage;
        if (isFull || bytes > maxBytes) break;
        if (entry === undefined) message.remove.push(name);
        else message.add.push(entry);
      } else {
        this.learn(name, this.knownOf(name));
      }
      this.dirty.delete(name);
    }
    return message;
  }

  /** New names wait from now on; of those that the index may have all the same it is told to remove them. */
  private holdBack(): void {
    for (const name of this.dirty) {
      if (this.shared.get(name) === undefined || !this.takesRoom(name)) continue;
      this.heldBack.add(name);
      if (this.knownOf(name) === "nothing") this.dirty.delete(name);
    }
  }

  private release(room: number, isGrowing: boolean): void {
    for (const name of this.heldBack) this.dirty.add(name);
    this.heldBack.clear();
    this.room = room;
    this.isRoomGrowing = isGrowing;
  }

  private takesRoom(name: FileName): boolean {
    const known = this.knownOf(name);
    return known === "nothing" || known === "unsure";
  }

  private takersOf(message: Change): number {
    return message.add.filter(({ name }) => this.takesRoom(name)).length;
  }
}

function isEmpty({ add, remove }: Change): boolean {
  return add.length + remove.length === 0;
}

function isPartial(known: Known): boolean {
  return typeof known === "object" && known.partial === true;
}

function isSame(one: Known, other: Known): boolean {
  if (typeof one === "string" || typeof other === "string") return one === other;
  if ((one.partial === true) !== (other.partial === true)) return false;
  return one.root === other.root && one.sizeBytes === other.sizeBytes && one.md5 === other.md5;
}

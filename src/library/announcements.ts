/**
 * What the index knows of a peer's files against what the peer shares, and the next message that brings the one
 * nearer to the other. Pure; `announcer.ts` sends the messages.
 *
 * Invariant: once nothing is left to say, what the index has acknowledged over this connection is what we share but
 * for what is held back, whatever changed or was lost on the way. Of what is held back the index has nothing.
 *
 * An index without room for all: what takes no room (removals, replacements) is said alone, then new names, half as
 * many each time it refuses. When it refuses a single one, the rest is held back.
 */
import { encodedEntryBytes } from "../wire/encode.ts";
import type { FileName } from "../wire/file-name.ts";
import { maxFilesPerMessage, maxIndexLineBytes } from "../wire/limits.ts";
import type { FileEntry } from "../wire/messages.ts";

export interface Announcement {
  /** The first one of a connection is a REGISTER: it replaces whatever the index had. */
  type: "REGISTER" | "UPDATE";
  add: FileEntry[];
  remove: FileName[];
}

/** For the message around the entries. */
const envelopeBytes = 1_024;

export class Announcements {
  /** What we share. */
  private readonly wanted = new Map<FileName, FileEntry>();
  /** What the index has acknowledged over this connection; undefined: it may have any of it, or nothing. */
  private readonly known = new Map<FileName, FileEntry | undefined>();
  /** Names for which the two may differ, but for those under way. */
  private readonly dirty = new Set<FileName>();
  private underWay: Announcement | undefined;
  /** Names of what we share that the index had no room for. Not empty only while `room` is 0. */
  private readonly heldBack = new Set<FileName>();
  /** How many new names the next message may have. */
  private room = Number.POSITIVE_INFINITY;
  /** After a wait `room` begins with one and doubles. */
  private isRoomGrowing = false;
  private isConnected = false;
  private isRegistered = false;

  // --- facts ---

  changed(added: Iterable<FileEntry>, removed: Iterable<FileName>): void {
    for (const name of removed) {
      this.wanted.delete(name);
      this.heldBack.delete(name);
      this.dirty.add(name);
    }
    for (const entry of added) {
      this.wanted.set(entry.name, entry);
      this.heldBack.delete(entry.name);
      this.dirty.add(entry.name);
    }
  }

  /** A new connection: the index knows nothing of us until we say it. */
  connected(): void {
    this.lost();
    this.isConnected = true;
  }

  lost(): void {
    this.isConnected = false;
    this.isRegistered = false;
    this.underWay = undefined;
    this.known.clear();
    this.heldBack.clear();
    this.room = Number.POSITIVE_INFINITY;
    for (const name of this.wanted.keys()) this.dirty.add(name);
  }

  /** The message under way was accepted. */
  acknowledged(): void {
    const message = this.underWay;
    if (message === undefined) return;
    this.underWay = undefined;
    this.isRegistered = true;
    if (this.isRoomGrowing && this.takersOf(message) === this.room) this.room *= 2;
    let freed = 0;
    for (const name of message.remove) {
      if (this.known.get(name) !== undefined && !this.heldBack.has(name)) freed++;
      this.known.delete(name);
    }
    for (const entry of message.add) this.known.set(entry.name, entry);
    if (freed > 0 && this.heldBack.size > 0) this.release(freed, false);
  }

  /**
   * The index has no room for the message under way; `isWhole`: it has applied nothing of it. False when no smaller
   * one can be said, so that it is better to wait.
   */
  refusedForRoom(isWhole: boolean): boolean {
    const message = this.underWay;
    if (message === undefined) return false;
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
    for (const name of [...message.add.map((entry) => entry.name), ...message.remove]) {
      this.dirty.add(name);
      // A REGISTER will be said again as a whole, and replaces whatever is there.
      if (message.type === "UPDATE" && !isWhole) this.known.set(name, undefined);
    }
  }

  // --- questions ---

  get heldBackCount(): number {
    return this.heldBack.size;
  }

  /** Names that the index has acknowledged. */
  get acceptedCount(): number {
    return this.known.size;
  }

  /** The index has acknowledged everything that is not held back. */
  get settled(): boolean {
    return this.isRegistered && this.underWay === undefined && this.dirty.size === 0;
  }

  /** The next message, which is then under way; undefined: nothing to say, or not now. */
  nextMessage(): Announcement | undefined {
    if (!this.isConnected || this.underWay !== undefined) return undefined;
    if (this.room === 0 && this.isRegistered) this.holdBack();
    const isTight = this.room !== Number.POSITIVE_INFINITY;
    let message = this.collect(isTight && this.isRegistered ? 0 : this.room);
    if (isTight && isEmpty(message)) message = this.collect(this.room);
    if (message.type === "UPDATE" && isEmpty(message)) {
      if (this.heldBack.size === 0) this.room = Number.POSITIVE_INFINITY;
      return undefined;
    }
    this.underWay = message;
    return message;
  }

  // --- internal ---

  /** What may be said in one message, with at most `room` new names. */
  private collect(room: number): Announcement {
    const message: Announcement = { type: this.isRegistered ? "UPDATE" : "REGISTER", add: [], remove: [] };
    let bytes = envelopeBytes;
    let takers = 0;
    for (const name of this.dirty) {
      const entry = this.heldBack.has(name) ? undefined : this.wanted.get(name);
      const isNews = entry === undefined ? this.known.has(name) : !isSame(entry, this.known.get(name));
      if (isNews) {
        if (entry !== undefined && this.takesRoom(name) && ++takers > room) continue;
        // A removed name takes at most three bytes a UTF-16 unit, its quotes and comma.
        bytes += entry === undefined ? 3 * name.length + 3 : encodedEntryBytes(entry);
        const isFull = message.add.length + message.remove.length === maxFilesPerMessage;
        if (isFull || bytes > maxIndexLineBytes) break;
        if (entry === undefined) message.remove.push(name);
        else message.add.push(entry);
      }
      this.dirty.delete(name);
    }
    return message;
  }

  /** New names wait from now on; of those that the index may have all the same it is told to remove them. */
  private holdBack(): void {
    for (const name of this.dirty) {
      if (!this.wanted.has(name) || !this.takesRoom(name)) continue;
      this.heldBack.add(name);
      if (!this.known.has(name)) this.dirty.delete(name);
    }
  }

  private release(room: number, isGrowing: boolean): void {
    for (const name of this.heldBack) this.dirty.add(name);
    this.heldBack.clear();
    this.room = room;
    this.isRoomGrowing = isGrowing;
  }

  private takesRoom(name: FileName): boolean {
    return this.known.get(name) === undefined;
  }

  private takersOf(message: Announcement): number {
    return message.add.filter(({ name }) => this.takesRoom(name)).length;
  }
}

function isEmpty({ add, remove }: Announcement): boolean {
  return add.length + remove.length === 0;
}

function isSame(entry: FileEntry, known: FileEntry | undefined): boolean {
  return known !== undefined && entry.root === known.root && entry.sizeBytes === known.sizeBytes;
}

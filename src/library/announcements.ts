/**
 * What the index knows of a peer's files against what the peer shares, and the next message that brings the one
 * nearer to the other. Pure; `announcer.ts` sends the messages.
 *
 * Shared are the files of the folder and, beside them, running downloads: what of these is there is served too. A file
 * of the folder always goes before a download of the same name.
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
  /** The folder's files. */
  private readonly files = new Map<FileName, FileEntry>();
  /** Downloads, in part or whole, whose name no file of the folder has. */
  private readonly downloads = new Map<FileName, FileEntry>();
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
      this.files.delete(name);
      this.touched(name);
    }
    for (const entry of added) {
      this.files.set(entry.name, entry);
      // From now on the folder says what there is of that name.
      this.downloads.delete(entry.name);
      this.touched(entry.name);
    }
  }

  /** What there is of it so far is served. It goes with `downloadEnded`, or when the folder has a file of its name. */
  downloading(entry: FileEntry): void {
    if (this.files.has(entry.name)) return;
    this.downloads.set(entry.name, { ...entry, partial: true });
    this.touched(entry.name);
  }

  /** All of it is there, and is served. */
  downloaded(name: FileName): void {
    const entry = this.downloads.get(name);
    if (entry === undefined) return;
    this.downloads.set(name, { ...entry, partial: false });
    this.touched(name);
  }

  /** It is not served any more, unless by the folder. */
  downloadEnded(name: FileName): void {
    if (this.downloads.delete(name)) this.touched(name);
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
    for (const name of this.files.keys()) this.dirty.add(name);
    for (const name of this.downloads.keys()) this.dirty.add(name);
  }

  /** The message under way was accepted. Returns what of it is about whole files: partial ones are no news to people. */
  acknowledged(): { added: FileName[]; removed: FileName[] } {
    const message = this.underWay;
    if (message === undefined) return { added: [], removed: [] };
    const added = message.add.filter(({ partial }) => partial !== true).map(({ name }) => name);
    const removed = message.remove.filter((name) => this.known.get(name)?.partial !== true);
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
    return { added, removed };
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

  private wanted(name: FileName): FileEntry | undefined {
    return this.files.get(name) ?? this.downloads.get(name);
  }

  private touched(name: FileName): void {
    this.heldBack.delete(name);
    this.dirty.add(name);
  }

  /** What may be said in one message, with at most `room` new names. */
  private collect(room: number): Announcement {
    const message: Announcement = { type: this.isRegistered ? "UPDATE" : "REGISTER", add: [], remove: [] };
    let bytes = envelopeBytes;
    let takers = 0;
    for (const name of this.dirty) {
      const entry = this.heldBack.has(name) ? undefined : this.wanted(name);
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
      if (this.wanted(name) === undefined || !this.takesRoom(name)) continue;
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
  if (known === undefined || (entry.partial === true) !== (known.partial === true)) return false;
  return entry.root === known.root && entry.sizeBytes === known.sizeBytes;
}

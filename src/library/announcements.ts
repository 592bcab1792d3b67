/**
 * What the index knows of a peer's files against what the peer shares, and the next message that brings the one
 * nearer to the other. Pure; `announcer.ts` sends the messages.
 *
 * Invariant: once nothing is left to say, what the index has acknowledged over this connection is what we share,
 * whatever changed or was lost on the way.
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
  private isConnected = false;
  private isRegistered = false;

  // --- facts ---

  changed(added: Iterable<FileEntry>, removed: Iterable<FileName>): void {
    for (const name of removed) {
      this.wanted.delete(name);
      this.dirty.add(name);
    }
    for (const entry of added) {
      this.wanted.set(entry.name, entry);
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
    for (const name of this.wanted.keys()) this.dirty.add(name);
  }

  /** The message under way was accepted. */
  acknowledged(): void {
    const message = this.underWay;
    if (message === undefined) return;
    this.underWay = undefined;
    this.isRegistered = true;
    for (const entry of message.add) this.known.set(entry.name, entry);
    for (const name of message.remove) this.known.delete(name);
  }

  /**
   * The message under way was not accepted: it is still to be said. An index that ran into trouble may have applied
   * a part of it.
   */
  refused(): void {
    const message = this.underWay;
    this.underWay = undefined;
    if (message === undefined) return;
    for (const name of [...message.add.map((entry) => entry.name), ...message.remove]) {
      this.dirty.add(name);
      // A REGISTER will be said again as a whole, and replaces whatever is there.
      if (message.type === "UPDATE") this.known.set(name, undefined);
    }
  }

  // --- questions ---

  /** The index has acknowledged everything. */
  get settled(): boolean {
    return this.isRegistered && this.underWay === undefined && this.dirty.size === 0;
  }

  /** The next message, which is then under way; undefined: nothing to say, or not now. */
  nextMessage(): Announcement | undefined {
    if (!this.isConnected || this.underWay !== undefined) return undefined;
    const message: Announcement = { type: this.isRegistered ? "UPDATE" : "REGISTER", add: [], remove: [] };
    let bytes = envelopeBytes;
    for (const name of this.dirty) {
      const entry = this.wanted.get(name);
      const isNews = entry === undefined ? this.known.has(name) : !isSame(entry, this.known.get(name));
      if (isNews) {
        // A removed name takes at most three bytes a UTF-16 unit, its quotes and comma.
        bytes += entry === undefined ? 3 * name.length + 3 : encodedEntryBytes(entry);
        const isFull = message.add.length + message.remove.length === maxFilesPerMessage;
        if (isFull || bytes > maxIndexLineBytes) break;
        if (entry === undefined) message.remove.push(name);
        else message.add.push(entry);
      }
      this.dirty.delete(name);
    }
    const isWorthSaying = message.type === "REGISTER" || message.add.length + message.remove.length > 0;
    if (!isWorthSaying) return undefined;
    this.underWay = message;
    return message;
  }
}

function isSame(entry: FileEntry, known: FileEntry | undefined): boolean {
  return known !== undefined && entry.root === known.root && entry.sizeBytes === known.sizeBytes;
}

/**
 * Keeps an index told of what a peer shares: sends what `Announcements` says over whatever connection there is,
 * one message at a time.
 */
import { monotonicMs } from "../clock.ts";
import type { IndexClient } from "../net/index-client.ts";
import { IndexRefusal } from "../net/index-refusal.ts";
import type { FileName } from "../wire/file-name.ts";
import { reachRetryMs } from "../wire/limits.ts";
import type { FileEntry } from "../wire/messages.ts";
import { AnnouncePace } from "./announce-pace.ts";
import { type Announcement, Announcements } from "./announcements.ts";

export interface AnnouncerListener {
  /** The index has everything that is shared, for the first time over this connection. */
  settled(client: IndexClient): void;
  /** The index has accepted a change of whole files, after it had been settled. */
  updated(added: FileName[], removed: FileName[]): void;
  /** One line for the user, already printable. */
  notice(line: string): void;
}

/** Where this peer is reached. */
interface Place {
  port: number;
  host: string | undefined;
}

/** A refusal does not go away by asking at once. */
const refusedRetryMs = 5_000;
/** Until then the index would say the same again. */
const unreachableRetryMs = 1.5 * reachRetryMs;
/** Others may have made room. */
const heldBackRetryMs = 60_000;

export class Announcer {
  private readonly announcements = new Announcements();
  private pace = new AnnouncePace();
  private client: IndexClient | undefined;
  private hasSettled = false;
  /** Nothing is settled before the first scan is. */
  private isComplete = false;
  private refusedTimer: Timer | undefined;
  private heldBackTimer: Timer | undefined;
  private lastRefusal = "";
  /** Said once, until all is announced again. */
  private hasToldOfHeldBack = false;
  /** Why the index had no room, the last time. */
  private noRoom = "";

  private at: Place = { port: 0, host: undefined };

  constructor(private readonly listener: AnnouncerListener) {}

  changed(added: Iterable<FileEntry>, removed: Iterable<FileName>): void {
    this.announcements.shared.changed(added, removed);
    this.advance();
  }

  /**
   * A running download: what there is of it is served, and found by others from now on, also over the next
   * connection. It ends with `downloadEnded`, or by itself once the folder has a file of that name.
   */
  downloading(entry: FileEntry): void {
    this.announcements.shared.downloading(entry);
    this.advance();
  }

  /** All of it is there and served, though not by the folder, or not yet. */
  downloaded(name: FileName): void {
    this.announcements.shared.downloaded(name);
    this.advance();
  }

  /** It is not served any more. */
  downloadEnded(name: FileName): void {
    this.announcements.shared.downloadEnded(name);
    this.advance();
  }

  /** All files of the first scan have been told through `changed`. */
  complete(): void {
    this.isComplete = true;
    this.announcements.complete();
    this.advance();
  }

  /** `host`: where we say that others reach us; undefined: where the index sees us. */
  connected(client: IndexClient, port: number, host?: string): void {
    this.stop();
    this.client = client;
    this.at = { port, host };
    this.pace = new AnnouncePace();
    this.announcements.connected();
    this.advance();
  }

  /** The connection is gone, or the peer is being stopped. */
  stop(): void {
    clearTimeout(this.refusedTimer);
    this.refusedTimer = undefined;
    clearTimeout(this.heldBackTimer);
    this.heldBackTimer = undefined;
    this.client = undefined;
    this.hasSettled = false;
    this.announcements.lost();
  }

  private advance(): void {
    const { client } = this;
    if (client === undefined || this.refusedTimer !== undefined) return;
    const message = this.announcements.nextMessage(this.pace.maxBytes);
    if (message !== undefined) {
      void this.send(client, message);
      return;
    }
    this.lookAtHeldBack();
    if (this.isComplete && !this.hasSettled && this.announcements.settled) {
      this.hasSettled = true;
      this.listener.settled(client);
    }
  }

  /** Never rejects. */
  private async send(client: IndexClient, message: Announcement): Promise<void> {
    const beganMs = monotonicMs();
    let held = false;
    try {
      const { port, host } = this.at;
      if (message.type === "RESUME") held = await client.resume(port, message.library, host);
      else if (message.type === "REGISTER") await client.register(port, message.add, host);
      else await client.update(message.add, message.remove);
    } catch (error) {
      // A lost connection is told by its owner; what it had under way goes with it.
      if (this.client === client && error instanceof IndexRefusal) this.onRefused(error);
      return;
    }
    if (this.client !== client) return;
    if (message.type === "RESUME") this.announcements.resumed(held);
    else this.pace.answered(monotonicMs() - beganMs);
    const { added, removed } = this.announcements.acknowledged();
    this.lastRefusal = "";
    if (this.hasSettled && added.length + removed.length > 0) this.listener.updated(added, removed);
    this.advance();
  }

  private lookAtHeldBack(): void {
    const { heldBackCount, acceptedCount } = this.announcements;
    if (heldBackCount === 0) {
      if (this.announcements.settled) this.hasToldOfHeldBack = false;
      return;
    }
    if (!this.hasToldOfHeldBack) {
      this.hasToldOfHeldBack = true;
      const why = this.noRoom === "TOO_MANY" ? `takes at most ${acceptedCount} of this peer` : "is full";
      const what = heldBackCount === 1 ? "1 file is" : `${heldBackCount} files are`;
      this.listener.notice(`${what} not announced: index ${this.client?.label} ${why}`);
    }
    this.heldBackTimer ??= setTimeout(() => {
      this.heldBackTimer = undefined;
      this.announcements.retryHeldBack();
      this.advance();
    }, heldBackRetryMs);
  }

  private onRefused(error: IndexRefusal): void {
    const isWhole = error.wireCode === "TOO_MANY";
    if (isWhole || error.wireCode === "STORAGE_FULL") {
      this.noRoom = error.wireCode;
      if (this.announcements.refusedForRoom(isWhole)) {
        this.advance();
        return;
      }
    } else if (error.wireCode === "BAD_STATE") {
      this.announcements.forgotten();
    } else {
      this.announcements.refused();
    }
    const isUnreachable = error.wireCode === "UNREACHABLE";
    const mend = isUnreachable
      ? `: let others connect to TCP port ${this.at.port} of this machine (firewall, NAT)`
      : "";
    if (error.message !== this.lastRefusal) this.listener.notice(`${error.message}${mend}; trying again`);
    this.lastRefusal = error.message;
    this.refusedTimer = setTimeout(
      () => {
        this.refusedTimer = undefined;
        this.advance();
      },
      isUnreachable ? unreachableRetryMs : refusedRetryMs,
    );
  }
}

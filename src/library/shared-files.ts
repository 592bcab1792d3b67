/**
 * What is offered right now, by name and by content, and what the listener has been told of it. Whether a file may
 * be offered is decided elsewhere.
 */
import type { FileName } from "../wire/file-name.ts";
import type { FileIdentity } from "./file-identity.ts";

export interface SharedFile {
  name: FileName;
  /** Absolute. */
  path: string;
  sizeBytes: number;
  /** In hex. */
  md5: string;
  /** In hex. */
  root: string;
  identity: FileIdentity;
}

/** What the uploader needs to serve a content. */
export interface SharedContent {
  /** The shared folder. */
  folder: string;
  /** Absolute, below `folder`. */
  path: string;
  /** As it was when it was hashed, or as it is now when that is not sure. */
  identity: FileIdentity;
  sizeBytes: number;
  /** 32 bytes a chunk; empty up to 1 MiB. */
  chunkHashes: Uint8Array;
  /**
   * Or known not to have been written to since an earlier run hashed it (`ctime.ts`). Otherwise the hashes are believed
   * because size, time and inode are those that the hashed file had.
   */
  trusted: boolean;
}

export interface Offer {
  file: SharedFile;
  /** Its bytes were read in this run, or in an earlier one, and its ctime has not moved since. */
  trusted: boolean;
}

export type ChangeListener = (added: SharedFile[], removed: FileName[]) => void;

export class SharedFiles {
  private readonly offers = new Map<FileName, Offer>();
  private readonly byRoot = new Map<string, Offer[]>();
  /** The sum of all that `changed` was told. */
  private readonly told = new Map<FileName, SharedFile>();
  private toldBytes = 0;
  private readonly untold = new Set<FileName>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  /** Changes are collected for `delayMs()` before `changed` is called with all of them. */
  constructor(
    private readonly changed: ChangeListener,
    private readonly delayMs: () => number,
  ) {}

  offer(file: SharedFile, trusted: boolean): void {
    this.withdraw(file.name);
    const offer = { file, trusted };
    this.offers.set(file.name, offer);
    const others = this.byRoot.get(file.root);
    if (others === undefined) this.byRoot.set(file.root, [offer]);
    else others.push(offer);
    this.tellLater(file.name);
  }

  withdraw(name: FileName): void {
    const offer = this.offers.get(name);
    if (offer === undefined) return;
    this.offers.delete(name);
    const rest = this.byRoot.get(offer.file.root)?.filter((other) => other !== offer) ?? [];
    if (rest.length > 0) this.byRoot.set(offer.file.root, rest);
    else this.byRoot.delete(offer.file.root);
    this.tellLater(name);
  }

  /**
   * Only its ctime has moved: most likely its mode or the number of its links, but it may have been written to and
   * given its old time again. Still offered, with hashes that have to be checked.
   */
  touch(name: FileName, identity: FileIdentity): void {
    const offer = this.offers.get(name);
    if (offer === undefined) return;
    offer.file = { ...offer.file, identity };
    offer.trusted = false;
  }

  /** One of those that have this content. */
  withRoot(root: string): Offer | undefined {
    return this.byRoot.get(root)?.[0];
  }

  /** Everything the listener was told to be offered: exactly the sum of the calls of `changed`. */
  files(): Iterable<SharedFile> {
    return this.told.values();
  }

  get fileCount(): number {
    return this.told.size;
  }

  get totalBytes(): number {
    return this.toldBytes;
  }

  /** Tells what is to be told now. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const added: SharedFile[] = [];
    const removed: FileName[] = [];
    for (const name of this.untold) {
      const before = this.told.get(name);
      const now = this.offers.get(name)?.file;
      if (before !== undefined) {
        this.told.delete(name);
        this.toldBytes -= before.sizeBytes;
      }
      if (now !== undefined) {
        this.told.set(name, now);
        this.toldBytes += now.sizeBytes;
        // Withdrawn and offered again before anybody was told of the first: nothing happened.
        if (before?.root !== now.root) added.push(now);
      } else if (before !== undefined) {
        removed.push(name);
      }
    }
    this.untold.clear();
    if (added.length > 0 || removed.length > 0) this.changed(added, removed);
  }

  /** Ends the timer; nothing is told any more. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.stopped = true;
  }

  private tellLater(name: FileName): void {
    this.untold.add(name);
    if (!this.stopped) this.timer ??= setTimeout(() => this.flush(), this.delayMs());
  }
}

/**
 * The contents that one upload worker has open: found through the uploader once, shared by all connections, and
 * closed when nobody has read from them for a while (an open file keeps its disk space after it is deleted).
 */
import { chunkCountOf } from "../content/chunks.ts";
import { ContentBoard } from "./content-board.ts";
import { PartialContent } from "./partial-content.ts";
import type { ServedContent } from "./served-content.ts";
import { ServedFile } from "./served-file.ts";
import type { Offer } from "./upload-messages.ts";
import type { OfferedContent } from "./upload-session.ts";

/** The security limits' number of open files. */
const maxOpen = 64;
const idleMs = 5_000;

export interface OpenContent {
  readonly offered: OfferedContent;
  readonly served: ServedContent;
}

interface Entry extends OpenContent {
  readonly offer: Offer;
  usedMs: number;
}

export class OpenContents {
  /** In the order of their last use. */
  private readonly entries = new Map<string, Entry>();
  private readonly asked = new Map<string, ((content: OfferedContent | undefined) => void)[]>();

  constructor(
    private readonly ask: (root: string) => void,
    private readonly changed: (path: string) => void,
  ) {}

  /** Calls back at once when it is open, else when the uploader has answered. Undefined: not here. */
  find(root: string, nowMs: number, found: (content: OfferedContent | undefined) => void): void {
    const open = this.get(root, nowMs);
    if (open !== undefined) {
      found(open.offered);
      return;
    }
    const waiting = this.asked.get(root);
    if (waiting !== undefined) {
      waiting.push(found);
      return;
    }
    this.asked.set(root, [found]);
    this.ask(root);
  }

  /** The content when it is (still) open. */
  get(root: string, nowMs: number): OpenContent | undefined {
    const entry = this.entries.get(root);
    if (entry === undefined) return undefined;
    entry.usedMs = nowMs;
    this.entries.delete(root);
    this.entries.set(root, entry);
    return entry;
  }

  /** The uploader's answer. */
  answer(root: string, content: { offer: Offer; board: SharedArrayBuffer } | undefined, nowMs: number): void {
    const waiting = this.asked.get(root) ?? [];
    this.asked.delete(root);
    const served = content && open(content.offer);
    let offered: OfferedContent | undefined;
    if (content !== undefined && served !== undefined) {
      offered = offeredOf(root, content.offer, content.board);
      this.keep(root, { offer: content.offer, offered, served, usedMs: nowMs });
    } else if (content?.offer.kind === "file") {
      this.changed(content.offer.path);
    }
    for (const found of waiting) found(offered);
  }

  /** Its bytes are not what they were: nobody gets them again before the uploader has been asked. */
  drop(root: string): void {
    const entry = this.entries.get(root);
    if (entry === undefined) return;
    this.close(root);
    if (entry.offer.kind === "file") this.changed(entry.offer.path);
  }

  /** The uploader has something else to offer, or nothing any more. */
  close(root: string): void {
    this.entries.get(root)?.served.close();
    this.entries.delete(root);
  }

  closeIdle(nowMs: number): void {
    for (const [root, { usedMs }] of this.entries) if (nowMs - usedMs > idleMs) this.close(root);
  }

  closeAll(): void {
    for (const root of [...this.entries.keys()]) this.close(root);
  }

  private keep(root: string, entry: Entry): void {
    this.close(root);
    if (this.entries.size >= maxOpen) {
      const oldest = this.entries.keys().next().value;
      if (oldest !== undefined) this.close(oldest);
    }
    this.entries.set(root, entry);
  }
}

function open(offer: Offer): ServedContent | undefined {
  return offer.kind === "partial" ? new PartialContent(offer.fd) : ServedFile.open(offer);
}

function offeredOf(root: string, offer: Offer, board: SharedArrayBuffer): OfferedContent {
  const { sizeBytes, chunkHashes } = offer;
  const chunkCount = chunkCountOf(sizeBytes);
  const verified = offer.kind === "partial" ? new Uint8Array(offer.verified) : undefined;
  return { root, sizeBytes, chunkHashes, chunkCount, verified, board: new ContentBoard(board, chunkCount) };
}

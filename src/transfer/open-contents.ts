/**
 * The contents that one upload worker has open: found through the uploader once, shared by all connections, and
 * closed when nobody has read from them for a while (an open file keeps its disk space after it is deleted). What is
 * asked for soon is found ahead of that, many at a time, but opened only in its turn.
 */
import { chunkCountOf } from "../content/chunks.ts";
import { WalkedFolder } from "../library/walked-folder.ts";
import { ContentBoard } from "./content-board.ts";
import { PartialContent } from "./partial-content.ts";
import type { ServedContent } from "./served-content.ts";
import { ServedFile, type ServedFileOptions } from "./served-file.ts";
import { usualUploadLimits } from "./upload-limits.ts";
import type { FoundContent, Offer } from "./upload-messages.ts";
import type { OfferedContent } from "./upload-session.ts";

/** That are open now and then. */
const folders = 2;
const idleMs = 5_000;
/** Contents that are being found, or have been, and are not open: the pipelines of a few downloaders. */
const maxExpected = 256;
/** Chunk hashes of a content that are kept before it is open: of 128 MiB. More is worth being asked for again. */
const maxExpectedHashBytes = 4 * 1024;
/** For a file of one chunk: of that there is no news. */
const quietBoard = ContentBoard.make(1);

export interface OpenContent {
  readonly offered: OfferedContent;
  readonly served: ServedContent;
}

/** Found, but not open. */
interface Expected {
  readonly offered: OfferedContent;
  readonly offer: Offer;
  usedMs: number;
}

type Entry = Expected & OpenContent;
type OnFound = (content: OfferedContent | undefined) => void;

export class OpenContents {
  /** In the order of their last use. */
  private readonly entries = new Map<string, Entry>();
  private readonly expected = new Map<string, Expected>();
  /** With those who wait for the answer. */
  private readonly asked = new Map<string, OnFound[]>();
  /** Of `asked`, not sent yet. */
  private unsent: string[] = [];
  /** Open until the end of a turn of the event loop. */
  private readonly walked = new WalkedFolder();

  /** At a time, with the folders. */
  maxOpenFiles = usualUploadLimits.openFiles;

  /** `ask` is called with all roots that one packet of requests wants. `answer` answers. */
  constructor(
    private readonly ask: (roots: readonly string[]) => void,
    private readonly changed: (path: string) => void,
  ) {}

  /** It will be wanted soon. Undefined: it is not known yet, and perhaps never will be. */
  expect(root: string, nowMs: number): OfferedContent | undefined {
    const known = this.get(root, nowMs) ?? this.expected.get(root);
    const isRoom = this.expected.size + this.asked.size < maxExpected;
    if (known === undefined && isRoom && !this.asked.has(root)) this.askFor(root, []);
    return known?.offered;
  }

  /** Opens it and calls back, at once when it is known, else when the uploader has answered. Undefined: not here. */
  find(root: string, nowMs: number, found: OnFound): void {
    const expected = this.expected.get(root);
    const content = this.get(root, nowMs) ?? (expected && this.open(root, expected, nowMs));
    if (content !== undefined || expected !== undefined) {
      found(content?.offered);
      return;
    }
    const waiting = this.asked.get(root);
    if (waiting === undefined) this.askFor(root, [found]);
    else waiting.push(found);
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

  /** What the uploader answers. */
  answer(found: readonly FoundContent[], nowMs: number): void {
    const wanted: { root: string; known: Expected | undefined; waiting: readonly OnFound[] }[] = [];
    for (const { root, content } of found) {
      const waiting = this.asked.get(root) ?? [];
      this.asked.delete(root);
      const known = content && { offer: content.offer, offered: offeredOf(root, content), usedMs: nowMs };
      if (waiting.length > 0) wanted.push({ root, known, waiting });
      else if (known !== undefined && known.offer.chunkHashes.length <= maxExpectedHashBytes)
        this.expected.set(root, known);
    }
    // Who goes on may want the others at once.
    for (const { root, known, waiting } of wanted) {
      const offered = known && this.open(root, known, nowMs)?.offered;
      for (const each of waiting) each(offered);
    }
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
    this.expected.delete(root);
  }

  closeIdle(nowMs: number): void {
    for (const contents of [this.entries, this.expected]) {
      for (const [root, { usedMs }] of contents) if (nowMs - usedMs > idleMs) this.close(root);
    }
  }

  closeAll(): void {
    this.walked.close();
    for (const contents of [this.entries, this.expected]) {
      for (const root of [...contents.keys()]) this.close(root);
    }
  }

  // --- internal ---

  private askFor(root: string, waiting: OnFound[]): void {
    this.asked.set(root, waiting);
    this.unsent.push(root);
    if (this.unsent.length > 1) return;
    queueMicrotask(() => {
      this.ask(this.unsent);
      this.unsent = [];
    });
  }

  /** Undefined when it is not what was hashed any more. */
  private open(root: string, known: Expected, nowMs: number): OpenContent | undefined {
    this.close(root);
    const { offer, offered } = known;
    const served = offer.kind === "partial" ? new PartialContent(offer.fd) : this.openFile(offer);
    if (served === undefined) {
      if (offer.kind === "file") this.changed(offer.path);
      return undefined;
    }
    if (this.entries.size >= Math.max(1, this.maxOpenFiles - folders)) {
      const oldest = this.entries.keys().next().value;
      if (oldest !== undefined) this.close(oldest);
    }
    const entry = { offer, offered, served, usedMs: nowMs };
    this.entries.set(root, entry);
    return entry;
  }

  private openFile(options: ServedFileOptions): ServedFile | undefined {
    this.walked.closeSoon();
    return ServedFile.open(options, this.walked);
  }
}

function offeredOf(root: string, { offer, board }: NonNullable<FoundContent["content"]>): OfferedContent {
  const { sizeBytes, chunkHashes } = offer;
  const chunkCount = chunkCountOf(sizeBytes);
  const verified = offer.kind === "partial" ? new Uint8Array(offer.verified) : undefined;
  const ownBoard = board === undefined ? quietBoard : new ContentBoard(board, chunkCount);
  return { root, sizeBytes, chunkHashes, chunkCount, verified, board: ownBoard };
}

/**
 * What one downloader's connection is still to be told of without asking: chunks that have become ready here, and chunks
 * that were sent to others. Keeps what was told, and compares when there is room for more: however slow the other side,
 * nothing piles up. Pure but for the shared memory it looks at.
 */
import { Bitfield } from "../content/bitfield.ts";
import { encodeHaveNews, encodeSentNews } from "../wire/encode.ts";
import type { ContentBoard } from "./content-board.ts";

/** What news of a content are made of. */
export interface NewsworthyContent {
  readonly root: string;
  readonly chunkCount: number;
  /** Bits of the chunks that are ready, which others may set at any time; undefined: all are. */
  readonly verified: Uint8Array | undefined;
  readonly board: ContentBoard;
}

interface Watch {
  readonly content: NewsworthyContent;
  /** Undefined: everything has been told. */
  ready: Uint8Array | undefined;
  /** Undefined: it did not ask. */
  readonly sent: Uint8Array | undefined;
  round: number;
  /** Something may have happened since it was compared. */
  isStale: boolean;
}

/** Contents that one connection may watch; the one watched first makes room. */
const maxWatches = 64;
/** Lines said in one go, before answers get their turn. */
const maxLines = 64;

export class UploadNews {
  private readonly watches = new Map<string, Watch>();

  /** Of the contents that are watched. */
  get roots(): Iterable<string> {
    return this.watches.keys();
  }

  /** The answer to HAVE. From now on news follow. */
  begin(content: NewsworthyContent, withSent: boolean): { chunks: Uint8Array; sent?: Uint8Array } {
    const { root, chunkCount, verified, board } = content;
    this.end(root);
    const [oldest] = this.watches.keys();
    if (oldest !== undefined && this.watches.size >= maxWatches) this.end(oldest);
    const watch: Watch = {
      content,
      ready: undefined,
      sent: withSent ? new Uint8Array(board.sent.length) : undefined,
      round: board.round,
      isStale: true,
    };
    // First the watch, then the look: what becomes ready in between is told as news.
    if (verified !== undefined || withSent) {
      this.watches.set(root, watch);
      board.watched(1);
    }
    watch.ready = verified?.slice();
    watch.sent?.set(board.sent);
    const chunks = watch.ready?.slice() ?? Bitfield.full(chunkCount).bytes;
    return watch.sent === undefined ? { chunks } : { chunks, sent: watch.sent.slice() };
  }

  /** Something has happened to a content. False when it is not watched. */
  stir(root: string): boolean {
    const watch = this.watches.get(root);
    if (watch === undefined) return false;
    watch.isStale = true;
    return true;
  }

  /** There will be no more news of it. */
  end(root: string): void {
    const watch = this.watches.get(root);
    if (watch === undefined) return;
    this.watches.delete(root);
    watch.content.board.watched(-1);
  }

  endAll(): void {
    for (const root of [...this.watches.keys()]) this.end(root);
  }

  /** Lines to be said, or undefined when there is nothing new. */
  next(): string | undefined {
    const lines: string[] = [];
    for (const [root, watch] of this.watches) {
      if (!watch.isStale) continue;
      tellReady(watch, lines);
      tellSent(watch, lines);
      watch.isStale = lines.length >= maxLines;
      if (watch.ready === undefined && watch.sent === undefined) this.end(root);
      if (lines.length >= maxLines) break;
    }
    return lines.length === 0 ? undefined : lines.join("");
  }
}

function tellReady(watch: Watch, lines: string[]): void {
  const { root, chunkCount, verified } = watch.content;
  if (watch.ready === undefined || verified === undefined) return;
  tell(watch.ready, verified, chunkCount, lines, (chunk) =>
    encodeHaveNews({ type: "HAVE_NEWS", root, chunk }),
  );
  if (isFull(watch.ready, chunkCount)) watch.ready = undefined;
}

/** Who is told keeps rounds as well: the old one has to be told to its end before the next begins. */
function tellSent(watch: Watch, lines: string[]): void {
  const { sent, content } = watch;
  if (sent === undefined) return;
  const { root, chunkCount, board } = content;
  const encode = (chunk: number) => encodeSentNews({ type: "SENT", root, chunk });
  if (watch.round !== board.round) {
    tell(sent, Bitfield.full(chunkCount).bytes, chunkCount, lines, encode);
    if (!isFull(sent, chunkCount)) return;
    sent.fill(0);
    watch.round = board.round;
  }
  tell(sent, board.sent, chunkCount, lines, encode);
}

/** Says which bits are set in `now` and were not told, as far as there is room. */
function tell(
  told: Uint8Array,
  now: Uint8Array,
  chunkCount: number,
  lines: string[],
  encode: (chunk: number) => string,
): void {
  for (let at = 0; at < told.length; at++) {
    if ((now[at]! & ~told[at]!) === 0) continue;
    for (let chunk = at * 8; chunk < Math.min(at * 8 + 8, chunkCount); chunk++) {
      const bit = 0x80 >> (chunk & 7);
      if ((now[at]! & ~told[at]! & bit) === 0) continue;
      if (lines.length >= maxLines) return;
      told[at]! |= bit;
      lines.push(encode(chunk));
    }
  }
}

function isFull(bits: Uint8Array, chunkCount: number): boolean {
  return Bitfield.from(bits, chunkCount)?.isFull ?? true;
}

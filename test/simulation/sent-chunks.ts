/**
 * Which chunks of each content this peer has sent, or promised, to anybody: what it answers to who asks for `sent`, so
 * that the next one asks for others. A hint and no more; knows no connection. Pure.
 */
import { Bitfield } from "../../src/content/bitfield.ts";

/** The least recently asked-for content is forgotten above this; 64 of the largest are 8 MiB. */
const maxContents = 64;

export class SentChunks {
  private readonly contents = new Map<string, SentOnce>();

  /** For the answer to HAVE. */
  sentOf(root: string, chunkCount: number): Bitfield {
    return this.contentOf(root, chunkCount).chunks;
  }

  /** A GET of these chunks was accepted. Returns the ones that are news. */
  add(root: string, chunkCount: number, first: number, count: number): number[] {
    const content = this.contentOf(root, chunkCount);
    const news: number[] = [];
    for (let chunk = first; chunk < Math.min(first + count, chunkCount); chunk++) {
      if (content.add(chunk)) news.push(chunk);
    }
    return news;
  }

  private contentOf(root: string, chunkCount: number): SentOnce {
    const content = this.contents.get(root) ?? new SentOnce(new Bitfield(chunkCount));
    this.contents.delete(root);
    this.contents.set(root, content);
    if (this.contents.size > maxContents) {
      const [oldest] = this.contents.keys();
      this.contents.delete(oldest!);
    }
    return content;
  }
}

/** Chunks sent in the present round: when all have been, the next round begins, here and at who is told. */
export class SentOnce {
  constructor(private sent: Bitfield) {
    this.endRound();
  }

  get chunks(): Bitfield {
    return this.sent;
  }

  has(chunk: number): boolean {
    return this.sent.has(chunk);
  }

  /** False when it was sent in this round before. */
  add(chunk: number): boolean {
    const isNew = this.sent.add(chunk);
    this.endRound();
    return isNew;
  }

  private endRound(): void {
    if (this.sent.isFull) this.sent = new Bitfield(this.sent.size);
  }
}

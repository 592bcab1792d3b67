/**
 * Finished answers to QUERY, kept as long as they are true: nothing has changed under the name or with one of its
 * contents, and all peers in it are still connected. Bounded by its size; the one not asked for longest goes first.
 */
import type { FoundContent } from "../../wire/messages.ts";
import { ChangeStamps } from "./change-stamps.ts";
import type { LivePeer } from "./live-peers.ts";

interface Answer {
  /** The end of a RESULT line. */
  text: string;
  /** Where its stamps are, each followed by what it was. */
  stamps: Int32Array;
  peers: readonly LivePeer[];
  /** How often it may still be given: a sample of many must not send everybody to the same few. */
  uses: number;
}

/** 20,000 answers of 1 kB, as they were in a popularity-weighted mix of names, and as much again. */
const maxBytes = 48 * 1024 * 1024;
/** What an answer takes beside its text. */
const overheadBytes = 400;
const usesOfSample = 16;

export class AnswerCache {
  private readonly answers = new Map<string, Answer>();
  private bytes = 0;

  constructor(private readonly stamps: ChangeStamps) {}

  get size(): number {
    return this.answers.size;
  }

  get(name: string): string | undefined {
    const answer = this.answers.get(name);
    if (answer === undefined) return undefined;
    if (!this.isTrue(answer) || answer.uses-- <= 0) {
      this.drop(name, answer);
      return undefined;
    }
    // The newest at the end.
    this.answers.delete(name);
    this.answers.set(name, answer);
    return answer.text;
  }

  /** `sequence` is that of the stamps before `contents` were read; `peers`: all that are in the answer. */
  keep(
    name: string,
    text: string,
    {
      contents,
      peers,
      sequence,
    }: { contents: readonly FoundContent[]; peers: readonly LivePeer[]; sequence: number },
  ): void {
    if (sequence % 2 !== 0 || text.length > maxBytes / 64) return;
    const stamps = new Int32Array(2 + 2 * contents.length);
    this.note(stamps, 0, ChangeStamps.ofName(name));
    for (const [i, { root }] of contents.entries())
      this.note(stamps, 2 + 2 * i, ChangeStamps.ofRoot(Buffer.from(root.slice(0, 6), "hex")));
    if (this.stamps.sequence !== sequence) return;
    const isSample = contents.some(({ total, sources }) => total > sources.length);
    const answer = { text, stamps, peers, uses: isSample ? usesOfSample : Number.POSITIVE_INFINITY };
    const known = this.answers.get(name);
    if (known !== undefined) this.drop(name, known);
    this.answers.set(name, answer);
    this.bytes += sizeOf(name, answer);
    for (const [oldest, its] of this.answers) {
      if (this.bytes <= maxBytes) break;
      this.drop(oldest, its);
    }
  }

  clear(): void {
    this.answers.clear();
    this.bytes = 0;
  }

  // --- internal ---

  private isTrue({ stamps, peers }: Answer): boolean {
    for (let i = 0; i < stamps.length; i += 2) if (this.stamps.at(stamps[i]!) !== stamps[i + 1]) return false;
    for (const peer of peers) if (!peer.isLive) return false;
    return true;
  }

  private note(stamps: Int32Array, at: number, place: number): void {
    stamps[at] = place;
    stamps[at + 1] = this.stamps.at(place);
  }

  private drop(name: string, answer: Answer): void {
    this.answers.delete(name);
    this.bytes -= sizeOf(name, answer);
  }
}

function sizeOf(name: string, { text, stamps, peers }: Answer): number {
  return overheadBytes + 2 * name.length + text.length + stamps.byteLength + 8 * peers.length;
}

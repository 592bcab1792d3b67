/**
 * Finished answers to QUERY, kept as long as they are true: nothing has changed under the name or with one of its
 * contents, and all peers in it are still connected. Bounded by its size: what was not asked for while half of that
 * went by goes. So an answer that is asked for again and again costs a look-up, and nothing is moved.
 */
import type { FoundContent } from "../../wire/messages.ts";
import { ChangeStamps } from "./change-stamps.ts";
import type { LivePeer, LivePeers } from "./live-peers.ts";

interface Answer {
  /** The end of a RESULT line. */
  end: Uint8Array;
  /** Where its stamps are, each followed by what it was. */
  stamps: Int32Array;
  peers: readonly LivePeer[];
  /** When it was last found to be true, the sequence of all stamps, and how many had left: it is, while these are the same. */
  sequence: number;
  departures: number;
  /** How often it may still be given: a sample of many must not send everybody to the same few. */
  uses: number;
}

/** Kept since the same moment. */
class Generation {
  readonly answers = new Map<string, Answer>();
  bytes = 0;

  add(name: string, answer: Answer): void {
    this.answers.set(name, answer);
    this.bytes += sizeOf(name, answer);
  }

  remove(name: string): Answer | undefined {
    const answer = this.answers.get(name);
    if (answer === undefined) return undefined;
    this.answers.delete(name);
    this.bytes -= sizeOf(name, answer);
    return answer;
  }
}

/** 20,000 answers of 1 kB, as they were in a popularity-weighted mix of names, and as much again. */
const maxBytes = 48 * 1024 * 1024;
/** What an answer takes beside its text. */
const overheadBytes = 400;
const usesOfSample = 16;

export class AnswerCache {
  private recent = new Generation();
  /** Of these the ones that are asked for become recent again. */
  private older = new Generation();

  constructor(
    private readonly stamps: ChangeStamps,
    private readonly live: Pick<LivePeers, "departures">,
  ) {}

  get size(): number {
    return this.recent.answers.size + this.older.answers.size;
  }

  get(name: string): Uint8Array | undefined {
    const answer = this.recent.answers.get(name) ?? this.again(name);
    if (answer === undefined) return undefined;
    if (this.isTrue(answer) && answer.uses-- > 0) return answer.end;
    this.recent.remove(name);
    return undefined;
  }

  /** `sequence` is that of the stamps before `contents` were read; `peers`: all that are in the answer. */
  keep(
    name: string,
    end: Uint8Array,
    {
      contents,
      peers,
      sequence,
    }: { contents: readonly FoundContent[]; peers: readonly LivePeer[]; sequence: number },
  ): void {
    if (sequence % 2 !== 0 || end.length > maxBytes / 64) return;
    const stamps = new Int32Array(2 + 2 * contents.length);
    this.note(stamps, 0, ChangeStamps.ofName(name));
    for (const [i, { root }] of contents.entries())
      this.note(stamps, 2 + 2 * i, ChangeStamps.ofRoot(Buffer.from(root.slice(0, 6), "hex")));
    if (this.stamps.sequence !== sequence) return;
    const isSample = contents.some(({ total, sources }) => total > sources.length);
    const uses = isSample ? usesOfSample : Number.POSITIVE_INFINITY;
    this.recent.remove(name);
    this.older.remove(name);
    const { departures } = this.live;
    this.add(name, { end, stamps, peers, sequence, departures, uses });
  }

  clear(): void {
    this.recent = new Generation();
    this.older = new Generation();
  }

  // --- internal ---

  /** Undefined: it is not kept. */
  private again(name: string): Answer | undefined {
    const answer = this.older.remove(name);
    if (answer !== undefined) this.add(name, answer);
    return answer;
  }

  private add(name: string, answer: Answer): void {
    if (this.recent.bytes + sizeOf(name, answer) > maxBytes / 2) {
      this.older = this.recent;
      this.recent = new Generation();
    }
    this.recent.add(name, answer);
  }

  private isTrue(answer: Answer): boolean {
    const { sequence } = this.stamps;
    const { departures } = this.live;
    // Of most nothing else needs to be looked at, which lies in memory far from here.
    if (answer.sequence === sequence && answer.departures === departures) return true;
    if (!this.isUnchanged(answer.stamps)) return false;
    for (const peer of answer.peers) if (!peer.isLive) return false;
    answer.departures = departures;
    // A change under way, which has an odd one, may be seen by the next look.
    if (sequence % 2 === 0) answer.sequence = sequence;
    return true;
  }

  private isUnchanged(stamps: Int32Array): boolean {
    for (let i = 0; i < stamps.length; i += 2) if (this.stamps.at(stamps[i]!) !== stamps[i + 1]) return false;
    return true;
  }

  private note(stamps: Int32Array, at: number, place: number): void {
    stamps[at] = place;
    stamps[at + 1] = this.stamps.at(place);
  }
}

function sizeOf(name: string, { end, stamps, peers }: Answer): number {
  return overheadBytes + 2 * name.length + end.length + stamps.byteLength + 8 * peers.length;
}

/**
 * Finished answers to QUERY, kept as long as they are true: nothing has changed under the name or with one of its
 * contents, and all peers in it are still connected. Bounded by the memory it takes: what was not asked for while half of
 * that filled up goes. So an answer that is asked for again and again costs a look-up, and nothing is moved.
 */
import type { FoundContent } from "../../wire/messages.ts";
import { type NameBytes, nameBytes } from "../../wire/plain-query.ts";
import type { ByteSlice } from "../catalog.ts";
import { AnswerTable, unlimited } from "./answer-table.ts";
import { ChangeStamps } from "./change-stamps.ts";
import type { LivePeer, LivePeers } from "./live-peers.ts";

/** What an answer rests on. */
interface Grounds {
  /** Where its stamps are, each followed by what it was. */
  stamps: Int32Array;
  peers: readonly LivePeer[];
}

/** 20,000 answers of 1 kB, as they were in a popularity-weighted mix of names, and as much again. */
const maxBytes = 48 * 1024 * 1024;
/** What grounds take beside what is in them. */
const overheadBytes = 200;
/** A sample of many must not send everybody to the same few. */
const usesOfSample = 16;
const maxEpoch = 0x7fffffff;

export class AnswerCache {
  private recent = newGeneration();
  /** Of these the ones that are asked for become recent again. */
  private older = newGeneration();
  /** Goes on when anything has changed or anybody has left: until then all that was found to be true is. */
  private epoch = 0;
  private sequence = 0;
  private departures = 0;

  constructor(
    private readonly stamps: ChangeStamps,
    private readonly live: Pick<LivePeers, "departures">,
  ) {}

  get size(): number {
    return this.recent.size + this.older.size;
  }

  /** To be used before anything else is asked for, or kept. */
  find(name: NameBytes): ByteSlice | undefined {
    const table = this.recent;
    if (!table.seek(name)) return this.again(name) ? this.find(name) : undefined;
    if (table.validIn !== this.look() && !this.isTrue(table)) {
      table.drop();
      return undefined;
    }
    table.use();
    return table;
  }

  /** As `find`, for a name that may be any, and bytes that stay as they are. */
  get(name: string): Uint8Array | undefined {
    const found = this.find(nameBytes(name));
    return found && Buffer.from(found.bytes.subarray(found.from, found.to));
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
    const epoch = this.look();
    if (this.sequence !== sequence) return;
    const isSample = contents.some(({ total, sources }) => total > sources.length);
    this.add(nameBytes(name), end, { stamps, peers }, epoch, isSample ? usesOfSample : unlimited);
  }

  clear(): void {
    this.recent = newGeneration();
    this.older = newGeneration();
  }

  // --- internal ---

  /** Makes an older one recent. False: there is none. */
  private again(name: NameBytes): boolean {
    const table = this.older;
    if (!table.seek(name)) return false;
    const { about, validIn, usesLeft } = table;
    const end = table.bytes.subarray(table.from, table.to);
    this.add(name, end, about, validIn, usesLeft);
    return true;
  }

  private add(name: NameBytes, end: Uint8Array, grounds: Grounds, epoch: number, uses: number): void {
    const byteCount = name.to - name.from + end.length + groundsBytesOf(grounds);
    if (this.recent.memoryBytes + byteCount > maxBytes / 2) {
      this.older = this.recent;
      this.recent = newGeneration();
    }
    if (this.older.seek(name)) this.older.drop();
    this.recent.add(name, end, grounds, epoch, uses);
  }

  /** Which epoch it is. */
  private look(): number {
    const { sequence } = this.stamps;
    const { departures } = this.live;
    if (sequence === this.sequence && departures === this.departures) return this.epoch;
    if (this.epoch === maxEpoch) this.clear();
    this.epoch = this.epoch === maxEpoch ? 0 : this.epoch + 1;
    this.sequence = sequence;
    this.departures = departures;
    return this.epoch;
  }

  private isTrue(table: AnswerTable<Grounds>): boolean {
    const { stamps, peers } = table.about;
    for (let i = 0; i < stamps.length; i += 2) if (this.stamps.at(stamps[i]!) !== stamps[i + 1]) return false;
    for (const peer of peers) if (!peer.isLive) return false;
    // A change under way, which makes the sequence odd, may be seen by the next look.
    if (this.sequence % 2 === 0) table.validIn = this.epoch;
    return true;
  }

  private note(stamps: Int32Array, at: number, place: number): void {
    stamps[at] = place;
    stamps[at + 1] = this.stamps.at(place);
  }
}

/** Answers that are kept since the same moment. */
function newGeneration(): AnswerTable<Grounds> {
  return new AnswerTable(groundsBytesOf);
}

function groundsBytesOf({ stamps, peers }: Grounds): number {
  return overheadBytes + stamps.byteLength + 8 * peers.length;
}

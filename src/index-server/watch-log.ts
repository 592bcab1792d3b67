/**
 * What came and fits one watched search, for all who watch it: so that everybody is told once of each content that
 * came since, however many watch and since when. Pure. Bounded: what is forgotten may be told again.
 */
import type { FileEntry, Match } from "../wire/messages.ts";

/** Contents that one search remembers. */
export const maxRememberedPerSearch = 4_096;

interface Arrival {
  seq: number;
  /** Of the arrival of the same content that was written down before; 0: none is known. */
  before: number;
  peer: string;
  match: Omit<Match, "sources">;
}

export class FoundLog {
  /** In the order of `seq`; those up to `first` are forgotten. */
  private arrivals: Arrival[] = [];
  private first = 0;
  /** Of each content that is remembered. */
  private readonly last = new Map<string, number>();

  get size(): number {
    return this.arrivals.length - this.first;
  }

  get lastSeq(): number {
    return this.arrivals.at(-1)?.seq ?? 0;
  }

  /**
   * Returns how many more are remembered. `newestStart`: the last watch began with this number; when everybody was
   * there when the content came before, nobody is told, and nothing is written down.
   */
  add(seq: number, peer: string, file: FileEntry, newestStart: number, hasRoom: boolean): number {
    const { name, sizeBytes, root } = file;
    const content = `${root} ${sizeBytes}`;
    const before = this.last.get(content) ?? 0;
    if (before > newestStart) return 0;
    const sizeBefore = this.size;
    if (this.size > 0 && (!hasRoom || this.size >= maxRememberedPerSearch)) this.forgetOldest();
    this.arrivals.push({ seq, before, peer, match: { name, sizeBytes, root } });
    this.last.set(content, seq);
    return this.size - sizeBefore;
  }

  /** What came after `toldSeq`, and not since `startSeq` before, from others than `asker`; at most `limit`. */
  since(
    toldSeq: number,
    startSeq: number,
    asker: string | undefined,
    limit: number,
  ): { matches: Omit<Match, "sources">[]; toldSeq: number } {
    const matches: Omit<Match, "sources">[] = [];
    let told = toldSeq;
    for (let i = this.placeAfter(toldSeq); i < this.arrivals.length && matches.length < limit; i++) {
      const arrival = this.arrivals[i]!;
      told = arrival.seq;
      if (arrival.before <= startSeq && arrival.peer !== asker) matches.push(arrival.match);
    }
    return { matches, toldSeq: told };
  }

  private placeAfter(seq: number): number {
    let low = this.first;
    let high = this.arrivals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.arrivals[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private forgetOldest(): void {
    const { seq, match } = this.arrivals[this.first++]!;
    const content = `${match.root} ${match.sizeBytes}`;
    if (this.last.get(content) === seq) this.last.delete(content);
    if (this.first < this.arrivals.length / 2) return;
    this.arrivals = this.arrivals.slice(this.first);
    this.first = 0;
  }
}

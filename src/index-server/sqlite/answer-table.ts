/**
 * Names and finished answers, one behind the other in pages of memory, and a table of hashes that tells where: what an
 * answer costs is how many far places of memory must be looked at, and here it is two, where a map of strings to objects
 * with arrays had eight. What is in a page is never changed, but for the head of a record: pages go all together, with
 * their table.
 */
import type { NameBytes } from "../../wire/plain-query.ts";
import type { ByteSlice } from "../catalog.ts";

class Page {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  used = 0;

  constructor(byteCount: number) {
    const memory = new ArrayBuffer(byteCount);
    this.bytes = Buffer.from(memory);
    this.words = new Int32Array(memory);
  }
}

/** A record is its head, the name, the answer. Words of the head: */
const nameLength = 0;
const answerLength = 1;
const validIn = 2;
const usesLeft = 3;
const numberOf = 4;
const headBytes = 5 * 4;

/** What is larger has a page of its own. The lower bits of an address are a place in a page. */
const pageBits = 18;
const pageBytes = 1 << pageBits;
const firstSlots = 256;
/** Of each slot: the hash, and where the record is. */
const wordsOfSlot = 2;
const none = -1;
/** Names that share a hash by chance or on purpose are not looked for without end: the last one takes the first's place. */
const maxProbes = 16;
/** More uses than there will ever be. */
export const unlimited = 0x7fffffff;

/** `About`: what is kept of each beside its text. */
export class AnswerTable<About> implements ByteSlice {
  private slots = newSlots(firstSlots);
  private taken = 0;
  private readonly pages: Page[] = [];
  private readonly abouts: (About | undefined)[] = [];
  private live = 0;
  /** Of all records, also those that are dropped: their memory goes with the table. */
  recordBytes = 0;

  // The record that `seek` has found.
  private page = new Page(headBytes);
  private word = 0;
  private slot = 0;

  /** How many have not been dropped. */
  get size(): number {
    return this.live;
  }

  /** Whether there is an answer for the name; if so, all that follows is about it. */
  seek(name: NameBytes): boolean {
    return this.place(name) && this.page.words[this.word + usesLeft]! > 0;
  }

  // Its answer: these bytes, which stay as they are.

  get bytes(): Buffer {
    return this.page.bytes;
  }

  get from(): number {
    const { words } = this.page;
    return 4 * this.word + headBytes + words[this.word + nameLength]!;
  }

  get to(): number {
    return this.from + this.page.words[this.word + answerLength]!;
  }

  /** When it was last found to be true. */
  get validIn(): number {
    return this.page.words[this.word + validIn]!;
  }

  set validIn(epoch: number) {
    this.page.words[this.word + validIn] = epoch;
  }

  get usesLeft(): number {
    return this.page.words[this.word + usesLeft]!;
  }

  get about(): About {
    return this.abouts[this.page.words[this.word + numberOf]!]!;
  }

  /** It is given once more: the last time, it is dropped, and its bytes are still there. */
  use(): void {
    const uses = this.usesLeft;
    if (uses === 1) this.drop();
    else if (uses !== unlimited) this.page.words[this.word + usesLeft] = uses - 1;
  }

  drop(): void {
    const { words } = this.page;
    if (words[this.word + usesLeft] !== 0) this.live--;
    words[this.word + usesLeft] = 0;
    this.abouts[words[this.word + numberOf]!] = undefined;
  }

  /** In place of what there is for that name. */
  add(name: NameBytes, answer: Uint8Array, about: About, epoch: number, uses: number): void {
    if (2 * (this.taken + 1) > this.slots.length / wordsOfSlot) this.grow();
    if (this.place(name)) this.drop();
    else if (this.slots[wordsOfSlot * this.slot + 1] !== none) this.dropAt(this.slot);
    else this.taken++;
    const { slot } = this;
    const address = this.write(name, answer, epoch, uses);
    this.abouts.push(about);
    this.live++;
    this.slots[wordsOfSlot * slot] = name.hash;
    this.slots[wordsOfSlot * slot + 1] = address;
  }

  // --- internal ---

  /** True: `slot` is the name's, and its record the one that is looked at. False: it would be. */
  private place(name: NameBytes): boolean {
    const { slots } = this;
    const last = slots.length / wordsOfSlot - 1;
    const home = name.hash & last;
    this.slot = home;
    for (let probe = 0, slot = home; probe < maxProbes; probe++, slot = (slot + 1) & last) {
      const address = slots[wordsOfSlot * slot + 1]!;
      if (address !== none && (slots[wordsOfSlot * slot] !== name.hash || !this.isAt(address, name)))
        continue;
      this.slot = slot;
      return address !== none;
    }
    return false;
  }

  private isAt(address: number, { bytes, from, to }: NameBytes): boolean {
    const page = this.pages[address >>> pageBits]!;
    const at = address & (pageBytes - 1);
    const length = to - from;
    this.page = page;
    this.word = at >> 2;
    if (page.words[this.word + nameLength] !== length) return false;
    for (let i = 0, known = at + headBytes; i < length; i++)
      if (page.bytes[known + i] !== bytes[from + i]) return false;
    return true;
  }

  private dropAt(slot: number): void {
    const address = this.slots[wordsOfSlot * slot + 1]!;
    this.page = this.pages[address >>> pageBits]!;
    this.word = (address & (pageBytes - 1)) >> 2;
    this.drop();
  }

  /** Returns where it is. */
  private write({ bytes, from, to }: NameBytes, answer: Uint8Array, epoch: number, uses: number): number {
    const byteCount = (headBytes + to - from + answer.length + 3) & ~3;
    let page = this.pages.at(-1);
    if (page === undefined || page.used + byteCount > page.bytes.length) {
      page = new Page(Math.max(pageBytes, byteCount));
      this.pages.push(page);
    }
    const at = page.used;
    page.used += byteCount;
    this.recordBytes += byteCount;
    const word = at >> 2;
    page.words[word + nameLength] = to - from;
    page.words[word + answerLength] = answer.length;
    page.words[word + validIn] = epoch;
    page.words[word + usesLeft] = uses;
    page.words[word + numberOf] = this.abouts.length;
    page.bytes.set(bytes.subarray(from, to), at + headBytes);
    page.bytes.set(answer, at + headBytes + to - from);
    return (this.pages.length - 1) * pageBytes + at;
  }

  /** Twice as many slots. Dropped ones stay: their names are asked for again. */
  private grow(): void {
    const { slots } = this;
    const count = (2 * slots.length) / wordsOfSlot;
    const larger = newSlots(count);
    this.taken = 0;
    for (let from = 0; from < slots.length / wordsOfSlot; from++) {
      const hash = slots[wordsOfSlot * from]!;
      const address = slots[wordsOfSlot * from + 1]!;
      if (address === none) continue;
      const to = freeSlot(larger, hash & (count - 1));
      if (to === undefined) {
        this.dropAt(from);
        continue;
      }
      larger[wordsOfSlot * to] = hash;
      larger[wordsOfSlot * to + 1] = address;
      this.taken++;
    }
    this.slots = larger;
  }
}

/** The first one where a record would be looked for. */
function freeSlot(slots: Int32Array, home: number): number | undefined {
  const last = slots.length / wordsOfSlot - 1;
  for (let probe = 0, slot = home; probe < maxProbes; probe++, slot = (slot + 1) & last)
    if (slots[wordsOfSlot * slot + 1] === none) return slot;
  return undefined;
}

function newSlots(count: number): Int32Array {
  return new Int32Array(wordsOfSlot * count).fill(none);
}

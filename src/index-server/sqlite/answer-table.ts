/**
 * Names and finished answers, one behind the other in pages of memory, and a table of hashes that tells where: what an
 * answer costs is how many far places of memory must be looked at, and here it is two, where a map of strings to objects
 * with arrays had eight. A record stays where it is: another answer for its name is written over the one it had, if it
 * has room for it. Pages go all together, with their table.
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
const answerRoom = 2;
const validIn = 3;
/** None: it is dropped. */
const usesLeft = 4;
const numberOf = 5;
const headBytes = 6 * 4;

/** What is larger has a page of its own. The lower bits of an address are a place in a page. */
const pageBits = 18;
const pageBytes = 1 << pageBits;
const firstSlots = 256;
/** Of each slot: the hash, and where the record is. */
const wordsOfSlot = 2;
const none = -1;
/** Names that share a hash by chance or on purpose are not looked for without end: one more takes the place of another. */
const maxProbes = 16;
/** More uses than there will ever be. */
export const unlimited = 0x7fffffff;

/** `About`: what is kept of each beside its text, which takes `bytesOf` it. */
export class AnswerTable<About> implements ByteSlice {
  private slots = newSlots(firstSlots);
  private taken = 0;
  private readonly pages: Page[] = [];
  /** Where the next records go: which page. */
  private open = none;
  private pagesBytes = 0;
  private readonly abouts: (About | undefined)[] = [];
  private aboutBytes = 0;
  private live = 0;

  // The record that `seek` has found.
  private page = new Page(headBytes);
  private word = 0;
  private slot = 0;

  constructor(private readonly bytesOf: (about: About) => number) {}

  /** All that it takes, also what no record uses. */
  get memoryBytes(): number {
    return this.pagesBytes + this.aboutBytes + this.slots.byteLength;
  }

  /** How many have not been dropped. */
  get size(): number {
    return this.live;
  }

  /** Whether there is an answer for the name; if so, all that follows is about it. */
  seek(name: NameBytes): boolean {
    return this.place(name) && this.page.words[this.word + usesLeft]! > 0;
  }

  // Its answer: these bytes, until something is added.

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
    if (words[this.word + usesLeft] === 0) return;
    this.live--;
    words[this.word + usesLeft] = 0;
    const number = words[this.word + numberOf]!;
    this.aboutBytes -= this.bytesOf(this.abouts[number]!);
    this.abouts[number] = undefined;
  }

  /** In place of what there is for that name. */
  add(name: NameBytes, answer: Uint8Array, about: About, epoch: number, uses: number): void {
    if (2 * (this.taken + 1) > this.slots.length / wordsOfSlot) this.grow();
    const isKnown = this.place(name);
    let number = this.abouts.length;
    if (isKnown || this.takeOver()) {
      this.drop();
      number = this.page.words[this.word + numberOf]!;
    } else this.taken++;
    if (!isKnown || this.page.words[this.word + answerRoom]! < answer.length) this.make(name, answer.length);
    const { bytes, words } = this.page;
    words[this.word + answerLength] = answer.length;
    words[this.word + validIn] = epoch;
    words[this.word + usesLeft] = uses;
    words[this.word + numberOf] = number;
    bytes.set(answer, this.from);
    this.abouts[number] = about;
    this.aboutBytes += this.bytesOf(about);
    this.live++;
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
    this.lookAt(address);
    const { page, word } = this;
    const length = to - from;
    if (page.words[word + nameLength] !== length) return false;
    for (let i = 0, known = 4 * word + headBytes; i < length; i++)
      if (page.bytes[known + i] !== bytes[from + i]) return false;
    return true;
  }

  private lookAt(address: number): void {
    this.page = this.pages[address >>> pageBits]!;
    this.word = (address & (pageBytes - 1)) >> 2;
  }

  private addressAt(slot: number): number {
    return this.slots[wordsOfSlot * slot + 1]!;
  }

  /**
   * After `place` has found nothing. False: `slot` is free. True: it is another name's from now on, one that is dropped if
   * there is any, and its record the one that is looked at.
   */
  private takeOver(): boolean {
    const home = this.slot;
    if (this.addressAt(home) === none) return false;
    const last = this.slots.length / wordsOfSlot - 1;
    for (let probe = 0; probe < maxProbes; probe++) {
      this.slot = (home + probe) & last;
      this.lookAt(this.addressAt(this.slot));
      if (this.usesLeft === 0) return true;
    }
    this.slot = home;
    this.lookAt(this.addressAt(home));
    return true;
  }

  /** A new record for `slot`, which then is looked at, without what is in it. */
  private make({ bytes, from, to, hash }: NameBytes, answerBytes: number): void {
    const beforeAnswer = headBytes + to - from;
    const byteCount = (beforeAnswer + answerBytes + 3) & ~3;
    const at = this.pageFor(byteCount);
    this.page = this.pages[at]!;
    const place = this.page.used;
    this.page.used += byteCount;
    this.word = place >> 2;
    this.page.words[this.word + nameLength] = to - from;
    this.page.words[this.word + answerRoom] = byteCount - beforeAnswer;
    this.page.bytes.set(bytes.subarray(from, to), place + headBytes);
    this.slots[wordsOfSlot * this.slot] = hash;
    this.slots[wordsOfSlot * this.slot + 1] = at * pageBytes + place;
  }

  /** Which page has room for so much. */
  private pageFor(byteCount: number): number {
    const open = this.pages[this.open];
    if (open !== undefined && open.used + byteCount <= pageBytes) return this.open;
    const page = new Page(Math.max(pageBytes, byteCount));
    this.pagesBytes += page.bytes.length;
    const at = this.pages.push(page) - 1;
    if (byteCount <= pageBytes) this.open = at;
    return at;
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
        this.lookAt(address);
        this.drop();
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

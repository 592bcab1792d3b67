/**
 * The network that the benchmark of the index pretends: who shares which files. Everything is a pure function of its
 * number, so that each run and each server sees the same: popular files and rare ones, names as people give them, and
 * planted names of which it is known how many have them.
 */

export interface SharedFile {
  name: string;
  size: number;
  md5: string;
  root: string;
}

export interface Shape {
  peers: number;
  filesPerPeer: number;
}

/** Six in ten holdings could be different contents; popularity makes it fewer. */
const contentsPerHolding = 0.6;
/** Exponent of Zipf's law, as measured for what people share. */
const popularityExponent = 0.7;
/** How many peers have a planted name. */
export const plantedSources = [1, 10, 1_000] as const;
const plantedOfEach = 5;

/** Which catalogue a number belongs to; contents of different kinds are different. */
const kinds = { shared: 1, planted: 2, unique: 3 } as const;

/** All that a peer shares: what is planted, and by chance what is popular, nothing twice. */
export function filesOfPeer(peer: number, shape: Shape): SharedFile[] {
  const files = plantedSources.flatMap((sources) => plantedNames(peer, sources).map(plantedFile));
  const draw = popularNumbers(new Chance(peer, 17), contentsOf(shape));
  const drawn = new Set<number>();
  while (files.length + drawn.size < shape.filesPerPeer) drawn.add(draw());
  for (const number of drawn) files.push(file(kinds.shared, number, nameOf(number)));
  return files.slice(0, shape.filesPerPeer);
}

/** Files that nobody else has, numbers `from` to `from + count`. */
export function uniqueFiles(from: number, count: number): SharedFile[] {
  return Array.from({ length: count }, (_, at) => uniqueFile(from + at));
}

export function uniqueFile(number: number): SharedFile {
  return file(kinds.unique, number, nameOf(2 ** 31 + number));
}

/** Names that exactly `sources` peers have, this one among them (all of them, where there are fewer). */
export function plantedNames(peer: number, sources: number): string[] {
  const group = Math.floor(peer / sources);
  return Array.from(
    { length: plantedOfEach },
    (_, at) => `Planted with ${sources} - ${group} - part ${at}.bin`,
  );
}

function plantedFile(name: string): SharedFile {
  return file(kinds.planted, Number(Bun.hash.crc32(name)), name);
}

/** Names as the first `peers` of the network ask for them: a file of one of them, each as likely. */
export function popularNames(chance: Chance, shape: Shape, count: number, peers = shape.peers): string[] {
  const perPeer = 500;
  const names: string[] = [];
  while (names.length < count) {
    const files = filesOfPeer(chance.below(peers), shape);
    for (let each = 0; each < perPeer; each++) names.push(chance.pick(files).name);
  }
  return names.slice(0, count);
}

function contentsOf({ peers, filesPerPeer }: Shape): number {
  return Math.max(2 * filesPerPeer, Math.floor(peers * filesPerPeer * contentsPerHolding));
}

/** Draws 1 to `count`, the first ones most often: the inverse of the distribution function of a continuous Zipf's law. */
function popularNumbers(chance: Chance, count: number): () => number {
  const flatness = 1 - popularityExponent;
  const area = count ** flatness - 1;
  return () => Math.min(count, Math.floor((area * chance.share() + 1) ** (1 / flatness)));
}

function file(kind: number, number: number, name: string): SharedFile {
  const chance = new Chance(number, kind);
  // 1 KiB to 1 GiB, each doubling as likely.
  const size = Math.floor(2 ** (10 + 20 * chance.share()));
  for (let at = 0; at < hashBits.length; at++) hashBits[at] = chance.next();
  const hex = hashBytes.toString("hex");
  return { name, size, md5: hex.slice(0, 32), root: hex.slice(32) };
}

/** MD5 and root of one file, made at once because that is quicker. */
const hashBits = new Uint32Array(12);
const hashBytes = Buffer.from(hashBits.buffer);

/** 43 characters in the mean: music, films and documents. */
export function nameOf(number: number): string {
  const chance = new Chance(number, 5);
  const kind = chance.below(10);
  const word = () => words[drawWord(chance)]!;
  const title = () => capital(word());
  if (kind < 6) {
    const track = String(1 + chance.below(20)).padStart(2, "0");
    const more = chance.below(2) === 0 ? "" : ` ${word()}`;
    return `${title()} ${title()} - ${track} - ${title()} ${word()} ${word()}${more}.${chance.pick(musicFormats)}`;
  }
  if (kind < 8) {
    const quality = chance.pick(qualities);
    return `${title()}.${title()}.${title()}.${1950 + chance.below(75)}.${quality}.x265-${word()}.${chance.pick(filmFormats)}`;
  }
  const version = `${chance.below(10)}.${chance.below(100)}`;
  return `${word()}_${word()}_${word()}-${version}.${chance.pick(otherFormats)}`;
}

const musicFormats = ["mp3", "mp3", "flac", "ogg"];
const qualities = ["720p", "1080p", "2160p"];
const filmFormats = ["mkv", "mp4"];
const otherFormats = ["pdf", "epub", "iso", "zip", "tar.gz"];

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** Numbers by chance that are always the same for the same two seeds: SplitMix32. */
export class Chance {
  private state: number;

  constructor(seed: number, stream: number) {
    this.state = mixed((seed | 0) ^ Math.imul(stream, 0x2545f491)) ^ Math.floor(seed / 2 ** 32);
  }

  /** 32 bits. */
  next(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    return mixed(this.state) >>> 0;
  }

  /** From 0 to 1, without 1. */
  share(): number {
    return this.next() / 2 ** 32;
  }

  below(bound: number): number {
    return Math.floor(this.share() * bound);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

function mixed(bits: number): number {
  let mixing = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  mixing = Math.imul(mixing ^ (mixing >>> 15), 0x735a2d97);
  return mixing ^ (mixing >>> 15);
}

const wordCount = 20_000;

/** Pronounceable, of up to three syllables, at least three letters. */
const words: readonly string[] = (() => {
  const chance = new Chance(3, 1);
  const [starts, vowels, ends] = ["b d f g k l m n p r s t v z st tr", "a e i o u", "n r s l t nd"].map(
    (each) => each.split(" "),
  );
  const made = new Set<string>();
  while (made.size < wordCount) {
    let word = "";
    for (let left = 1 + chance.below(3); left > 0; left--)
      word += chance.pick(starts!) + chance.pick(vowels!);
    if (chance.below(3) === 0) word += chance.pick(ends!);
    if (word.length > 2) made.add(word);
  }
  return [...made];
})();

/** Words are popular as well, only more evenly. */
function drawWord(chance: Chance): number {
  return Math.floor(wordCount * chance.share() ** 3);
}

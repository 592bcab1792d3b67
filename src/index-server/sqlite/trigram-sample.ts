/**
 * How frequent trigrams are, as a sample of the names tells: it decides only how fast a search is.
 */
import type { Database } from "bun:sqlite";
import { FoldedName } from "../../wire/search-fold.ts";
import { trigramsOf } from "./search-text.ts";

/** A trigram of one name in a thousand is known as such; read and counted in 30 ms, in slices. */
const sampledNames = 4_096;
const namesAtOnce = 32;

export class TrigramSample {
  private readonly counts = new Map<string, number>();
  private names = 0;

  /** Words of a name. */
  add(words: string): void {
    this.names++;
    for (const trigram of new Set(trigramsOf(words)))
      this.counts.set(trigram, (this.counts.get(trigram) ?? 0) + 1);
  }

  /** Of 10,000 names; one that was never seen is rare, and not impossible. */
  readonly rarityOf = (trigram: string): number =>
    this.names === 0 ? 10_000 : ((this.counts.get(trigram) ?? 0.5) / this.names) * 10_000;
}

/** Of entries up to `lastEntry`, neighbours from evenly spread places. */
export function* sampleNames(database: Database, lastEntry: number): Generator<void, TrigramSample> {
  const sample = new TrigramSample();
  const from = database.prepare<[string], [number]>(
    `SELECT name FROM entries WHERE id > ? ORDER BY id LIMIT ${namesAtOnce}`,
  );
  const places = sampledNames / namesAtOnce;
  for (let i = 0; i < places; i++) {
    for (const [name] of from.values(Math.floor((lastEntry * i) / places)) as [string][])
      sample.add(new FoldedName(name).words);
    yield;
  }
  return sample;
}

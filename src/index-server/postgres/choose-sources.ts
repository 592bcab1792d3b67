/** Whom of many a downloader is told of. Pure. */
import { maxSourcesPerContent } from "../../wire/limits.ts";
import type { Source } from "../../wire/messages.ts";
import type { CatalogPeer } from "../catalog.ts";

/** By address: two sessions of one count once. */
export type Holders = ReadonlyMap<string, CatalogPeer>;

/**
 * Places that whole sources get before partial ones. With a whole source a download cannot get stuck for a chunk; but
 * it is what everybody goes to, and in a crowd most of what can be sent lies at those who have a part. So both have
 * half of the places, and what the one kind does not need is the other's.
 */
const wholePlaces = maxSourcesPerContent / 2;

export function addressOf({ host, port }: CatalogPeer): string {
  return `${host} ${port}`;
}

export function sourceOf({ id, host, port, fingerprint }: CatalogPeer, partial: boolean): Source {
  return { peer: id, host, port, partial, fingerprint };
}

/** At most 64, in random order. Nobody may be in both. `chance` gives numbers from 0 to 1, 1 excluded. */
export function chooseSources(whole: Holders, partial: Holders, chance: () => number): Source[] {
  const forWhole = Math.max(wholePlaces, maxSourcesPerContent - partial.size);
  const chosenWhole = sample(whole, forWhole, chance).map((peer) => sourceOf(peer, false));
  const chosenPartial = sample(partial, maxSourcesPerContent - chosenWhole.length, chance);
  const sources = [...chosenWhole, ...chosenPartial.map((peer) => sourceOf(peer, true))];
  // The place in the answer says nothing.
  if (chosenPartial.length > 0) shuffle(sources, sources.length, chance);
  return sources;
}

/** At most so many, each as likely as any other, in random order. */
export function sample(holders: Holders, most: number, chance: () => number): CatalogPeer[] {
  const all = [...holders.values()];
  const count = Math.min(all.length, most);
  shuffle(all, count, chance);
  all.length = count;
  return all;
}

/** The first `count` are then chosen by chance from all. */
function shuffle(list: unknown[], count: number, chance: () => number): void {
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(chance() * (list.length - i));
    const chosen = list[other];
    list[other] = list[i];
    list[i] = chosen;
  }
}

/**
 * The right word for a mistyped one, if any is near enough to be meant.
 */
import { closest, distance } from "fastest-levenshtein";

/** One of `candidates`, or undefined when none is close: suggesting a stranger is worse than suggesting nothing. */
export function nearest(given: string, candidates: readonly string[]): string | undefined {
  if (given.length > 100 || candidates.length === 0) return undefined;
  const lower = given.toLowerCase();
  const completions = lower.length >= 3 ? candidates.filter((candidate) => candidate.startsWith(lower)) : [];
  if (completions.length === 1) return completions[0];
  const best = closest(lower, candidates);
  const mistakes = distance(lower, best);
  // Two for a swap of neighbours, which counts as two changes; a third of a long word.
  return mistakes <= Math.max(2, Math.floor(best.length / 3)) && mistakes < lower.length ? best : undefined;
}

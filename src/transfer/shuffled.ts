/** The same things in an order that chance decides (Fisher and Yates). `random`: from 0 to below 1. Pure. */
export function shuffled<Item>(items: Iterable<Item>, random: () => number): Item[] {
  const all = [...items];
  for (let last = all.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const kept = all[last]!;
    all[last] = all[other]!;
    all[other] = kept;
  }
  return all;
}

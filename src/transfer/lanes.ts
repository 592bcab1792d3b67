/** Work for many items, some at a time. Knows nothing of the work. */

/** When the work for one fails, what has begun is finished and nothing more begins; rejects with that failure. */
export async function inLanes<Item>(
  items: Iterable<Item>,
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = oneByOne(items);
  const lane = async () => {
    for (const item of waiting) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

/** A loop that is left ends it for all. */
function* oneByOne<Item>(items: Iterable<Item>): Generator<Item, void> {
  yield* items;
}

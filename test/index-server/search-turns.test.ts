/** Who searches, who waits, who is told to come again. */
import { expect, test } from "bun:test";
import { SearchTurns } from "../../src/index-server/sqlite/search-turns.ts";

test("two at a time, the others in their order; who leaves is forgotten; who waits too long gives up", () => {
  const said: string[] = [];
  const timers = new Set<() => void>();
  const turns = new SearchTurns((run) => {
    timers.add(run);
    return () => timers.delete(run);
  });
  const [a, b, c, d, e, f] = ["a", "b", "c", "d", "e", "f"].map((name) => ({ name }));
  const enter = (owner: { name: string }) =>
    turns.enter(
      owner,
      () => said.push(owner.name),
      () => said.push(`${owner.name} gives up`),
    );
  for (const owner of [a!, b!, c!, d!, e!]) enter(owner);
  expect(said.splice(0)).toEqual(["a", "b"]);
  turns.leave(c!);
  turns.leave(a!);
  turns.leave(a!);
  expect(said.splice(0)).toEqual(["d"]);
  enter(f!);
  const [late] = timers;
  late!();
  expect(said.splice(0)).toEqual(["e gives up"]);
  turns.leave(e!);
  expect(said).toEqual([]);
  turns.leave(b!);
  turns.leave(d!);
  expect(said).toEqual(["f"]);
  expect(timers.size).toBe(1);
});

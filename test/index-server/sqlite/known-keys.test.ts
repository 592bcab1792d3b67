import { expect, test } from "bun:test";
import { KnownKeys } from "../../../src/index-server/sqlite/known-keys.ts";

const hashOf = (number: number) => Bun.hash.xxHash32(String(number));

test("what was added is known, and hardly anything else, once all there is was added", () => {
  const known = new KnownKeys();
  expect(known.mayHave(hashOf(1))).toBe(true);
  known.isComplete = true;
  expect(known.mayHave(hashOf(1))).toBe(false);
  const count = 1_000_000;
  for (let number = 0; number < count; number++) known.add(hashOf(number));
  let missed = 0;
  let inVain = 0;
  for (let number = 0; number < count; number += 7) {
    if (!known.mayHave(hashOf(number))) missed++;
    if (known.mayHave(hashOf(count + number))) inVain++;
  }
  expect(missed).toBe(0);
  expect((inVain * 7) / count).toBeLessThan(0.02);
});

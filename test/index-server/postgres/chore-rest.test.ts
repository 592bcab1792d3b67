import { expect, test } from "bun:test";
import { ChoreRest } from "../../../src/index-server/postgres/chore-rest.ts";

test("nobody waits: no rest", () => {
  const rest = new ChoreRest();
  rest.saw(0, 0);
  expect(rest.ms(40, false)).toBe(0);
});

test("while somebody waits for this process it gets a fifth of the time, but never rests long", () => {
  const rest = new ChoreRest();
  rest.saw(0, 0);
  expect(rest.ms(40, true)).toBe(160);
  expect(rest.ms(400, true)).toBe(500);
});

test("the same for a second after others were at work, however long the slice took", () => {
  const rest = new ChoreRest();
  rest.saw(2, 100);
  expect(rest.ms(2_000, false)).toBe(500);
  rest.saw(0, 1_000);
  expect(rest.ms(40, false)).toBe(160);
  rest.saw(0, 1_100);
  expect(rest.ms(40, false)).toBe(0);
});

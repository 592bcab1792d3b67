import { expect, test } from "bun:test";
import { ChoreRest } from "../../../src/index-server/postgres/chore-rest.ts";

test("nobody waits: no rest", () => {
  const rest = new ChoreRest();
  rest.saw("7", 0);
  expect(rest.ms(40, false)).toBe(0);
  rest.saw("7", 100);
  expect(rest.ms(40, false)).toBe(0);
});

test("while somebody waits for this process it gets a fifth of the time, but never rests long", () => {
  const rest = new ChoreRest();
  rest.saw("7", 0);
  expect(rest.ms(40, true)).toBe(160);
  expect(rest.ms(400, true)).toBe(500);
});

test("the same for a second after another process has left something to do", () => {
  const rest = new ChoreRest();
  rest.saw("7", 0);
  rest.saw("9", 100);
  expect(rest.ms(40, false)).toBe(160);
  rest.saw("9", 1_000);
  expect(rest.ms(40, false)).toBe(160);
  rest.saw("9", 1_100);
  expect(rest.ms(40, false)).toBe(0);
});

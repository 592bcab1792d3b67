import { expect, test } from "bun:test";
import { connectionsWithin } from "../../src/net/file-limit.ts";

test.each([
  [4_096, 1_048_576, 4_096],
  [4_096, 1_024, 650],
  [4_096, 64, 10],
  [4_096, 16, 1],
  [512, Number.POSITIVE_INFINITY, 512],
])("of %i connections, with %d open files: %i", (wanted, openFiles, expected) => {
  expect(connectionsWithin(wanted, openFiles)).toBe(expected);
});

test("this process has a limit, and room below it", () => {
  expect(connectionsWithin(10)).toBeGreaterThan(0);
});

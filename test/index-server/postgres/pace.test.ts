import { expect, test } from "bun:test";
import { Pace } from "../../../src/index-server/postgres/pace.ts";

test.each<[string, (pace: Pace) => void, number]>([
  ["begins with as many as are worth it", () => {}, 8_000],
  ["stays there when they take less than they may", (pace) => pace.took(8_000, 200), 8_000],
  ["writes as many as take half a second", (pace) => pace.took(8_000, 1_000), 4_000],
  ["never fewer than a request may have", (pace) => pace.took(8_000, 4_000), 2_000],
  [
    "is fast again when the database is",
    (pace) => {
      pace.took(2_000, 4_000);
      pace.took(2_000, 100);
    },
    8_000,
  ],
  ["learns nothing from a few files", (pace) => pace.took(3, 2_000), 8_000],
  ["begins small after a failure", (pace) => pace.failed(), 2_000],
])("a statement: %s", (_, happens, files) => {
  const pace = new Pace();
  happens(pace);
  expect(pace.files).toBe(files);
});

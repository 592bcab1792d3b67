/** What a failure of PostgreSQL means to who asked, and to who would ask next. */
import { expect, test } from "bun:test";
import { SQL } from "bun";
import { AwayError, failureOf, storeErrorOf } from "../../../src/index-server/postgres/database.ts";

function failed(state: string): Error {
  return new SQL.PostgresError("as it says", { code: "ERR_POSTGRES_SERVER_ERROR", errno: state });
}

test.each([
  ["57014", "a statement took too long", "RETRY", true],
  ["57P01", "ended by an operator", "RETRY", true],
  ["08006", "a connection that is lost", "RETRY", true],
  ["40P01", "a deadlock", "RETRY", false],
  ["53300", "too many connections", "RETRY", false],
  ["53100", "a full disk", "STORAGE_FULL", false],
  ["42601", "a statement that is none", "INTERNAL", false],
])("%s, %s: %s, and whoever would ask now waits as long: %p", (state, _, code, isAway) => {
  const error = storeErrorOf(failureOf(failed(state)));
  expect([`${error.code}`, error instanceof AwayError]).toEqual([code, isAway]);
});

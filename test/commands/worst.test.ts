import { expect, test } from "bun:test";
import { worstOf } from "../../src/commands/worst.ts";
import {
  AmbiguousError,
  IndexError,
  InterruptedError,
  LocalIoError,
  NoSourceError,
  NotFoundError,
  type P2pError,
  VerificationError,
  WouldOverwriteError,
} from "../../src/errors.ts";
import { CorruptDatabaseError } from "../../src/sqlite.ts";
import type { FileFailure } from "../../src/transfer/folder-report.ts";

const failed = (...errors: P2pError[]) => errors.map((error, at) => ({ name: `dataset/${at}`, error }));

/** These failed, of so many files. */
function worst(failures: readonly FileFailure[], files: number): P2pError | undefined {
  const fetched = { files: files - failures.length, bytes: 0 };
  return worstOf({ fetched, alreadyThere: { files: 0, bytes: 0 }, failed: failures });
}

const worstFirst = [
  VerificationError,
  LocalIoError,
  WouldOverwriteError,
  AmbiguousError,
  NotFoundError,
  IndexError,
  NoSourceError,
].map((Class) => new Class("why"));

const pairs = worstFirst.slice(1).map((lesser, at) => ({ worse: worstFirst[at] ?? lesser, lesser }));
test.each(pairs.map((pair) => [pair.worse.code, pair.lesser.code, pair] as const))(
  "%s is worse than %s, whatever came first",
  (_worse, _lesser, { worse, lesser }) => {
    for (const errors of [
      [worse, lesser],
      [lesser, worse],
    ]) {
      const said = worst(failed(...errors), 9);
      expect([said?.constructor, said?.exit, said?.code]).toEqual([
        worse.constructor,
        worse.exit,
        worse.code,
      ]);
      expect(said?.message).toBe(`2 of 9 files failed; the worst: dataset/${errors.indexOf(worse)}: why`);
      expect(said?.cause).toBe(worse);
    }
  },
);

test.each<[P2pError[], number, string | undefined]>([
  [[], 2_000, undefined],
  [[new NoSourceError("gone")], 2_000, "1 of 2,000 files failed: dataset/0: gone"],
  [[new NoSourceError("gone")], 1, "1 of 1 file failed: dataset/0: gone"],
  [
    [new NoSourceError("first"), new NoSourceError("second")],
    2_000,
    "2 of 2,000 files failed; the worst: dataset/0: first",
  ],
])("what is said, row %#", (errors, files, message) =>
  expect(worst(failed(...errors), files)?.message).toBe(message as string),
);

test("a special case of a class is that class", () => {
  expect(worst(failed(new NoSourceError("no"), new CorruptDatabaseError("why")), 2)?.exit).toBe(7);
});

test("a signal is no failure of a file: it ends the command as it is", () => {
  const signal = new InterruptedError("interrupted by SIGTERM", 143);
  expect(worst(failed(new VerificationError("why"), signal), 2)).toBe(signal);
});

test("names bring no control characters into the message", () => {
  const failure = { name: "\u001b[2J", error: new NoSourceError("gone") };
  expect(worst([failure], 2)?.message).toBe("1 of 2 files failed: \\u{1b}[2J: gone");
});

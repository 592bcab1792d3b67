/** What is told of the files of a folder, and what it comes to. */
import { expect, test } from "bun:test";
import { LocalIoError, NoSourceError, WouldOverwriteError } from "../../src/errors.ts";
import { FolderOutcome } from "../../src/transfer/folder-outcome.ts";
import type { FolderListener } from "../../src/transfer/folder-report.ts";
import type { FolderTarget } from "../../src/transfer/folder-targets.ts";
import type { FileName } from "../../src/wire/file-name.ts";

function recorded() {
  const told: unknown[][] = [];
  const listener: FolderListener = {
    matched: () => {},
    planned: () => {},
    progress: ({ files, bytes }) => told.push(["progress", files, bytes]),
    stored: ({ name, path, alreadyThere }) => told.push(["stored", name, path, alreadyThere]),
    failed: ({ name, error }) => told.push(["failed", name, error.exit]),
    notice: (line) => told.push(["notice", line]),
  };
  return { told, outcome: new FolderOutcome(listener, 0) };
}

function target(name: string, sizeBytes: number): FolderTarget {
  const file = { name: name as FileName, root: "00", sizeBytes, md5: "11", total: 1, sources: [] };
  return { file, path: `/out/${name}`, shown: `out/${name}` };
}

test("each file is told as it comes and counted once", () => {
  const { told, outcome } = recorded();
  outcome.wasThere(target("a", 1));
  outcome.isStored(target("b", 20));
  outcome.notStored(target("c", 300), { kind: "different" });
  outcome.notStored(target("d", 300), { kind: "failed", reason: "no\u001bway" });
  outcome.failed("e", new NoSourceError("nobody"));
  expect(told).toEqual([
    ["stored", "a", "out/a", true],
    ["stored", "b", "out/b", false],
    ["failed", "c", 9],
    ["failed", "d", 7],
    ["failed", "e", 5],
  ]);
  const { fetched, alreadyThere, failed } = outcome.fetched(1);
  expect([fetched, alreadyThere]).toEqual([
    { files: 1, bytes: 20 },
    { files: 1, bytes: 1 },
  ]);
  expect(failed.map(({ error }) => error.constructor)).toEqual([
    WouldOverwriteError,
    LocalIoError,
    NoSourceError,
  ]);
  expect(failed[0]?.error.message).toContain("out/c");
  expect(outcome.stored.map(({ file }) => String(file.name))).toEqual(["b"]);
});

test("what is wrong with a source is told once, whatever the number of files", () => {
  const { told, outcome } = recorded();
  for (let file = 0; file < 3; file++) {
    outcome.notice("source 10.0.0.1:7767: connection refused; trying again");
    outcome.notice("source 10.0.0.2:7767: connection refused; trying again");
  }
  expect(told.length).toBe(2);
});

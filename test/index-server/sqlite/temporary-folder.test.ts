import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inMemory, openIndexDatabase } from "../../../src/index-server/sqlite/database.ts";
import { temporaryDatabase } from "../../../src/index-server/sqlite/temporary-folder.ts";

test("a database in memory is left alone by the next index, and gone with its own", () => {
  const first = openIndexDatabase(inMemory, () => {});
  const second = openIndexDatabase(inMemory, () => {});
  expect(first.isInPlace()).toBe(true);
  first.close();
  expect(existsSync(dirname(first.path))).toBe(false);
  expect(second.isInPlace()).toBe(true);
  second.close();
  expect(existsSync(dirname(second.path))).toBe(false);
});

test("what an index that was killed has left is removed by the next one, and nothing that is not its own", () => {
  const killed = temporaryDatabase();
  writeFileSync(killed.path, "");
  const beginning = temporaryDatabase();
  expect(existsSync(killed.folder)).toBe(false);
  const elsewhere = mkdtempSync(join(tmpdir(), "p2p-elsewhere-"));
  writeFileSync(join(elsewhere, "index.db"), "");
  const link = `${beginning.folder}-link`;
  symlinkSync(elsewhere, link);
  const next = temporaryDatabase();
  expect([existsSync(beginning.folder), existsSync(link)]).toEqual([true, true]);
  expect(existsSync(join(elsewhere, "index.db.lock"))).toBe(false);
  for (const path of [beginning.folder, next.folder, elsewhere, link]) rmSync(path, { recursive: true });
});

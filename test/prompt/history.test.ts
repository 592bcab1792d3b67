import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { History } from "../../src/prompt/history.ts";

let folder = "";
let said: string[] = [];
const warn = (message: string): void => void said.push(message);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "p2p-history-"));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

test("has no link in it, whose token anybody would find there", () => {
  const path = join(folder, "history");
  const history = new History(path, warn);
  for (const line of ["one", "join p2p://10.0.0.5:7766/#s3cret-s3cret", "two"]) history.add(line);
  expect(history.lines).toEqual(["one", "two"]);
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});

test("is there the next time, for its owner alone, whatever the umask", () => {
  const path = join(folder, "state", "history");
  const before = process.umask(0);
  try {
    const history = new History(path, warn);
    for (const line of ["one", "two", "two", "one"]) history.add(line);
  } finally {
    process.umask(before);
  }
  expect(new History(path, warn).lines).toEqual(["one", "two", "one"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "state")).mode & 0o777).toBe(0o700);
  expect(said).toEqual([]);
});

test("keeps the last thousand lines", () => {
  const path = join(folder, "history");
  writeFileSync(path, `${Array.from({ length: 1500 }, (_, i) => `line ${i}`).join("\n")}\n`);
  const { lines } = new History(path, warn);
  expect([lines.length, lines[0], lines.at(-1)]).toEqual([1000, "line 500", "line 1499"]);
  expect(readFileSync(path, "utf8")).toStartWith("line 500\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("does without when it cannot be kept, and says so once", () => {
  writeFileSync(join(folder, "file"), "");
  const history = new History(join(folder, "file", "history"), warn);
  history.add("one");
  history.add("two");
  expect(history.lines).toEqual(["one", "two"]);
  expect(said).toHaveLength(1);
  expect(said[0]).toStartWith("the history of the prompt is not kept in ");
  new History(undefined, warn).add("x");
  expect(said).toHaveLength(1);
});

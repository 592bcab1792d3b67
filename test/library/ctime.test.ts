import { expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  truncateSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { ctimeShowsWritesAfter, keepsCtime } from "../../src/library/ctime.ts";
import type { FileIdentity } from "../../src/library/file-identity.ts";
import { temporaryFolder, until } from "./temporary-folder.ts";

const secondMs = 1_763_852_000_000;
const second = BigInt(secondMs) * 1_000_000n;

test.each([
  ["a minute ago", second + 1n, 60_000, true],
  ["just long enough ago", second - 1n, 500, true],
  ["a little too short ago", second + 1n, 500, false],
  ["in the same tick", second + 1n, 0, false],
  ["in the future", second + 1n, -60_000, false],
  ["just long enough ago, in whole seconds", second, 1_500, true],
  ["within the second that cannot be told apart", second, 1_499, false],
])("a ctime that was %s", (_, ctimeNs, afterMs, isShown) => {
  const identity: FileIdentity = { dev: 1n, ino: 2n, sizeBytes: 3, mtimeNs: 4n, ctimeNs };
  expect(ctimeShowsWritesAfter(secondMs + afterMs, identity)).toBe(isShown);
});

const onLinux = process.platform === "linux";

test("what is no file system of a disk, or cannot be asked, keeps no ctime", () => {
  for (const path of ["/proc", "/sys", "/nowhere/at/all"]) expect(keepsCtime(path)).toBe(false);
  if (existsSync("/dev/shm")) expect(keepsCtime("/dev/shm")).toBe(onLinux);
});

const changes: [string, (path: string) => void][] = [
  ["a write in place", (path) => overwrite(path)],
  ["a write whose time is set back", (path) => hideWrite(path)],
  ["a truncation to the same size", (path) => truncateSync(path, 5)],
  ["another mode", (path) => chmodSync(path, 0o600)],
];
test.each(changes)("where it is kept, %s moves it", async (_, change) => {
  using folder = temporaryFolder();
  if (!keepsCtime(folder.path)) return;
  const path = folder.write("file", "12345");
  const before = lstatSync(path, { bigint: true }).ctimeNs;
  // Until a tick of the clock has passed.
  await until(
    () => {
      change(path);
      return lstatSync(path, { bigint: true }).ctimeNs !== before;
    },
    () => "a later ctime",
  );
  expect(lstatSync(path, { bigint: true }).size).toBe(5n);
});

function overwrite(path: string): void {
  const fd = openSync(path, "r+");
  writeSync(fd, "x");
  closeSync(fd);
}

function hideWrite(path: string): void {
  const { atime, mtime } = lstatSync(path);
  overwrite(path);
  utimesSync(path, atime, mtime);
}

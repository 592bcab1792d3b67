import { expect, test } from "bun:test";
import { lstatSync, mkdirSync, rmSync } from "node:fs";
import { goneFiles, isGoneFrom } from "../../src/library/shared-folder.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("a file is gone when its folder is there, on the same device", () => {
  using folder = temporaryFolder();
  folder.write("share/sub/left", "x");
  const share = folder.at("share");
  const { dev } = lstatSync(share, { bigint: true });
  for (const name of ["a", "sub/a", "sub/deeper/a", "sub/left/a", "none/a"]) {
    expect([name, isGoneFrom(share, name, dev)]).toEqual([name, true]);
    expect([name, isGoneFrom(share, name, dev + 1n)]).toEqual([name, false]);
  }
  rmSync(share, { recursive: true });
  expect(isGoneFrom(share, "a", dev)).toBe(false);
  expect(isGoneFrom(share, "sub/a", dev)).toBe(false);
});

test("when the device is not known, what is gone from an empty folder may come back", () => {
  using folder = temporaryFolder();
  folder.write("share/sub/left", "x");
  mkdirSync(folder.at("share/mountpoint"));
  const isGone = goneFiles(folder.at("share"));
  for (const name of ["a", "sub/a", "sub/left/a", "none/a", "sub/none/a"])
    expect([name, isGone(name)]).toEqual([name, true]);
  for (const name of ["sub/left", "mountpoint/a", "mountpoint/sub/a"])
    expect([name, isGone(name)]).toEqual([name, false]);
  mkdirSync(folder.at("empty"));
  expect(goneFiles(folder.at("empty"))("a")).toBe(false);
  expect(goneFiles(folder.at("none"))("a")).toBe(false);
});

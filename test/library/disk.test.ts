/** Whose rules names have to keep on a disk. */
import { expect, test } from "bun:test";
import { rulesOfNames } from "../../src/library/disk.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test.each([
  ["FAT", 0x4d44, "win32"],
  ["exFAT", 0x2011bab0, "win32"],
  ["NTFS", 0x7366746e, "win32"],
  ["SMB", 0xff534d42, "win32"],
  ["SMB 2", 0xfe534d42, "win32"],
  ["ext4", 0xef53, process.platform],
  ["tmpfs", 0x01021994, process.platform],
  ["nobody knows what", undefined, process.platform],
] as const)("A12 on %s", (_, type, rules) => {
  expect(rulesOfNames("anywhere", () => type)).toBe(rules);
});

test("A12 of a folder that is still to be made, those of the one above it that is there", () => {
  using folder = temporaryFolder();
  const asked = [folder.path, folder.at("not/there/yet"), "/"];
  for (const path of asked) expect(rulesOfNames(path)).toBe(process.platform);
});

import { expect, test } from "bun:test";
import { existsSync, linkSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { readRegularFile, writeNewFile } from "../src/private-file.ts";
import { temporaryFolder } from "./library/temporary-folder.ts";

const bytes = new TextEncoder().encode("ours");

test("a new file is the owner's alone", () => {
  using folder = temporaryFolder();
  writeNewFile(folder.at("new"), bytes);
  expect(readFileSync(folder.at("new"), "utf8")).toBe("ours");
  expect(statSync(folder.at("new")).mode & 0o777).toBe(0o600);
});

test.each(["link", "link to nothing", "pipe", "file"])("never through a %s that has the name", (kind) => {
  using folder = temporaryFolder();
  const victim = folder.write("victim", "mine");
  const path = folder.at("new");
  if (kind === "link") symlinkSync(victim, path);
  else if (kind === "link to nothing") symlinkSync(folder.at("elsewhere"), path);
  else if (kind === "pipe") Bun.spawnSync(["mkfifo", path]);
  else linkSync(victim, path);
  expect(() => writeNewFile(path, bytes)).toThrow("EEXIST");
  expect(readFileSync(victim, "utf8")).toBe("mine");
  expect(existsSync(folder.at("elsewhere"))).toBe(false);
});

test("only regular files of a bounded size are read, and nothing is waited for", () => {
  using folder = temporaryFolder();
  const file = folder.write("file", "12345");
  expect(readRegularFile(file, 5)).toEqual(new TextEncoder().encode("12345"));
  expect(readRegularFile(file, 4)).toBeUndefined();
  symlinkSync(file, folder.at("link"));
  expect(readRegularFile(folder.at("link"), 5)).toBeUndefined();
  Bun.spawnSync(["mkfifo", folder.at("pipe")]);
  expect(readRegularFile(folder.at("pipe"), 5)).toBeUndefined();
  expect(() => readRegularFile(folder.at("nothing"), 5)).toThrow("ENOENT");
});

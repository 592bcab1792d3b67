/** The file of bans: what is written is read, what is none of ours is refused, and changes are heard of. */
import { expect, test } from "bun:test";
import { readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { LocalIoError } from "../../src/errors.ts";
import { BanFileWatch, banFileIn, readBans, writeBans } from "../../src/net/ban-file.ts";
import { temporaryFolder, until } from "../library/temporary-folder.ts";

test("what is written is read, by nobody else, and nothing is left beside it", () => {
  using folder = temporaryFolder();
  const path = banFileIn(folder.path);
  expect(readBans(path)).toEqual([]);
  writeBans(path, ["10.0.0.5", "abcdef01"]);
  writeBans(path, ["10.0.0.0/8"]);
  expect(readBans(path)).toEqual(["10.0.0.0/8"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder.path)).toEqual(["bans.json"]);
});

test.each([
  "",
  "null",
  "{}",
  "[]",
  '{"bans":{}}',
  '{"bans":[7]}',
  '{"bans":["10.0.0.5/8"]}',
  '{"bans":["10.0.0.5"]',
  `{"bans":["10.0.0.5"],"x":"${"x".repeat(1024 * 1024)}"}`,
])("%p is refused in one line", (text) => {
  using folder = temporaryFolder();
  const path = folder.write("bans.json", text);
  expect(() => readBans(path)).toThrow(LocalIoError);
  expect(() => readBans(path)).toThrow(/^[^\n]*bans\.json is not as `p2p ban` writes it: mend it[^\n]*$/);
});

test("a link in its place is not followed, and a folder that is not there is said", () => {
  using folder = temporaryFolder();
  symlinkSync(folder.write("elsewhere", '{"bans":["10.0.0.5"]}'), banFileIn(folder.path));
  expect(() => readBans(banFileIn(folder.path))).toThrow(/is not as `p2p ban` writes it/);
  expect(() => writeBans(folder.at("missing/bans.json"), [])).toThrow(/^cannot write .*no such file/);
});

test("whoever watches hears of each change within a second, and of what cannot be read", async () => {
  using folder = temporaryFolder();
  const path = banFileIn(folder.path);
  writeBans(path, ["10.0.0.1"]);
  const heard: string[] = [];
  const watch = new BanFileWatch(path, {
    changed: (bans) => heard.push(bans.join()),
    failed: ({ message }) => heard.push(message.includes("not as") ? "failed" : message),
  });
  const hears = async (what: string) =>
    await until(
      () => heard.at(-1) === what,
      () => `${what}, but ${heard}`,
      // A busy machine may take its time.
      5_000,
    );
  try {
    expect(watch.first).toEqual(["10.0.0.1"]);
    writeBans(path, ["10.0.0.2"]);
    await hears("10.0.0.2");
    folder.write("bans.json", "nonsense");
    await hears("failed");
    rmSync(path);
    await hears("");
    writeBans(path, ["10.0.0.3"]);
    await hears("10.0.0.3");
    expect(heard).toHaveLength(4);
  } finally {
    watch.stop();
  }
});

test("a file that cannot be read is said when watching begins", () => {
  using folder = temporaryFolder();
  const path = folder.write("bans.json", "nonsense");
  expect(() => new BanFileWatch(path, { changed() {}, failed() {} })).toThrow(LocalIoError);
});

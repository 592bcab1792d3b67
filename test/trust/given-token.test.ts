import { expect, test } from "bun:test";
import { chmodSync, closeSync, openSync, symlinkSync, writeSync } from "node:fs";
import { UsageError } from "../../src/errors.ts";
import { readToken, readTokenFile, takeGivenToken } from "../../src/trust/given-token.ts";
import { temporaryFolder } from "../library/temporary-folder.ts";

const token = "abcdefghijklmnopqrstuvwxyz";

test("P2P_TOKEN is gone from the environment once it is read (A38)", () => {
  const environment: Record<string, string | undefined> = { P2P_TOKEN: token, HOME: "/h" };
  expect(takeGivenToken(environment)?.reveal()).toBe(token);
  expect(environment).toEqual({ HOME: "/h" });
  expect(takeGivenToken(environment)).toBeUndefined();
});

test.each([token, `${token}\n`, `${token}\r\n`])("a file that holds %j", (text) => {
  using folder = temporaryFolder();
  const path = folder.write("token", text);
  chmodSync(path, 0o600);
  expect(readTokenFile(path).reveal()).toBe(token);
});

test.each([
  [`${token}\n\n`, 0o600, "is no token"],
  [`${token}\n${token}`, 0o600, "is no token"],
  ["", 0o600, "is empty"],
  ["\n", 0o600, "is empty"],
  ["short", 0o600, "is no token"],
  [` ${token}`, 0o600, "is no token"],
  ["a".repeat(5_000), 0o600, "too long"],
  [token, 0o644, "others may read (mode 0644): chmod 600"],
  [token, 0o640, "others may read"],
])("a file that holds %j with mode %o is refused, and not repeated (A38)", (text, mode, problem) => {
  using folder = temporaryFolder();
  const path = folder.write("token", text);
  chmodSync(path, mode);
  expect(() => readTokenFile(path)).toThrow(UsageError);
  expect(() => readTokenFile(path)).toThrow(problem);
  expect(() => readTokenFile(path)).not.toThrow(token);
});

test("what comes by a descriptor, of which nobody but who opened it knows", async () => {
  using folder = temporaryFolder();
  const file = folder.write("token", `${token}\n`);
  chmodSync(file, 0o644);
  for (const way of ["/dev/fd", "/proc/self/fd"]) {
    const fd = openSync(file, "r");
    expect((await readToken(`${way}/${fd}`)).reveal()).toBe(token);
    closeSync(fd);
    await expect(readToken(`${way}/${fd}`)).rejects.toThrow("EBADF");
  }
  const long = openSync(folder.write("long", "a".repeat(5_000)), "r");
  await expect(readToken(`/dev/fd/${long}`)).rejects.toThrow("too long");
  closeSync(long);
});

test.skipIf(process.platform === "win32")(
  "a descriptor to which nobody writes yet is waited for, and everything else goes on meanwhile",
  async () => {
    using folder = temporaryFolder();
    const path = folder.at("pipe");
    expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
    const fd = openSync(path, "r+");
    const reading = readToken(`/dev/fd/${fd}`);
    expect(await Promise.race([reading, Promise.resolve("else")])).toBe("else");
    // A pipe that is open for writing has no end: only what is too much ends it here.
    writeSync(fd, "a".repeat(5_000));
    await expect(reading).rejects.toThrow("too long");
    closeSync(fd);
  },
);

test("what is no file", () => {
  using folder = temporaryFolder();
  symlinkSync(folder.write("there", token), folder.at("link"));
  expect(() => readTokenFile(folder.at("link"))).toThrow("it is no regular file");
  expect(() => readTokenFile(folder.at("nothing"))).toThrow("no such file or folder (ENOENT)");
  expect(() => readTokenFile(folder.path)).toThrow(UsageError);
});

test("a token where the name of its file belongs is not repeated", () => {
  expect(() => readTokenFile(token)).toThrow(
    "cannot read the token from the file of --token-file: no such file",
  );
});

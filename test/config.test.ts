import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { configPath, readConfigFile, stateFolder } from "../src/config.ts";
import { LocalIoError, UsageError } from "../src/errors.ts";

test.each([
  [{ P2P_HOME: "/p", XDG_STATE_HOME: "/x", HOME: "/h" }, "/p"],
  [{ P2P_HOME: "rel", HOME: "/h" }, resolve("rel")],
  [{ P2P_HOME: "", XDG_STATE_HOME: "/x", HOME: "/h" }, "/x/p2p"],
  [{ XDG_STATE_HOME: "relative", HOME: "/h" }, "/h/.local/state/p2p"],
  [{ HOME: "/h" }, "/h/.local/state/p2p"],
  [{}, join(homedir(), ".local/state/p2p")],
])("the state folder of %p is %p", (environment, expected) =>
  expect(stateFolder(environment)).toBe(expected),
);

test("the config file", () => {
  expect(configPath({ XDG_CONFIG_HOME: "/x", HOME: "/h" })).toBe("/x/p2p/config.toml");
  expect(configPath({ HOME: "/h" })).toBe("/h/.config/p2p/config.toml");
});

describe("reading it", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "p2p-config-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("gives its keys and tables", () => {
    const path = join(folder, "good.toml");
    writeFileSync(path, 'index = ["a:1", "b:2"]\n[peer]\nport = 1\n');
    expect(readConfigFile(path)).toEqual({ path, entries: { index: ["a:1", "b:2"], peer: { port: 1 } } });
  });

  test("is no failure when there is none", () => {
    expect(readConfigFile(join(folder, "none", "x.toml"))).toBeUndefined();
  });

  test("fails in one line when it is no TOML, or no file", () => {
    const path = join(folder, "bad.toml");
    writeFileSync(path, "index = \nx");
    expect(() => readConfigFile(path)).toThrow(UsageError);
    expect(() => readConfigFile(path)).toThrow(/^the config file .*bad\.toml is no TOML: [^\n]*$/);
    expect(() => readConfigFile(folder)).toThrow(LocalIoError);
    const large = join(folder, "large.toml");
    writeFileSync(large, "#".repeat(1024 * 1024 + 1));
    expect(() => readConfigFile(large)).toThrow(LocalIoError);
  });

  test.skipIf(process.platform === "win32")("does not wait for a pipe", () => {
    const pipe = join(folder, "pipe.toml");
    Bun.spawnSync(["mkfifo", pipe]);
    expect(() => readConfigFile(pipe)).toThrow(LocalIoError);
  });
});

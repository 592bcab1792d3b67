import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { LocalIoError, UsageError } from "../../src/errors.ts";
import { NetworkStore } from "../../src/trust/network-store.ts";
import { Secret } from "../../src/trust/secret.ts";
import { defaultNetworkName, type NetworkName, type StoredNetwork } from "../../src/trust/stored-network.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const lab = "lab" as NetworkName;
const known = (token: string, host = "10.0.0.5"): StoredNetwork => ({
  token: new Secret(token.repeat(30)),
  indexes: [{ host, port: 7766, fingerprint: "a".repeat(64) as Fingerprint }],
});

function storeIn(folder: TemporaryFolder): { store: NetworkStore; file: string } {
  const store = new NetworkStore(folder.at("state"));
  return { store, file: folder.at("state/networks/default.json") };
}

test("what is written is there, for this user's eyes only", () => {
  using folder = temporaryFolder();
  const { store, file } = storeIn(folder);
  expect([store.read(defaultNetworkName), store.names(), store.stampOf(lab)]).toEqual([
    undefined,
    [],
    undefined,
  ]);
  const before = process.umask(0);
  try {
    store.change(defaultNetworkName, () => known("t"));
  } finally {
    process.umask(before);
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
  for (const path of ["state", "state/networks"]) expect(statSync(folder.at(path)).mode & 0o777).toBe(0o700);
  expect(store.read(defaultNetworkName)?.token.reveal()).toBe("t".repeat(30));
  expect(readdirSync(folder.at("state/networks"))).toEqual(["default.json"]);
});

test("a folder that others could look into is closed", () => {
  using folder = temporaryFolder();
  const { store } = storeIn(folder);
  mkdirSync(folder.at("state/networks"), { recursive: true, mode: 0o755 });
  store.change(lab, () => known("t"));
  expect(statSync(folder.at("state/networks")).mode & 0o777).toBe(0o700);
});

test("each network has its name, its indexes and an end", () => {
  using folder = temporaryFolder();
  const { store } = storeIn(folder);
  store.change(defaultNetworkName, () => known("t"));
  store.change(lab, () => known("l", "10.0.0.9"));
  folder.write("state/networks/.lab-draft", "");
  folder.write("state/networks/Not A Name.json", "");
  expect(store.names()).toEqual([defaultNetworkName, lab]);
  expect(store.withIndex(({ host }) => host === "10.0.0.9")).toBe(lab);
  expect(store.withIndex(() => false)).toBeUndefined();
  expect([store.remove(lab), store.remove(lab), store.read(lab)]).toEqual([true, false, undefined]);
});

test("a new stamp says that it was written", () => {
  using folder = temporaryFolder();
  const { store } = storeIn(folder);
  store.change(lab, () => known("t"));
  const first = store.stampOf(lab);
  expect(store.stampOf(lab)).toBe(first!);
  store.change(lab, () => known("t"));
  expect(store.stampOf(lab)).not.toBe(first!);
});

describe("refused in one line", () => {
  test.each([0o640, 0o604, 0o620, 0o601])("a file of mode %o (A38)", (mode) => {
    using folder = temporaryFolder();
    const { store, file } = storeIn(folder);
    store.change(defaultNetworkName, () => known("t"));
    chmodSync(file, mode);
    expect(() => store.read(defaultNetworkName)).toThrow(UsageError);
    expect(() => store.read(defaultNetworkName)).toThrow(`${file} holds a secret that others may read`);
  });

  test.skipIf(process.getuid?.() !== 0)("a file of another user", () => {
    using folder = temporaryFolder();
    const { store, file } = storeIn(folder);
    store.change(defaultNetworkName, () => known("t"));
    chownSync(file, 65_534, 65_534);
    expect(() => store.read(defaultNetworkName)).toThrow("belongs to another user");
  });

  test.each(["link", "folder", "pipe", "text", "half", "large"])("a %s", (kind) => {
    using folder = temporaryFolder();
    const { store, file } = storeIn(folder);
    store.change(defaultNetworkName, () => known("t"));
    const whole = statSync(file).size;
    renameSync(file, folder.at("elsewhere"));
    if (kind === "link") symlinkSync(folder.at("elsewhere"), file);
    else if (kind === "folder") mkdirSync(file, { mode: 0o700 });
    else if (kind === "pipe") Bun.spawnSync(["mkfifo", "-m", "600", file]);
    else writeFileSync(file, kind === "large" ? " ".repeat(70_000) : "{".repeat(whole / 2), { mode: 0o600 });
    expect(() => store.read(defaultNetworkName)).toThrow(LocalIoError);
    expect(() => store.read(defaultNetworkName)).toThrow("is not the file of a network any more");
    expect(() => store.withIndex(() => false)).toThrow(LocalIoError);
  });

  test("a folder that is none", () => {
    using folder = temporaryFolder();
    folder.write("state", "");
    const { store } = storeIn(folder);
    expect([store.read(lab), store.names(), store.remove(lab)]).toEqual([undefined, [], false]);
    expect(() => store.change(lab, () => known("t"))).toThrow(/^cannot write .*lab\.json: /);
  });
});

test("a link that has the name is refused, and where it leads nothing changes", () => {
  using folder = temporaryFolder();
  const { store, file } = storeIn(folder);
  store.change(defaultNetworkName, () => known("t"));
  renameSync(file, folder.at("elsewhere"));
  symlinkSync(folder.at("elsewhere"), file);
  const before = statSync(folder.at("elsewhere")).mtimeMs;
  expect(() => store.change(defaultNetworkName, () => known("n"))).toThrow(LocalIoError);
  expect(statSync(folder.at("elsewhere")).mtimeMs).toBe(before);
  expect(store.remove(defaultNetworkName)).toBe(true);
  expect(readdirSync(folder.path).sort()).toEqual(["elsewhere", "state"]);
});

test("processes that change it at the same time lose nothing of each other", async () => {
  using folder = temporaryFolder();
  const { store } = storeIn(folder);
  store.change(lab, () => known("t"));
  const code = `
    const { NetworkStore } = await import(${JSON.stringify(join(import.meta.dir, "../../src/trust/network-store.ts"))});
    const store = new NetworkStore(process.argv[1]);
    for (let port = 1; port <= 40; port++)
      store.change("lab", (known) => ({ ...known, indexes: [...known.indexes, { ...known.indexes[0], host: process.argv[2], port }] }));`;
  const children = ["one", "other"].map((host) =>
    Bun.spawn([process.execPath, "-e", code, folder.at("state"), host], { stderr: "inherit" }),
  );
  expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0]);
  expect(store.read(lab)?.indexes).toHaveLength(81);
  expect(readdirSync(folder.at("state/networks"))).toEqual(["lab.json"]);
});

test("a change that throws changes nothing, and leaves no lock", () => {
  using folder = temporaryFolder();
  const { store } = storeIn(folder);
  const fail = () => {
    throw new UsageError("no");
  };
  expect(() => store.change(lab, fail)).toThrow("no");
  expect(store.change(lab, () => known("t")).indexes).toHaveLength(1);
});

test("a folder that others may write to is refused: what is in it could be theirs (A38)", () => {
  using folder = temporaryFolder();
  const { store } = storeIn(folder);
  store.change(lab, () => known("t"));
  for (const [path, mode, right] of [
    ["state", 0o770, 0o700],
    ["state", 0o1777, 0o755],
    ["state/networks", 0o702, 0o700],
  ] as const) {
    chmodSync(folder.at(path), mode);
    expect(() => store.read(lab)).toThrow(UsageError);
    expect(() => store.read(lab)).toThrow(`others may write to ${folder.at(path)}`);
    chmodSync(folder.at(path), right);
    expect(store.read(lab)).toBeDefined();
  }
});

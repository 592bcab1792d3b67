import { afterEach, beforeEach, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { FSWatcher } from "chokidar";
import { KeptWatcher } from "../../src/library/kept-watcher.ts";
import { temporaryFolder } from "./temporary-folder.ts";

class FakeWatcher extends EventEmitter {
  isClosed = false;

  change(file: string): void {
    this.emit("raw", "change", file, {});
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

let folder: ReturnType<typeof temporaryFolder>;
let watchers: FakeWatcher[];
let told: string[];
let nowMs: number;
let rests: { run: () => void; isCancelled: boolean }[];
let kept: KeptWatcher;

beforeEach(() => {
  folder = temporaryFolder();
  mkdirSync(folder.at("top/share"), { recursive: true });
  [watchers, told, nowMs, rests] = [[], [], 0, []];
  kept = new KeptWatcher({
    folder: folder.at("top/share"),
    listener: {
      hint: (name) => told.push(name),
      ready: () => told.push("READY"),
      failed: (reason) => told.push(`FAILED ${reason}`),
      flooded: () => told.push("FLOODED"),
    },
    later: (run) => {
      const rest = { run, isCancelled: false };
      rests.push(rest);
      return () => {
        rest.isCancelled = true;
      };
    },
    watch: () => {
      const watcher = new FakeWatcher();
      watchers.push(watcher);
      return watcher as unknown as FSWatcher;
    },
    nowMs: () => nowMs,
  });
  kept.start();
});

afterEach(async () => {
  await kept.stop();
  expect(watchers.every(({ isClosed }) => isClosed)).toBe(true);
  folder[Symbol.dispose]();
});

function fill(watcher: FakeWatcher): void {
  watcher.change("a");
  nowMs += 1_001;
  watcher.change("b");
}

test("however many changes there are, they are passed on as long as others have their turn in between", async () => {
  for (let i = 0; i < 5; i++) {
    watchers[0]!.change(`${i}`);
    nowMs += 900;
    watchers[0]!.change(`${i}.`);
    await setImmediate();
    await setImmediate();
  }
  expect(told).toHaveLength(10);
  expect(watchers[0]!.isClosed).toBe(false);
});

test("a second of nothing but changes ends the watching, and a while later it begins anew", () => {
  fill(watchers[0]!);
  watchers[0]!.change("c");
  watchers[0]!.emit("ready");
  expect(told).toEqual(["a", "b", "FLOODED"]);
  expect(watchers[0]!.isClosed).toBe(true);
  expect(kept.folderFound(true)).toBe(false);
  expect(watchers).toHaveLength(1);
  rests[0]!.run();
  watchers[1]!.emit("ready");
  watchers[1]!.change("d");
  expect(told.slice(3)).toEqual(["READY", "d"]);
});

test("another folder of that name is watched instead; the same one, as before", () => {
  expect(kept.folderFound(false)).toBe(false);
  expect(watchers).toHaveLength(1);
  renameSync(folder.at("top/share"), folder.at("former"));
  mkdirSync(folder.at("top/share"));
  expect(kept.folderFound(false)).toBe(true);
  watchers[0]!.change("former");
  watchers[1]!.change("new");
  expect(kept.folderFound(true)).toBe(true);
  expect(watchers.map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
  expect(told).toEqual(["new"]);
});

test("what fails is not begun again", () => {
  watchers[0]!.emit("error", Object.assign(new Error("no"), { code: "ENOSPC" }));
  expect(kept.folderFound(true)).toBe(false);
  expect(watchers).toHaveLength(1);
  expect(told).toEqual([expect.stringContaining("FAILED no inotify watches left")]);
});

test("where the folder cannot be looked at when a rest is over, another one begins", () => {
  fill(watchers[0]!);
  renameSync(folder.at("top"), folder.at("former"));
  writeFileSync(folder.at("top"), "");
  rests[0]!.run();
  expect(watchers).toHaveLength(1);
  rmSync(folder.at("top"));
  renameSync(folder.at("former"), folder.at("top"));
  rests[1]!.run();
  expect(watchers).toHaveLength(2);
});

test("a rest is over when all is", async () => {
  fill(watchers[0]!);
  await kept.stop();
  expect(rests).toMatchObject([{ isCancelled: true }]);
});

import { afterEach, expect, test } from "bun:test";
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { openInside, type Way } from "../../src/library/open-inside.ts";
import { WalkedFolder } from "../../src/library/walked-folder.ts";
import { temporaryFolder, until } from "./temporary-folder.ts";

const ways: Way[] = process.platform === "linux" ? ["stepwise", "comparing"] : ["comparing"];
const workers: Worker[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

/** The text of the file, or undefined when it was not opened. */
function textOf(folder: string, path: string, way: Way): string | undefined {
  const fd = openInside(folder, path, { way });
  if (fd === undefined) return undefined;
  const text = readFileSync(fd, "utf8");
  closeSync(fd);
  return text;
}

test.each(ways)("opens the files of a folder and no others (%s)", (way) => {
  using folder = temporaryFolder();
  folder.write("share/a", "a");
  folder.write("share/sub/deeper/b", "b");
  folder.write("outside/c", "c");
  symlinkSync("a", folder.at("share/link"));
  symlinkSync("sub", folder.at("share/linked"));
  symlinkSync(folder.at("outside"), folder.at("share/sub/out"));
  symlinkSync("share", folder.at("link-to-share"));
  mkdirSync(folder.at("share/empty"));
  const share = folder.at("share");
  const open = (name: string) => textOf(share, folder.at(name), way);
  expect(open("share/a")).toBe("a");
  expect(open("share/sub/deeper/b")).toBe("b");
  // As `realpath` gives it, the folder has none either; with one it is not the folder any more.
  expect(textOf(folder.at("link-to-share"), folder.at("link-to-share/sub/deeper/b"), way)).toBeUndefined();
  for (const name of [
    "link",
    "linked/deeper/b",
    "sub/out/c",
    "sub/out",
    "none",
    "none/x",
    "a/x",
    "../outside/c",
    ".",
  ]) {
    expect([name, open(`share/${name}`)]).toEqual([name, undefined]);
  }
  expect(open("outside/c")).toBeUndefined();
});

test.each(ways)("leaves nothing open (%s)", (way) => {
  using folder = temporaryFolder();
  folder.write("share/1/2/3/a", "a");
  symlinkSync("2", folder.at("share/1/link"));
  const openCount = () => readdirSync("/proc/self/fd").length;
  const before = process.platform === "linux" ? openCount() : 0;
  for (let i = 0; i < 50; i++) {
    for (const name of ["1/2/3/a", "1/2/3/none", "1/link/3/a", "1/2/none/a"]) {
      textOf(folder.at("share"), folder.at(`share/${name}`), way);
    }
  }
  if (process.platform === "linux") expect(openCount()).toBeLessThan(before + 20);
});

// Elsewhere it is only improbable.
test.skipIf(process.platform !== "linux")(
  "A27 a folder swapped for a link all the time never leads outside",
  async () => {
    using folder = temporaryFolder();
    folder.write("share/d/sub/file", "inside");
    folder.write("outside/sub/file", "outside");
    symlinkSync(folder.at("outside"), folder.at("share/link"));
    const inside = lstatSync(folder.at("share/d/sub/file")).ino;
    const worker = new Worker(new URL("swapping-worker.ts", import.meta.url).href);
    workers.push(worker);
    let said: number | "stopped" = 0;
    worker.onmessage = ({ data }: MessageEvent<number | "stopped">) => {
      said = data;
    };
    worker.postMessage({
      one: folder.at("share/d"),
      other: folder.at("share/link"),
      spare: folder.at("spare"),
    });
    await until(
      () => said !== 0,
      () => "the first swaps",
    );
    let opened = 0;
    let outside = 0;
    for (let i = 0; i < 20_000; i++) {
      const fd = openInside(folder.at("share"), folder.at("share/d/sub/file"));
      if (fd === undefined) continue;
      const { ino } = fstatSync(fd);
      closeSync(fd);
      if (ino === inside) opened++;
      else outside++;
    }
    worker.postMessage("stop");
    await until(
      () => said === "stopped",
      () => "the end of the swaps",
    );
    expect(outside).toBe(0);
    // Otherwise nothing was tried.
    expect(opened).toBeGreaterThan(0);
    expect(opened).toBeLessThan(20_000);
  },
);

test.skipIf(process.platform !== "linux")(
  "many files of one folder cost one walk, and none leads outside",
  () => {
    using folder = temporaryFolder();
    const names = ["share/sub/deep/1", "share/sub/deep/2", "share/sub/3", "share/4"];
    for (const name of [...names, "outside/1", "outside/2"]) folder.write(name, name);
    const walked = new WalkedFolder();
    const open = (name: string, share = "share") => {
      const fd = openInside(folder.at(share), folder.at(name), { walked });
      if (fd === undefined) return undefined;
      const text = readFileSync(fd, "utf8");
      closeSync(fd);
      return text;
    };
    for (const name of [...names, ...names]) expect(open(name)).toBe(name);
    expect(open("share/sub/deep/none")).toBeUndefined();
    expect(open("share/sub/deep/1")).toBe("share/sub/deep/1");
    // The folder is where the walk led, and no other is taken for it.
    renameSync(folder.at("share/sub/deep"), folder.at("elsewhere"));
    symlinkSync(folder.at("outside"), folder.at("share/sub/deep"));
    expect(open("share/sub/deep/2")).toBe("share/sub/deep/2");
    expect(open("share/sub/3")).toBe("share/sub/3");
    expect(open("share/sub/deep/2")).toBeUndefined();
    folder.write("outside/in/5", "outside/in/5");
    expect(open("share/sub/deep/in/5", "share/sub/deep")).toBeUndefined();
    expect(open("share/sub/deep/in/5")).toBeUndefined();
    walked.close();
    walked.close();
    expect(openDescriptors().filter((path) => path.startsWith(folder.path))).toEqual([]);
  },
);

function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // That of the look itself.
      return [];
    }
  });
}

test("A27 what is moved out of the folder and linked from there is not opened", () => {
  using folder = temporaryFolder();
  folder.write("share/sub/file", "x");
  renameSync(folder.at("share/sub"), folder.at("elsewhere"));
  symlinkSync(folder.at("elsewhere"), folder.at("share/sub"));
  for (const way of ways)
    expect(textOf(folder.at("share"), folder.at("share/sub/file"), way)).toBeUndefined();
});

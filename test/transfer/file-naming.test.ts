/** Drafts on their way to their names, by the real thread and on a real disk. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, unlinkSync } from "node:fs";
import { draftFor, type StoreFailure, writeDraft } from "../../src/transfer/drafts.ts";
import { FileNaming } from "../../src/transfer/file-naming.ts";
import { testContent } from "../helpers/contents.ts";
import { type TemporaryFolder, temporaryFolder, until } from "../library/temporary-folder.ts";

const content = testContent(1_000);
const never = new AbortController().signal;
let lastId = 0;

class Bench {
  readonly naming = new FileNaming();
  /** What was told of each name, in the order in which it was told. */
  readonly told: [string, StoreFailure | undefined][] = [];

  constructor(private readonly folder: TemporaryFolder) {}

  add(name: string): string {
    const path = this.folder.at(name);
    const draft = draftFor(path, content.root, ++lastId);
    expect(writeDraft(draft, content.bytes)).toBeUndefined();
    this.naming.add({ draft, path, replace: false, named: (failure) => this.told.push([name, failure]) });
    return draft;
  }
}

test("all get their names, each is told once, and no draft is left", async () => {
  using folder = temporaryFolder();
  const bench = new Bench(folder);
  const names = Array.from({ length: 2_500 }, (_, i) => `${i}`);
  for (const name of names) bench.add(name);
  await bench.naming.close(never);
  expect(bench.told.map(([name]) => name)).toEqual(names);
  expect(bench.told.every(([, failure]) => failure === undefined)).toBe(true);
  expect(readdirSync(folder.path).sort()).toEqual(names.toSorted());
  expect(Buffer.compare(readFileSync(folder.at("2499")), content.bytes)).toBe(0);
});

test("more may come after some have been named", async () => {
  using folder = temporaryFolder();
  const bench = new Bench(folder);
  bench.add("first");
  await until(
    () => bench.told.length === 1,
    () => JSON.stringify(bench.told),
  );
  bench.add("second");
  await bench.naming.close(never);
  expect(bench.told).toEqual([
    ["first", undefined],
    ["second", undefined],
  ]);
});

test.each([2, 20])("one draft of %d that is gone, or whose name is taken, fails alone", async (count) => {
  using folder = temporaryFolder();
  const bench = new Bench(folder);
  folder.write("taken", "mine");
  for (let i = 0; i < count; i++) bench.add(`${i}`);
  bench.add("taken");
  unlinkSync(bench.add("gone"));
  await bench.naming.close(never);
  const failed = bench.told.filter(([, failure]) => failure !== undefined);
  expect(failed).toMatchObject([
    ["taken", { kind: "different" }],
    ["gone", { kind: "failed" }],
  ]);
  expect(bench.told.length).toBe(count + 2);
  expect(readFileSync(folder.at("taken"), "utf8")).toBe("mine");
  expect(existsSync(folder.at("gone"))).toBe(false);
});

test.skipIf(process.platform !== "linux")("however often it ends, it leaves no folder open", async () => {
  using folder = temporaryFolder();
  for (let i = 0; i < 20; i++) {
    const bench = new Bench(folder);
    bench.add(`${i}`);
    await bench.naming.close(never);
  }
  const open = () =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder.path);
      } catch {
        // That of the look itself.
        return false;
      }
    });
  // Those of this thread go with this turn.
  await until(
    () => open().length === 0,
    () => `${open().length} are open`,
    2_000,
  );
});

test("with nothing to name it is over at once, also when nobody wants it any more", async () => {
  await new FileNaming().close(never);
  await new FileNaming().close(AbortSignal.abort());
});

test("a folder that goes away takes only its own files along", async () => {
  using folder = temporaryFolder();
  const bench = new Bench(folder);
  mkdirSync(folder.at("inside"));
  const draft = bench.add("inside/file");
  unlinkSync(draft);
  bench.add("beside");
  await bench.naming.close(never);
  expect(new Map(bench.told).get("beside")).toBeUndefined();
  expect(existsSync(folder.at("beside"))).toBe(true);
});

/** Many small files as one download: real threads, real files, real and scripted sources over loopback. */
import { describe, expect, test } from "bun:test";
import { lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { IndexError, NoSourceError, VerificationError } from "../../src/errors.ts";
import { identityOf } from "../../src/library/file-identity.ts";
import type { IndexClient } from "../../src/net/index-client.ts";
import { RateLimit } from "../../src/net/rate-limit.ts";
import { DownloadThreads } from "../../src/transfer/download-threads.ts";
import type { StoreFailure } from "../../src/transfer/drafts.ts";
import type { FolderTarget } from "../../src/transfer/folder-targets.ts";
import { fetchSmallFiles, type SmallFilesOptions } from "../../src/transfer/small-files.ts";
import { Uploader } from "../../src/transfer/uploader.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { ListedFile, Names } from "../../src/wire/messages.ts";
import { type TestContent, testContent } from "../helpers/contents.ts";
import { fakeFiles, wrong } from "../helpers/fake-files.ts";
import { Random } from "../helpers/random.ts";
import { type TemporaryFolder, temporaryFolder, until } from "../library/temporary-folder.ts";

const KiB = 1024;

/** Of random sizes up to 1 MiB, most of them small; never two with one content. */
function contentsOf(count: number, seed: number): TestContent[] {
  const random = new Random(seed);
  const size = (i: number) => (i === 0 ? 1024 * KiB : Math.round(random.betweenByFactor(1, 200 * KiB)));
  return Array.from({ length: count }, (_, i) => testContent(size(i), seed * 10_000 + i));
}

/** A peer's serving side with these files. */
async function sharing(folder: TemporaryFolder, contents: readonly TestContent[]) {
  const shared = new Map(
    contents.map((content) => {
      const path = folder.write(content.root, content.bytes, 5_000);
      const identity = identityOf(lstatSync(path, { bigint: true }));
      return [content.root, { ...content, folder: dirname(path), path, identity, trusted: true }];
    }),
  );
  const uploader = await Uploader.start({
    host: "127.0.0.1",
    port: 0,
    anyPortIfTaken: false,
    membership: undefined,
    threads: 1,
    contentOf: (root) => shared.get(root),
    onChanged: () => {},
    onFailed: (error) => {
      throw error;
    },
  });
  return { port: uploader.port, [Symbol.asyncDispose]: () => uploader.stop() };
}

/** An index of which only LIST is asked. Counts the questions. */
class AskedIndex {
  asked = 0;
  ports: readonly number[] = [];
  isAway = false;

  constructor(
    private readonly contents: readonly TestContent[],
    private readonly pageFiles = 1_000,
  ) {}

  readonly client = (): IndexClient => {
    if (this.isAway) throw new IndexError("away");
    return {
      listPage: (_: string, after: string) => this.page(after),
    } as unknown as IndexClient;
  };

  private async page(after: string): Promise<Pick<Names, "files" | "next">> {
    this.asked++;
    const sources = sourcesAt(this.ports);
    const names = this.contents.map((_, at) => String(at)).sort();
    const behind = names.filter((name) => name > after);
    const files = behind.slice(0, this.pageFiles).map((name): ListedFile => {
      const { root, sizeBytes } = this.contents[Number(name)]!;
      return { name: name as FileName, root, sizeBytes, md5: "", total: sources.length, sources };
    });
    return {
      files: sources.length === 0 ? [] : files,
      next: behind.length > this.pageFiles ? files.at(-1)?.name : undefined,
    };
  }
}

function sourcesAt(ports: readonly number[]) {
  return ports.map((port) => ({ peer: String(port), host: "127.0.0.1", port, partial: false }));
}

interface Run {
  promise: ReturnType<typeof fetchSmallFiles>;
  index: AskedIndex;
  stored: number[];
  notStored: Map<number, StoreFailure>;
  bytes: () => number;
}

/** Names are numbers. `portsOf`: who has which. */
function start(
  folder: TemporaryFolder,
  contents: readonly TestContent[],
  portsOf: (at: number) => readonly number[],
  pool: DownloadThreads,
  different: Partial<SmallFilesOptions> = {},
): Run {
  const index = new AskedIndex(contents);
  const stored: number[] = [];
  const notStored = new Map<number, StoreFailure>();
  let bytes = 0;
  const targets = contents.map(({ root, sizeBytes }, at): FolderTarget => {
    const sources = sourcesAt(portsOf(at));
    const name = String(at) as FileName;
    const file = { name, sizeBytes, root, md5: "", total: sources.length, sources };
    return { file, path: folder.at(name), shown: name };
  });
  const promise = fetchSmallFiles({
    pattern: "**",
    targets,
    replace: false,
    pool,
    index: index.client,
    onStored: (target) => stored.push(targets.indexOf(target)),
    onNotStored: (target, failure) => notStored.set(targets.indexOf(target), failure),
    requestBytes: 4 * 1024 * KiB,
    connections: 8,
    threads: 2,
    timeoutMs: 20_000,
    limit: new RateLimit(),
    membership: undefined,
    onProgress: (progress) => {
      bytes = progress.bytes;
    },
    onNotice: () => {},
    onResumed: () => {},
    signal: new AbortController().signal,
    ...different,
  });
  return { promise, index, stored, notStored, bytes: () => bytes };
}

/** A pool that is stopped in the end. */
function poolOf(threads: number) {
  const pool = new DownloadThreads(threads, true);
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.stop() });
}

/** The numbers of the files that are there; all of them are right. */
function there(folder: TemporaryFolder, contents: readonly TestContent[]): number[] {
  return readdirSync(folder.path)
    .map((name) => {
      const isRight = Buffer.compare(readFileSync(folder.at(name)), contents[Number(name)]!.bytes) === 0;
      if (!isRight) throw new Error(`${name} is wrong`);
      return Number(name);
    })
    .sort((a, b) => a - b);
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

describe("many small files", () => {
  test("come from several peers of which each has some; the index is not asked for what it has said", async () => {
    using made = folders();
    const [folder, one, other] = made.all;
    const contents = contentsOf(150, 1);
    await using first = await sharing(one, contents.slice(0, 100));
    await using second = await sharing(other, contents.slice(50));
    await using pool = poolOf(2);
    const both = [first.port, second.port];
    const portsOf = (at: number) => (at < 50 ? [both[0]!] : at < 100 ? both : [both[1]!]);
    const run = start(folder, contents, portsOf, pool);
    const { report, failure } = await run.promise;
    expect(failure).toBeUndefined();
    expect(there(folder, contents)).toEqual(numbers(150));
    expect(run.stored.sort((a, b) => a - b)).toEqual(numbers(150));
    const bytes = contents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(report.sources.reduce((sum, source) => sum + source.bytes, 0)).toBe(bytes);
    expect(report.sources.every((source) => source.bytes > 0)).toBe(true);
    expect(run.bytes()).toBe(bytes);
    expect(run.index.asked).toBe(0);
  });

  test("one after the other over the same threads: the connections are kept", async () => {
    using made = folders();
    const [folder, next] = made.all;
    const [contents, more] = [contentsOf(40, 2), contentsOf(40, 3)];
    using source = fakeFiles([...contents, ...more]);
    await using pool = poolOf(1);
    const first = start(folder, contents, () => [source.port], pool);
    expect((await first.promise).failure).toBeUndefined();
    const { connections } = source;
    const second = start(next, more, () => [source.port], pool);
    expect((await second.promise).failure).toBeUndefined();
    expect(there(folder, contents)).toEqual(numbers(40));
    expect(there(next, more)).toEqual(numbers(40));
    expect(source.connections).toBe(connections);
  });

  test("those that have changed at their only peer fail, soon, and name no other's bytes", async () => {
    using made = folders();
    const [folder, shared] = made.all;
    const contents = contentsOf(300, 6);
    await using peer = await sharing(shared, contents);
    const changed = numbers(300).filter((at) => at % 2 === 0);
    for (const at of changed)
      writeFileSync(shared.at(contents[at]!.root), new Uint8Array(contents[at]!.sizeBytes));
    await using pool = poolOf(2);
    const run = start(folder, contents, () => [peer.port], pool);
    run.index.ports = [peer.port];
    const { failure, report } = await run.promise;
    expect(failure).toBeInstanceOf(NoSourceError);
    expect(there(folder, contents)).toEqual(numbers(300).filter((at) => at % 2 === 1));
    expect(report.sources[0]?.bytes).toBeGreaterThan(0);
    // Of each that is missing it is asked once, when nobody is left.
    expect(run.index.asked).toBeLessThanOrEqual(2 * changed.length);
  });

  test("somebody whom the index names only when it is asked again has the rest", async () => {
    using made = folders();
    const [folder, shared] = made.all;
    const contents = contentsOf(80, 7);
    using without = fakeFiles(contents.slice(0, 60));
    await using peer = await sharing(shared, contents);
    await using pool = poolOf(1);
    const run = start(folder, contents, () => [without.port], pool);
    run.index.ports = [without.port, peer.port];
    expect((await run.promise).failure).toBeUndefined();
    expect(there(folder, contents)).toEqual(numbers(80));
  });

  test("of a liar: none is kept, others have them; of a liar alone the end is soon", async () => {
    using made = folders();
    const [folder, alone, shared] = made.all;
    const contents = contentsOf(100, 8);
    using liar = fakeFiles(contents, wrong);
    await using peer = await sharing(shared, contents);
    await using pool = poolOf(2);
    const both = start(folder, contents, () => [liar.port, peer.port], pool);
    expect((await both.promise).failure).toBeUndefined();
    expect(there(folder, contents)).toEqual(numbers(100));

    const run = start(alone, contents, () => [liar.port], pool);
    run.index.ports = [liar.port];
    const startMs = performance.now();
    const { failure, report } = await run.promise;
    expect(failure).toBeInstanceOf(VerificationError);
    expect(String(failure)).toContain(`127.0.0.1:${liar.port}`);
    expect(report.sources).toMatchObject([{ bytes: 0, badChunks: 1 }]);
    expect(readdirSync(alone.path)).toEqual([]);
    expect(performance.now() - startMs).toBeLessThan(3_000);
  });

  test("an index that is away keeps nothing from coming, and nothing from ending", async () => {
    using made = folders();
    const [folder] = made.all;
    const contents = contentsOf(40, 9);
    using source = fakeFiles(contents.slice(0, 30));
    await using pool = poolOf(1);
    const run = start(folder, contents, () => [source.port], pool);
    run.index.isAway = true;
    expect((await run.promise).failure).toBeInstanceOf(NoSourceError);
    expect(there(folder, contents)).toEqual(numbers(30));
  });
});

describe("files that cannot be stored", () => {
  test("are told one by one, the others come; the same is no failure, another one is replaced if that is wanted", async () => {
    using made = folders();
    const [folder, shared] = made.all;
    const contents = contentsOf(20, 10);
    await using peer = await sharing(shared, contents);
    await using pool = poolOf(1);
    folder.write("3", "another");
    folder.write("4", contents[4]!.bytes);
    folder.write("5/a folder", "");
    const run = start(folder, contents, () => [peer.port], pool);
    expect((await run.promise).failure).toBeUndefined();
    expect([...run.notStored].sort()).toEqual([
      [3, { kind: "different" }],
      [5, { kind: expect.any(String) as unknown as "different" }],
    ]);
    expect(readFileSync(folder.at("3"), "utf8")).toBe("another");
    expect(run.stored.length).toBe(18);
    const again = start(folder, contents, () => [peer.port], pool, { replace: true });
    await again.promise;
    expect([...again.notStored.keys()]).toEqual([5]);
    expect(Buffer.compare(readFileSync(folder.at("3")), contents[3]!.bytes)).toBe(0);
    expect(readdirSync(folder.path).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("for a folder that is not there any more fail with its reason", async () => {
    using made = folders();
    const [shared] = made.all;
    const folder = temporaryFolder();
    folder[Symbol.dispose]();
    const contents = contentsOf(5, 11);
    await using peer = await sharing(shared, contents);
    await using pool = poolOf(1);
    const run = start(folder, contents, () => [peer.port], pool);
    expect((await run.promise).failure).toBeUndefined();
    expect(run.notStored.size).toBe(5);
    expect(run.notStored.get(0)).toMatchObject({ kind: "failed", reason: expect.stringContaining("ENOENT") });
  });
});

describe("a download of files that is aborted", () => {
  test("in the middle ends at once, keeps what is there, and its threads are fit for another one", async () => {
    using made = folders();
    const [folder, shared, next] = made.all;
    const contents = contentsOf(60, 12);
    let asked = 0;
    using silent = fakeFiles(contents, (_content, bytes) => (++asked <= 5 ? bytes : undefined));
    await using peer = await sharing(shared, contents);
    await using pool = poolOf(1);
    const abort = new AbortController();
    const run = start(folder, contents, () => [silent.port], pool, { signal: abort.signal });
    await until(
      () => run.stored.length === 5,
      () => `${run.stored.length} came`,
    );
    abort.abort(new Error("enough"));
    expect((await run.promise).failure).toBe(abort.signal.reason);
    expect(there(folder, contents)).toEqual(run.stored.sort((a, b) => a - b));
    const again = start(next, contents, () => [peer.port], pool);
    expect((await again.promise).failure).toBeUndefined();
    expect(there(next, contents)).toEqual(numbers(60));
  });

  test("before it began, or while all threads are lent, ends as well", async () => {
    using made = folders();
    const [folder, next] = made.all;
    const contents = contentsOf(10, 13);
    using source = fakeFiles(contents);
    await using pool = poolOf(1);
    const lent = await pool.take(1);
    const abort = new AbortController();
    const waiting = start(folder, contents, () => [source.port], pool, { signal: abort.signal });
    const late = start(folder, contents, () => [source.port], pool, {
      signal: AbortSignal.abort(new Error("late")),
    });
    abort.abort(new Error("enough"));
    expect((await waiting.promise).failure).toBe(abort.signal.reason);
    expect(String((await late.promise).failure)).toContain("late");
    pool.giveBack(lent);
    const run = start(next, contents, () => [source.port], pool);
    expect((await run.promise).failure).toBeUndefined();
    expect(there(next, contents)).toEqual(numbers(10));
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

/** Some, gone after the test. */
function folders() {
  const all = [temporaryFolder(), temporaryFolder(), temporaryFolder()] as const;
  return {
    all,
    [Symbol.dispose]: () => {
      for (const each of all) each[Symbol.dispose]();
    },
  };
}

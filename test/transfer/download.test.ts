/** Uploader and download together in one process, over loopback, with real files and threads. */
import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, lstatSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { LocalIoError, NoSourceError, VerificationError, WouldOverwriteError } from "../../src/errors.ts";
import { identityOf } from "../../src/library/file-identity.ts";
import { RateLimit } from "../../src/net/rate-limit.ts";
import {
  type Destination,
  type DownloadOptions,
  type DownloadReport,
  download,
} from "../../src/transfer/download.ts";
import { DownloadThreads } from "../../src/transfer/download-threads.ts";
import { Uploader } from "../../src/transfer/uploader.ts";
import { type TestContent, testContent } from "../helpers/contents.ts";
import { except, fakeSource, honestly, line } from "../helpers/fake-source.ts";
import { type TemporaryFolder, temporaryFolder, until } from "../library/temporary-folder.ts";

const mebibyte = 1024 * 1024;
const content = testContent(20 * mebibyte + 4_321);

/** A peer's serving side with one file. */
async function sharing(path: string, of: TestContent = content, onChanged = (_: string) => {}) {
  const identity = identityOf(lstatSync(path, { bigint: true }));
  const { sizeBytes, chunkHashes } = of;
  const uploader = await Uploader.start({
    host: "127.0.0.1",
    port: 0,
    anyPortIfTaken: false,
    membership: undefined,
    threads: 1,
    contentOf: (root) =>
      root === of.root
        ? { folder: dirname(path), path, identity, sizeBytes, chunkHashes, trusted: true }
        : undefined,
    onChanged,
    onFailed: (error) => {
      throw error;
    },
  });
  return { port: uploader.port, uploader, [Symbol.asyncDispose]: () => uploader.stop() };
}

interface Run {
  promise: Promise<DownloadReport>;
  notices: string[];
  /** Verified bytes as told last. */
  progress: () => number;
  target: string;
}

function start(
  folder: TemporaryFolder,
  ports: number[],
  { replace = false, ...different }: Partial<DownloadOptions> & { replace?: boolean } = {},
): Run {
  const addresses = ports.map((port) => ({ host: "127.0.0.1", port, partial: false }));
  const notices: string[] = [];
  let bytes = 0;
  const target = folder.at("target");
  const pool = new DownloadThreads(2, false);
  const options: DownloadOptions = {
    content,
    pool,
    requestBytes: 4 * mebibyte,
    connections: 8,
    threads: 2,
    timeoutMs: 20_000,
    limit: new RateLimit(),
    membership: undefined,
    offer: undefined,
    sources: {
      known: { addresses, whole: true },
      ask: () => Promise.resolve({ addresses, whole: true }),
      follow: () => {},
    },
    onProgress: (progress) => {
      bytes = progress.bytes;
    },
    onNotice: (notice) => notices.push(notice),
    onResumed: (bytes) => notices.push(`resumed with ${bytes}`),
    signal: new AbortController().signal,
    ...different,
  };
  const destination: Destination = { kind: "file", path: target, replace, checkSpace: true };
  const promise = download(options, destination).finally(() => pool.stop());
  promise.catch(() => {});
  return { promise, notices, progress: () => bytes, target };
}

function failure(run: Run): Promise<unknown> {
  return run.promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Every chunk of the partial file is right or was never written. Returns how many bytes are right. */
function checkPart(folder: TemporaryFolder): number {
  const name = readdirSync(folder.path).find((each) => each.endsWith(".part"));
  if (name === undefined) return 0;
  const part = readFileSync(folder.at(name));
  let right = 0;
  for (let at = 0; at < part.length; at += mebibyte) {
    const chunk = part.subarray(at, at + mebibyte);
    if (chunk.every((byte) => byte === 0)) continue;
    expect(Buffer.compare(chunk, content.bytes.subarray(at, at + mebibyte))).toBe(0);
    right += chunk.length;
  }
  return right;
}

describe("a download", () => {
  test.each([1, 3])("from %p peers is the content, and leaves nothing else behind", async (peers) => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    const path = shared.write("file", content.bytes, 1_000);
    await using stack = new AsyncDisposableStack();
    const ports: number[] = [];
    for (let i = 0; i < peers; i++) ports.push(stack.use(await sharing(path)).port);
    const run = start(folder, ports);
    const report = await run.promise;
    expect(Buffer.compare(readFileSync(run.target), content.bytes)).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["target"]);
    expect(report.resumedBytes).toBe(0);
    expect(report.sources.map(({ port }) => port).sort()).toEqual(ports.sort());
    expect(report.sources.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(content.sizeBytes);
    expect(run.notices).toEqual([]);
    expect(run.progress()).toBe(content.sizeBytes);
  });

  test.each([0, 1, mebibyte, mebibyte + 1])("of %p bytes", async (sizeBytes) => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    const of = testContent(sizeBytes, 3);
    await using peer = await sharing(shared.write("file", of.bytes, 1_000), of);
    const run = start(folder, [peer.port], { content: of });
    await run.promise;
    expect(Buffer.compare(readFileSync(run.target), of.bytes)).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["target"]);
  });

  test("drops a liar, names it, and is right all the same", async () => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    await using peer = await sharing(shared.write("file", content.bytes, 1_000));
    using liar = fakeSource(
      except("GET", content, ({ id, offset, length = 0 }, to) => {
        to.send(line({ type: "DATA", id, offset, length }));
        to.send(new Uint8Array(length).fill(1));
      }),
    );
    const run = start(folder, [liar.port, peer.port]);
    const report = await run.promise;
    expect(Buffer.compare(readFileSync(run.target), content.bytes)).toBe(0);
    const known = report.sources.find(({ port }) => port === liar.port);
    if (known!.badChunks > 0) expect(run.notices.join()).toContain(`127.0.0.1:${liar.port} dropped`);
    expect(known).toMatchObject({ bytes: 0 });
  });

  test("from a liar alone ends with a verification error, and nothing of it on disk", async () => {
    using folder = temporaryFolder();
    using liar = fakeSource(
      except("GET", content, ({ id, offset, length = 0 }, to) => {
        to.send(line({ type: "DATA", id, offset, length }));
        to.send(content.bytes.slice(0, length).fill(7, 5, 6));
      }),
    );
    const run = start(folder, [liar.port]);
    const error = await failure(run);
    expect(error).toBeInstanceOf(VerificationError);
    expect(String(error)).toContain(`127.0.0.1:${liar.port}`);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("whose source changes under way is given up, never mixed, and goes on from another", async () => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    const path = shared.write("file", content.bytes, 1_000);
    const changed: string[] = [];
    await using peer = await sharing(path, content, (each) => changed.push(each));
    const fd = openSync(path, "r+");
    writeSync(fd, "!", 15 * mebibyte);
    closeSync(fd);
    const error = await failure(start(folder, [peer.port]));
    expect(error).toBeInstanceOf(NoSourceError);
    expect(String(error)).toContain("the file changed or is gone there");
    expect(changed).toContain(path);
    checkPart(folder);

    await using other = await sharing(shared.write("other", content.bytes, 1_000));
    const run = start(folder, [peer.port, other.port]);
    await run.promise;
    expect(Buffer.compare(readFileSync(run.target), content.bytes)).toBe(0);
  });

  test("that is aborted keeps what is verified, and the next run goes on and says so", async () => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    let chunks = 0;
    using limited = fakeSource(
      except("GET", content, (request, to) => {
        chunks += request.length! / mebibyte;
        // Then it is silent.
        if (chunks < 9) honestly(content)(request, to);
      }),
    );
    const stop = new AbortController();
    const first = start(folder, [limited.port], { signal: stop.signal });
    await until(
      () => first.progress() >= 2 * mebibyte,
      () => `${first.progress()} bytes`,
    );
    stop.abort(new Error("enough"));
    expect(String(await failure(first))).toContain("enough");
    const kept = checkPart(folder);
    expect(kept).toBeGreaterThanOrEqual(2 * mebibyte);
    expect(existsSync(first.target)).toBe(false);

    await using peer = await sharing(shared.write("file", content.bytes, 1_000));
    const second = start(folder, [peer.port]);
    const report = await second.promise;
    expect(report.resumedBytes).toBe(kept);
    expect(report.sources[0]!.bytes).toBe(content.sizeBytes - kept);
    expect(second.notices).toEqual([`resumed with ${kept}`]);
    expect(Buffer.compare(readFileSync(second.target), content.bytes)).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["target"]);
  });

  test("does not believe what lies in a partial file", async () => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    const lying = content.bytes.slice();
    lying[3 * mebibyte + 1]! ^= 1;
    lying[20 * mebibyte + 1]! ^= 1;
    const base = `.p2p-${content.root.slice(0, 16)}`;
    folder.write(`${base}.part`, lying);
    folder.write(`${base}.hashes`, content.chunkHashes);
    await using peer = await sharing(shared.write("file", content.bytes, 1_000));
    const run = start(folder, [peer.port]);
    const report = await run.promise;
    expect(run.notices).toEqual([expect.stringMatching(/^resumed with /)]);
    expect(report.sources[0]!.bytes).toBe(mebibyte + 4_321);
    expect(Buffer.compare(readFileSync(run.target), content.bytes)).toBe(0);
  });

  test.each<[string, Uint8Array]>([
    ["wrong", content.chunkHashes.slice().fill(1, 40, 50)],
    ["too few", content.chunkHashes.slice(32)],
    ["none", new Uint8Array(0)],
  ])("does not believe chunk hashes beside it that are %s", async (_, hashes) => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    const base = `.p2p-${content.root.slice(0, 16)}`;
    folder.write(`${base}.part`, content.bytes.slice(0, 5 * mebibyte).fill(9, 10, 11));
    folder.write(`${base}.hashes`, hashes);
    await using peer = await sharing(shared.write("file", content.bytes, 1_000));
    const run = start(folder, [peer.port]);
    await run.promise;
    expect(Buffer.compare(readFileSync(run.target), content.bytes)).toBe(0);
  });

  test("does not replace what came to lie in its way meanwhile", async () => {
    using shared = temporaryFolder();
    using folder = temporaryFolder();
    await using peer = await sharing(shared.write("file", content.bytes, 1_000));
    folder.write("target", "mine");
    const run = start(folder, [peer.port]);
    expect(await failure(run)).toBeInstanceOf(WouldOverwriteError);
    expect(readFileSync(run.target, "utf8")).toBe("mine");
    expect(checkPart(folder)).toBe(content.sizeBytes);
    const again = start(folder, [peer.port], { replace: true });
    expect((await again.promise).resumedBytes).toBe(content.sizeBytes);
    expect(Buffer.compare(readFileSync(run.target), content.bytes)).toBe(0);
  });

  test("is not done twice at the same place", async () => {
    using folder = temporaryFolder();
    using silent = fakeSource(() => {});
    const stop = new AbortController();
    const first = start(folder, [silent.port], { signal: stop.signal });
    const error = await failure(start(folder, [silent.port]));
    expect(error).toBeInstanceOf(LocalIoError);
    expect(String(error)).toContain(`pid ${process.pid}`);
    stop.abort(new Error("enough"));
    await failure(first);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("without one answer ends after the timeout", async () => {
    using folder = temporaryFolder();
    using silent = fakeSource(() => {});
    const run = start(folder, [silent.port], { timeoutMs: 300 });
    expect(await failure(run)).toBeInstanceOf(NoSourceError);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

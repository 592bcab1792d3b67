/** One link against sources that do right and wrong, over real sockets: what it tells, and what reaches the disk. */
import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { ContentHome, type FileToFetch } from "../../src/transfer/chunk-home.ts";
import type { FromDownloadWorker } from "../../src/transfer/download-messages.ts";
import { type LinkContext, SourceLink } from "../../src/transfer/source-link.ts";
import { type TestContent, testContent } from "../helpers/contents.ts";
import { fakeFiles, type OddAnswer, wrong } from "../helpers/fake-files.ts";
import { except, type FakeSource, fakeSource, honestly, line, type Script } from "../helpers/fake-source.ts";
import { type TemporaryFolder, temporaryFolder, until } from "../library/temporary-folder.ts";

const mebibyte = 1024 * 1024;
/** Three chunks, the last one short. */
const content = testContent(2 * mebibyte + 12_345);

/** A link with a file to write to. */
class Bench implements Disposable {
  readonly told: FromDownloadWorker[] = [];
  readonly link: SourceLink;
  readonly content: ContentHome;
  readonly context: LinkContext;
  ended = false;
  private readonly folder: TemporaryFolder = temporaryFolder();
  private readonly path = this.folder.at("part");
  private readonly fd = openSync(this.path, "w+");

  constructor(
    readonly source: FakeSource,
    of: TestContent = content,
  ) {
    this.content = new ContentHome(of.root, of.sizeBytes, { kind: "file", fd: this.fd });
    this.content.chunkHashes ??= of.chunkHashes;
    this.context = {
      content: this.content,
      session: "s1",
      membership: undefined,
      times: { hashingMs: 0, writingMs: 0 },
      tell: (message) => this.told.push(message),
    };
    this.link = new SourceLink(1, this.context, () => {
      this.ended = true;
    });
  }

  async connect(): Promise<void> {
    void this.link.open({ host: "127.0.0.1", port: this.source.port });
    await this.until(() => this.kinds.includes("connected"));
  }

  get kinds(): string[] {
    return this.told.map(({ kind }) => kind);
  }

  get written(): Uint8Array {
    return readFileSync(this.path);
  }

  chunks(): number[] {
    return this.told.flatMap((message) => (message.kind === "chunk" ? [message.chunk] : []));
  }

  until(condition: () => boolean): Promise<void> {
    return until(condition, () => JSON.stringify(this.told));
  }

  [Symbol.dispose](): void {
    this.link.close();
    closeSync(this.fd);
    this.source[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}

/** Sends DATA as asked for, but with the header changed and other bytes. */
function data(change: { id?: number; offset?: number; length?: number }, body: Uint8Array): Script {
  return except("GET", content, ({ id, offset, length }, to) => {
    to.send(line({ type: "DATA", id, offset, length, ...change }));
    to.send(body);
  });
}

describe("a link to a right source", () => {
  test("verifies chunk by chunk and writes each to its place", async () => {
    using bench = new Bench(fakeSource(honestly(content)));
    await bench.connect();
    bench.link.get(7, 1, 2);
    bench.link.get(8, 0, 1);
    await bench.until(() => bench.chunks().length === 3);
    expect(bench.told.filter(({ kind }) => kind === "chunk")).toMatchObject([
      { request: 7, chunk: 1, connection: 1 },
      { request: 7, chunk: 2 },
      { request: 8, chunk: 0 },
    ]);
    expect(Buffer.compare(bench.written, content.bytes)).toBe(0);
    const bytes = bench.told.reduce((sum, message) => sum + ("bytes" in message ? message.bytes : 0), 0);
    expect(bytes + bench.link.takeUnreported()).toBe(content.sizeBytes);
  });

  test("says with HELLO what it was asked to ask before there was a connection", async () => {
    const bits = Buffer.from([0xe0]).toString("base64");
    const source = fakeSource(
      except("HAVE", content, ({ id, root }, to) => to.send(line({ type: "HAVE", id, root, chunks: bits }))),
    );
    using bench = new Bench(source);
    void bench.link.open({ host: "127.0.0.1", port: source.port });
    bench.link.have();
    bench.link.hashes();
    await bench.until(() => bench.kinds.includes("hashes"));
    expect(bench.kinds).toEqual(["connected", "held", "hashes"]);
    expect(source.requests.map(({ type }) => type)).toEqual(["HELLO", "HAVE", "HASHES"]);
  });

  test("takes answers in another order than the questions", async () => {
    const held: (() => void)[] = [];
    const honest = honestly(content);
    const reversed = except("GET", content, (request, to) => {
      held.unshift(() => honest(request, to));
      if (held.length === 3) for (const answer of held) answer();
    });
    using bench = new Bench(fakeSource(reversed));
    await bench.connect();
    for (let i = 0; i < 3; i++) bench.link.get(i, i, 1);
    await bench.until(() => bench.chunks().length === 3);
    expect(bench.chunks()).toEqual([2, 1, 0]);
    expect(Buffer.compare(bench.written, content.bytes)).toBe(0);
  });

  test("takes bytes one by one", async () => {
    const small = testContent(3_000);
    const drip = except("GET", small, ({ id, offset, length }, to) => {
      const answer = Buffer.from(line({ type: "DATA", id, offset, length }));
      let at = 0;
      const all = Buffer.concat([answer, small.bytes]);
      const next = () => {
        if (at < all.length) to.send(all.subarray(at, ++at));
        if (at < all.length) setImmediate(next);
      };
      next();
    });
    using bench = new Bench(fakeSource(drip), small);
    await bench.connect();
    bench.link.get(1, 0, 1);
    await bench.until(() => bench.chunks().length === 1);
    expect(Buffer.compare(bench.written, small.bytes)).toBe(0);
  });

  test("takes the chunk hashes and checks them against the root", async () => {
    using bench = new Bench(fakeSource(honestly(content)));
    await bench.connect();
    bench.link.hashes();
    await bench.until(() => bench.kinds.includes("hashes"));
    expect(bench.told.at(-1)).toEqual({ kind: "hashes", connection: 1, hashes: content.chunkHashes });
  });

  test("hears what a partial source has and has sent, and its news", async () => {
    const base64 = (bits: number) => Buffer.from([bits]).toString("base64");
    const partial = except("HAVE", content, ({ id, root, sent }, to) => {
      expect(sent).toBe(true);
      to.send(line({ type: "HAVE", id, root, chunks: base64(0b1000_0000), sent: base64(0b0100_0000) }));
      to.send(line({ type: "HAVE", root, chunk: 2 }));
      to.send(line({ type: "SENT", root, chunk: 1 }));
    });
    using bench = new Bench(fakeSource(partial));
    await bench.connect();
    bench.link.have();
    await bench.until(() => bench.told.length === 4);
    expect(bench.told.slice(1)).toEqual([
      {
        kind: "held",
        connection: 1,
        chunks: new Uint8Array([0b1000_0000]),
        sent: new Uint8Array([0b0100_0000]),
      },
      { kind: "held-news", connection: 1, chunk: 2 },
      { kind: "sent-news", connection: 1, chunk: 1 },
    ]);
  });

  test.each([
    [{ code: "BUSY", retryMs: 300 }, 300],
    [{ code: "RETRY" }, 250],
  ])("is told by %p that the source cannot now, and asks it again later", async (error, retryMs) => {
    let asked = 0;
    const honest = honestly(content);
    const busy = except("GET", content, (request, to) => {
      if (asked++ > 0) return honest(request, to);
      to.send(line({ type: "ERROR", id: request.id, message: "later", ...error }));
    });
    using bench = new Bench(fakeSource(busy));
    await bench.connect();
    bench.link.get(7, 0, 1);
    await bench.until(() => bench.told.length === 2);
    expect(bench.told.at(-1)).toEqual({ kind: "busy", connection: 1, request: 7, retryMs });
    bench.link.get(8, 0, 1);
    await bench.until(() => bench.told.some(({ kind }) => kind === "chunk"));
  });

  test("says nothing more after it was closed", async () => {
    using bench = new Bench(fakeSource(honestly(content)));
    await bench.connect();
    bench.link.get(1, 0, 3);
    bench.link.close();
    await Bun.sleep(50);
    expect(bench.kinds).toEqual(["connected"]);
    expect(bench.ended).toBe(true);
  });
});

describe("a link to a wrong source", () => {
  const flipped = content.bytes.slice(0, mebibyte);
  flipped[700_000]! ^= 1;
  const right = content.bytes.subarray(0, mebibyte);
  const zeros = new Uint8Array(mebibyte);

  test.each<[string, Script, string]>([
    ["one bit flipped", data({}, flipped), "bad-chunk"],
    ["zeros", data({}, zeros), "bad-chunk"],
    ["the bytes of another chunk", data({}, content.bytes.subarray(mebibyte, 2 * mebibyte)), "bad-chunk"],
    ["another offset", data({ offset: mebibyte }, right), "wrong-answer"],
    ["a longer body", data({ length: mebibyte + 1 }, right), "wrong-answer"],
    ["a shorter body", data({ length: mebibyte - 1 }, right), "wrong-answer"],
    ["a body of 1e18 bytes", data({ length: 1e18 }, right), "wrong-answer"],
    ["another id", data({ id: 4711 }, right), "wrong-answer"],
    ["a negative length", data({ length: -1 }, right), "wrong-answer"],
    ["no JSON", except("GET", content, (_, to) => to.send("what?\n")), "wrong-answer"],
    ["an unknown type", except("GET", content, (_, to) => to.send(line({ type: "DATE" }))), "wrong-answer"],
    [
      "WELCOME again",
      except("GET", content, (_, to) => to.send(line({ type: "WELCOME", version: 1, agent: "x" }))),
      "wrong-answer",
    ],
    ["a line without end", except("GET", content, (_, to) => to.send("a".repeat(400_000))), "wrong-answer"],
    [
      "hashes that nobody asked for",
      except("GET", content, ({ id }, to) => to.send(line({ type: "HASHES", id, length: 96 }))),
      "wrong-answer",
    ],
    [
      "news that nobody asked for",
      except("GET", content, ({ root }, to) => to.send(line({ type: "HAVE", root, chunk: 1 }))),
      "wrong-answer",
    ],
    [
      "the end in the middle of a chunk",
      except("GET", content, ({ id, offset, length }, to) => {
        to.send(line({ type: "DATA", id, offset, length }));
        to.send(content.bytes.subarray(0, 5_000));
        to.end();
      }),
      "closed",
    ],
    ["a cut", except("GET", content, (_, to) => to.cut()), "closed"],
    [
      "GONE",
      except("GET", content, ({ id }, to) => to.send(line({ type: "ERROR", id, code: "GONE", message: "" }))),
      "gone",
    ],
    [
      "NOT_FOUND",
      except("GET", content, ({ id }, to) =>
        to.send(line({ type: "ERROR", id, code: "NOT_FOUND", message: "" })),
      ),
      "gone",
    ],
    [
      "GONE for what was not asked",
      except("GET", content, (_, to) => to.send(line({ type: "ERROR", id: 99, code: "GONE", message: "" }))),
      "closed",
    ],
    [
      "another ERROR",
      except("GET", content, ({ id }, to) => to.send(line({ type: "ERROR", id, code: "BUSY", message: "" }))),
      "closed",
    ],
  ])("%s", async (_, script, last) => {
    using bench = new Bench(fakeSource(script));
    await bench.connect();
    bench.link.get(1, 0, 1);
    await bench.until(() => bench.kinds.includes(last));
    expect(bench.kinds).toEqual(["connected", last]);
    expect(bench.ended).toBe(true);
    expect(bench.written.length).toBe(0);
  });

  test.each<[string, (id: number) => Uint8Array | string]>([
    ["one byte more than asked", () => Buffer.from("x")],
    ["the same answer twice", (id) => line({ type: "DATA", id, offset: 0, length: mebibyte })],
    ["an answer to no question", () => line({ type: "DATA", id: 50, offset: 0, length: 10 })],
  ])("%s: the chunk counts, and the link ends", async (_, extra) => {
    const script = except("GET", content, (request, to) => {
      honestly(content)(request, to);
      to.send(extra(request.id));
      to.send("\n");
    });
    using bench = new Bench(fakeSource(script));
    await bench.connect();
    bench.link.get(1, 0, 1);
    await bench.until(() => bench.ended);
    expect(bench.kinds).toEqual(["connected", "chunk", "wrong-answer"]);
    expect(Buffer.compare(bench.written, right)).toBe(0);
  });

  test("a wrong second chunk: the first is kept, of the second nothing is written", async () => {
    const body = content.bytes.slice(0, 2 * mebibyte);
    body[mebibyte + 3]! ^= 0x80;
    using bench = new Bench(fakeSource(data({}, body)));
    await bench.connect();
    bench.link.get(1, 0, 2);
    await bench.until(() => bench.ended);
    expect(bench.kinds).toEqual(["connected", "chunk", "bad-chunk"]);
    expect(Buffer.compare(bench.written, right)).toBe(0);
  });

  test.each<[string, (hashes: Uint8Array) => [number, Uint8Array], string]>([
    ["that do not add up", (hashes) => [hashes.length, new Uint8Array(hashes.length)], "hashes"],
    ["too few", (hashes) => [hashes.length - 32, hashes.subarray(32)], "wrong-answer"],
    ["none", () => [0, new Uint8Array(0)], "wrong-answer"],
    ["a terabyte of them", (hashes) => [2 ** 40, hashes], "wrong-answer"],
  ])("chunk hashes %s", async (_, answer, last) => {
    const [length, body] = answer(content.chunkHashes);
    const script = except("HASHES", content, ({ id }, to) => {
      to.send(line({ type: "HASHES", id, length }));
      to.send(body);
    });
    using bench = new Bench(fakeSource(script));
    await bench.connect();
    bench.link.hashes();
    await bench.until(() => bench.kinds.includes(last));
    if (last === "hashes") expect(bench.told.at(-1)).toMatchObject({ hashes: undefined });
  });

  test.each<[string, string, string]>([
    ["another version", line({ type: "WELCOME", version: 2, agent: "x" }), "closed"],
    ["no WELCOME", line({ type: "HASHES", id: 1, length: 0 }), "closed"],
    ["BUSY", line({ type: "ERROR", id: null, code: "BUSY", message: "" }), "closed"],
    ["a web server", "HTTP/1.1 400 Bad Request\r\n\r\n", "closed"],
  ])("%s instead of a greeting", async (_, answer, last) => {
    using bench = new Bench(fakeSource((_request, to) => to.send(answer)));
    void bench.link.open({ host: "127.0.0.1", port: bench.source.port });
    await bench.until(() => bench.ended);
    expect(bench.kinds).toEqual([last]);
  });

  test("nobody there", async () => {
    const gone = fakeSource(() => {});
    const { port } = gone;
    gone[Symbol.dispose]();
    using bench = new Bench(fakeSource(() => {}));
    await bench.link.open({ host: "127.0.0.1", port: port });
    expect(bench.told).toMatchObject([{ kind: "closed", reason: "connection refused (ECONNREFUSED)" }]);
  });

  test("a disk that takes no more is told as such", async () => {
    using bench = new Bench(fakeSource(honestly(content)));
    const full = openSync("/dev/full", "w");
    try {
      Object.defineProperty(bench.content, "sink", { value: { kind: "file", fd: full } });
      await bench.connect();
      bench.link.get(1, 0, 1);
      await bench.until(() => bench.ended);
      expect(bench.told.at(-1)).toMatchObject({ kind: "disk-failed" });
    } finally {
      closeSync(full);
    }
  });
});

/** Links of a download of files, to a source that has several. */
class FileBench implements Disposable {
  readonly told: FromDownloadWorker[] = [];
  readonly folder: TemporaryFolder = temporaryFolder();
  readonly context: LinkContext = {
    content: undefined,
    session: "s1",
    membership: undefined,
    times: { hashingMs: 0, writingMs: 0 },
    tell: (message) => this.told.push(message),
  };
  private readonly links: SourceLink[] = [];

  constructor(readonly source: FakeSource) {}

  newLink(id = 1, context: LinkContext = this.context): SourceLink {
    const link = new SourceLink(id, context, () => {});
    this.links.push(link);
    return link;
  }

  async connected(): Promise<SourceLink> {
    const link = this.newLink();
    await link.open({ host: "127.0.0.1", port: this.source.port });
    await this.until(() => this.kinds.includes("connected"));
    return link;
  }

  fileOf({ root, sizeBytes }: TestContent, name: string): FileToFetch {
    return { root, sizeBytes, draft: this.folder.at(name) };
  }

  isThere(name: string, { bytes }: TestContent): boolean {
    return (
      existsSync(this.folder.at(name)) && Buffer.compare(readFileSync(this.folder.at(name)), bytes) === 0
    );
  }

  get kinds(): string[] {
    return this.told.map(({ kind }) => kind);
  }

  until(condition: () => boolean): Promise<void> {
    return until(condition, () => JSON.stringify(this.told));
  }

  [Symbol.dispose](): void {
    for (const link of this.links) link.close();
    this.source[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}

const files = [0, 1, 2, 3].map((i) => testContent(i * 5_000 + 1, i + 10));
const [first, second, third] = files as [TestContent, TestContent, TestContent];

describe("a link that fetches files", () => {
  test("stores each under its own name, whatever the order of the answers", async () => {
    using bench = new FileBench(fakeFiles(files));
    const link = await bench.connected();
    for (const [i, file] of files.entries()) link.getFile(i + 1, i, bench.fileOf(file, String(i)));
    await bench.until(() => bench.kinds.filter((kind) => kind === "chunk").length === 4);
    for (const [i, file] of files.entries()) expect(bench.isThere(String(i), file)).toBe(true);
    expect(bench.told.slice(1)).toMatchObject(
      files.map((_, i) => ({ kind: "chunk", request: i + 1, chunk: i })),
    );
    expect(readdirSync(bench.folder.path).length).toBe(4);
  });

  test.each(["GONE", "NOT_FOUND", "BAD_RANGE"])(
    "is told by %s what the source lacks, and goes on",
    async (code) => {
      using bench = new FileBench(
        fakeFiles(files, ({ root }, bytes) => (root === second.root ? code : bytes)),
      );
      const link = await bench.connected();
      for (const [i, file] of files.entries()) link.getFile(i + 1, i, bench.fileOf(file, String(i)));
      await bench.until(() => bench.told.length === 5);
      expect(bench.told[2]).toEqual({ kind: "lacks", connection: 1, request: 2 });
      expect(bench.kinds.filter((kind) => kind === "chunk").length).toBe(3);
      expect(readdirSync(bench.folder.path).sort()).toEqual(["0", "2", "3"]);
    },
  );

  test("that gets other bytes keeps none of them, and ends", async () => {
    using bench = new FileBench(fakeFiles(files, wrong));
    const link = await bench.connected();
    link.getFile(1, 7, bench.fileOf(first, "0"));
    await bench.until(() => bench.told.length === 2);
    expect(bench.told[1]).toEqual({ kind: "bad-chunk", connection: 1, chunk: 7 });
    expect(readdirSync(bench.folder.path)).toEqual([]);
  });

  test("that gets the bytes of another of its files takes them for wrong", async () => {
    using bench = new FileBench(fakeFiles(files, () => third.bytes.subarray(0, second.sizeBytes)));
    const link = await bench.connected();
    link.getFile(1, 0, bench.fileOf(second, "0"));
    await bench.until(() => bench.kinds.includes("bad-chunk"));
    expect(readdirSync(bench.folder.path)).toEqual([]);
  });

  test("tells what cannot be stored, and goes on", async () => {
    using bench = new FileBench(fakeFiles(files));
    bench.folder.write("0", "mine");
    const link = await bench.connected();
    link.getFile(1, 0, bench.fileOf(first, "0"));
    link.getFile(2, 1, bench.fileOf(second, "missing/1"));
    link.getFile(3, 2, bench.fileOf(third, "2"));
    await bench.until(() => bench.told.length === 4);
    expect(bench.told.slice(1)).toMatchObject([
      { kind: "not-stored", request: 1, chunk: 0, failure: { kind: "failed" }, bytes: first.sizeBytes },
      { kind: "not-stored", request: 2, chunk: 1, failure: { kind: "failed" } },
      { kind: "chunk", request: 3, chunk: 2 },
    ]);
  });
});

describe("a connection that goes from one download to the next", () => {
  test("is not greeted again, and brings what the next one asks", async () => {
    using bench = new FileBench(fakeFiles(files));
    const link = await bench.connected();
    link.getFile(1, 0, bench.fileOf(first, "0"));
    await bench.until(() => bench.told.length === 2);
    const left = link.release();
    const next = bench.newLink(9);
    next.adopt(left!);
    const { roundTripMs } = left!;
    expect(roundTripMs).toBeGreaterThan(0);
    expect(bench.told.at(-1)).toEqual({ kind: "connected", connection: 9, roundTripMs });
    next.getFile(1, 5, bench.fileOf(second, "5"));
    await bench.until(() => bench.told.length === 4);
    expect(bench.told.at(-1)).toMatchObject({ kind: "chunk", connection: 9, chunk: 5 });
    expect(bench.isThere("5", second)).toBe(true);
    expect(bench.source.requests.filter(({ type }) => type === "HELLO").length).toBe(1);
    // Who left it says nothing more and does not close it.
    link.getFile(2, 0, bench.fileOf(third, "late"));
    link.close();
    next.getFile(2, 6, bench.fileOf(third, "6"));
    await bench.until(() => bench.told.length === 5);
    expect(readdirSync(bench.folder.path).sort()).toEqual(["0", "5", "6"]);
  });

  test.each<[string, OddAnswer]>([
    ["something is owed", () => undefined],
    ["a body has come in part", (_content, bytes) => bytes.subarray(0, bytes.length - 1)],
  ])("is not left while %s: it is closed", async (_, answer) => {
    using bench = new FileBench(fakeFiles(files, answer));
    const link = await bench.connected();
    link.getFile(1, 0, bench.fileOf(third, "0"));
    await bench.until(() => bench.source.requests.length === 2);
    expect(link.release()).toBeUndefined();
    expect(bench.kinds).toEqual(["connected"]);
    expect(link.pull(1)).toBe(0);
  });

  test("is not left before WELCOME, nor after it was closed", async () => {
    using bench = new FileBench(fakeSource(() => {}));
    const link = bench.newLink();
    await link.open({ host: "127.0.0.1", port: bench.source.port });
    expect(link.release()).toBeUndefined();
    const early = bench.newLink();
    const opening = early.open({ host: "127.0.0.1", port: bench.source.port });
    expect(early.release()).toBeUndefined();
    await opening;
    expect(bench.told).toEqual([]);
  });

  test("may still bring news of the download before, which are nothing to the next one", async () => {
    const [old, now] = [content, testContent(3 * mebibyte, 77)];
    let tell: ((message: object) => void) | undefined;
    const full = Buffer.from([0b1110_0000]).toString("base64");
    const script: Script = ({ type, id, root }, to) => {
      tell = (message) => to.send(line(message));
      if (type === "HELLO") to.send(line({ type: "WELCOME", version: 1, agent: "fake" }));
      else if (type === "HAVE") to.send(line({ type, id, root, chunks: full }));
    };
    using bench = new FileBench(fakeSource(script));
    const contextOf = (of: TestContent): LinkContext => ({
      ...bench.context,
      content: new ContentHome(of.root, of.sizeBytes, { kind: "file", fd: -1 }),
    });
    const link = bench.newLink(1, contextOf(old));
    await link.open({ host: "127.0.0.1", port: bench.source.port });
    await bench.until(() => bench.kinds.includes("connected"));
    link.have();
    await bench.until(() => bench.kinds.includes("held"));
    const next = bench.newLink(2, contextOf(now));
    next.adopt(link.release()!);
    next.have();
    await bench.until(() => bench.told.length === 4);
    tell!({ type: "HAVE", root: old.root, chunk: 2 });
    tell!({ type: "SENT", root: old.root, chunk: 1_000_000 });
    tell!({ type: "HAVE", root: now.root, chunk: 1 });
    await bench.until(() => bench.told.length === 5);
    expect(bench.told.at(-1)).toEqual({ kind: "held-news", connection: 2, chunk: 1 });
    // Of what nobody ever asked for it is a lie still.
    tell!({ type: "HAVE", root: first.root, chunk: 0 });
    await bench.until(() => bench.told.length === 6);
    expect(bench.told.at(-1)).toMatchObject({ kind: "wrong-answer", connection: 2 });
  });
});

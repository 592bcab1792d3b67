/** What an upload connection sends, by the kernel and by copying, and what it does when somebody floods it. */

import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { closeSync, lstatSync, openSync, writeSync } from "node:fs";
import { identityOf } from "../../src/library/file-identity.ts";
import { addressLimit } from "../../src/net/address-limits.ts";
import { Connection } from "../../src/net/connection.ts";
import { RateLimit } from "../../src/net/rate-limit.ts";
import { canSendFiles, useSendFile } from "../../src/net/send-file.ts";
import type { OpenContents } from "../../src/transfer/open-contents.ts";
import { ServedFile } from "../../src/transfer/served-file.ts";
import { UploadConnection, type UploadContext } from "../../src/transfer/upload-connection.ts";
import type { Offer } from "../../src/transfer/upload-messages.ts";
import { UploadQueue } from "../../src/transfer/upload-queue.ts";
import { UploadTurns } from "../../src/transfer/upload-turns.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { testContent } from "../helpers/contents.ts";
import { BodyClient, uploadServer } from "../helpers/upload-server.ts";
import { type TemporaryFolder, temporaryFolder, until } from "../library/temporary-folder.ts";

/** Writes down what it is asked to do. */
function recorded(): { calls: string[]; connection: Connection } {
  const calls: string[] = [];
  const connection = {
    remoteHost: "127.0.0.1",
    send: () => calls.push("send"),
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
    end: () => calls.push("end"),
    write: () => 0,
  };
  return { calls, connection: connection as unknown as Connection };
}

function contextOf(contents: object, bug = fail): UploadContext {
  return {
    contents: contents as OpenContents,
    queue: new UploadQueue({ slots: 8, perHost: addressLimit(8), total: 64 }, undefined),
    served: () => {},
    promised: () => {},
    bug,
  };
}

function fail(error: Error): void {
  throw error;
}

const line = (message: object) => Buffer.from(JSON.stringify(message));
const hello = line({ type: "HELLO", version: 1, agent: "test" });

test("after a line that is none nothing is read any more, also while a request before it is being served", () => {
  const { calls, connection } = recorded();
  const upload = new UploadConnection(connection, contextOf({ find() {} }), () => {});
  upload.onLine(hello);
  upload.onLine(line({ type: "HAVE", id: 1, root: "1".repeat(64) }));
  upload.onProtocolError(new ProtocolError("LINE_TOO_LONG"));
  expect(calls.at(-1)).toBe("pause");
});

test("requests that need no range have turns as well", async () => {
  const { calls, connection } = recorded();
  const waiting: ((content: undefined) => void)[] = [];
  const contents = {
    find: (_root: string, _nowMs: number, found: (content: undefined) => void) => {
      if (waiting.length === 0) waiting.push(found);
      else found(undefined);
    },
  };
  const upload = new UploadConnection(connection, contextOf(contents), () => {});
  upload.onLine(hello);
  for (let id = 1; id <= 60; id++) upload.onLine(line({ type: "HAVE", id, root: "1".repeat(64) }));
  const sent = () => calls.filter((call) => call === "send").length;
  expect(sent()).toBe(1);
  waiting[0]!(undefined);
  const inFirstTurn = sent();
  expect(inFirstTurn).toBeLessThan(20);
  for (let i = 0; i < 50 && sent() < 61; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(sent()).toBe(61);
});

test("a connection that breaks is nothing special, a fault of ours is told", () => {
  const { connection } = recorded();
  const bugs: Error[] = [];
  let closed = 0;
  const context = contextOf({ find() {} }, (error) => bugs.push(error));
  const upload = new UploadConnection(connection, context, () => closed++);
  upload.onClose(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
  upload.onClose(undefined);
  expect(bugs).toEqual([]);
  const bug = new TypeError("undefined is not a function");
  upload.onClose(bug);
  expect(bugs).toEqual([bug]);
  expect(closed).toBe(3);
});

const mebibyte = 1024 * 1024;
const content = testContent(16 * mebibyte + 4_321);
const { root, sizeBytes, chunkHashes } = content;

function share(folder: TemporaryFolder, trusted = true): { path: string; offer: Offer } {
  const path = folder.write("sub/file", content.bytes, 1_000);
  const identity = identityOf(lstatSync(path, { bigint: true }));
  return {
    path,
    offer: { kind: "file", folder: folder.path, path, identity, root, sizeBytes, chunkHashes, trusted },
  };
}

function overwrite(path: string, at: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.from([content.bytes[at]! ^ 0xff]), 0, 1, at);
  closeSync(fd);
}

afterEach(() => useSendFile(true));

test("the kernel can send files here", () => {
  expect(canSendFiles()).toBe(process.platform === "linux");
  useSendFile(false);
  expect(canSendFiles()).toBe(false);
});

test("many small files asked for in a row are found in one question, and sent in their order", async () => {
  using folder = temporaryFolder();
  const files = Array.from({ length: 50 }, (_, at) => testContent(1_000 + at, at));
  const offers = files.map(({ bytes, ...file }, at): Offer => {
    const path = folder.write(`sub/${at}`, bytes);
    const identity = identityOf(lstatSync(path, { bigint: true }));
    return { kind: "file", folder: folder.path, path, identity, trusted: true, ...file };
  });
  using server = uploadServer({ offers });
  using client = await BodyClient.open(server.port);
  // Nothing is said one by one: a packet of its own for each would be a question of its own.
  client.sayAll(
    files.map((file, id) => ({ type: "GET", id, root: file.root, offset: 0, length: file.sizeBytes })),
  );
  await until(
    () => client.answers.length === files.length && server.servedBytes === client.bodyBytes,
    () => `${client.answers.length} of ${files.length}`,
  );
  const wanted = Buffer.concat(files.map(({ bytes }) => bytes));
  await until(
    () => client.bodyBytes === wanted.length,
    () => `${client.bodyBytes} of ${wanted.length}`,
  );
  expect(Buffer.compare(client.bodies, wanted)).toBe(0);
  expect(server.asked).toEqual([files.map((file) => file.root)]);
  expect(server.bugs).toEqual([]);
});

describe.each([
  ["by the kernel", true],
  ["by copying", false],
])("%s", (_, byKernel) => {
  test.each([true, false])(
    "ranges of all kinds arrive as they are (hashed in this run: %p)",
    async (trusted) => {
      useSendFile(byKernel);
      using folder = temporaryFolder();
      using server = uploadServer({ offers: [share(folder, trusted).offer] });
      using client = await BodyClient.open(server.port);
      const ranges: [number, number][] = [
        [0, 1],
        [5, 64 * 1024],
        [mebibyte - 1, 2],
        [mebibyte - 70_000, 200_000],
        [100, 3 * mebibyte],
        [sizeBytes - 4_321, 4_321],
        [0, 16 * mebibyte],
      ];
      const wanted = Buffer.concat(
        ranges.map(([offset, length]) => content.bytes.subarray(offset, offset + length)),
      );
      for (const [offset, length] of ranges) client.get(root, offset, length);
      await until(
        () => client.bodyBytes === wanted.length,
        () => `${client.bodyBytes} of ${wanted.length}`,
      );
      expect(Buffer.compare(client.bodies, wanted)).toBe(0);
      expect(server.servedBytes).toBe(wanted.length);
      expect(server.bugs).toEqual([]);
    },
  );

  test("who does not read is sent the rest when he does", async () => {
    useSendFile(byKernel);
    using folder = temporaryFolder();
    using server = uploadServer({ offers: [share(folder).offer] });
    using client = await BodyClient.open(server.port);
    client.pause();
    client.get(root, 0, 16 * mebibyte);
    client.get(root, 7, 16 * mebibyte);
    await stands(() => server.servedBytes);
    expect(server.servedBytes).toBeLessThan(31 * mebibyte);
    client.resume();
    await until(
      () => client.bodyBytes === 32 * mebibyte,
      () => `${client.bodyBytes}`,
    );
    const wanted = Buffer.concat([
      content.bytes.subarray(0, 16 * mebibyte),
      content.bytes.subarray(7, 7 + 16 * mebibyte),
    ]);
    expect(Buffer.compare(client.bodies, wanted)).toBe(0);
  });

  test("F25: of a file that changes in the middle nothing more is sent, and the next one hears GONE or finds nothing", async () => {
    useSendFile(byKernel);
    using folder = temporaryFolder();
    const { path, offer } = share(folder);
    using server = uploadServer({ offers: [offer] });
    using client = await BodyClient.open(server.port);
    client.pause();
    client.get(root, 0, 16 * mebibyte);
    await stands(() => server.servedBytes);
    const sent = server.servedBytes;
    expect(sent).toBeLessThan(15 * mebibyte);
    overwrite(path, 16 * mebibyte - 1);
    client.resume();
    await until(
      () => client.isClosed,
      () => `${client.bodyBytes} of ${sent}`,
    );
    // The chunk that was on its way is not completed.
    expect(client.bodyBytes).toBeLessThan(Math.ceil((sent + 1) / mebibyte) * mebibyte);
    expect(Buffer.compare(client.bodies, content.bytes.subarray(0, client.bodyBytes))).toBe(0);
    expect(server.changed).toEqual([path]);
    using next = await BodyClient.open(server.port);
    next.get(root, 0, mebibyte);
    await until(
      () => next.answers.length === 1,
      () => "the answer",
    );
    expect(next.answers[0]).toMatchObject({ type: "ERROR" });
  });

  test.each([64 * 1024, mebibyte])(
    "what changed before the request is GONE, and the connection lives (%p bytes)",
    async (length) => {
      useSendFile(byKernel);
      using folder = temporaryFolder();
      const { path, offer } = share(folder);
      using server = uploadServer({ offers: [offer] });
      using client = await BodyClient.open(server.port);
      client.get(root, 0, 1);
      await until(
        () => client.bodyBytes === 1,
        () => "the first byte",
      );
      overwrite(path, 5);
      client.get(root, 0, length);
      client.say({ type: "HASHES", id: 77, root: "0".repeat(64) });
      await until(
        () => client.answers.length === 3,
        () => JSON.stringify(client.answers),
      );
      expect(client.answers.slice(1)).toMatchObject([
        { type: "ERROR", code: "GONE" },
        { type: "ERROR", id: 77, code: "NOT_FOUND" },
      ]);
    },
  );

  test("a file that gets shorter in the middle ends the connection", async () => {
    useSendFile(byKernel);
    using folder = temporaryFolder();
    const { path, offer } = share(folder);
    using server = uploadServer({ offers: [offer] });
    using client = await BodyClient.open(server.port);
    client.pause();
    client.get(root, 0, 16 * mebibyte);
    await stands(() => server.servedBytes);
    closeSync(openSync(path, "w"));
    client.resume();
    await until(
      () => client.isClosed,
      () => `${client.bodyBytes}`,
    );
    expect(client.bodyBytes).toBeLessThan(16 * mebibyte);
  });
});

test.skipIf(!canSendFiles())(
  "a change while the kernel sends keeps the chunk from being completed",
  async () => {
    using folder = temporaryFolder();
    const { path, offer } = share(folder);
    using server = uploadServer({ offers: [offer] });
    using client = await BodyClient.open(server.port);
    const { writeFile } = Connection.prototype;
    const sending = spyOn(Connection.prototype, "writeFile").mockImplementationOnce(function (
      this: Connection,
      ...given
    ) {
      const taken = writeFile.apply(this, given);
      overwrite(path, 15 * mebibyte);
      return taken;
    });
    try {
      client.get(root, 0, 200_000);
      await until(
        () => client.isClosed || client.bodyBytes === 200_000,
        () => `${client.bodyBytes}`,
      );
      expect(client.bodyBytes).toBeWithin(1_000, 200_000);
      expect(server.changed).toEqual([path]);
    } finally {
      sending.mockRestore();
    }
  },
);

test("a file that the kernel cannot send by itself is copied", async () => {
  const refused = spyOn(ServedFile.prototype, "descriptorFor").mockReturnValue(2 ** 30);
  try {
    using folder = temporaryFolder();
    using server = uploadServer({ offers: [share(folder).offer] });
    using client = await BodyClient.open(server.port);
    client.get(root, 0, 16 * mebibyte);
    await until(
      () => client.bodyBytes === 16 * mebibyte,
      () => `${client.bodyBytes}`,
    );
    expect(Buffer.compare(client.bodies, content.bytes.subarray(0, 16 * mebibyte))).toBe(0);
    if (canSendFiles()) expect(refused).toHaveBeenCalledTimes(4);
  } finally {
    refused.mockRestore();
  }
});

describe("turns", () => {
  function slow(bytesPerSecond: number): RateLimit {
    const rateLimit = new RateLimit();
    rateLimit.bytesPerSecond = bytesPerSecond;
    return rateLimit;
  }

  test("go round the connections; what is small does not wait", async () => {
    using folder = temporaryFolder();
    const order: string[] = [];
    using server = uploadServer({
      offers: [share(folder).offer],
      turnLimits: { slots: 1, perHost: addressLimit(8), total: 64 },
      rateLimit: slow(16 * mebibyte),
    });
    using first = await BodyClient.open(server.port);
    using second = await BodyClient.open(server.port);
    using third = await BodyClient.open(server.port);
    for (let i = 0; i < 4; i++) {
      first.getPatiently(root, 0, mebibyte, () => order.push("first"));
      second.getPatiently(root, 0, mebibyte, () => order.push("second"));
    }
    await until(
      () => order.length > 0,
      () => "the beginning",
    );
    third.getPatiently(root, 0, 1_000, () => order.push("third"));
    await until(
      () => first.bodyBytes + second.bodyBytes === 8 * mebibyte,
      () => `${first.bodyBytes} and ${second.bodyBytes}`,
    );
    expect(order.indexOf("third")).toBeWithin(1, 5);
    // Neither is done before the other is well on its way.
    expect(Math.min(order.lastIndexOf("first"), order.lastIndexOf("second"))).toBeGreaterThanOrEqual(5);
  });

  test("that would come too late are refused with a time to come back, and the connection lives", async () => {
    using folder = temporaryFolder();
    using server = uploadServer({ offers: [share(folder).offer] });
    using client = await BodyClient.open(server.port);
    // When that is said is upload-turns.test.ts's to show.
    const late = spyOn(UploadTurns.prototype, "busyRetryMs").mockReturnValueOnce(800);
    try {
      client.get(root, 0, 8 * mebibyte);
      client.get(root, 5, 10);
      await until(
        () => client.bodyBytes === 10,
        () => JSON.stringify(client.answers),
      );
    } finally {
      late.mockRestore();
    }
    expect(client.answers).toMatchObject([
      { type: "ERROR", id: 1, code: "BUSY", retryMs: 800 },
      { type: "DATA", id: 2, length: 10 },
    ]);
  });

  test("are freed by who goes away", async () => {
    using folder = temporaryFolder();
    using server = uploadServer({
      offers: [share(folder).offer],
      turnLimits: { slots: 1, perHost: addressLimit(8), total: 1 },
    });
    using first = await BodyClient.open(server.port);
    using second = await BodyClient.open(server.port);
    first.pause();
    first.get(root, 0, 16 * mebibyte);
    await stands(() => server.servedBytes);
    second.get(root, 0, 1_000);
    await Bun.sleep(20);
    expect(second.bodyBytes).toBe(0);
    first[Symbol.dispose]();
    await until(
      () => second.bodyBytes === 1_000,
      () => "the turn",
    );
  });
});

/** Nothing comes any more: as much is sent as the system keeps. */
async function stands(figure: () => number): Promise<void> {
  let before = -1;
  await until(
    () => {
      const same = figure() > 0 && figure() === before;
      before = figure();
      return same;
    },
    () => `${figure()}`,
  );
}

/** Announcements that are not backed by bytes, over real connections. */
import { afterEach, expect, test } from "bun:test";
import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { askChunk } from "../../src/index-server/ask-chunk.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { identityOf } from "../../src/library/file-identity.ts";
import { IndexClient } from "../../src/net/index-client.ts";
import { Uploader } from "../../src/transfer/uploader.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import { type TestContent, testContent } from "../helpers/contents.ts";
import { alice, bob } from "../helpers/memberships.ts";
import { until } from "../helpers/until.ts";
import { type TemporaryFolder, temporaryFolder } from "../library/temporary-folder.ts";

const host = "127.0.0.1";
const mebibyte = 1024 * 1024;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Bob serves `bytes` as if they were `content`. */
async function serving(content: TestContent, bytes: Uint8Array = content.bytes): Promise<number> {
  const folder: TemporaryFolder = temporaryFolder();
  const path = folder.write("file", bytes, 5_000);
  const identity = identityOf(lstatSync(path, { bigint: true }));
  const { sizeBytes, chunkHashes, root } = content;
  const uploader = await Uploader.start({
    host,
    port: 0,
    anyPortIfTaken: false,
    membership: bob,
    threads: 1,
    contentOf: (asked) =>
      asked === root
        ? { folder: dirname(path), path, identity, sizeBytes, chunkHashes, trusted: true }
        : undefined,
    onChanged: () => {},
    onFailed: (error) => {
      throw error;
    },
  });
  cleanups.push(
    () => folder[Symbol.dispose](),
    () => uploader.stop(),
  );
  return uploader.port;
}

const { fingerprint } = bob.identity;
const name = "a" as FileName;
const small = testContent(99_999);
const large = testContent(3 * mebibyte + 5);

test.each([
  ["one chunk", small],
  ["several chunks", large],
])("who has what it announces is found to, of %s", async (_, content) => {
  const port = await serving(content);
  for (const chance of [0, 0.5, 0.999]) {
    const entry = { name, ...content };
    expect(await askChunk({ host, port, fingerprint }, entry, alice, chance)).toBe("backed");
  }
});

test("who sends other bytes is found to", async () => {
  const wrong = new Uint8Array(large.bytes).fill(1);
  const port = await serving(large, wrong);
  expect(await askChunk({ host, port, fingerprint }, { name, ...large }, alice, 0.4)).toBe("wrong");
});

test("who has it not says so; who is not there says nothing", async () => {
  const port = await serving(small);
  expect(await askChunk({ host, port, fingerprint }, { name, ...large }, alice, 0.4)).toBe("missing");
  expect(await askChunk({ host, port: 9, fingerprint }, { name, ...large }, alice, 0.4)).toBe("unknown");
});

test("an index throws out a peer that announces what it has not, says so, and does not list it again", async () => {
  const warned: string[] = [];
  const log = { info() {}, error() {}, warn: (line: string) => void warned.push(line) };
  const secure = { identity: alice.identity, purpose: "index" as const, membership: () => alice };
  const server = await IndexServer.start({ host, port: 0, databasePath: ":memory:", log, secure });
  cleanups.push(() => server.stop());
  const network = {
    indexes: [{ host, port: server.port, fingerprints: [alice.identity.fingerprint] }],
    membership: bob,
  };
  const port = await serving(small, new Uint8Array(small.sizeBytes));
  const { root, sizeBytes } = small;
  const file = { name: "a.iso" as FileName, root, sizeBytes, md5: "0".repeat(32) };
  // Nothing is announced on it that could be asked for: it goes with the other one all the same.
  const second = await IndexClient.open(network);
  cleanups.push(() => second.close());
  const secondLost = Promise.withResolvers<Error>();
  second.keep(secondLost.resolve);
  await second.register(port, [{ ...file, partial: true }]);
  const client = await IndexClient.open(network);
  cleanups.push(() => client.close());
  const lost = Promise.withResolvers<Error>();
  client.keep(lost.resolve);
  await client.register(port, [{ ...file, name: "{}" as FileName }]);
  expect((await lost.promise).message).toContain("cannot be had from it");
  expect((await secondLost.promise).message).toContain("cannot be had from it");
  expect(warned).toEqual([expect.stringContaining("is out for ten minutes")]);
  await until(() => server.snapshot().peers === 0);
  const again = await IndexClient.open(network);
  cleanups.push(() => again.close());
  expect(again.register(port, [file])).rejects.toThrow("cannot be had from it");
});

/** The catalog with its thread: what is true once `apply` has resolved or `leave` was called. */
import { afterEach, expect, test } from "bun:test";
import type { CatalogListener, CatalogPeer, ChangeType } from "../../../src/index-server/catalog.ts";
import { SqliteCatalog } from "../../../src/index-server/sqlite/sqlite-catalog.ts";
import { WantedFiles } from "../../../src/index-server/wanted-files.ts";
import { LibraryDigest } from "../../../src/wire/library-digest.ts";
import { fileEntry, wireEntry } from "../../helpers/file-entries.ts";

const catalogs: SqliteCatalog[] = [];
afterEach(async () => {
  await Promise.all(catalogs.splice(0).map((catalog) => catalog.close()));
});

const troubles: string[] = [];

async function open(
  listener: Partial<CatalogListener> = {},
  wanted = new WantedFiles(),
): Promise<SqliteCatalog> {
  troubles.length = 0;
  const catalog = await SqliteCatalog.open({
    path: ":memory:",
    limits: { filesPerPeer: 10_000, filesPerIndex: 1_000_000 },
    wanted,
    keepLeftMs: 60_000,
    chance: Math.random,
    warn: (line) => troubles.push(line),
    listener: {
      wants: () => false,
      arrived() {},
      failed: (line) => void troubles.push(line),
      lost: (line) => void troubles.push(line),
      ...listener,
    },
  });
  catalogs.push(catalog);
  return catalog;
}

function apply(
  catalog: SqliteCatalog,
  peer: CatalogPeer,
  message: { type: ChangeType; [field: string]: unknown },
) {
  return catalog.apply(peer, message.type, new Uint8Array(Buffer.from(JSON.stringify(message))));
}

/** How many sources an answer as it is sent has, and how many there are. */
function sourcesOf(catalog: SqliteCatalog, name: string): [answered: number, found: number] {
  const end = Buffer.from(catalog.answer(name)).toString();
  const contents = JSON.parse(end.trimEnd().slice(0, -1)) as { sources: unknown[] }[];
  const count = (list: readonly { sources: unknown[] }[]) => list.flatMap(({ sources }) => sources).length;
  return [count(contents), count(catalog.find(name))];
}

test("an answer that was given while a REGISTER was applied is not given afterwards", async () => {
  const catalog = await open();
  for (let round = 0; round < 5; round++) {
    const peer = catalog.join("10.0.0.1");
    const names = ["first", ...Array.from({ length: 1_999 }, (_, i) => `${round} ${i}`)];
    let isApplied = false;
    const files = names.map((name) => wireEntry(name));
    const applying = apply(catalog, peer, { type: "REGISTER", id: 1, port: 7000 + round, files }).then(() => {
      isApplied = true;
    });
    while (!isApplied) {
      catalog.answer("first");
      await new Promise((resolve) => setImmediate(resolve));
    }
    await applying;
    expect(sourcesOf(catalog, "first")).toEqual([round + 1, round + 1]);
  }
  expect(troubles).toEqual([]);
});

test("who leaves is in no answer from that moment, and comes back to what it had, in every answer at once", async () => {
  const catalog = await open();
  const library = new LibraryDigest();
  library.add(fileEntry("a"));
  const [first, other] = [catalog.join("10.0.0.1"), catalog.join("10.0.0.2")];
  await apply(catalog, first, { type: "REGISTER", id: 1, port: 1, files: [wireEntry("a")] });
  await apply(catalog, other, { type: "REGISTER", id: 1, port: 2, files: [wireEntry("b", "a")] });
  expect(sourcesOf(catalog, "a")).toEqual([2, 2]);
  catalog.leave(first);
  expect(sourcesOf(catalog, "a")).toEqual([0, 0]);
  expect(sourcesOf(catalog, "b")).toEqual([1, 1]);
  const again = catalog.join("10.0.0.3");
  const answer = await apply(catalog, again, { type: "REGISTER", id: 7, port: 3, library: library.claim });
  expect(answer).toEqual({ id: 7, held: true });
  expect(sourcesOf(catalog, "a")).toEqual([2, 2]);
  expect(sourcesOf(catalog, "b")).toEqual([2, 2]);
  expect(catalog.counts).toEqual({ peers: 2, files: 2, names: 2 });
  expect(again.id).not.toBe(first.id);
  expect([catalog.isLive(first.id), catalog.isLive(again.id)]).toEqual([false, true]);
});

test("who comes back by its digest is told of, to those who want to hear of what it has", async () => {
  const wanted = new WantedFiles();
  wanted.wantName("a", 1);
  const heard: string[] = [];
  const catalog = await open(
    {
      wants: ({ name }) => name === "a",
      arrived: ({ port }, files) => void heard.push(...files.map(({ name }) => `${port} ${name}`)),
    },
    wanted,
  );
  const peer = catalog.join("10.0.0.1");
  const files = [wireEntry("a"), wireEntry("b")];
  await apply(catalog, peer, { type: "REGISTER", id: 1, port: 1, files });
  expect(heard).toEqual(["1 a"]);
  catalog.leave(peer);
  const library = new LibraryDigest();
  for (const name of ["a", "b"]) library.add(fileEntry(name));
  const again = catalog.join("10.0.0.1");
  await apply(catalog, again, { type: "REGISTER", id: 1, port: 2, library: library.claim });
  while (heard.length < 2) await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual(["1 a", "2 a"]);
});

test("who begins to want to hear of a file while it is applied, and does not find it, is told of it", async () => {
  const wanted = new WantedFiles();
  const names = new Set<string>();
  const heard: string[] = [];
  const catalog = await open(
    {
      wants: ({ name }) => names.has(name),
      arrived: (_, files) => void heard.push(...files.map(({ name }) => name)),
    },
    wanted,
  );
  let applied = 0;
  const applying = [1, 2, 3].map(async (port) => {
    const others = Array.from({ length: 1_999 }, (_, i) => wireEntry(`${port} ${i}`));
    const files = [wireEntry(`first ${port}`), ...others];
    await apply(catalog, catalog.join("10.0.0.1"), { type: "REGISTER", id: 1, port, files });
    applied++;
  });
  // Some rows are there, and nobody is told of them yet.
  while (applied === 0 && catalog.counts.names === 0) await new Promise((resolve) => setImmediate(resolve));
  for (const port of [1, 2, 3]) {
    const name = `first ${port}`;
    if (catalog.find(name).length > 0) continue;
    names.add(name);
    wanted.wantName(name, 1);
  }
  await Promise.all(applying);
  expect(heard.toSorted()).toEqual([...names]);
});

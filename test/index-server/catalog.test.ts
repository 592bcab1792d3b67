/**
 * Who has what: tables for single rules, and a model (a Map of Maps) that any sequence of registrations, updates,
 * departures and purges must agree with, in QUERY, in the view and in the counters.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { HolderLookup } from "../../src/index-server/sqlite/holders.ts";
import { NameList } from "../../src/index-server/sqlite/list.ts";
import type { LivePeer } from "../../src/index-server/sqlite/live-peers.ts";
import { Lookup } from "../../src/index-server/sqlite/lookup.ts";
import { lastPart } from "../../src/wire/file-name.ts";
import { LibraryDigest } from "../../src/wire/library-digest.ts";
import type { FileEntry } from "../../src/wire/messages.ts";
import { fileEntry, md5Of, rootOf } from "../helpers/file-entries.ts";
import { OpenCatalog } from "./open-catalog.ts";

/** What QUERY says, in one line a content: `root total names ports`. */
function found(open: OpenCatalog, name: string): string[] {
  return open.lookup
    .find(name)
    .contents.map(({ root, total, names, sources }) => {
      const ports = sources.map(({ port, partial }) => `${port}${partial ? " in part" : ""}`).sort();
      return `${root.slice(0, 8)} ${total} [${names.join(", ")}] ${ports.join(",")}`;
    })
    .sort();
}

function partialEntry(name: string, content: number | string = name): FileEntry {
  return { ...fileEntry(name, content), partial: true };
}

function short(content: number | string): string {
  return rootOf(content).slice(0, 8);
}

describe("QUERY", () => {
  test("finds by the last part, and with a slash by the whole name; nothing else matches", () => {
    using open = new OpenCatalog();
    const peer = open.peer([fileEntry("iso/deep/a.iso", 1)]);
    const hit = [`${short(1)} 1 [iso/deep/a.iso] ${peer.port}`];
    expect(found(open, "a.iso")).toEqual(hit);
    expect(found(open, "iso/deep/a.iso")).toEqual(hit);
    for (const name of ["deep/a.iso", "A.ISO", "a.is", "a", "iso", "%", "*", "a.is_", "", "/", "/a.iso"]) {
      expect(found(open, name)).toEqual([]);
    }
    const [content] = open.lookup.find("a.iso").contents;
    expect(content).toMatchObject({ root: rootOf(1), md5: md5Of(1), sizeBytes: fileEntry("x", 1).sizeBytes });
  });

  test("groups by content: names that match, peers that have it under whatever name", () => {
    using open = new OpenCatalog();
    const one = open.peer([fileEntry("a.bin", 1), fileEntry("y/a.bin", 1), fileEntry("b.bin", 2)]);
    const two = open.peer([fileEntry("x/a.bin", 1)]);
    const three = open.peer([fileEntry("renamed", 1)]);
    expect(found(open, "a.bin")).toEqual([
      `${short(1)} 3 [a.bin, x/a.bin, y/a.bin] ${[one, two, three].map((peer) => peer.port).join(",")}`,
    ]);
  });

  test("puts the content with most sources first", () => {
    using open = new OpenCatalog();
    for (const content of [1, 2, 2, 2, 3, 3]) open.peer([fileEntry("same.iso", content)]);
    expect(open.lookup.find("same.iso").contents.map(({ total }) => total)).toEqual([3, 2, 1]);
  });

  test("a liar about the size makes a content of his own; about the MD5, he changes nobody else's", () => {
    using open = new OpenCatalog();
    const honest = fileEntry("a.iso", 1);
    open.peer([honest]);
    open.peer([honest]);
    open.peer([{ ...honest, sizeBytes: 5 }]);
    open.peer([{ ...honest, md5: md5Of("a lie") }]);
    const contents = open.lookup.find("a.iso").contents;
    expect(contents.map(({ sizeBytes, total, md5 }) => ({ sizeBytes, total, md5 }))).toEqual([
      { sizeBytes: honest.sizeBytes, total: 3, md5: honest.md5 },
      { sizeBytes: 5, total: 1, md5: honest.md5 },
    ]);
  });

  test("two sessions of one address count once", () => {
    using open = new OpenCatalog();
    open.peer([fileEntry("a", 1)], "10.0.0.1", 7767);
    open.peer([fileEntry("a", 1)], "10.0.0.1", 7767);
    open.peer([fileEntry("a", 1)], "10.0.0.2", 7767);
    const [content] = open.lookup.find("a").contents;
    expect(content?.total).toBe(2);
    expect(content?.sources.map(({ host }) => host).sort()).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("gives at most 64 sources, each as likely as any other, 16 names and 100 contents", () => {
    using open = new OpenCatalog();
    const peers = Array.from({ length: 200 }, () => open.peer([fileEntry("many", 1)]));
    const given = new Map<number, number>();
    for (let i = 0; i < 200; i++) {
      const [content] = open.lookup.find("many").contents;
      expect(content?.total).toBe(200);
      expect(new Set(content?.sources.map(({ port }) => port)).size).toBe(64);
      for (const { port } of content?.sources ?? []) given.set(port, (given.get(port) ?? 0) + 1);
    }
    // 64 expected of each, standard deviation 6.6.
    for (const { port } of peers) expect(given.get(port)).toBeWithin(25, 105);

    open.peer(Array.from({ length: 40 }, (_, i) => fileEntry(`folder ${i + 10}/names`, 2)));
    const names = open.lookup.find("names").contents[0]?.names;
    expect(names).toHaveLength(16);
    expect(names).toEqual(names?.toSorted());

    open.peer(Array.from({ length: 150 }, (_, i) => fileEntry(`${i}/contents`, `content ${i}`)));
    expect(open.lookup.find("contents").contents).toHaveLength(100);
  });

  test("the most held content is found among 5,000 lies under its name, whoever came first", () => {
    for (const honestFirst of [true, false]) {
      using open = new OpenCatalog();
      const honest = () => {
        for (let i = 0; i < 3; i++) open.peer([fileEntry("iso/ubuntu.iso", "the true one")]);
      };
      if (honestFirst) honest();
      open.peer(Array.from({ length: 5_000 }, (_, i) => fileEntry(`${i}/ubuntu.iso`, `lie ${i}`)));
      if (!honestFirst) honest();
      expect(open.lookup.find("ubuntu.iso").contents[0]).toMatchObject({
        root: rootOf("the true one"),
        total: 3,
      });
    }
  });

  test("contents with thousands of names leave the others of a name in the answer", () => {
    using open = new OpenCatalog();
    const honest = open.peer([fileEntry("ubuntu.iso", "the true one")]);
    const junk = (content: number) =>
      Array.from({ length: 1_000 }, (_, i) => fileEntry(`${content}/${i}/junk`, `junk ${content}`));
    open.peer(Array.from({ length: 12 }, (_, content) => junk(content)).flat());
    for (let peer = 0; peer < 24; peer++) open.peer([fileEntry("ubuntu.iso", `junk ${peer % 12}`)]);
    const { contents } = open.lookup.find("ubuntu.iso");
    expect(contents).toHaveLength(13);
    const [found] = contents.filter(({ root }) => root === rootOf("the true one"));
    expect(found?.sources.map(({ port }) => port)).toEqual([honest.port]);
  });

  test("of a content that thousands have, 64 live sources are found without reading all", () => {
    using open = new OpenCatalog();
    const peers = Array.from({ length: 3_000 }, (_, i) =>
      open.peer(i % 2 === 0 ? [fileEntry("popular", 1)] : [], `10.0.${i >> 8}.${i & 255}`),
    );
    const [content] = open.lookup.find("popular").contents;
    expect(content?.total).toBe(1_500);
    expect(content?.sources).toHaveLength(64);
    for (const source of content?.sources ?? []) {
      expect(peers.findIndex(({ id }) => id === source.peer) % 2).toBe(0);
    }
    // All but ten of them leave, not purged yet: the ten are still found, and nobody else.
    for (const peer of peers.slice(20)) open.leave(peer);
    const [left] = open.lookup.find("popular").contents;
    expect(left?.total).toBe(10);
    expect(left?.sources).toHaveLength(10);
  });
});

describe("partial holdings", () => {
  test("are sources that say so, in QUERY and the view, and whole once they are added so", () => {
    using open = new OpenCatalog();
    const seed = open.peer([fileEntry("a.iso", 1)]);
    const leech = open.peer([partialEntry("a.iso", 1)]);
    const withLeech = (state: string) => `${short(1)} 2 [a.iso] ${seed.port},${leech.port}${state}`;
    expect(found(open, "a.iso")).toEqual([withLeech(" in part")]);
    expect(open.view().map((row) => row.at(-1))).toEqual(["1", "0"]);
    open.update(leech, [fileEntry("a.iso", 1)]);
    expect(found(open, "a.iso")).toEqual([withLeech("")]);
    expect(open.view().map((row) => row.at(-1))).toEqual(["1", "1"]);
    open.update(leech, [partialEntry("a.iso", 1)]);
    expect(found(open, "a.iso")).toEqual([withLeech(" in part")]);
    expect(leech.files).toBe(1);
  });

  test("never make a peer or an address partial that has the content whole", () => {
    using open = new OpenCatalog();
    const peer = open.peer([fileEntry("a", 1), partialEntry("b", 1)], "10.0.0.1", 7767);
    open.peer([partialEntry("c", 1)], "10.0.0.1", 7767);
    expect(found(open, "c")).toEqual([`${short(1)} 1 [c] 7767`]);
    open.update(peer, [], ["a"]);
    expect(found(open, "c")).toEqual([`${short(1)} 1 [c] 7767 in part`]);
    open.update(peer, [fileEntry("b", 1)]);
    expect(found(open, "c")).toEqual([`${short(1)} 1 [c] 7767`]);
  });

  test("are found by their name also while nobody has the content whole, but neither searched nor listed", () => {
    using open = new OpenCatalog();
    const leech = open.peer([partialEntry("a.iso", 1)]);
    expect(found(open, "a.iso")).toEqual([`${short(1)} 1 [a.iso] ${leech.port} in part`]);
    expect(open.find("iso").matches).toEqual([]);
    open.peer([fileEntry("other.iso", 1)]);
    expect(open.find("iso").matches.map(({ name, sources }) => `${name} ${sources}`)).toEqual([
      "other.iso 1",
    ]);
  });

  test("are news when they come and when they become whole, not when they are said again", () => {
    using open = new OpenCatalog();
    const peer = open.peer();
    const news = (entry: FileEntry) => {
      const told: FileEntry[] = [];
      open.update(peer, [entry], [], (file) => told.push(file));
      return told.length;
    };
    const [part, whole] = [partialEntry("a", 1), fileEntry("a", 1)];
    expect([part, part, whole, whole, part, fileEntry("a", 2)].map(news)).toEqual([1, 0, 1, 0, 0, 1]);
  });

  /** How many of 64 sources are whole, seen over and over. */
  function wholeAmong(open: OpenCatalog, total: number): Set<number> {
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const [content] = open.lookup.find("many").contents;
      expect(content?.total).toBe(total);
      const { sources = [] } = content ?? {};
      expect(new Set(sources.map(({ port }) => port)).size).toBe(64);
      seen.add(sources.filter(({ partial }) => !partial).length);
    }
    return seen;
  }

  const crowd = (open: OpenCatalog, whole: number, partial: number) => {
    for (let i = 0; i < whole; i++) open.peer([fileEntry("many", 1)]);
    for (let i = 0; i < partial; i++) open.peer([partialEntry("many", 1)]);
  };

  test.each([
    [1, 200, 1],
    [31, 200, 31],
    [100, 200, 32],
    [100, 10, 54],
    [100, 0, 64],
    [0, 100, 0],
    // More than are read: tried by chance, but whole ones are looked at by themselves.
    [1, 1_500, 1],
    [2_000, 5, 59],
  ])("of %d whole and %d partial sources %d whole ones are told", (whole, partial, expected) => {
    using open = new OpenCatalog();
    crowd(open, whole, partial);
    expect([...wholeAmong(open, whole + partial)]).toEqual([expected]);
  });
});

describe("a peer that left", () => {
  test("is in no answer and no view from that moment, its names neither, and its rows go", () => {
    using open = new OpenCatalog();
    const leaver = open.peer([fileEntry("secret name", 1), fileEntry("only mine", 2)]);
    const stays = open.peer([fileEntry("public name", 1)]);
    open.leave(leaver);
    expect(found(open, "secret name")).toEqual([]);
    expect(found(open, "only mine")).toEqual([]);
    expect(found(open, "public name")).toEqual([`${short(1)} 1 [public name] ${stays.port}`]);
    expect(open.find("name").matches.map(({ name, sources }) => `${name} ${sources}`)).toEqual([
      "public name 1",
    ]);
    expect(open.view()).toHaveLength(1);
    expect(open.rows("holdings")).toBe(3);
    open.purge(leaver);
    expect(["peers", "entries", "holdings"].map((table) => open.rows(table))).toEqual([1, 1, 1]);
    expect(open.counts).toEqual({ peers: 1, holdings: 1, names: 1 });
  });

  test("of a former run: hidden when the catalog opens, and purged", () => {
    const folder = mkdtempSync(join(tmpdir(), "p2p-catalog-"));
    try {
      const path = join(folder, "index.db");
      {
        using before = new OpenCatalog(path);
        before.peer([fileEntry("old", 1), fileEntry("older", 2)]);
        before.peer([fileEntry("old", 1)]);
        expect(before.view()).toHaveLength(3);
      }
      using open = new OpenCatalog(path);
      expect(open.view()).toEqual([]);
      expect(open.counts).toEqual({ peers: 0, holdings: 3, names: 2 });
      expect(found(open, "old")).toEqual([]);
      const again = open.peer([fileEntry("old", 1)]);
      expect(found(open, "old")).toEqual([`${short(1)} 1 [old] ${again.port}`]);
      for (const slot of [...open.writer.hiddenSlots]) {
        open.run(open.writer.purge(slot));
        open.writer.forget(slot);
      }
      expect(open.counts).toEqual({ peers: 1, holdings: 1, names: 1 });
      expect(open.rows("holdings")).toBe(1);
      expect(found(open, "old")).toEqual([`${short(1)} 1 [old] ${again.port}`]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("a peer that says by its digest what it shares", () => {
  const files = Array.from({ length: 20 }, (_, i) => fileEntry(`f${i}`));

  test("and left a while ago has its rows again, without any of them being written", () => {
    using open = new OpenCatalog();
    const before = open.peer(files, "10.0.0.1", 7001);
    const { slot } = before;
    open.leave(before);
    expect(found(open, "f7")).toEqual([]);
    const again = open.peer([], "10.0.0.2", 7002);
    const changes = open.changes;
    expect(open.resume(again, digestOf(files).claim)).toBe(true);
    expect(open.changes - changes).toBeLessThanOrEqual(3);
    expect([again.slot, again.files]).toEqual([slot, 20]);
    expect(found(open, "f7")).toEqual([`${short("f7")} 1 [f7] 7002`]);
    expect(open.view()).toHaveLength(20);
    expect(open.view()[0]).toStartWith("10.0.0.2:7002 f0 ");
    expect([...open.writer.hiddenSlots]).toEqual([]);
    // It goes on from there as any other.
    open.update(again, [fileEntry("new")], ["f7"]);
    expect([again.files, found(open, "f7").length, found(open, "new").length]).toEqual([20, 0, 1]);
  });

  test.each<[string, FileEntry[]]>([
    ["one more", [...files, fileEntry("more")]],
    ["one less", files.slice(1)],
    ["another name", [...files.slice(1), { ...files[0]!, name: fileEntry("other").name }]],
    ["another content", [...files.slice(1), { ...fileEntry("other"), name: files[0]!.name }]],
    ["another MD5", [...files.slice(1), { ...files[0]!, md5: md5Of("a lie") }]],
    ["another size", [...files.slice(1), { ...files[0]!, sizeBytes: 5 }]],
    ["one in part", [...files.slice(1), { ...files[0]!, partial: true }]],
    ["others", files.map(({ name }) => fileEntry(`x${name}`))],
  ])("has nothing when it is not the same: %s", (_, claimed) => {
    using open = new OpenCatalog();
    open.leave(open.peer(files));
    const again = open.peer();
    expect(open.resume(again, digestOf(claimed).claim)).toBe(false);
    expect(again.files).toBe(0);
    expect(open.view()).toEqual([]);
    expect([...open.writer.hiddenSlots]).toHaveLength(1);
  });

  test("does not get the rows of one that is connected, though they share the same", () => {
    using open = new OpenCatalog();
    const first = open.peer(files);
    const second = open.peer();
    expect(open.resume(second, digestOf(files).claim)).toBe(false);
    expect([first.files, second.files]).toEqual([20, 0]);
  });

  test("and is connected has its own when nothing has changed", () => {
    using open = new OpenCatalog();
    const peer = open.peer(files);
    const { slot } = peer;
    expect(open.resume(peer, digestOf(files).claim)).toBe(true);
    open.update(peer, [fileEntry("more")]);
    expect(open.resume(peer, digestOf(files).claim)).toBe(false);
    expect(open.resume(peer, digestOf([...files, fileEntry("more")]).claim)).toBe(true);
    expect([peer.slot, peer.files, open.view().length]).toEqual([slot, 21, 21]);
  });

  test("and has other rows has those of before instead, in every answer and the view", () => {
    using open = new OpenCatalog();
    open.leave(open.peer(files));
    const peer = open.peer([fileEntry("mine")], "10.0.0.1", 7001);
    const { slot } = peer;
    expect(open.resume(peer, digestOf(files).claim)).toBe(true);
    expect([found(open, "mine").length, found(open, "f1").length]).toEqual([0, 1]);
    expect([...open.writer.hiddenSlots]).toEqual([slot]);
    expect(open.view().filter((row) => row.includes("mine"))).toEqual([]);
    open.purgeSlot(slot);
    expect(open.counts).toEqual({ peers: 1, holdings: 20, names: 20 });
  });

  test("and shares nothing is right whatever is there", () => {
    using open = new OpenCatalog();
    open.leave(open.peer(files));
    const peer = open.peer();
    expect(open.resume(peer, digestOf([]).claim)).toBe(true);
    expect([...open.writer.hiddenSlots]).toHaveLength(1);
  });

  test("has nothing once its rows were purged, or as much as one of them", () => {
    using open = new OpenCatalog();
    const peer = open.peer(files);
    const { slot } = peer;
    open.leave(peer);
    const purge = open.writer.purge(slot);
    open.writer.tryTransaction(() => void purge.next());
    const again = open.peer();
    expect(open.resume(again, digestOf(files).claim)).toBe(false);
    open.run(purge);
    expect(open.resume(again, digestOf(files).claim)).toBe(false);
    expect(open.counts.holdings).toBe(0);
  });

  test("before its purge has removed a row loses none to it", () => {
    using open = new OpenCatalog();
    const peer = open.peer(files);
    open.leave(peer);
    const purge = open.writer.purge(peer.slot);
    const again = open.peer();
    expect(open.resume(again, digestOf(files).claim)).toBe(true);
    open.run(purge);
    expect(open.view()).toHaveLength(20);
    expect(found(open, "f3")).toHaveLength(1);
  });

  test("has its rows also of a former run", () => {
    const folder = mkdtempSync(join(tmpdir(), "p2p-catalog-"));
    try {
      const path = join(folder, "index.db");
      {
        using before = new OpenCatalog(path);
        before.peer(files);
      }
      using open = new OpenCatalog(path);
      const again = open.peer();
      expect(open.resume(again, digestOf(files).claim)).toBe(true);
      expect(found(open, "f3")).toEqual([`${short("f3")} 1 [f3] ${again.port}`]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("limits", () => {
  const limits = { filesPerPeer: 5, filesPerIndex: 8 };
  const files = (count: number, prefix = "f") =>
    Array.from({ length: count }, (_, i) => fileEntry(`${prefix}${i}`));

  test("what is beyond them is refused whole", () => {
    using open = new OpenCatalog(":memory:", limits);
    const peer = open.peer(files(4));
    expect(() => open.update(peer, files(2, "more"))).toThrow(expect.objectContaining({ code: "TOO_MANY" }));
    expect(() => open.register(peer, files(6))).toThrow(expect.objectContaining({ code: "TOO_MANY" }));
    expect(open.counts).toEqual({ peers: 1, holdings: 4, names: 4 });
    const other = open.peer(files(4, "other"));
    expect(() => open.update(other, files(1, "more"))).toThrow(
      expect.objectContaining({ code: "STORAGE_FULL" }),
    );
    expect(open.rows("holdings")).toBe(8);
  });

  test("a full peer may change, replace and exchange what it has", () => {
    using open = new OpenCatalog(":memory:", limits);
    const peer = open.peer(files(5));
    open.update(
      peer,
      files(5).map(({ name }) => fileEntry(name, `new ${name}`)),
    );
    open.update(peer, files(2, "other"), ["f0", "f1", "never was"]);
    expect(peer.files).toBe(5);
    expect(() => open.update(peer, files(1, "x"), ["never was"])).toThrow();
    open.register(peer, files(5, "z"));
    expect(peer.files).toBe(5);
  });
});

test("REGISTER does not touch what stays as it was", () => {
  using open = new OpenCatalog();
  const files = Array.from({ length: 50 }, (_, i) => fileEntry(`f${i}`));
  const peer = open.peer(files);
  const before = open.changes;
  open.register(peer, files);
  // The row of the peer, written twice or three times, and the totals for each slice.
  expect(open.changes - before).toBeLessThanOrEqual(3 + 2 * Math.ceil(files.length / 7));
  open.register(peer, [...files.slice(1), fileEntry("new")]);
  expect(peer.files).toBe(50);
  expect(open.changes - before).toBeLessThan(60);
});

test("a slice that fails leaves tables and counters as they were", () => {
  using open = new OpenCatalog();
  const peer = open.peer([fileEntry("a", 1)]);
  const before = { view: open.view(), counts: open.counts };
  const steps = open.writer.update(peer.slot, [fileEntry("b", 2), fileEntry("a", 3)], []);
  expect(() =>
    open.writer.tryTransaction(() => {
      steps.next();
      steps.next();
      throw new Error("broken");
    }),
  ).toThrow("broken");
  expect({ view: open.view(), counts: open.counts }).toEqual(before);
  expect(peer.files).toBe(1);
});

test("look-ups go through an index, never over a table", () => {
  using open = new OpenCatalog();
  const { reading: database } = open;
  const asked: string[] = [];
  const prepare = database.prepare.bind(database);
  database.prepare = ((sql: string) => {
    asked.push(sql);
    return prepare(sql);
  }) as typeof database.prepare;
  // All prepare their statements in the constructor.
  const holders = new HolderLookup(database, open.live, Math.random);
  new Lookup(database, holders);
  new NameList(database, holders);
  const selects = asked.filter((sql) => sql.trimStart().startsWith("SELECT"));
  expect(selects).toHaveLength(9);
  for (const sql of selects) {
    const plan = database
      .query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => detail)
      // What is asked for, and no table.
      .filter((detail) => !detail.startsWith("SCAN wanted VIRTUAL TABLE"))
      .join("; ");
    expect(plan).not.toMatch(/\bSCAN\b|TEMP B-TREE/);
    expect(plan).toMatch(/USING (COVERING )?INDEX|PRIMARY KEY/);
  }
});

// --- the model ---

const names = ["a", "b", "x/a", "x/b", "y/x/a", "ü", "A"];
const fileArbitrary = fc
  .tuple(fc.constantFrom(...names), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 3 }))
  .map(([name, content, kind]) => (kind === 0 ? partialEntry(name, content) : fileEntry(name, content)));

type Step =
  | { do: "register"; peer: number; files: FileEntry[] }
  | { do: "update"; peer: number; add: FileEntry[]; remove: string[] }
  | { do: "leave"; peer: number }
  /** A peer says by its digest what it shares: what it had when it left or has now, or something like it. */
  | { do: "resume"; peer: number; isRight: boolean }
  | { do: "purge" };

const peerArbitrary = fc.integer({ min: 0, max: 3 });
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("register" as const),
    peer: peerArbitrary,
    files: fc.array(fileArbitrary, { maxLength: 6 }),
  }),
  fc.record({
    do: fc.constant("update" as const),
    peer: peerArbitrary,
    add: fc.array(fileArbitrary, { maxLength: 4 }),
    remove: fc.array(fc.constantFrom(...names), { maxLength: 4 }),
  }),
  fc.record({ do: fc.constant("leave" as const), peer: peerArbitrary }),
  fc.record({ do: fc.constant("resume" as const), peer: peerArbitrary, isRight: fc.boolean() }),
  fc.record({ do: fc.constant("purge" as const) }),
);

/** What every live peer has: name to file. */
type Model = Map<number, Map<string, FileEntry>>;

/** Peers that left, and what they had; a slot that another one has taken over is not among them any more. */
type Left = { slot: number; peer: number; files: Map<string, FileEntry> }[];

test("whatever happens, QUERY, the view, the counters and the digests agree with a model", () => {
  fc.assert(
    fc.property(
      fc.array(stepArbitrary, { maxLength: 25, size: "max" }),
      fc.integer({ min: 1, max: 5 }),
      (steps, slice) => {
        using open = new OpenCatalog();
        const model: Model = new Map();
        const peers = new Map<number, LivePeer>();
        const left: Left = [];
        const purgeAll = () => {
          for (const { slot } of left.splice(0)) open.purgeSlot(slot);
        };
        for (const step of steps) {
          if (step.do === "purge") {
            purgeAll();
          } else if (step.do === "leave") {
            const peer = peers.get(step.peer);
            if (peer === undefined) continue;
            open.leave(peer);
            const files = model.get(step.peer)!;
            if (files.size > 0) left.push({ slot: peer.slot, peer: step.peer, files });
            peers.delete(step.peer);
            model.delete(step.peer);
          } else if (step.do === "register") {
            const peer = peers.get(step.peer) ?? open.peer([], "10.0.0.1", 20_000 + step.peer);
            peers.set(step.peer, peer);
            open.run(open.writer.register(peer.slot, peer, step.files), slice);
            model.set(step.peer, new Map(step.files.map((file) => [file.name, file])));
          } else if (step.do === "resume") {
            const had = left.findLast(({ peer }) => peer === step.peer)?.files ?? model.get(step.peer);
            if (had === undefined) continue;
            const peer = peers.get(step.peer) ?? open.peer([], "10.0.0.1", 20_000 + step.peer);
            const own = { slot: peer.slot, peer: step.peer, files: model.get(step.peer) ?? new Map() };
            peers.set(step.peer, peer);
            model.set(step.peer, own.files);
            const claimed = step.isRight ? [...had.values()] : [...had.values(), fileEntry("another", 99)];
            expect(open.resume(peer, digestOf(claimed).claim)).toBe(step.isRight);
            if (!step.isRight) continue;
            model.set(step.peer, new Map(had));
            if (peer.slot === own.slot) continue;
            left.splice(
              left.findIndex(({ slot }) => slot === peer.slot),
              1,
            );
            // Without rows its slot is free.
            if (own.files.size > 0) left.push(own);
          } else {
            const peer = peers.get(step.peer);
            const has = model.get(step.peer);
            if (peer === undefined || has === undefined) continue;
            open.update(peer, step.add, step.remove);
            for (const name of step.remove) has.delete(name);
            for (const file of step.add) has.set(file.name, file);
          }
          check(open, model);
          checkDigests(open, peers, model, left);
        }
        purgeAll();
        check(open, model);
        checkCounters(open, model);
      },
    ),
    { numRuns: 100 },
  );
});

function digestOf(files: Iterable<FileEntry>): LibraryDigest {
  const digest = new LibraryDigest();
  for (const file of files) digest.add(file);
  return digest;
}

/** As they stand in the table, of peers that are there and of those that left. */
function checkDigests(
  open: OpenCatalog,
  peers: ReadonlyMap<number, LivePeer>,
  model: Model,
  left: Left,
): void {
  const shown = (slot: number, { count, hex }: LibraryDigest) => `${slot} ${count} ${hex}`;
  const expected = [
    ...[...peers].map(([i, { slot }]) => shown(slot, digestOf(model.get(i)!.values()))),
    // A slot without rows is free at once, and perhaps somebody else's.
    ...left
      .filter(({ files }) => files.size > 0)
      .map(({ slot, files }) => shown(slot, digestOf(files.values()))),
  ];
  const rows = open.reading
    .query<{ id: number; files: number; digest: Uint8Array }, []>("SELECT id, files, digest FROM peers")
    .all();
  expect(rows.map(({ id, files, digest }) => `${id} ${files} ${digest.toHex()}`).sort()).toEqual(
    expected.sort(),
  );
}

function check(open: OpenCatalog, model: Model): void {
  const view = [...model].flatMap(([peer, files]) =>
    [...files.values()].map(
      ({ name, sizeBytes, md5, root, partial }) =>
        `10.0.0.1:${20_000 + peer} ${name} ${sizeBytes} ${md5} ${root} ${partial ? 0 : 1}`,
    ),
  );
  expect(open.view()).toEqual(view.sort());
  for (const name of [...names, "nothing"]) expect(found(open, name)).toEqual(expected(model, name));
  const { matches } = open.find("");
  expect(matches.map(({ name, root, sources }) => `${name} ${root} ${sources}`).sort()).toEqual(
    listed(model),
  );
}

/** What SEARCH for everything says: names that somebody has whole, with how many have the content whole. */
function listed(model: Model): string[] {
  const whole = [...model].flatMap(([peer, files]) =>
    [...files.values()].filter(({ partial }) => !partial).map((file) => ({ peer, file })),
  );
  const lines = whole.map(({ file: { name, root } }) => {
    const holders = new Set(whole.filter(({ file }) => file.root === root).map(({ peer }) => peer));
    return `${name} ${root} ${holders.size}`;
  });
  return [...new Set(lines)].sort();
}

function expected(model: Model, asked: string): string[] {
  const fits = (name: string) => (asked.includes("/") ? name === asked : lastPart(name) === asked);
  const all = [...model].flatMap(([peer, files]) => [...files.values()].map((file) => ({ peer, file })));
  const roots = new Set(all.filter(({ file }) => fits(file.name)).map(({ file }) => file.root));
  return [...roots]
    .map((root) => {
      const holdings = all.filter(({ file }) => file.root === root);
      const matching = new Set(holdings.map(({ file }) => file.name as string).filter(fits));
      const hasWhole = (peer: number) => holdings.some((held) => held.peer === peer && !held.file.partial);
      const ports = new Set(
        holdings.map(({ peer }) => `${20_000 + peer}${hasWhole(peer) ? "" : " in part"}`),
      );
      return `${root.slice(0, 8)} ${ports.size} [${[...matching].sort().join(", ")}] ${[...ports].sort().join(",")}`;
    })
    .sort();
}

function checkCounters(open: OpenCatalog, model: Model): void {
  const files = [...model.values()].flatMap((has) => [...has.values()]);
  const distinct = (keys: string[]) => new Set(keys).size;
  expect(open.counts).toEqual({
    peers: model.size,
    holdings: files.length,
    names: distinct(files.map(({ name }) => name)),
  });
  expect(open.rows("entries")).toBe(distinct(files.map(({ name, root }) => `${name} ${root}`)));
}

/**
 * Who has what: tables for single rules, and a model (a Map of Maps) that any sequence of registrations, updates,
 * departures and purges must agree with, in QUERY, in the view and in the counters.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { LivePeer } from "../../src/index-server/live-peers.ts";
import { lastPart } from "../../src/wire/file-name.ts";
import type { FileEntry } from "../../src/wire/messages.ts";
import { fileEntry, md5Of, rootOf } from "../helpers/file-entries.ts";
import { OpenCatalog } from "./open-catalog.ts";

/** What QUERY says, in one line a content: `root total names ports`. */
function found(open: OpenCatalog, name: string): string[] {
  return open.lookup
    .find(name)
    .map(({ root, total, names, sources }) => {
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
    const [content] = open.lookup.find("a.iso");
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
    expect(open.lookup.find("same.iso").map(({ total }) => total)).toEqual([3, 2, 1]);
  });

  test("a liar about the size makes a content of his own; about the MD5, he changes nobody else's", () => {
    using open = new OpenCatalog();
    const honest = fileEntry("a.iso", 1);
    open.peer([honest]);
    open.peer([honest]);
    open.peer([{ ...honest, sizeBytes: 5 }]);
    open.peer([{ ...honest, md5: md5Of("a lie") }]);
    const contents = open.lookup.find("a.iso");
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
    const [content] = open.lookup.find("a");
    expect(content?.total).toBe(2);
    expect(content?.sources.map(({ host }) => host).sort()).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("gives at most 64 sources, each as likely as any other, 16 names and 100 contents", () => {
    using open = new OpenCatalog();
    const peers = Array.from({ length: 200 }, () => open.peer([fileEntry("many", 1)]));
    const given = new Map<number, number>();
    for (let i = 0; i < 200; i++) {
      const [content] = open.lookup.find("many");
      expect(content?.total).toBe(200);
      expect(new Set(content?.sources.map(({ port }) => port)).size).toBe(64);
      for (const { port } of content?.sources ?? []) given.set(port, (given.get(port) ?? 0) + 1);
    }
    // 64 expected of each, standard deviation 6.6.
    for (const { port } of peers) expect(given.get(port)).toBeWithin(25, 105);

    open.peer(Array.from({ length: 40 }, (_, i) => fileEntry(`folder ${i + 10}/names`, 2)));
    const names = open.lookup.find("names")[0]?.names;
    expect(names).toHaveLength(16);
    expect(names).toEqual(names?.toSorted());

    open.peer(Array.from({ length: 150 }, (_, i) => fileEntry(`${i}/contents`, `content ${i}`)));
    expect(open.lookup.find("contents")).toHaveLength(100);
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
      expect(open.lookup.find("ubuntu.iso")[0]).toMatchObject({ root: rootOf("the true one"), total: 3 });
    }
  });

  test("of a content that thousands have, 64 live sources are found without reading all", () => {
    using open = new OpenCatalog();
    const peers = Array.from({ length: 3_000 }, (_, i) =>
      open.peer(i % 2 === 0 ? [fileEntry("popular", 1)] : [], `10.0.${i >> 8}.${i & 255}`),
    );
    const [content] = open.lookup.find("popular");
    expect(content?.total).toBe(1_500);
    expect(content?.sources).toHaveLength(64);
    for (const source of content?.sources ?? []) {
      expect(peers.findIndex(({ id }) => String(id) === source.peer) % 2).toBe(0);
    }
    // All but ten of them leave, not purged yet: the ten are still found, and nobody else.
    for (const peer of peers.slice(20)) open.catalog.leave(peer);
    const [left] = open.lookup.find("popular");
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
    expect(leech.holdings).toBe(1);
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
      open.run(open.catalog.update(peer, [entry], [], (file) => told.push(file)));
      return told.length;
    };
    const [part, whole] = [partialEntry("a", 1), fileEntry("a", 1)];
    expect([part, part, whole, whole, part, fileEntry("a", 2)].map(news)).toEqual([1, 0, 1, 0, 0, 1]);
  });

  /** How many of 64 sources are whole, seen over and over. */
  function wholeAmong(open: OpenCatalog, total: number): Set<number> {
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const [content] = open.lookup.find("many");
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
    open.catalog.leave(leaver);
    expect(found(open, "secret name")).toEqual([]);
    expect(found(open, "only mine")).toEqual([]);
    expect(found(open, "public name")).toEqual([`${short(1)} 1 [public name] ${stays.port}`]);
    expect(open.find("name").matches.map(({ name, sources }) => `${name} ${sources}`)).toEqual([
      "public name 1",
    ]);
    expect(open.view()).toHaveLength(1);
    expect(open.rows("holdings")).toBe(3);
    open.purge(leaver);
    expect(["peers", "contents", "entries", "holdings", "holders"].map((table) => open.rows(table))).toEqual([
      1, 1, 1, 1, 1,
    ]);
    expect(open.catalog.counts).toEqual({ peers: 1, holdings: 1, names: 1 });
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
      expect(open.catalog.counts).toEqual({ peers: 0, holdings: 3, names: 2 });
      expect(found(open, "old")).toEqual([]);
      const again = open.peer([fileEntry("old", 1)]);
      expect(found(open, "old")).toEqual([`${short(1)} 1 [old] ${again.port}`]);
      for (const id of [...open.catalog.hiddenPeers]) {
        open.run(open.catalog.purge(id));
        open.catalog.forget(id);
      }
      expect(open.catalog.counts).toEqual({ peers: 1, holdings: 1, names: 1 });
      expect(open.rows("holdings")).toBe(1);
      expect(found(open, "old")).toEqual([`${short(1)} 1 [old] ${again.port}`]);
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
    expect(open.catalog.counts).toEqual({ peers: 1, holdings: 4, names: 4 });
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
    expect(peer.holdings).toBe(5);
    expect(() => open.update(peer, files(1, "x"), ["never was"])).toThrow();
    open.register(peer, files(5, "z"));
    expect(peer.holdings).toBe(5);
  });
});

test("REGISTER does not touch what stays as it was", () => {
  using open = new OpenCatalog();
  const files = Array.from({ length: 50 }, (_, i) => fileEntry(`f${i}`));
  const peer = open.peer(files);
  const changes = () => Number(open.catalog.database.query("SELECT total_changes()").values()[0]?.[0]);
  const before = changes();
  open.register(peer, files);
  // The row of the peer, deleted and inserted.
  expect(changes() - before).toBeLessThanOrEqual(2);
  open.register(peer, [...files.slice(1), fileEntry("new")]);
  expect(peer.holdings).toBe(50);
  expect(changes() - before).toBeLessThan(20);
});

test("a slice that fails leaves tables and counters as they were", () => {
  using open = new OpenCatalog();
  const peer = open.peer([fileEntry("a", 1)]);
  const before = { view: open.view(), counts: open.catalog.counts };
  const steps = open.catalog.update(peer, [fileEntry("b", 2), fileEntry("a", 3)], []);
  expect(() =>
    open.catalog.tryTransaction(() => {
      steps.next();
      steps.next();
      throw new Error("broken");
    }),
  ).toThrow("broken");
  expect({ view: open.view(), counts: open.catalog.counts }).toEqual(before);
  expect(peer.holdings).toBe(1);
});

test("look-ups go through an index, never over a table", () => {
  using open = new OpenCatalog();
  const { database } = open.catalog;
  const asked: string[] = [];
  const prepare = database.prepare.bind(database);
  database.prepare = ((sql: string) => {
    asked.push(sql);
    return prepare(sql);
  }) as typeof database.prepare;
  // Both prepare their statements in the constructor.
  new (open.lookup.constructor as typeof import("../../src/index-server/lookup.ts").Lookup)(
    open.catalog,
    Math.random,
  );
  const selects = asked.filter((sql) => sql.trimStart().startsWith("SELECT"));
  expect(selects.length).toBeGreaterThanOrEqual(5);
  for (const sql of selects) {
    const plan = database
      .query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => detail)
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
  fc.record({ do: fc.constant("purge" as const) }),
);

/** What every live peer has: name to file. */
type Model = Map<number, Map<string, FileEntry>>;

test("whatever happens, QUERY, the view and the counters agree with a model", () => {
  fc.assert(
    fc.property(
      fc.array(stepArbitrary, { maxLength: 25 }),
      fc.integer({ min: 1, max: 5 }),
      (steps, slice) => {
        using open = new OpenCatalog();
        const model: Model = new Map();
        const peers = new Map<number, LivePeer>();
        const left: LivePeer[] = [];
        for (const step of steps) {
          if (step.do === "purge") {
            for (const peer of left.splice(0)) open.purge(peer);
          } else if (step.do === "leave") {
            const peer = peers.get(step.peer);
            if (peer === undefined) continue;
            open.catalog.leave(peer);
            left.push(peer);
            peers.delete(step.peer);
            model.delete(step.peer);
          } else if (step.do === "register") {
            const peer = peers.get(step.peer) ?? open.catalog.join("10.0.0.1", 20_000 + step.peer);
            peers.set(step.peer, peer);
            open.run(open.catalog.register(peer, peer.port, step.files), slice);
            model.set(step.peer, new Map(step.files.map((file) => [file.name, file])));
          } else {
            const peer = peers.get(step.peer);
            const has = model.get(step.peer);
            if (peer === undefined || has === undefined) continue;
            open.update(peer, step.add, step.remove);
            for (const name of step.remove) has.delete(name);
            for (const file of step.add) has.set(file.name, file);
          }
          check(open, model);
        }
        for (const peer of left) open.purge(peer);
        check(open, model);
        checkCounters(open, model);
      },
    ),
    { numRuns: 150 },
  );
});

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
  expect(matches.map(({ name, root, sources }) => `${name} ${root} ${sources}`)).toEqual(listed(model));
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
  expect(open.catalog.counts).toEqual({
    peers: model.size,
    holdings: files.length,
    names: distinct(files.map(({ name }) => name)),
  });
  expect(open.rows("entries")).toBe(distinct(files.map(({ name, root }) => `${name} ${root}`)));
  expect(open.rows("contents")).toBe(distinct(files.map(({ root }) => root)));
}

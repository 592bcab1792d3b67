/**
 * What every store of the index does (src/index-server/catalog.ts): tables for single rules here, a model in
 * contract-model.ts. Run for each store by a file of its own.
 */
import { describe, expect, test } from "bun:test";
import { type Catalog, StoreError } from "../../src/index-server/catalog.ts";
import { encodeResultStart } from "../../src/wire/encode.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { FileEntry, FoundContent } from "../../src/wire/messages.ts";
import { nameBytes } from "../../src/wire/plain-query.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { fileEntry, md5Of, rootOf } from "../helpers/file-entries.ts";
import { resultLine } from "../helpers/result-line.ts";
import { until } from "../helpers/until.ts";
import { modelTest } from "./contract-model.ts";
import { claimOf, lineOf, type OpenStore, Store } from "./open-store.ts";

export function partialEntry(name: string, content: number | string = name): FileEntry {
  return { ...fileEntry(name, content), partial: true };
}

const short = (content: number | string) => rootOf(content).slice(0, 8);
const files = (count: number, prefix = "f") =>
  Array.from({ length: count }, (_, i) => fileEntry(`${prefix}${i}`));

export function contractTests(name: string, open: OpenStore): void {
  describe(`${name}: QUERY`, () => queryTests(open));
  describe(`${name}: partial holdings`, () => partialTests(open));
  describe(`${name}: a peer that leaves`, () => leaveTests(open));
  describe(`${name}: a library by its digest`, () => digestTests(open));
  describe(`${name}: limits and refusals`, () => limitTests(open));
  describe(`${name}: order and news`, () => orderTests(open));
  describe(`${name}: views`, () => viewTests(open));
  describe(`${name}: whatever happens`, () => modelTest(open));
}

function queryTests(open: OpenStore): void {
  test("finds by the last part, and with a slash by the whole name; nothing else matches", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer([fileEntry("iso/deep/a.iso", 1)]);
    const hit = [`${short(1)} 1 [iso/deep/a.iso] ${peer.port}`];
    expect(await store.found("a.iso")).toEqual(hit);
    expect(await store.found("iso/deep/a.iso")).toEqual(hit);
    const others = [
      "deep/a.iso",
      "A.ISO",
      "a.is",
      "a",
      "iso",
      "%",
      "*",
      "a.is_",
      "",
      "/",
      "/a.iso",
      "a\0",
      "'",
    ];
    for (const other of others) expect(await store.found(other)).toEqual([]);
    const [content] = await store.find("a.iso");
    expect(content).toMatchObject({ root: rootOf(1), md5: md5Of(1), sizeBytes: fileEntry("x", 1).sizeBytes });
    expect(content?.sources[0]).toEqual({ peer: peer.id, host: "10.0.0.1", port: peer.port, partial: false });
  });

  test("keeps names as they are, whatever characters they have", async () => {
    await using store = await Store.open(open);
    const names = [
      '"quoted"',
      "it's {a,b}",
      "NULL",
      "ünï\u0301",
      "\u{1f3ac} film",
      "a%b_c",
      "x,y",
      "$1",
      "  ",
    ];
    const peer = await store.peer(names.map((name) => fileEntry(name)));
    for (const name of names)
      expect(await store.found(name)).toEqual([`${short(name)} 1 [${name}] ${peer.port}`]);
  });

  test("keeps sizes up to the largest", async () => {
    await using store = await Store.open(open);
    const sizeBytes = 2 ** 40;
    await store.peer([{ ...fileEntry("huge"), sizeBytes }]);
    expect((await store.find("huge"))[0]?.sizeBytes).toBe(sizeBytes);
  });

  test("groups by content: names that match, peers that have it under whatever name", async () => {
    await using store = await Store.open(open);
    const one = await store.peer([fileEntry("a.bin", 1), fileEntry("y/a.bin", 1), fileEntry("b.bin", 2)]);
    const two = await store.peer([fileEntry("x/a.bin", 1)]);
    const three = await store.peer([fileEntry("renamed", 1)]);
    expect(await store.found("a.bin")).toEqual([
      `${short(1)} 3 [a.bin, x/a.bin, y/a.bin] ${[one, two, three].map(({ port }) => port).join(",")}`,
    ]);
  });

  test("puts the content with most sources first", async () => {
    await using store = await Store.open(open);
    for (const content of [1, 2, 2, 2, 3, 3]) await store.peer([fileEntry("same.iso", content)]);
    expect((await store.find("same.iso")).map(({ total }) => total)).toEqual([3, 2, 1]);
  });

  test("a liar about the size makes a content of his own; about the MD5, he changes nobody else's", async () => {
    await using store = await Store.open(open);
    const honest = fileEntry("a.iso", 1);
    await store.peer([{ ...honest, md5: md5Of("a lie") }]);
    await store.peer([honest]);
    await store.peer([honest]);
    await store.peer([{ ...honest, sizeBytes: 5 }]);
    const contents = await store.find("a.iso");
    expect(contents.map(({ sizeBytes, total, md5 }) => ({ sizeBytes, total, md5 }))).toEqual([
      { sizeBytes: honest.sizeBytes, total: 3, md5: honest.md5 },
      { sizeBytes: 5, total: 1, md5: honest.md5 },
    ]);
  });

  test("two sessions of one address count once", async () => {
    await using store = await Store.open(open);
    await store.peer([fileEntry("a", 1)], "10.0.0.1", 7767);
    await store.peer([fileEntry("a", 1)], "10.0.0.1", 7767);
    await store.peer([fileEntry("a", 1)], "10.0.0.2", 7767);
    const [content] = await store.find("a");
    expect(content?.total).toBe(2);
    expect(content?.sources.map(({ host }) => host).sort()).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("gives at most 64 sources, each as likely as any other, 16 names and 100 contents", async () => {
    await using store = await Store.open(open);
    const peers = await Promise.all(Array.from({ length: 200 }, () => store.peer([fileEntry("many", 1)])));
    const given = new Map<number, number>();
    for (let i = 0; i < 200; i++) {
      const [content] = await store.find("many");
      expect(content?.total).toBe(200);
      expect(new Set(content?.sources.map(({ port }) => port)).size).toBe(64);
      for (const { port } of content?.sources ?? []) given.set(port, (given.get(port) ?? 0) + 1);
    }
    // 64 expected of each, standard deviation 6.6.
    for (const { port } of peers) expect(given.get(port)).toBeWithin(25, 105);

    await store.peer(Array.from({ length: 40 }, (_, i) => fileEntry(`folder ${i + 10}/names`, 2)));
    const names = (await store.find("names"))[0]?.names;
    expect(names).toHaveLength(16);
    expect(names).toEqual(names?.toSorted());

    await store.peer(Array.from({ length: 150 }, (_, i) => fileEntry(`${i}/contents`, `content ${i}`)));
    expect(await store.find("contents")).toHaveLength(100);
  });

  test.each([true, false])(
    "the most held content is found among 5,000 lies under its name (it came first: %p)",
    async (honestFirst) => {
      await using store = await Store.open(open);
      const honest = async () => {
        for (let i = 0; i < 3; i++) await store.peer([fileEntry("iso/ubuntu.iso", "the true one")]);
      };
      if (honestFirst) await honest();
      await store.peer(Array.from({ length: 5_000 }, (_, i) => fileEntry(`${i}/ubuntu.iso`, `lie ${i}`)));
      if (!honestFirst) await honest();
      // Popularity may be counted in the background.
      await until(async () => {
        const [first] = await store.find("ubuntu.iso");
        return first?.root === rootOf("the true one") && first.total === 3;
      });
    },
  );

  test("a content that has thousands of names is found with who has it", async () => {
    await using store = await Store.open(open);
    const peers = [
      await store.peer(Array.from({ length: 500 }, (_, i) => fileEntry(`${i}/empty`, "the same"))),
      await store.peer(Array.from({ length: 500 }, (_, i) => fileEntry(`x${i}/__init__`, "the same"))),
    ];
    const [content, ...others] = await store.find("empty");
    expect(others).toEqual([]);
    expect(content).toMatchObject({ total: 2, names: { length: 16 } });
    expect(content?.sources.map(({ peer }) => peer).sort()).toEqual(peers.map(({ id }) => id).sort());
  });

  test("of a content that many have, 64 live sources are found, and the last ones when most have left", async () => {
    await using store = await Store.open(open);
    const peers = await Promise.all(
      Array.from({ length: 1_200 }, (_, i) =>
        store.peer(i % 2 === 0 ? [fileEntry("popular", 1)] : [], `10.0.${i >> 8}.${i & 255}`),
      ),
    );
    const [content] = await store.find("popular");
    expect(content?.total).toBe(600);
    expect(content?.sources).toHaveLength(64);
    for (const source of content?.sources ?? [])
      expect(peers.findIndex(({ id }) => String(id) === source.peer) % 2).toBe(0);
    for (const peer of peers.slice(20)) store.catalog.leave(peer);
    const [left] = await store.find("popular");
    expect(left?.total).toBe(10);
    expect(left?.sources).toHaveLength(10);
  });

  test("an answer is what the contents are, and never an old one", async () => {
    await using store = await Store.open(open);
    const asked = async () => {
      const answer = Buffer.from(await store.catalog.answer("a")).toString();
      // What is kept is the same, and is kept once it was asked for, if such answers are kept at all.
      const kept = store.catalog.keptAnswer?.(nameBytes("a"));
      expect(kept?.bytes.toString("utf8", kept.from, kept.to) ?? answer).toBe(answer);
      return encodeResultStart(7) + answer;
    };
    const is = async () => resultLine(7, await store.find("a"));
    expect(await asked()).toBe(await is());
    const one = await store.peer([fileEntry("a", 1)]);
    const first = await is();
    expect(await asked()).toBe(first);
    expect(await asked()).toBe(first);
    const two = await store.peer([fileEntry("other name", 1)]);
    const both = JSON.parse(await asked()) as { contents: FoundContent[] };
    expect(both.contents[0]?.total).toBe(2);
    await store.update(two, [], ["other name"]);
    expect(await asked()).toBe(first);
    // What is added is seen under its last part, and counted under every name of its content.
    await store.update(two, [fileEntry("x/a", 2)]);
    expect(JSON.parse(await asked())).toMatchObject({ contents: [{ total: 1 }, { total: 1 }] });
    await store.update(two, [fileEntry("yet another", 1)]);
    expect(JSON.parse(await asked())).toMatchObject({ contents: [{ total: 2 }, { total: 1 }] });
    store.catalog.leave(one);
    store.catalog.leave(two);
    expect(await asked()).toBe(resultLine(7, []));
  });
}

function partialTests(open: OpenStore): void {
  test("are sources that say so, and whole once they are added so", async () => {
    await using store = await Store.open(open);
    const seed = await store.peer([fileEntry("a.iso", 1)]);
    const leech = await store.peer([partialEntry("a.iso", 1)]);
    const withLeech = (state: string) => [`${short(1)} 2 [a.iso] ${seed.port},${leech.port}${state}`];
    expect(await store.found("a.iso")).toEqual(withLeech(" in part"));
    await store.update(leech, [fileEntry("a.iso", 1)]);
    expect(await store.found("a.iso")).toEqual(withLeech(""));
    await store.update(leech, [partialEntry("a.iso", 1)]);
    expect(await store.found("a.iso")).toEqual(withLeech(" in part"));
    expect(leech.files).toBe(1);
  });

  test("never make a peer or an address partial that has the content whole", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer([fileEntry("a", 1), partialEntry("b", 1)], "10.0.0.1", 7767);
    await store.peer([partialEntry("c", 1)], "10.0.0.1", 7767);
    expect(await store.found("c")).toEqual([`${short(1)} 1 [c] 7767`]);
    await store.update(peer, [], ["a"]);
    expect(await store.found("c")).toEqual([`${short(1)} 1 [c] 7767 in part`]);
    await store.update(peer, [fileEntry("b", 1)]);
    expect(await store.found("c")).toEqual([`${short(1)} 1 [c] 7767`]);
  });

  test("are found while nobody has the content whole, but neither searched nor listed nor browsed", async () => {
    await using store = await Store.open(open);
    const leech = await store.peer([partialEntry("d/a.iso", 1)]);
    expect(await store.found("a.iso")).toEqual([`${short(1)} 1 [d/a.iso] ${leech.port} in part`]);
    await store.peer([fileEntry("d/other.iso", 1)]);
    await until(async () => (await searched(store.catalog, "iso")).length > 0);
    expect(await searched(store.catalog, "iso")).toEqual(["d/other.iso 1"]);
    expect(await listed(store.catalog, "d/")).toEqual(["d/other.iso 1"]);
    expect(await browsed(store.catalog, "d")).toEqual(["other.iso 1"]);
  });

  const crowds: [whole: number, partial: number, expected: number][] = [
    [1, 100, 1],
    [31, 100, 31],
    [60, 60, 32],
    [70, 10, 54],
    [70, 0, 64],
    [0, 70, 0],
  ];
  test.each(crowds)(
    "of %d whole and %d partial sources %d whole ones are told",
    async (whole, partial, expected) => {
      await using store = await Store.open(open);
      const many = (count: number, entry: FileEntry) =>
        Array.from({ length: count }, () => store.peer([entry]));
      await Promise.all([...many(whole, fileEntry("many", 1)), ...many(partial, partialEntry("many", 1))]);
      for (let i = 0; i < 10; i++) {
        const [content] = await store.find("many");
        const { sources = [] } = content ?? {};
        expect(content?.total).toBe(whole + partial);
        expect(new Set(sources.map(({ port }) => port)).size).toBe(64);
        expect(sources.filter((source) => !source.partial)).toHaveLength(expected);
      }
    },
  );
}

function leaveTests(open: OpenStore): void {
  test("is in no answer from that moment, and its names neither", async () => {
    await using store = await Store.open(open);
    const leaver = await store.peer([fileEntry("d/secret name", 1), fileEntry("only mine", 2)]);
    const stays = await store.peer([fileEntry("public name", 1)]);
    await until(async () => (await searched(store.catalog, "mine")).length === 1);
    await until(async () => (await searched(store.catalog, "public")).length === 1);
    store.catalog.leave(leaver);
    store.catalog.leave(leaver);
    expect(await store.found("secret name")).toEqual([]);
    expect(await store.found("only mine")).toEqual([]);
    expect(await store.found("public name")).toEqual([`${short(1)} 1 [public name] ${stays.port}`]);
    expect(await searched(store.catalog, "name")).toEqual(["public name 1"]);
    expect(await listed(store.catalog, "**")).toEqual(["public name 1"]);
    expect(await browsed(store.catalog, "")).toEqual(["public name 1"]);
    expect(store.catalog.counts).toMatchObject({ peers: 1, files: 1 });
    expect([...store.catalog.peers()].map(({ id }) => id)).toEqual([stays.id]);
  });

  test("is not found with what was under way when it left", async () => {
    await using store = await Store.open(open);
    for (let i = 0; i < 10; i++) {
      const peer = store.catalog.join("10.0.0.1");
      const under = [store.register(peer, files(50), 5)];
      const settled = Promise.allSettled(under);
      if (i % 2 === 1) await Bun.sleep(i / 2);
      store.catalog.leave(peer);
      // A store need not answer any more.
      await Promise.race([settled, Bun.sleep(200)]);
      expect(await store.found("f1")).toEqual([]);
      expect(store.catalog.counts).toMatchObject({ peers: 0, files: 0 });
    }
    const again = await store.peer(files(1));
    expect(await store.found("f0")).toEqual([`${short("f0")} 1 [f0] ${again.port}`]);
  });

  test("and comes back is another peer", async () => {
    await using store = await Store.open(open);
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const peer = await store.peer([fileEntry("a", 1)], "10.0.0.1", 7767);
      expect(await store.found("a")).toEqual([`${short(1)} 1 [a] 7767`]);
      expect((await store.find("a"))[0]?.sources[0]?.peer).toBe(peer.id);
      seen.add(peer.id);
      store.catalog.leave(peer);
    }
    expect(seen.size).toBe(5);
  });
}

function digestTests(open: OpenStore): void {
  const library = [fileEntry("a", 1), fileEntry("x/b", 2), partialEntry("c", 3)];

  test("has all again that it had, and nothing before it has said so", async () => {
    await using store = await Store.open(open);
    const before = await store.peer(library, "10.0.0.1", 7767);
    const answers = await Promise.all(["a", "b", "c"].map((name) => store.found(name)));
    store.catalog.leave(before);
    expect(await store.found("a")).toEqual([]);
    const peer = store.catalog.join("10.0.0.1");
    expect(await store.found("a")).toEqual([]);
    expect(await store.claim(peer, claimOf(library), 7767)).toMatchObject({ held: true });
    expect(await Promise.all(["a", "b", "c"].map((name) => store.found(name)))).toEqual(answers);
    expect((await store.find("a"))[0]?.sources[0]?.peer).toBe(peer.id);
    expect(peer).toMatchObject({ files: 3, port: 7767 });
    expect(store.catalog.counts).toMatchObject({ peers: 1, files: 3 });
    // And goes on from there.
    await store.update(peer, [fileEntry("c", 3), fileEntry("d", 4)], ["a"]);
    expect(peer.files).toBe(3);
    expect(await store.found("c")).toEqual([`${short(3)} 1 [c] 7767`]);
    expect(await store.found("a")).toEqual([]);
    store.catalog.leave(peer);
    const third = store.catalog.join("10.0.0.1");
    const now = [fileEntry("x/b", 2), fileEntry("c", 3), fileEntry("d", 4)];
    expect(await store.claim(third, claimOf(now), 7768)).toMatchObject({ held: true });
    expect(await store.found("d")).toEqual([`${short(4)} 1 [d] 7768`]);
  });

  test.each([
    ["another digest", claimOf([fileEntry("a", 1), fileEntry("x/b", 2), fileEntry("c", 3)]), "10.0.0.1"],
    ["another count", { ...claimOf(library), files: 4 }, "10.0.0.1"],
    ["another host", claimOf(library), "10.0.0.2"],
  ])("has nothing with %s, and can say what it has", async (_, claim, host) => {
    await using store = await Store.open(open);
    store.catalog.leave(await store.peer(library, "10.0.0.1", 7767));
    const peer = store.catalog.join(host);
    const { held } = await store.claim(peer, claim, 7767);
    // Whose library it was, a store need not care about.
    if (host === "10.0.0.1") expect(held).toBe(false);
    if (held === true) return;
    expect(await store.found("a")).toEqual([]);
    expect(peer.files).toBe(0);
    await store.update(peer, [fileEntry("a", 1)]);
    expect(await store.found("a")).toEqual([`${short(1)} 1 [a] 7767`]);
    expect(store.catalog.counts).toMatchObject({ peers: 1, files: 1 });
  });

  test("of nothing ends what was there", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer(library);
    // Held or not is the same then.
    await store.claim(peer, claimOf([]));
    expect(peer.files).toBe(0);
    expect(await store.found("a")).toEqual([]);
  });

  test("of the same session is held as long as it is right", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer(library);
    expect(await store.claim(peer, claimOf(library))).toMatchObject({ held: true });
    expect(peer.files).toBe(3);
    await store.update(peer, [], ["a"]);
    expect(await store.claim(peer, claimOf(library))).toMatchObject({ held: false });
    expect(peer.files).toBe(0);
    expect(await store.found("b")).toEqual([]);
  });

  test("is not asked about by a REGISTER with files", async () => {
    await using store = await Store.open(open);
    const peer = store.catalog.join("10.0.0.1");
    expect(await store.register(peer, library, 7767)).toMatchObject({ held: undefined });
    const line = lineOf({ type: "UPDATE", id: 77, add: [], remove: [] });
    expect(await store.catalog.apply(peer, "UPDATE", line)).toMatchObject({ id: 77 });
  });

  test("that is held is news to whoever waits for a file of it", async () => {
    await using store = await Store.open(open);
    store.catalog.leave(await store.peer(library, "10.0.0.1", 7767));
    store.listener.wanted = ({ name }) => name === "x/b";
    const peer = store.catalog.join("10.0.0.1");
    await store.claim(peer, claimOf(library), 7767);
    const { told } = store.listener;
    await until(() => told.length > 0);
    expect(told).toEqual([
      { source: { peer: peer.id, host: "10.0.0.1", port: 7767, partial: false }, file: fileEntry("x/b", 2) },
    ]);
  });
}

function limitTests(open: OpenStore): void {
  const limits = { filesPerPeer: 5, filesPerIndex: 8 };
  const refused = (code: string) => expect.objectContaining({ code });
  const refusalOf = (applied: Promise<unknown>) => applied.catch((error: unknown) => error);

  test("what is beyond them is refused whole, with the id of the request", async () => {
    await using store = await Store.open(open, limits);
    const peer = await store.peer(files(4));
    const refusal = await refusalOf(store.update(peer, files(2, "more"), [], 99));
    expect(refusal).toEqual(expect.objectContaining({ code: "TOO_MANY", id: 99 }));
    expect(refusal).toBeInstanceOf(ProtocolError);
    expect(peer.files).toBe(4);
    expect(await store.found("more0")).toEqual([]);
    expect(await refusalOf(store.register(peer, files(6)))).toEqual(refused("TOO_MANY"));
    const other = store.catalog.join("10.0.0.2");
    expect(await refusalOf(store.register(other, files(5, "x"), 7))).toEqual(refused("STORAGE_FULL"));
    expect(await store.found("x0")).toEqual([]);
    await store.register(other, files(4, "x"), 7);
    expect(store.catalog.counts.files).toBe(8);
  });

  test("of UPDATEs that are under way together only those are refused that are too much", async () => {
    await using store = await Store.open(open, limits);
    const peer = await store.peer(files(2));
    const updates = [
      store.update(peer, files(2, "x")),
      store.update(peer, files(2, "y"), [], 98),
      store.update(peer, [fileEntry("z")], ["x0"]),
      store.update(peer, [fileEntry("last")]),
      store.update(peer, [fileEntry("x1", "changed"), fileEntry("beyond")], [], 99),
    ];
    const ends = await Promise.all(
      updates.slice(0, store.catalog.updatesAtOnce).map((update) => refusalOf(update)),
    );
    expect(ends.map((end) => end instanceof ProtocolError && `${end.code} ${end.id}`)).toEqual([
      false,
      "TOO_MANY 98",
      false,
      false,
      "TOO_MANY 99",
    ]);
    expect(peer.files).toBe(5);
    expect(store.catalog.counts.files).toBe(5);
    for (const name of ["f0", "f1", "x1", "z", "last"]) expect(await store.found(name)).toHaveLength(1);
    for (const name of ["x0", "y0", "y1", "beyond"]) expect(await store.found(name)).toEqual([]);
  });

  test("what only changes, or goes and comes in one, is not more", async () => {
    await using store = await Store.open(open, limits);
    const peer = await store.peer(files(5));
    await store.update(peer, [fileEntry("f0", "changed"), fileEntry("f1", "changed")]);
    await store.update(peer, [fileEntry("new")], ["f0"]);
    expect(await refusalOf(store.update(peer, [fileEntry("new 2")], ["f0", "nothing"]))).toEqual(
      refused("TOO_MANY"),
    );
    await store.update(peer, [fileEntry("f1", "again"), fileEntry("f1", "and again")], ["f1"]);
    expect(peer.files).toBe(5);
    expect(await store.found("f1")).toEqual([`${short("and again")} 1 [f1] ${peer.port}`]);
  });

  test("a line that is wrong is refused, and the next one is not", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer([fileEntry("a", 1)]);
    const bad = `{"type":"UPDATE","id":12,"add":[{"name":"../x","size":1,"md5":"","root":""}]}`;
    const refusal = await refusalOf(store.catalog.apply(peer, "UPDATE", Buffer.from(bad)));
    expect(refusal).toEqual(expect.objectContaining({ code: "BAD_NAME", id: 12 }));
    await store.update(peer, files(1));
    expect(peer.files).toBe(2);
    const noJson = refusalOf(store.catalog.apply(peer, "UPDATE", Buffer.from("{")));
    expect(await noJson).toEqual(expect.objectContaining({ code: "BAD_JSON", id: null }));
    const other = lineOf({ type: "UPDATE", id: 13, add: [], remove: ["a" as FileName] });
    expect(await refusalOf(store.catalog.apply(peer, "REGISTER", other))).toBeInstanceOf(ProtocolError);
    expect(peer.files).toBe(2);
  });
}

function orderTests(open: OpenStore): void {
  test("of changes one after the other the last one counts", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer(files(10), "10.0.0.1", 5);
    for (let i = 0; i < 10; i++) await store.update(peer, [fileEntry("turn", i)], [`f${i}`]);
    expect(await store.found("turn")).toEqual([`${short(9)} 1 [turn] 5`]);
    await store.update(peer, [], ["turn"]);
    await store.update(peer, [fileEntry("turn", "last")]);
    expect(await store.found("turn")).toEqual([`${short("last")} 1 [turn] 5`]);
    expect(peer.files).toBe(1);
    expect(store.catalog.isLive(peer.id)).toBe(true);
    store.catalog.leave(peer);
    expect(store.catalog.isLive(peer.id)).toBe(false);
  });

  test("of changes that are under way together the last one counts, and none is left once the peer has gone", async () => {
    await using store = await Store.open(open);
    const { updatesAtOnce } = store.catalog;
    const peer = await store.peer(files(10), "10.0.0.1", 5);
    const together = (round: number) =>
      Array.from({ length: updatesAtOnce }, (_, i) =>
        store.update(peer, [fileEntry("turn", 10 * round + i)], [`f${round}`], 100 * round + i),
      );
    for (let round = 1; round <= 5; round++) {
      const ids = (await Promise.all(together(round))).map(({ id }) => id);
      expect(ids).toEqual(Array.from({ length: updatesAtOnce }, (_, i) => 100 * round + i));
      expect(await store.found("turn")).toEqual([`${short(10 * round + updatesAtOnce - 1)} 1 [turn] 5`]);
    }
    expect(peer.files).toBe(6);
    const ends = together(6).map((update) => update.then(String, (error: Error) => error.name));
    store.catalog.leave(peer);
    expect(new Set(await Promise.all(ends))).toEqual(new Set([StoreError.name]));
    expect(await store.find("turn")).toEqual([]);
  });

  test("of large changes that are under way together as well, and what is held is what they come to", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer([], "10.0.0.1", 5);
    const anew = files(2_000, "a").map(({ name }) => fileEntry(name, `${name} anew`));
    const updates = [
      ...["a", "b", "c", "d"].map((prefix) => () => store.update(peer, files(2_000, prefix))),
      () => store.update(peer, anew),
      () => store.update(peer, files(2_000, "e")),
      () => store.update(peer, files(2_000, "f")),
      () => store.update(peer, files(1_997, "c"), ["b0", "d0", "d1"]),
    ];
    const { updatesAtOnce } = store.catalog;
    for (let i = 0; i < updates.length; i += updatesAtOnce)
      await Promise.all(updates.slice(i, i + updatesAtOnce).map((update) => update()));
    const others = ["b", "c", "d", "e", "f"].flatMap((prefix) => files(2_000, prefix));
    const library = [...anew, ...others].filter(({ name }) => !["b0", "d0", "d1"].includes(name));
    expect(peer.files).toBe(library.length);
    expect(await store.found("a7")).toEqual([`${short("a7 anew")} 1 [a7] 5`]);
    for (const [name, count] of [
      ["b0", 0],
      ["c0", 1],
      ["d1", 0],
      ["d2", 1],
    ] as const)
      expect(await store.found(name)).toHaveLength(count);
    store.catalog.leave(peer);
    const again = store.catalog.join("10.0.0.1");
    expect(await store.claim(again, claimOf(library), 5)).toMatchObject({ held: true });
  });

  test("many peers that register the same files at once all have them", async () => {
    await using store = await Store.open(open);
    const same = files(300);
    const shuffled = (by: number) => [...same.slice(by), ...same.slice(0, by)];
    const peers = await Promise.all(Array.from({ length: 12 }, (_, i) => store.peer(shuffled(i * 25))));
    for (const name of ["f0", "f150", "f299"]) expect((await store.find(name))[0]?.total).toBe(12);
    expect(store.catalog.counts).toMatchObject({ peers: 12, files: 3_600 });
    await until(() => store.catalog.counts.names === 300);
    await Promise.all(
      peers.slice(1).map((peer, i) =>
        store.update(
          peer,
          [],
          shuffled(i).map(({ name }) => name),
        ),
      ),
    );
    expect((await store.find("f7"))[0]?.total).toBe(1);
    expect(store.catalog.counts.files).toBe(300);
  });

  test("REGISTER replaces all that the peer had", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer(files(2_500));
    expect(peer.files).toBe(2_500);
    await store.register(peer, [...files(3), fileEntry("new")]);
    expect(peer.files).toBe(4);
    expect(await store.found("f2400")).toEqual([]);
    expect(await store.found("f2")).toEqual([`${short("f2")} 1 [f2] ${peer.port}`]);
    expect(store.catalog.counts).toMatchObject({ peers: 1, files: 4 });
    await store.register(peer, files(3), 7);
    expect(await store.found("f2")).toEqual([`${short("f2")} 1 [f2] 7`]);
  });

  test("news are what could not be found at the peer before, as far as it is wanted", async () => {
    await using store = await Store.open(open);
    const peer = await store.peer([fileEntry("quiet", 9)]);
    const { told } = store.listener;
    expect(told).toEqual([]);
    store.listener.wanted = ({ name }) => name === "a";
    const [part, whole] = [partialEntry("a", 1), fileEntry("a", 1)];
    for (const [file, expected] of [
      [part, 1],
      [part, 0],
      [whole, 1],
      [whole, 0],
      [part, 0],
      [fileEntry("a", 2), 1],
      [fileEntry("b", 2), 0],
    ] as const) {
      told.length = 0;
      await store.update(peer, [file]);
      const source = { peer: peer.id, host: "10.0.0.1", port: peer.port, partial: file.partial === true };
      expect(told).toEqual(expected === 1 ? [{ source, file }] : []);
    }
    told.length = 0;
    await store.register(peer, [fileEntry("a", 2), fileEntry("c")]);
    expect(told).toEqual([]);
  });

  test("counts are right at every moment", async () => {
    await using store = await Store.open(open);
    expect(store.catalog.counts).toEqual({ peers: 0, files: 0, names: 0 });
    const peer = store.catalog.join("10.0.0.1");
    expect(store.catalog.counts.peers).toBe(0);
    expect(peer).toMatchObject({ host: "10.0.0.1", port: 0, files: 0 });
    await store.register(peer, files(3), 5);
    expect([...store.catalog.peers()]).toHaveLength(1);
    const other = await store.peer(files(2));
    expect(store.catalog.counts).toMatchObject({ peers: 2, files: 5 });
    await until(() => store.catalog.counts.names === 3);
    await store.update(peer, [fileEntry("f0", "other content")], ["f2"]);
    expect(store.catalog.counts.files).toBe(4);
    await until(() => store.catalog.counts.names === 2);
    expect([...store.catalog.peers()].map(({ id }) => id)).toEqual([peer.id, other.id]);
    expect(store.catalog.keptTotal({ root: rootOf("f1"), sizeBytes: fileEntry("f1").sizeBytes })).toBe(2);
    expect(await store.catalog.problem()).toBeUndefined();
    expect(store.listener.failures).toEqual([]);
  });
}

function viewTests(open: OpenStore): void {
  test("LIST has the names that fit in the order of their bytes, page by page", async () => {
    await using store = await Store.open(open);
    const names = ["d/b", "d/a", "d/x/c", "dd/a", "e", "d/\u{1f3ac}", "d/\uffee", "d/0", "d-/0"];
    await store.peer(names.map((name) => fileEntry(name, 1)));
    await store.peer([fileEntry("d/b", 2), partialEntry("d/part", 1)]);
    await store.peer([fileEntry("d/b", 2)]);
    // In UTF-16 the clapper would come before U+FFEE.
    const expected = ["d/0 1", "d/a 1", "d/b 2", "d/b 1", "d/x/c 1", "d/\uffee 1", "d/\u{1f3ac} 1"];
    expect(await listed(store.catalog, "d/")).toEqual(expected);
    for (const limit of [1, 2, 3]) {
      const one = await listed(store.catalog, "d/", limit);
      expect(one).toEqual(limit === 1 ? expected.filter((line) => line !== "d/b 1") : expected);
    }
    expect(await listed(store.catalog, "d/b")).toEqual(["d/b 2", "d/b 1"]);
    expect(await listed(store.catalog, "*/a")).toEqual(["d/a 1", "dd/a 1"]);
    expect(await listed(store.catalog, "d")).toEqual([]);
    const { files: page, next } = await store.catalog.list({}, "d/a", "", 10);
    expect(next).toBeUndefined();
    expect(page).toMatchObject([{ name: "d/a", md5: md5Of(1), root: rootOf(1), sizeBytes: 1001, total: 1 }]);
    expect(page[0]?.sources).toHaveLength(1);
  });

  test("BROWSE has what is directly in a folder in the order of bytes, folders first, page by page", async () => {
    await using store = await Store.open(open);
    const names = [
      "data/x",
      "data-1/x",
      "data.txt",
      "data",
      "a",
      "b/c/d",
      "b/c/e",
      "b/f",
      "dat/a",
      "\u{1f3ac}/x",
      "\uffee",
    ];
    await store.peer(names.map((name, i) => fileEntry(name, i)));
    await store.peer([fileEntry("a", 4), partialEntry("part/x", 1)]);
    store.catalog.leave(await store.peer([fileEntry("left/x", 1), fileEntry("left", 2)]));
    const top = ["a 2", "b/", "dat/", "data/", "data 1", "data-1/", "data.txt 1", "\uffee 1", "\u{1f3ac}/"];
    expect(await browsed(store.catalog, "")).toEqual(top);
    for (const limit of [1, 2, 3, 5]) {
      const paged = await browsed(store.catalog, "", limit);
      expect(paged).toEqual(limit === 1 ? top.filter((line) => line !== "data 1") : top);
    }
    expect(await browsed(store.catalog, "b")).toEqual(["c/", "f 1"]);
    expect(await browsed(store.catalog, "b/c")).toEqual(["d 1", "e 1"]);
    for (const none of ["b/c/d", "nothing", "b/", "left", "part", "\0"])
      expect(await browsed(store.catalog, none)).toEqual([]);
    const { entries } = await store.catalog.browse({}, "b", "c", 10);
    expect(entries).toEqual([
      { name: "f" as FileName, folder: false, sizeBytes: 1001, md5: md5Of(7), root: rootOf(7), sources: 1 },
    ]);
  });

  test("BROWSE jumps over what is in folders, and has a thousand of them", async () => {
    await using store = await Store.open(open);
    const names = Array.from({ length: 4_000 }, (_, i) => `${String(i % 500).padStart(3, "0")}/${i}`);
    await store.peer(names.map((name) => fileEntry(name, 1)));
    const expected = Array.from({ length: 500 }, (_, i) => `${String(i).padStart(3, "0")}/`);
    expect(await browsed(store.catalog, "", 1_000)).toEqual(expected);
    expect(await browsed(store.catalog, "", 99)).toEqual(expected);
  });

  test("SEARCH finds what fits, best first, page by page", async () => {
    await using store = await Store.open(open);
    await store.peer(
      ["films/Big Buck Bunny.mkv", "films/bunny.mkv", "Büro/bunny notes.txt", "other.iso"].map((name, i) => ({
        ...fileEntry(name, i),
        sizeBytes: 10 ** (i + 3),
      })),
      "10.0.0.1",
    );
    await store.peer([{ ...fileEntry("films/Big Buck Bunny.mkv", 0), sizeBytes: 1_000 }], "10.0.0.2");
    const found = (text: string, limit?: number) => searched(store.catalog, text, limit);
    await until(async () => (await found("mkv")).length === 2 && (await found("other")).length === 1);
    const all = ["films/bunny.mkv 1", "films/Big Buck Bunny.mkv 2", "Büro/bunny notes.txt 1"];
    expect(await found("bunny")).toEqual(all);
    for (const limit of [1, 2]) expect(await found("BUNNY", limit)).toEqual(all);
    expect(await found("buro")).toEqual(["Büro/bunny notes.txt 1"]);
    expect(await found("unn -buck")).toEqual([all[2]!, all[0]!]);
    expect(await found('"buck bunny"')).toEqual([all[1]!]);
    expect(await found("*.iso")).toEqual(["other.iso 1"]);
    expect(await found("type:video size:<5K")).toEqual([all[1]!]);
    expect(await found("bunny peer:10.0.0.2")).toEqual([all[1]!]);
    expect(await found("nothing at all")).toEqual([]);
    const bad = store.catalog.search({}, "size:huge", "", 10);
    expect(await Promise.resolve(bad).catch((error: unknown) => error)).toMatchObject({ code: "BAD_SEARCH" });
  });
}

// --- pages put together ---

async function searched(catalog: Catalog, text: string, limit = 50): Promise<string[]> {
  const all: string[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    const { matches, more, next } = await catalog.search({}, text, after, limit);
    expect(matches.length).toBeLessThanOrEqual(limit);
    all.push(...matches.map(({ name, sources }) => `${name} ${sources}`));
    expect(more).toBe(next !== undefined);
    after = next;
  }
  return all;
}

async function listed(catalog: Catalog, pattern: string, limit = 1_000): Promise<string[]> {
  const all: string[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    const { files: page, next } = await catalog.list({}, pattern, after, limit);
    expect(page.length).toBeLessThanOrEqual(limit);
    all.push(...page.map(({ name, total }) => `${name} ${total}`));
    after = next;
  }
  return all;
}

async function browsed(catalog: Catalog, folder: string, limit = 1_000): Promise<string[]> {
  const all: string[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    const { entries, next } = await catalog.browse({}, folder, after, limit);
    expect(entries.length).toBeLessThanOrEqual(limit);
    all.push(...entries.map((entry) => (entry.folder ? `${entry.name}/` : `${entry.name} ${entry.sources}`)));
    after = next;
  }
  return all;
}

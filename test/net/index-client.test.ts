/** The client of the index against a real one, and against whatever else may answer at its address. */
import { afterEach, describe, expect, test } from "bun:test";
import { AuthenticationError, IndexError } from "../../src/errors.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { Announcer } from "../../src/library/announcer.ts";
import { IndexClient } from "../../src/net/index-client.ts";
import { IndexLink } from "../../src/net/index-link.ts";
import { IndexRefusal } from "../../src/net/index-refusal.ts";
import { listAll } from "../../src/net/list-all.ts";
import { openNetwork } from "../../src/trust/network.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import { fileEntry, rootOf, wireEntry } from "../helpers/file-entries.ts";
import { alice } from "../helpers/memberships.ts";
import { until } from "../helpers/until.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startIndex(port = 0): Promise<IndexServer> {
  const log = { info() {}, warn() {}, error() {} };
  const server = await IndexServer.start({ host: "127.0.0.1", port, databasePath: ":memory:", log });
  cleanups.push(() => server.stop());
  return server;
}

async function open(port: number, timeoutMs = 2_000): Promise<IndexClient> {
  const client = await IndexClient.open(openNetwork([{ host: "127.0.0.1", port }]), timeoutMs);
  cleanups.push(() => client.close());
  return client;
}

/** Something that accepts, and answers every line with what `answer` says. */
function fakeIndex(answer: (line: string) => string | undefined): number {
  const flush = (socket: Bun.Socket<{ unsent: Buffer }>) => {
    const taken = socket.write(socket.data.unsent);
    socket.data.unsent = socket.data.unsent.subarray(Math.max(0, taken));
  };
  const listener = Bun.listen<{ unsent: Buffer }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { unsent: Buffer.alloc(0) };
      },
      data(socket, bytes) {
        for (const line of bytes.toString().trimEnd().split("\n")) {
          const text = answer(line);
          if (text === "CUT") socket.terminate();
          else if (text !== undefined)
            socket.data.unsent = Buffer.concat([socket.data.unsent, Buffer.from(`${text}\n`)]);
        }
        if (socket.data.unsent.length > 0) flush(socket);
      },
      drain: flush,
    },
  });
  cleanups.push(() => listener.stop(true));
  return listener.port;
}

const welcome = '{"type":"WELCOME","version":1,"agent":"fake"}';

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

describe("against a real index", () => {
  test("registers, updates, finds and searches, many requests at once", async () => {
    const { port } = await startIndex();
    const peer = await open(port);
    await peer.register(7767, [fileEntry("iso/a.iso", 1)]);
    await peer.update([fileEntry("b.txt", 2)], []);
    const client = await open(port);
    const [content] = await client.query("a.iso");
    expect(content).toMatchObject({ root: rootOf(1), names: ["iso/a.iso"], total: 1 });
    expect(content?.sources).toMatchObject([{ host: "127.0.0.1", port: 7767, partial: false }]);
    const { matches, more } = await client.search("TXT", 10);
    expect(matches.map(({ name }) => name as string)).toEqual(["b.txt"]);
    expect(more).toBe(false);
    const many = await Promise.all(
      Array.from({ length: 500 }, (_, i) => client.query(i % 2 ? "b.txt" : "none")),
    );
    expect(many.map((contents) => contents.length)).toEqual(many.map((_, i) => i % 2));
    await peer.update([], ["b.txt" as FileName]);
    expect(await client.query("b.txt")).toEqual([]);
  });

  test("of a name that was subscribed to new sources are told, also such as came before anybody listened", async () => {
    const { port } = await startIndex();
    const [seed, leech, client] = [await open(port), await open(port), await open(port)];
    await seed.register(7767, [fileEntry("a.iso", 1)]);
    const subscription = await client.subscribe("a.iso");
    expect(subscription.contents).toMatchObject([{ total: 1 }]);
    await leech.register(7768, [{ ...fileEntry("a.iso", 1), partial: true }]);
    await Bun.sleep(150);
    const told: string[] = [];
    subscription.listen((contents) => {
      for (const { sources } of contents)
        told.push(...sources.map((source) => `${source.port}${source.partial ? " in part" : ""}`));
    });
    expect(told).toEqual(["7768 in part"]);
    await leech.update([fileEntry("a.iso", 1)], []);
    await until(() => told.length === 2);
    expect(told[1]).toBe("7768");
    subscription.end();
    subscription.end();
    await seed.update([fileEntry("x/a.iso", 1)], []);
    // Whatever would have been pushed comes before the answer to what is asked now.
    await Bun.sleep(150);
    expect(await client.query("a.iso")).toMatchObject([{ total: 2 }]);
    expect(told).toHaveLength(2);
  });

  test("lists a folder of several pages", async () => {
    const { port } = await startIndex();
    const peer = await open(port);
    const names = Array.from({ length: 2_300 }, (_, i) => `data/${String(i).padStart(4, "0")}`);
    await peer.register(
      7767,
      names.slice(0, 2_000).map((name) => fileEntry(name)),
    );
    await peer.update(
      [...names.slice(2_000), "other"].map((name) => fileEntry(name)),
      [],
    );
    const client = await open(port);
    const pages: string[][] = [];
    for await (const files of listAll(client, "data/")) pages.push(files.map(({ name }) => name));
    expect(pages.map(({ length }) => length)).toEqual([1_000, 1_000, 300]);
    expect(pages.flat()).toEqual(names);
    for await (const files of listAll(client, "none/")) expect(files).toEqual([]);
  });

  test("a refusal has its code and leaves the connection alive", async () => {
    const client = await open((await startIndex()).port);
    const refused = await failure(client.update([fileEntry("a")], []));
    expect(refused).toBeInstanceOf(IndexRefusal);
    expect((refused as IndexRefusal).wireCode).toBe("BAD_STATE");
    expect(refused.message).toContain("REGISTER comes first");
    expect(await client.query("a")).toEqual([]);
  });

  test("its end is told once, and later requests fail at once", async () => {
    const server = await startIndex();
    const client = await open(server.port);
    const lost: string[] = [];
    client.keep((error) => lost.push(error.message));
    await server.stop();
    await until(() => lost.length > 0);
    expect(await failure(client.query("a"))).toBeInstanceOf(IndexError);
    client.close();
    expect(lost).toHaveLength(1);
  });

  test("closing by ourselves is no loss", async () => {
    const client = await open((await startIndex()).port);
    const lost: string[] = [];
    client.keep((error) => lost.push(error.message));
    client.close();
    await Bun.sleep(20);
    expect(lost).toEqual([]);
    expect(client.isOpen).toBe(false);
  });

  test("of several addresses the first that answers is taken", async () => {
    const silent = fakeIndex(() => undefined);
    const { port } = await startIndex();
    const closed = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const refusing = closed.port;
    closed.stop(true);
    const addresses = [refusing, silent, port].map((each) => ({ host: "127.0.0.1", port: each }));
    const client = await IndexClient.open(openNetwork(addresses), 600);
    cleanups.push(() => client.close());
    expect(client.address.port).toBe(port);
  });

  test("of several that cannot be used, the one that answered and is not ours is told", async () => {
    // Does not encrypt, which the network does.
    const plain = fakeIndex(() => welcome);
    const closed = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const refusing = closed.port;
    closed.stop(true);
    for (const ports of [
      [refusing, plain],
      [plain, refusing],
    ]) {
      const indexes = ports.map((each) => ({ host: "127.0.0.1", port: each, fingerprints: undefined }));
      const error = await failure(IndexClient.open({ indexes, membership: alice }, 2_000));
      expect(error).toBeInstanceOf(AuthenticationError);
    }
  });
});

/** Greets, and answers each request with the lines that `answer` makes of it. */
function scripted(answer: (request: Record<string, unknown>) => object[]): number {
  return fakeIndex((line) => {
    if (line.includes("HELLO")) return welcome;
    const lines = answer(JSON.parse(line) as Record<string, unknown>);
    return lines.length === 0 ? undefined : lines.map((each) => JSON.stringify(each)).join("\n");
  });
}

describe("what an index is asked", () => {
  const match = { ...wireEntry("iso/a.iso"), sources: 2 };

  test("a library is resumed when the index holds it, and only then", async () => {
    const said: object[] = [];
    const helds = [true, false, undefined];
    const port = scripted((request) => {
      said.push(request);
      return [{ type: "OK", id: request.id, held: helds[said.length - 1] }];
    });
    const client = await open(port);
    const library = { digest: "ab".repeat(16), files: 3 };
    expect(await client.resume(7767, library)).toBe(true);
    expect(await client.resume(7767, library)).toBe(false);
    expect(await client.resume(7767, library)).toBe(false);
    expect(said[0]).toEqual({ type: "REGISTER", id: 1, port: 7767, files: [], library });
  });

  test("the pages of a search, of folders and of peers; and numbers", async () => {
    const said: Record<string, unknown>[] = [];
    const stats = { peers: 1, files: 2, names: 3, connections: 4, queries: 5, seconds: 6 };
    const child = { ...wireEntry("a"), sources: 1 };
    const peer = { peer: "7", host: "10.0.0.1", port: 1, files: 2, seconds: 3 };
    const port = scripted((request) => {
      said.push(request);
      const { type, id, after } = request;
      const isFirst = after === undefined;
      switch (type) {
        case "SEARCH":
          return [{ type: "MATCHES", id, matches: [match], more: isFirst, next: isFirst ? "2" : undefined }];
        case "BROWSE":
          return [{ type: "FOLDER", id, entries: [{ name: "a", folder: true }, child], next: "a" }];
        case "PEERS":
          return [{ type: "PEERS", id, peers: [peer], next: isFirst ? "7" : undefined }];
        default:
          return [{ type: "STATS", id, ...stats, memory: 7, storage: "memory" }];
      }
    });
    const client = await open(port);
    expect(await client.search("iso", 10)).toMatchObject({ more: true, next: "2" });
    expect(await client.search("iso", 10, "2")).toMatchObject({ more: false, next: undefined });
    const folder = await client.browse("x/y");
    expect(folder.entries).toMatchObject([
      { name: "a", folder: true },
      { folder: false, sources: 1 },
    ]);
    expect(folder.next).toBe("a" as FileName);
    expect(await client.peers()).toMatchObject({ peers: [peer], next: "7" });
    expect(await client.peers("7")).toMatchObject({ next: undefined });
    expect(await client.stats()).toMatchObject({ ...stats, memoryBytes: 7, storage: "memory" });
    expect(said.map(({ type, after }) => `${type} ${after ?? ""}`)).toEqual([
      "SEARCH ",
      "SEARCH 2",
      "BROWSE ",
      "PEERS ",
      "PEERS 7",
      "STATS ",
    ]);
    expect(said[2]).toMatchObject({ folder: "x/y", limit: 1_000 });
  });

  test("to watch: what comes is told until it is closed, also what came with the answer", async () => {
    const port = scripted(({ type, id }) => {
      if (type === "WATCH")
        return [
          { type: "OK", id },
          { type: "FOUND", id, matches: [match] },
        ];
      if (type === "QUERY") return [{ type: "FOUND", id: 1, matches: [match, match] }, result(id)];
      return [
        { type: "OK", id },
        { type: "FOUND", id: 1, matches: [match] },
      ];
    });
    const result = (id: unknown) => ({ type: "RESULT", id, contents: [] });
    const client = await open(port);
    const watch = await client.watch("iso -server");
    const told: number[] = [];
    watch.listen((matches) => told.push(matches.length));
    expect(told).toEqual([1]);
    await client.query("a");
    expect(told).toEqual([1, 2]);
    watch.close();
    watch.close();
    await client.query("a");
    expect(told).toEqual([1, 2]);
    expect(client.isOpen).toBe(true);
  });

  test("what an older index does not know is one line", async () => {
    const error = (id: unknown) => ({ type: "ERROR", id, code: "UNKNOWN_TYPE", message: "what?" });
    const client = await open(scripted(({ id }) => [error(id)]));
    for (const asked of [client.watch("x"), client.browse(""), client.peers(), client.stats()]) {
      const refused = await failure(asked);
      expect(refused).toBeInstanceOf(IndexRefusal);
      expect(refused.message).toMatch(/^index 127\.0\.0\.1:\d+ is too old to [a-z ]+: it needs an update$/);
    }
    expect(client.isOpen).toBe(true);
  });

  test("a search that is not understood is refused with the index's words", async () => {
    const message = "size:x is no size (at 3)";
    const port = scripted(({ id }) => [{ type: "ERROR", id, code: "BAD_SEARCH", message }]);
    const client = await open(port);
    for (const asked of [client.search("x", 1), client.watch("x")])
      expect((await failure(asked)).message).toContain(message);
  });
});

describe("an index that is wrong about what it was asked", () => {
  const entry = JSON.stringify({ ...wireEntry("x/a"), total: 1, sources: [] });
  const names = (rest: string) => `{"type":"NAMES","id":1,"files":[${entry}],"peers":[],${rest}}`;
  const content = JSON.stringify({ ...wireEntry("a"), names: ["b"], total: 0, sources: [] });
  const matchesPage = '{"type":"MATCHES","id":1,"matches":[],"more":true,"next":"m"}';
  const folderPage = '{"type":"FOLDER","id":1,"entries":[{"name":"a","folder":true}]}';
  const watch = async (client: IndexClient) => {
    await client.watch("x");
    await client.query("x");
  };
  const asksList = async (client: IndexClient) => {
    let pages = 0;
    for await (const files of listAll(client, "x/")) pages += files.length;
    return pages;
  };

  test.each<[string, string, (client: IndexClient) => Promise<unknown>]>([
    [
      "a page of other names",
      names('"more":false'),
      async (client) => {
        for await (const _ of listAll(client, "y/")) break;
      },
    ],
    ["a page that leads nowhere", names('"more":true,"next":"x/a"').replace('"id":1', '"id":ID'), asksList],
    [
      "another name in RESULT",
      `{"type":"RESULT","id":1,"contents":[${content}]}`,
      (client) => client.subscribe("a"),
    ],
    [
      "another name in SOURCES",
      `{"type":"RESULT","id":1,"contents":[]}\n{"type":"SOURCES","id":1,"contents":[${content}]}`,
      async (client) => {
        await client.subscribe("a");
        await client.query("a");
      },
    ],
    ["a search that leads nowhere", matchesPage, (client) => client.search("x", 1, "m")],
    [
      "peers that lead nowhere",
      '{"type":"PEERS","id":1,"peers":[],"next":"7"}',
      (client) => client.peers("7"),
    ],
    ["another answer to WATCH", '{"type":"MATCHES","id":1,"matches":[],"more":false}', watch],
    ["a page of a folder from before", folderPage, (client) => client.browse("", "b")],
    ["FOUND of no WATCH", '{"type":"OK","id":1}\n{"type":"FOUND","id":77,"matches":[]}', watch],
    ["SOURCES of a WATCH", '{"type":"OK","id":1}\n{"type":"SOURCES","id":1,"contents":[]}', watch],
    [
      "FOUND of a QUERY",
      '{"type":"RESULT","id":1,"contents":[]}\n{"type":"FOUND","id":1,"matches":[]}',
      async (client) => {
        await client.subscribe("a");
        await client.query("a");
      },
    ],
    ["SOURCES of no QUERY", '{"type":"SOURCES","id":77,"contents":[]}', (client) => client.subscribe("a")],
  ])("%s ends the connection", async (_, answer, ask) => {
    const port = fakeIndex((line) => {
      if (line.includes("HELLO")) return welcome;
      const { id, type } = JSON.parse(line) as { id: number; type: string };
      return type === "PING" ? undefined : answer.replace('"id":ID', `"id":${id}`);
    });
    const client = await open(port);
    const error = await failure(ask(client));
    expect(error).toBeInstanceOf(IndexError);
    expect(client.isOpen).toBe(false);
  });
});

describe("against something else", () => {
  test("nobody listening is one clear line", async () => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = listener;
    listener.stop(true);
    const error = await failure(open(port));
    expect(error).toBeInstanceOf(IndexError);
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain("connection refused");
    expect(error.message).not.toContain("\n");
  });

  const greetings: [what: string, answer: string | undefined, says: RegExp][] = [
    ["silence", undefined, /accepted but does not answer/],
    ["a web server", "HTTP/1.1 400 Bad Request", /does not speak the protocol/],
    ["another message", '{"type":"OK","id":1}', /does not speak the protocol/],
    ["another version", '{"type":"WELCOME","version":2,"agent":"x"}', /does not speak the protocol/],
    [
      "a refusal",
      '{"type":"ERROR","id":null,"code":"BUSY","message":"too many\\u001b[2J"}',
      /too many\\u\{1b\}\[2J \(BUSY\)/,
    ],
    ["the end", "CUT", /closed the connection|is gone/],
  ];
  test.each(greetings)("%s instead of WELCOME", async (_, answer, says) => {
    const error = await failure(
      open(
        fakeIndex(() => answer),
        300,
      ),
    );
    expect(error).toBeInstanceOf(IndexError);
    expect(error.message).toMatch(says);
  });

  const result = (name: string) =>
    JSON.stringify({
      type: "RESULT",
      id: 1,
      contents: [{ ...wireEntry("x"), names: [name], total: 1, sources: [] }],
    });
  const answers: [what: string, answer: string, says: RegExp][] = [
    ["another name", result("b.iso"), /answered for another name/],
    ["a name that only ends alike", result("xa.iso"), /answered for another name/],
    ["an illegal name", result("../../.bashrc"), /does not speak the protocol/],
    ["an answer to nothing", '{"type":"OK","id":77}', /does not speak the protocol/],
    ["an answer of another kind", '{"type":"OK","id":1}', /does not speak the protocol/],
    ["a line without end", "x".repeat(5 * 1024 * 1024), /does not speak the protocol/],
    ["the end", "CUT", /closed the connection|is gone/],
  ];
  test.each(answers)("%s as the answer to QUERY", async (_, answer, says) => {
    const client = await open(fakeIndex((line) => (line.includes("HELLO") ? welcome : answer)));
    const error = await failure(client.query("a.iso"));
    expect(error).toBeInstanceOf(IndexError);
    expect(error.message).toMatch(says);
    expect(client.isOpen).toBe(false);
  });

  test("a whole name is compared whole", async () => {
    const client = await open(fakeIndex((line) => (line.includes("HELLO") ? welcome : result("y/a.iso"))));
    expect((await failure(client.query("x/a.iso"))).message).toContain("another name");
  });
});

test("a late answer fails its own question and nothing else, also when it comes in the end", async () => {
  let held: string | undefined;
  const port = fakeIndex((line) => {
    if (line.includes("HELLO")) return welcome;
    const { type, id } = JSON.parse(line) as { type: string; id: number };
    const found = JSON.stringify({ type: "MATCHES", id, matches: [], more: false });
    if (type === "QUERY") return `${held}\n${JSON.stringify({ type: "RESULT", id, contents: [] })}`;
    held = found;
    return undefined;
  });
  const client = await IndexClient.open(openNetwork([{ host: "127.0.0.1", port }]), 2_000, 50);
  cleanups.push(() => client.close());
  const lost: string[] = [];
  client.keep((error) => lost.push(error.message));
  expect((await failure(client.search("x", 1))).message).toContain("does not answer");
  expect(client.isOpen).toBe(true);
  expect(await client.query("a")).toEqual([]);
  expect(client.isOpen).toBe(true);
  expect(lost).toEqual([]);
});

test("an index without room for all: what fits is registered, with one notice, and room is used", async () => {
  const log = { info() {}, warn() {}, error() {} };
  const limits = { filesPerPeer: 7, filesPerIndex: 100 };
  const server = await IndexServer.start({
    host: "127.0.0.1",
    port: 0,
    databasePath: ":memory:",
    log,
    limits,
  });
  cleanups.push(() => server.stop());
  const said: string[] = [];
  const announcer = new Announcer({
    settled: () => said.push("settled"),
    updated: (added, removed) => said.push(`+${added.length} -${removed.length}`),
    notice: (line) => said.push(line),
  });
  cleanups.push(() => announcer.stop());
  announcer.changed(
    Array.from({ length: 20 }, (_, i) => fileEntry(`f${i}`)),
    [],
  );
  announcer.complete();
  announcer.connected(await open(server.port), 7767);
  await until(() => said.includes("settled"));
  await until(() => server.statistics().includes("files 7,"));
  const notices = () => said.filter((line) => line.includes("not announced"));
  expect(notices()).toEqual([expect.stringContaining("13 files are not announced")]);
  expect(notices()[0]).toContain("takes at most 7 of this peer");
  // A mix of adds and removes, of which only the latter fit at first.
  announcer.changed(
    [fileEntry("g0"), fileEntry("g1"), fileEntry("f0", "new")],
    Array.from({ length: 15 }, (_, i) => `f${i + 1}` as FileName),
  );
  const client = await open(server.port);
  await until(() => server.statistics().includes("files 7,"));
  const names = ["f0", "g0", "g1", "f16", "f17", "f18", "f19"];
  for (const name of names) await until(async () => (await client.query(name)).length === 1);
  expect(notices()).toHaveLength(1);
});

describe("a lasting link", () => {
  test("comes back by itself after the index was away, and everything is registered again", async () => {
    const first = await startIndex();
    const { port } = first;
    const said: string[] = [];
    const announcer = new Announcer({
      settled: () => said.push("settled"),
      updated: (added, removed) => said.push(`+${added.join()} -${removed.join()}`),
      notice: (line) => said.push(line),
    });
    const link = new IndexLink({
      network: openNetwork([{ host: "127.0.0.1", port }]),
      onUp: (client) => announcer.connected(client, 7767),
      onDown: () => announcer.stop(),
      onNotice: (line) => said.push(line.replace(/127\S+/, "ADDRESS")),
    });
    cleanups.push(() => {
      link.stop();
      announcer.stop();
    });
    await link.start(false);
    announcer.changed([fileEntry("a"), fileEntry("b")], []);
    announcer.complete();
    await until(() => said.includes("settled"));
    announcer.changed([fileEntry("c")], ["a" as FileName]);
    await until(() => said.includes("+c -a"));
    announcer.downloading(fileEntry("film"));

    await first.stop();
    await until(() => link.client === undefined);
    announcer.changed([fileEntry("d")], ["b" as FileName]);
    await startIndex(port);
    await until(() => said.at(-1) === "settled" && said.length > 2);
    const client = await open(port);
    const found = await Promise.all(["a", "b", "c", "d"].map((name) => client.query(name)));
    expect(found.map((contents) => contents.length)).toEqual([0, 0, 1, 1]);
    expect(await client.query("film")).toMatchObject([{ total: 1, sources: [{ partial: true }] }]);
    const notices = said.filter((line) => line.includes("ADDRESS"));
    expect(notices).toEqual([expect.stringContaining("trying to get it back"), "connected to index ADDRESS"]);
  });

  test("an index that welcomes and drops is asked more and more seldom, until a connection has lasted", async () => {
    let connections = 0;
    const port = fakeIndex((line) => {
      if (line.includes("HELLO")) connections++;
      return line.includes("HELLO") ? welcome : "CUT";
    });
    let nowMs = 0;
    const link = new IndexLink({
      network: openNetwork([{ host: "127.0.0.1", port }]),
      // What is said first ends the connection.
      onUp: (client) => void client.stats().catch(() => {}),
      onDown: () => {},
      onNotice: () => {},
      nowMs: () => nowMs,
    });
    cleanups.push(() => link.stop());
    await link.start(false);
    await until(() => (link as unknown as { failures: number }).failures === 1);
    await until(() => connections === 3);
    await until(() => (link as unknown as { failures: number }).failures === 3);
    nowMs = 5_000;
    expect(connections).toBe(3);
  });

  test("fails at the start when the index is not there, unless it is to keep trying", async () => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = listener;
    listener.stop(true);
    const notices: string[] = [];
    const make = () => {
      const link = new IndexLink({
        network: openNetwork([{ host: "127.0.0.1", port }]),
        onUp: () => notices.push("up"),
        onDown: () => {},
        onNotice: (line) => notices.push(line),
      });
      cleanups.push(() => link.stop());
      return link;
    };
    expect(await failure(make().start(false))).toBeInstanceOf(IndexError);
    await make().start(true);
    expect(notices).toEqual([expect.stringContaining("trying until it can be reached")]);
    await startIndex(port);
    await until(() => notices.includes("up"));
  });
});

describe("sources that no machine can have", () => {
  const root = "ab".repeat(32);
  const source = (host: string) => `{"peer":"1","host":"${host}","port":7767}`;
  const naming = (hosts: readonly string[]) =>
    fakeIndex((line) => {
      if (line.includes("HELLO")) return welcome;
      const content = `"root":"${root}","size":1,"md5":"${"0".repeat(32)}","names":["a"],"total":${hosts.length}`;
      return `{"type":"RESULT","id":1,"contents":[{${content},"sources":[${hosts.map(source).join(",")}]}]}`;
    });

  test("are left out of an answer", async () => {
    const client = await open(naming(["224.0.0.1", "127.0.0.1", "0.0.0.0"]));
    const [found] = await client.query("a");
    expect(found?.sources.map(({ host }) => host)).toEqual(["127.0.0.1"]);
    expect(found?.total).toBe(1);
  });

  test("and no others: the error says which", async () => {
    const client = await open(naming(["255.255.255.255"]));
    expect((await failure(client.query("a"))).message).toContain("names 255.255.255.255:7767 as a source");
  });
});

/** A whole index in process, over real sockets: what peers see of it, and what it survives. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monotonicMs } from "../../src/clock.ts";
import { LocalIoError } from "../../src/errors.ts";
import { IndexServer, type IndexServerOptions } from "../../src/index-server/server.ts";
import { addressLimit } from "../../src/net/address-limits.ts";
import type { Budgets } from "../../src/net/budgets.ts";
import type { Listener } from "../../src/net/listener.ts";
import { fileEntry, wireEntry } from "../helpers/file-entries.ts";
import { LineClient, type Message } from "../helpers/line-client.ts";

let folder: string;
const logged: string[] = [];
const servers: IndexServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "p2p-index-"));
  logged.length = 0;
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<IndexServerOptions> = {}): Promise<IndexServer> {
  const log = (line: string) => void logged.push(line);
  const server = await IndexServer.start({
    host: "127.0.0.1",
    port: 0,
    databasePath: ":memory:",
    log: { info: log, warn: log, error: log },
    ...options,
  });
  servers.push(server);
  return server;
}

function databasePath(): string {
  return join(folder, "state", "index.db");
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error("it did not happen within 10 s");
    await Bun.sleep(5);
  }
}

let lastId = 1_000;
async function query(client: LineClient, name: string): Promise<Message[]> {
  return (await client.request({ type: "QUERY", id: ++lastId, name })).contents as Message[];
}

async function registered(server: IndexServer, port: number, ...names: string[]): Promise<LineClient> {
  const client = await LineClient.greeted(server.port);
  const files = names.map((name) => wireEntry(name));
  const answer = await client.request({ type: "REGISTER", id: ++lastId, port, files });
  expect(answer.type).toBe("OK");
  return client;
}

describe("requests", () => {
  test("what a peer registered is found by another, with the address the index sees", async () => {
    const server = await start();
    await using peer = await registered(server, 7767, "iso/a.iso");
    await using client = await LineClient.greeted(server.port);
    const { sizeBytes, md5, root } = fileEntry("iso/a.iso");
    expect(await query(client, "a.iso")).toEqual([
      {
        root,
        size: sizeBytes,
        md5,
        names: ["iso/a.iso"],
        total: 1,
        sources: [{ peer: expect.any(String), host: "127.0.0.1", port: 7767 }],
      },
    ]);
    expect(await query(client, "nothing")).toEqual([]);
    const found = await client.request({ type: "SEARCH", id: 5, text: "ISO", limit: 1 });
    expect(found).toEqual({
      type: "MATCHES",
      id: 5,
      matches: [{ name: "iso/a.iso", size: sizeBytes, root, sources: 1 }],
      more: false,
    });
    expect(peer.isClosed).toBe(false);
  });

  test("a wrong message is answered and the connection lives; one that is none ends it", async () => {
    const server = await start();
    await using client = await LineClient.greeted(server.port);
    expect(await client.request({ type: "FROBNICATE", id: 1 })).toMatchObject({ code: "UNKNOWN_TYPE" });
    expect(await client.request({ type: "UPDATE", id: 2 })).toMatchObject({ code: "BAD_STATE" });
    const many = Array.from({ length: 2_001 }, (_, i) => wireEntry(`f${i}`));
    const refused = await client.request({ type: "REGISTER", id: 3, port: 1, files: many });
    expect(refused).toMatchObject({ code: "TOO_MANY" });
    expect(await client.request({ type: "SEARCH", id: 4, text: "x ".repeat(17) })).toMatchObject({
      code: "TOO_MANY",
    });
    expect(await client.request({ type: "PING", id: 5 })).toEqual({ type: "OK", id: 5 });
    client.sendRaw("this is no JSON\n");
    expect(await client.answerWhere(({ code }) => code === "BAD_JSON")).toMatchObject({ id: null });
    await client.closed();
    await using next = await LineClient.greeted(server.port);
    expect(await query(next, "a")).toEqual([]);
  });

  test("a wrong message takes nothing with it of what came in the same packet", async () => {
    const server = await start();
    await using client = await LineClient.greeted(server.port);
    client.send({ type: "FROBNICATE", id: 1 }, { type: "QUERY", id: 2 }, { type: "PING", id: 3 });
    await client.answerTo(3);
    expect(client.answers.slice(1)).toMatchObject([
      { id: 1, code: "UNKNOWN_TYPE" },
      { id: 2, code: "BAD_MESSAGE" },
      { id: 3, type: "OK" },
    ]);
  });

  test("A16: REGISTER replaces, UPDATE changes, and nobody touches what is another's", async () => {
    const server = await start();
    await using other = await registered(server, 1, "a", "b");
    await using peer = await registered(server, 2, "a", "c");
    const sources = async (name: string) => {
      const contents = await query(other, name);
      return contents.flatMap((each) => (each.sources as Message[]).map(({ port }) => port)).sort();
    };
    expect(await sources("a")).toEqual([1, 2]);
    await peer.request({ type: "UPDATE", id: 1, add: [wireEntry("d")], remove: ["a", "b", "never was"] });
    expect([await sources("a"), await sources("b"), await sources("d")]).toEqual([[1], [1], [2]]);
    await peer.request({ type: "REGISTER", id: 2, port: 3, files: [wireEntry("e")] });
    expect([await sources("c"), await sources("d"), await sources("e")]).toEqual([[], [], [3]]);
  });

  test("a bad entry refuses the whole message", async () => {
    const server = await start();
    await using peer = await registered(server, 1, "a");
    const add = [wireEntry("b"), { ...wireEntry("c"), size: -1 }];
    expect(await peer.request({ type: "UPDATE", id: 1, add, remove: ["a"] })).toMatchObject({
      code: "BAD_SIZE",
    });
    expect(await query(peer, "a")).toHaveLength(1);
    expect(await query(peer, "b")).toEqual([]);
  });

  test("F37: limits of the index are refused whole, and said", async () => {
    const server = await start({ limits: { filesPerPeer: 3, filesPerIndex: 4 } });
    await using peer = await registered(server, 1, "a", "b");
    const add = [wireEntry("c"), wireEntry("d")];
    expect(await peer.request({ type: "UPDATE", id: 1, add })).toMatchObject({ id: 1, code: "TOO_MANY" });
    await using other = await LineClient.greeted(server.port);
    const files = ["x", "y", "z"].map((name) => wireEntry(name));
    expect(await other.request({ type: "REGISTER", id: 2, port: 2, files })).toMatchObject({
      id: 2,
      code: "STORAGE_FULL",
    });
    expect(await query(other, "c")).toEqual([]);
    expect(await query(other, "x")).toEqual([]);
    expect(await peer.request({ type: "UPDATE", id: 3, remove: ["a"] })).toEqual({ type: "OK", id: 3 });
    expect(logged).toEqual([]);
  });

  test("A19: an address has as many registered peers as were set, others come in when one of them goes", async () => {
    const server = await start({ peersPerAddress: addressLimit(16, 2) });
    const come = async (id: number, from: string) => {
      const client = await LineClient.greeted(server.port, from);
      const answer = await client.request({ type: "REGISTER", id, port: id, files: [wireEntry(`f${id}`)] });
      return { client, answer };
    };
    const first = await come(1, "127.0.0.2");
    const second = await come(2, "127.0.0.2");
    await using third = (await come(3, "127.0.0.2")).client;
    expect(third.answers.at(-1)).toEqual({
      type: "ERROR",
      id: 3,
      code: "RETRY",
      message: "this address has as many peers as it may have",
    });
    const other = await come(4, "127.0.0.3");
    expect([first, second, other].map(({ answer }) => answer.type)).toEqual(["OK", "OK", "OK"]);
    expect(await query(third, "f3")).toEqual([]);
    // Who is registered may do so again, whoever else is there.
    const again = { type: "REGISTER", id: 5, port: 2, files: [wireEntry("f5")] };
    expect(await second.client.request(again)).toEqual({ type: "OK", id: 5 });
    expect(await third.request({ type: "UPDATE", id: 6, add: [wireEntry("f6")] })).toMatchObject({
      code: "BAD_STATE",
    });
    first.client.close();
    await until(() => server.statistics().startsWith("peers 2,"));
    const retry = { type: "REGISTER", id: 7, port: 3, files: [wireEntry("f3")] };
    expect(await third.request(retry)).toEqual({ type: "OK", id: 7 });
    expect(await query(third, "f3")).toHaveLength(1);
    for (const { client } of [second, other]) client.close();
    expect(logged).toEqual([]);
  });

  test("a peer is gone from the answers, and its rows from the tables, with its connection", async () => {
    const server = await start({ keepLeftMs: 0 });
    const peer = await registered(server, 1, "a", "b");
    await using client = await LineClient.greeted(server.port);
    expect(await query(client, "a")).toHaveLength(1);
    peer.close();
    await until(() => server.statistics().startsWith("peers 0, names 0, files 0,"));
    expect(await query(client, "a")).toEqual([]);
  });
});

test("a registered peer that says nothing for 90 s is gone; who only asks has 120 s", async () => {
  const server = await start();
  const { listener } = server as unknown as { listener: Listener };
  await using peer = await registered(server, 1, "a");
  await using other = await LineClient.greeted(server.port);
  const sweepAfter = (ms: number) => listener.sweep(monotonicMs() + ms);
  sweepAfter(89_000);
  expect(await query(other, "a")).toHaveLength(1);
  sweepAfter(90_001);
  await peer.closed();
  await until(() => server.statistics().startsWith("peers 0,"));
  expect(await query(other, "a")).toEqual([]);
  sweepAfter(119_000);
  expect(await query(other, "a")).toEqual([]);
  sweepAfter(120_001);
  await other.closed();
  expect(other.answers.at(-1)).toMatchObject({ type: "ERROR", code: "TIMEOUT" });
});

describe("floods", () => {
  test("A24: 10,000 requests in one write without reading are all answered once they are read", async () => {
    const server = await start();
    await using peer = await registered(server, 1, "a");
    await using client = await LineClient.greeted(server.port);
    client.pause();
    const count = 10_000;
    const lines: string[] = [];
    for (let id = 1; id <= count; id++) lines.push(`{"type":"QUERY","id":${id},"name":"a"}\n`);
    client.sendRaw(lines.join(""));
    // The index goes on for others although this one takes nothing.
    expect(await query(peer, "a")).toHaveLength(1);
    client.resume();
    await client.until(() => client.answers.length === count + 1, "all answers");
    expect(new Set(client.answers.map(({ id }) => id)).size).toBe(count + 1);
  });

  test("questions of any shape in one write are answered in their order, whatever is wrong with some", async () => {
    const server = await start();
    await using peer = await registered(server, 1, "a");
    await using client = await LineClient.greeted(server.port);
    const shapes: ((id: number) => string)[] = [
      (id) => `{"type":"QUERY","id":${id},"name":"a"}`,
      (id) => `{"type":"QUERY","id":${id},"name":"a"}`,
      (id) => `{"type":"QUERY","id":${id},"name":"\\u0061"}`,
      (id) => `{"type":"QUERY","id":${id},"name":"none"}\r`,
      (id) => `{"type":"PING","id":${id}}`,
      (id) => `{"type":"QUERY","id":${id},"name":7}`,
    ];
    const count = 3_000;
    const lines = Array.from({ length: count }, (_, i) => shapes[i % shapes.length]!(i));
    client.sendRaw(`${lines.join("\n")}\n`);
    await client.until(() => client.answers.length === count + 1, "all answers");
    expect(client.answers.slice(1).map(({ id }) => id)).toEqual(lines.map((_, i) => i));
    const kinds = client.answers.slice(1, 1 + shapes.length);
    expect(kinds.map(({ type, contents }) => [type, (contents as Message[] | undefined)?.length])).toEqual([
      ["RESULT", 1],
      ["RESULT", 1],
      ["RESULT", 1],
      ["RESULT", 0],
      ["OK", undefined],
      ["ERROR", undefined],
    ]);
    expect(await query(peer, "a")).toHaveLength(1);
  });

  test("A01: 2 MiB without a newline end the connection; 4 KiB before HELLO", async () => {
    const server = await start();
    for (const [client, bytes] of [
      [await LineClient.greeted(server.port), 2 * 1024 * 1024],
      [await LineClient.open(server.port), 8 * 1024],
    ] as const) {
      client.sendRaw(Buffer.alloc(bytes, "a"));
      await client.closed();
      // It may not come through when we were still writing; what comes is this.
      for (const answer of client.answers.filter(({ type }) => type === "ERROR")) {
        expect(answer.code).toBe("LINE_TOO_LONG");
      }
    }
    await using next = await LineClient.greeted(server.port);
    expect(await query(next, "a")).toEqual([]);
  });

  test("F37: a QUERY is answered in between while 80,000 files are applied, and an UPDATE of another", async () => {
    const server = await start();
    await using other = await registered(server, 2, "small");
    await using peer = await registered(server, 1, "first");
    const messages: object[] = [];
    for (let part = 0; part < 40; part++) {
      const add = Array.from({ length: 2_000 }, (_, i) => wireEntry(`large ${part} ${i}`));
      messages.push({ type: "UPDATE", id: part + 1, add });
    }
    peer.send(...messages);
    await peer.answerTo(1);
    expect(await query(other, "small")).toHaveLength(1);
    await other.request({ type: "UPDATE", id: 1, add: [wireEntry("quick")] });
    expect(peer.answers.some(({ id }) => id === 40)).toBe(false);
    await peer.answerTo(40);
    expect(await query(other, "large 39 1999")).toHaveLength(1);
  });

  test("a peer that is cut off in the middle of it leaves nothing", async () => {
    const server = await start({ keepLeftMs: 0 });
    const peer = await LineClient.greeted(server.port);
    const files = Array.from({ length: 2_000 }, (_, i) => wireEntry(`f ${i}`));
    peer.send({ type: "REGISTER", id: 1, port: 1, files }, { type: "UPDATE", id: 2, add: files, remove: [] });
    await until(() => server.snapshot().names > 0);
    peer.close();
    await until(() => server.idle && server.statistics().startsWith("peers 0, names 0, files 0,"));
  });
});

describe("memory", () => {
  const mebibyte = 1024 * 1024;
  const rssMiB = () => process.memoryUsage.rss() / mebibyte;

  test("A06: of 300 unfinished lines is bounded, others get on, and who drips makes room", async () => {
    const server = await start();
    const { listener } = server as unknown as { listener: Listener };
    Bun.gc(true);
    const beforeMiB = rssMiB();
    await using peer = await registered(server, 1, "a");
    const line = Buffer.alloc(mebibyte - 100, "a");
    const floods: LineClient[] = [];
    for (let i = 0; i < 300; i++) floods.push(await LineClient.greeted(server.port));
    for (const flood of floods) flood.sendRaw(line);
    for (let i = 0; i < 10; i++) expect(await query(peer, "a")).toHaveLength(1);
    const add = Array.from({ length: 200 }, (_, i) => wireEntry(`b${i}`));
    expect(await peer.request({ type: "UPDATE", id: 1, add })).toMatchObject({ type: "OK" });
    await Bun.sleep(300);
    expect(rssMiB() - beforeMiB).toBeLessThan(256);
    expect(floods.filter(({ isClosed }) => isClosed)).toEqual([]);
    listener.sweep(monotonicMs() + 11_000);
    await until(() => floods.some(({ isClosed }) => isClosed));
    const told = floods.filter(({ isClosed }) => isClosed).map(({ answers }) => answers.at(-1)?.code);
    expect(told.every((code) => code === "TIMEOUT" || code === undefined)).toBe(true);
    for (const flood of floods) flood.close();
  }, 30_000);

  test("A06: of 60 peers that send four REGISTERs at once is bounded, and all are answered", async () => {
    const server = await start();
    const budget = (server as unknown as { listener: { options: { budgets: Budgets } } }).listener.options
      .budgets.received;
    const files = Array.from({ length: 1_000 }, (_, i) => ({
      ...wireEntry("x"),
      name: `${"x".repeat(250)}/${"y".repeat(250)}/${"z".repeat(250)}/${i % 20}`,
    }));
    const peers: LineClient[] = [];
    for (let i = 0; i < 60; i++) peers.push(await LineClient.greeted(server.port));
    for (const peer of peers) {
      peer.send(...[1, 2, 3, 4].map((id) => ({ type: "REGISTER", id, port: 1, files })));
    }
    let mostBytes = 0;
    const timer = setInterval(() => (mostBytes = Math.max(mostBytes, budget.used)), 5);
    for (const peer of peers) await peer.answerTo(4);
    clearInterval(timer);
    // The budget, what the overdrafts may add, and a packet each.
    expect(mostBytes).toBeGreaterThan(16 * mebibyte);
    expect(mostBytes).toBeLessThan(96 * mebibyte);
    expect(budget.used).toBe(0);
    for (const peer of peers) peer.close();
  }, 30_000);
});

describe("many searchers", () => {
  test("are answered or told to come again, and nobody else waits for them", async () => {
    const server = await start();
    await using peer = await registered(server, 1, "a");
    for (let part = 0; part < 10; part++) {
      const add = Array.from({ length: 2_000 }, (_, i) => wireEntry(`large ${part} ${i}`, 1));
      await peer.request({ type: "UPDATE", id: part, add });
    }
    const searchers: LineClient[] = [];
    for (let i = 0; i < 80; i++) searchers.push(await LineClient.greeted(server.port));
    const sinceMs = performance.now();
    for (const searcher of searchers) searcher.send({ type: "SEARCH", id: 1, text: "19 99", limit: 10 });
    const quick = await peer.request({ type: "UPDATE", id: 77, add: [wireEntry("quick")] });
    expect(quick).toMatchObject({ type: "OK" });
    const done = await Promise.all(searchers.map((searcher) => searcher.answerTo(1)));
    expect(performance.now() - sinceMs).toBeLessThan(4_000);
    expect(done[0]).toMatchObject({ type: "MATCHES" });
    for (const { type, code } of done)
      expect([type, code]).toBeOneOf([
        ["MATCHES", undefined],
        ["ERROR", "RETRY"],
      ]);
    for (const searcher of searchers) searcher.close();
  }, 30_000);
});

describe("the database", () => {
  test("is for its owner alone, its lock and that one's journal as well", async () => {
    const before = process.umask(0);
    try {
      await start({ databasePath: databasePath() });
      const state = join(folder, "state");
      const modes = readdirSync(state).map(
        (name) => `${name} ${(statSync(join(state, name)).mode & 0o777).toString(8)}`,
      );
      expect(modes.length).toBeGreaterThan(1);
      expect(modes.filter((line) => !line.endsWith(" 600"))).toEqual([]);
    } finally {
      process.umask(before);
    }
  });

  test.each(["removed", "replaced"])(
    "F30: that was %s under the index ends it with one clear line",
    async (how) => {
      const fatal: Error[] = [];
      await start({ databasePath: databasePath(), onFatal: (error) => fatal.push(error) });
      rmSync(databasePath());
      if (how === "replaced") writeFileSync(databasePath(), "");
      await until(() => fatal.length > 0);
      expect(fatal[0]).toBeInstanceOf(LocalIoError);
      expect(fatal[0]?.message).toContain("removed or replaced");
    },
  );

  test("can be read by others while the index runs, and forgets the peers when it ends", async () => {
    const server = await start({ databasePath: databasePath() });
    await using peer = await registered(server, 7767, "sub/a.bin");
    const rows = () => {
      const reader = new Database(databasePath(), { readonly: true });
      const all = reader.query("SELECT * FROM files").values();
      reader.close(true);
      return all;
    };
    const { sizeBytes, md5, root } = fileEntry("sub/a.bin");
    expect(rows()).toEqual([["127.0.0.1", 7767, "sub/a.bin", sizeBytes, md5, root, 1]]);
    await server.stop();
    await peer.closed();
    expect(readdirSync(join(folder, "state")).sort()).toEqual([
      "index.db",
      "index.db.lock",
      "index.db.search",
    ]);
    expect(rows()).toEqual([]);
  });

  test("of a former run is hidden at once and purged", async () => {
    const first = await start({ databasePath: databasePath() });
    await registered(first, 1, "old");
    await first.stop();
    const second = await start({ databasePath: databasePath(), keepLeftMs: 0 });
    await using client = await LineClient.greeted(second.port);
    expect(await query(client, "old")).toEqual([]);
    await until(() => second.idle);
    expect(second.statistics()).toStartWith("peers 0, names 0, files 0,");
  });

  test("is one index's: a second one is refused, and has it when the first has ended", async () => {
    const first = await start({ databasePath: databasePath() });
    await expect(start({ databasePath: databasePath() })).rejects.toThrow(/in use by another index/);
    await first.stop();
    await start({ databasePath: databasePath() });
  });

  test("a kill leaves no lock", async () => {
    const script = join(folder, "index.ts");
    const module = JSON.stringify(join(import.meta.dir, "../../src/index-server/sqlite/database.ts"));
    writeFileSync(
      script,
      `import { openIndexDatabase } from ${module};
       globalThis.kept = openIndexDatabase(${JSON.stringify(databasePath())}, () => {});
       console.log("open");
       setInterval(() => {}, 1000);`,
    );
    const child = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "ignore" });
    try {
      await child.stdout.getReader().read();
      await expect(start({ databasePath: databasePath() })).rejects.toThrow(/in use by another index/);
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
    await start({ databasePath: databasePath() });
  });

  test("F30: that is damaged is set aside with one warning", async () => {
    mkdirSync(join(folder, "state"));
    writeFileSync(databasePath(), "this is no database\n".repeat(1_000));
    const server = await start({ databasePath: databasePath() });
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain("set aside");
    await registered(server, 1, "a");
    expect(readdirSync(join(folder, "state")).some((name) => name.startsWith("index.db.corrupt-"))).toBe(
      true,
    );
  });

  test("that is a folder is one clear line", async () => {
    mkdirSync(databasePath(), { recursive: true });
    await expect(start({ databasePath: databasePath() })).rejects.toThrow(LocalIoError);
  });

  test("F31: locked by another program: QUERY goes on, a change waits for it", async () => {
    const server = await start({ databasePath: databasePath() });
    await using peer = await registered(server, 1, "a");
    const other = new Database(databasePath());
    other.run("BEGIN IMMEDIATE");
    peer.send({ type: "UPDATE", id: 1, add: [wireEntry("b")], remove: [] });
    expect(await query(peer, "a")).toHaveLength(1);
    expect(peer.answers.some(({ id }) => id === 1)).toBe(false);
    other.run("ROLLBACK");
    other.close(true);
    expect(await peer.answerTo(1)).toMatchObject({ type: "OK" });
    expect(await query(peer, "b")).toHaveLength(1);
  });

  // A full one is in writer.test.ts and test/e2e/index.test.ts.
  test("that has become broken: the change is refused with a code and logged once, QUERY goes on", async () => {
    const server = await start({ databasePath: databasePath() });
    await using peer = await registered(server, 1, "a");
    const other = new Database(databasePath());
    other.run(
      "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'it is broken'); END",
    );
    const add = Array.from({ length: 500 }, (_, i) => wireEntry(`b ${i}`));
    for (const id of [1, 2]) {
      expect(await peer.request({ type: "UPDATE", id, add, remove: [] })).toMatchObject({
        type: "ERROR",
        code: "INTERNAL",
      });
    }
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain("it is broken");
    expect(await query(peer, "a")).toHaveLength(1);
    other.run("DROP TRIGGER broken");
    expect(await peer.request({ type: "UPDATE", id: 3, add, remove: [] })).toMatchObject({ type: "OK" });
    expect(other.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
    other.close(true);
  });
});

describe("starting and stopping", () => {
  test("a busy port names host and port, and leaves the database to others", async () => {
    const { port } = await start();
    const wanted = `cannot listen on 127.0.0.1:${port}: the port is in use (EADDRINUSE)`;
    await expect(start({ port, databasePath: databasePath() })).rejects.toThrow(wanted);
    await start({ databasePath: databasePath() });
    expect(existsSync(databasePath())).toBe(true);
  });

  test("stop ends every connection, and may be called twice", async () => {
    const server = await start();
    const peer = await registered(server, 1, "a");
    await server.stop();
    await server.stop();
    await peer.closed();
  });

  test("the line of statistics", async () => {
    const server = await start();
    await using peer = await registered(server, 1, "a", "x/a");
    await using other = await registered(server, 2, "a");
    await query(peer, "a");
    expect(server.statistics()).toMatch(
      /^peers 2, names 2, files 3, connections 2, queries\/s \d+\.\d, uptime \d+ s, memory \d+ MiB$/,
    );
    expect(server.statistics()).toContain("queries/s 0.0");
    expect(other.isClosed).toBe(false);
  });

  test("every start has another epoch", async () => {
    const epochs: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      await using client = await LineClient.greeted((await start()).port);
      epochs.push(client.answers[0]?.epoch);
    }
    expect(epochs[0]).toBeString();
    expect(epochs[0]).not.toBe(epochs[1]);
  });
});

/** Several index processes that share one PostgreSQL: what one has the others have, and one that dies takes nothing. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { SQL } from "bun";
import { fileEntry } from "../helpers/file-entries.ts";
import { until } from "../helpers/until.ts";
import { brisk, describeWithPostgres, hasty, openShared } from "./open-postgres.ts";
import { claimOf } from "./open-store.ts";

const files = (count: number, prefix = "f") =>
  Array.from({ length: count }, (_, i) => fileEntry(`${prefix}${i}`));

describeWithPostgres("two processes over one PostgreSQL", (running) => {
  test("what is registered at one is found at the other, and gone there when its peer is", async () => {
    const url = await running.stores.url();
    await using a = await openShared(url, brisk);
    await using b = await openShared(url, brisk);
    expect(await b.found("f1")).toEqual([]);
    const peer = await a.peer(files(10), "10.0.0.1");
    // Nothing has to happen in between.
    const [content] = await b.find("f1");
    expect(content?.sources).toEqual([{ peer: peer.id, host: "10.0.0.1", port: peer.port, partial: false }]);
    const other = await b.peer(files(10), "10.0.0.2");
    expect((await a.find("f1"))[0]?.total).toBe(2);
    const { files: page } = await b.catalog.list({}, "f1", "", 10);
    expect(page[0]?.total).toBe(2);
    await until(() => a.catalog.counts.peers === 2 && a.catalog.counts.files === 20, 5_000);
    expect([...a.catalog.peers()].map(({ id }) => id).sort()).toEqual([peer.id, other.id].sort());
    b.catalog.leave(other);
    await until(async () => (await a.find("f1"))[0]?.total === 1, 5_000);
    a.catalog.leave(peer);
    await until(async () => (await b.find("f1")).length === 0, 5_000);
  });

  test("what arrives at one is told at the other, as far as it is wanted", async () => {
    const url = await running.stores.url();
    await using a = await openShared(url, brisk);
    await using b = await openShared(url, brisk);
    b.listener.wanted = ({ name }) => name.startsWith("wanted");
    // Each has to know that it is not alone.
    await until(async () => {
      const peer = await a.peer([fileEntry("wanted 1")], "10.0.0.9");
      await Bun.sleep(100);
      a.catalog.leave(peer);
      return b.listener.told.length > 0;
    });
    b.listener.told.length = 0;
    const library = [...files(3_000), fileEntry("wanted 2"), { ...fileEntry("wanted 3"), partial: true }];
    const peer = await a.peer(library, "10.0.0.1", 7767);
    await until(() => b.listener.told.length >= 2);
    expect(b.listener.told.sort((x, y) => (x.file.name < y.file.name ? -1 : 1))).toEqual([
      {
        source: { peer: peer.id, host: "10.0.0.1", port: 7767, partial: false },
        file: fileEntry("wanted 2"),
      },
      {
        source: { peer: peer.id, host: "10.0.0.1", port: 7767, partial: true },
        file: { ...fileEntry("wanted 3"), partial: true },
      },
    ]);
    expect(a.listener.told).toEqual([]);
    // A library that comes back by its digest has arrived as well.
    b.listener.told.length = 0;
    a.catalog.leave(peer);
    const again = a.catalog.join("10.0.0.1");
    expect(await a.claim(again, claimOf(library), 7767)).toMatchObject({ held: true });
    await until(() => b.listener.told.length >= 2);
    expect(b.listener.told.every(({ source }) => source.peer === again.id)).toBe(true);
  });

  test("a peer that left one comes back to the other by its digest", async () => {
    const url = await running.stores.url();
    await using a = await openShared(url, brisk);
    await using b = await openShared(url, brisk);
    const peer = await a.peer(files(50), "10.0.0.1", 7767);
    expect(await b.found("f7")).toHaveLength(1);
    a.catalog.leave(peer);
    const back = b.catalog.join("10.0.0.1");
    await until(async () => (await b.claim(back, claimOf(files(50)), 7767)).held === true);
    await until(async () => (await a.find("f7")).length === 1);
    const [at] = await a.find("f7");
    expect(at?.sources).toEqual([{ peer: back.id, host: "10.0.0.1", port: 7767, partial: false }]);
    // Also when the first one does not know yet that it has gone: a connection may die silently.
    const silent = await a.peer(files(50, "s"), "10.0.0.2", 7767);
    const moved = b.catalog.join("10.0.0.2");
    expect(await b.claim(moved, claimOf(files(50, "s")), 7767)).toMatchObject({ held: true });
    await until(async () => {
      const [found] = await a.find("s7");
      return found?.total === 1 && found.sources[0]?.peer === moved.id;
    }, 5_000);
    a.catalog.leave(silent);
    await Bun.sleep(100);
    expect(await b.found("s7")).toHaveLength(1);
  });

  test("one is killed under load: its peers are in no answer, and nothing is lost when they come to the other", async () => {
    const url = await running.stores.url();
    await using b = await openShared(url, hasty);
    const stays = await b.peer([fileEntry("0/f1", "shared")], "10.9.9.9");
    const script = join(import.meta.dir, "postgres-process.ts");
    const killed = Bun.spawn([process.execPath, script], {
      env: { ...process.env, P2P_TEST_DB: url },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    try {
      for await (const chunk of killed.stdout) if (Buffer.from(chunk).includes("ready")) break;
      expect(await b.found("3/f7")).toHaveLength(1);
      await until(() => b.catalog.counts.peers === 6);
    } finally {
      killed.kill("SIGKILL");
      await killed.exited;
    }
    // Two of its peers come back before anybody knows that it is dead, with what they have.
    const library = (peer: number) => files(300, `${peer}/f`);
    for (const peer of [0, 1]) {
      const back = b.catalog.join(`10.0.1.${peer}`);
      expect(await b.claim(back, claimOf(library(peer)), 7767)).toMatchObject({ held: true });
    }
    await until(async () => (await b.find("3/f7")).length === 0);
    expect(await b.found("0/f7")).toHaveLength(1);
    await until(() => b.catalog.counts.peers === 3);
    // The others come later, and one of them says everything anew.
    for (const peer of [2, 3]) {
      const back = b.catalog.join(`10.0.1.${peer}`);
      expect(await b.claim(back, claimOf(library(peer)), 7767)).toMatchObject({ held: true });
    }
    await b.peer(library(4), "10.0.1.4", 7767);
    for (let peer = 0; peer < 5; peer++) {
      for (const i of [0, 150, 299]) expect(await b.found(`${peer}/f${i}`)).toHaveLength(1);
    }
    expect((await b.find("0/f1"))[0]?.total).toBe(1);
    expect(b.catalog.counts).toMatchObject({ peers: 6, files: 1 + 5 * 300 });
    expect(stays.files).toBe(1);
    // Its row goes, and what nobody has any more.
    const database = new URL(url).pathname.slice(1);
    await until(
      async () => (await running.server.ask("SELECT 1 FROM processes", database)).length === 1,
      15_000,
    );
  });

  test("an entry stays when somebody comes to hold it just as the last one lets it go", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url, brisk);
    const peer = await store.peer([fileEntry("a", 1), fileEntry("b", 2)]);
    const database = new URL(url).pathname.slice(1);
    const entries = () => running.server.ask("SELECT name FROM entries ORDER BY name", database);
    const other = new SQL(url, { max: 1 });
    const end = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    // As a change of another process, before its COMMIT.
    const change = other.begin(async (run) => {
      await run.unsafe("SELECT id FROM turns WHERE id = 1 FOR SHARE");
      await run.unsafe("INSERT INTO holdings SELECT 7, 7, id, false FROM entries WHERE name = 'a'");
      begun.resolve();
      await end.promise;
    });
    await begun.promise;
    await store.update(peer, [], ["a", "b"]);
    await until(
      async () => (await running.server.ask("SELECT 1 FROM pg_locks WHERE NOT granted")).length > 0,
    );
    expect(await entries()).toHaveLength(2);
    end.resolve();
    await change;
    await until(async () => (await entries()).length === 1);
    expect(await entries()).toEqual([["a"]]);
    await other.close({ timeout: 0 });
  });

  /** In `peers`, `entries`, `holdings`, `names` and `unsettled`. */
  async function rowsOf(url: string): Promise<string | undefined> {
    const [row] = await running.server.ask(
      `SELECT (SELECT count(*) FROM peers), (SELECT count(*) FROM entries), (SELECT count(*) FROM holdings),
         (SELECT count(*) FROM names), (SELECT count(*) FROM unsettled)`,
      new URL(url).pathname.slice(1),
    );
    return row?.join(" ");
  }

  test("of what was being made ready for a peer that left meanwhile nothing stays", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url, { ...brisk, keepMs: 300 });
    const peer = await store.peer(files(1_000));
    const other = new SQL(url, { max: 1 });
    const end = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    // Nothing is written meanwhile, as if it took long.
    const removal = other.begin(async (run) => {
      await run.unsafe("SELECT id FROM turns WHERE id = 1 FOR UPDATE");
      begun.resolve();
      await end.promise;
    });
    await begun.promise;
    // Twice as many as go into one statement.
    const updates = Array.from({ length: 8 }, (_, i) => store.update(peer, files(2_000, `more${i} `)));
    const ends = Promise.allSettled(updates);
    const entriesAhead = "SELECT count(*) FROM entries WHERE name LIKE 'more%'";
    const database = new URL(url).pathname.slice(1);
    await until(async () => {
      const [row] = await running.server.ask(entriesAhead, database);
      return row?.[0] === "8000";
    });
    store.catalog.leave(peer);
    end.resolve();
    await removal;
    await other.close({ timeout: 0 });
    await ends;
    await until(async () => (await rowsOf(url)) === "0 0 0 0 0", 30_000);
    expect(store.catalog.counts).toEqual({ peers: 0, files: 0, names: 0 });
  });

  test("rows of who left for good go, names and entries with them, whoever of the two removes them", async () => {
    const url = await running.stores.url();
    const times = { ...brisk, keepMs: 300 };
    await using a = await openShared(url, times);
    await using b = await openShared(url, times);
    const rows = () => rowsOf(url);
    const peers = await Promise.all([a.peer(files(3_000)), b.peer(files(2_000, "g")), b.peer(files(10))]);
    await until(async () => (await rows()) === "3 5000 5010 5000 0", 15_000);
    a.catalog.leave(peers[0]);
    b.catalog.leave(peers[1]);
    await until(async () => (await rows()) === "1 10 10 10 0", 15_000);
    await until(() => a.catalog.counts.names === 10 && b.catalog.counts.names === 10);
    expect(await a.found("f3")).toHaveLength(1);
  });
});

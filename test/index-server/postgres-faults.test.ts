/** F33: what becomes of an index whose PostgreSQL crashes, restarts, freezes or throws everybody out. */
import { expect, test } from "bun:test";
import { SQL } from "bun";
import { StoreError } from "../../src/index-server/catalog.ts";
import { fileEntry } from "../helpers/file-entries.ts";
import { until } from "../helpers/until.ts";
import { brisk, describeWithPostgres, openShared } from "./open-postgres.ts";
import { claimOf, type Store } from "./open-store.ts";

const files = (count: number, prefix = "f") =>
  Array.from({ length: count }, (_, i) => fileEntry(`${prefix}${i}`));

/** What `asked` was refused with, and after how long. */
async function refusal(asked: Promise<unknown>): Promise<{ code: string; ms: number }> {
  const startMs = performance.now();
  const error = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(StoreError);
  return { code: (error as StoreError).code, ms: performance.now() - startMs };
}

/** All of these files, or none of them: QUERY, counters and digest alike. */
async function expectAllOrNone(store: Store, names: readonly string[]): Promise<boolean> {
  const found = await Promise.all(names.map((name) => store.find(name)));
  const there = found.filter((contents) => contents.length > 0).length;
  expect([0, names.length]).toContain(there);
  return there > 0;
}

describeWithPostgres("a PostgreSQL in trouble", (running) => {
  test("F33: that crashes and comes back: RETRY meanwhile, and then all is as it was", async () => {
    await using store = await openShared(await running.stores.url());
    const peer = await store.peer(files(100), "10.0.0.1", 7767);
    await Bun.sleep(300);
    await running.server.crash();
    expect(await refusal(store.find("f1"))).toMatchObject({ code: "RETRY" });
    expect(await refusal(store.update(peer, files(3, "g")))).toMatchObject({ code: "RETRY" });
    expect(await store.catalog.problem()).toBeString();
    expect(store.listener.failures.length).toBeGreaterThan(0);
    await running.server.launch();
    await store.update(peer, files(3, "g"), ["f0"]);
    expect(await store.found("g2")).toHaveLength(1);
    expect(await store.found("f0")).toEqual([]);
    expect(await store.found("f99")).toHaveLength(1);
    expect(peer.files).toBe(102);
    expect(await store.catalog.problem()).toBeUndefined();
    expect(store.listener.losses).toEqual([]);
  });

  test("F33: that throws everybody out is not noticed by anybody who asks or registers", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url);
    const peer = await store.peer(files(10));
    for (let i = 0; i < 3; i++) {
      await Promise.all(Array.from({ length: 20 }, () => store.find("f1")));
      await running.server.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'p2p'",
      );
      await Promise.all([
        ...Array.from({ length: 20 }, async () => expect(await store.found("f1")).toHaveLength(1)),
        store.update(peer, files(5, `new ${i} `)),
      ]);
      expect(await store.found(`new ${i} 4`)).toHaveLength(1);
    }
    expect(peer.files).toBe(25);
  });

  test("F33: that freezes: RETRY within 5 s, and what was refused does not come true later behind our back", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url);
    const peer = await store.peer(files(10), "10.0.0.1", 7767);
    await store.find("f1");
    running.server.freeze("SIGSTOP");
    let refusals: { code: string; ms: number }[];
    try {
      const asked = [store.find("f1"), store.find("f2"), store.update(peer, files(5, "g"), ["f0"])];
      // It comes when the one before has begun, and does not have to wait for two deadlines.
      const later = Bun.sleep(100).then(() => refusal(store.update(peer, files(5, "h"))));
      refusals = await Promise.all([...asked.map(refusal), later]);
    } finally {
      running.server.freeze("SIGCONT");
    }
    for (const { code, ms } of refusals) {
      expect(code).toBe("RETRY");
      expect(ms).toBeLessThan(5_000);
    }
    // What the frozen server had received it may do now: whatever is said next has the last word.
    await store.update(peer, [fileEntry("f0")], ["g0", "g1", "g2", "g3", "g4"]);
    await Bun.sleep(500);
    expect(await store.found("g1")).toEqual([]);
    expect(await store.found("f0")).toHaveLength(1);
    expect(peer.files).toBe(10);
    store.catalog.leave(peer);
    const again = store.catalog.join("10.0.0.1");
    expect(await store.claim(again, claimOf(files(10)), 7767)).toMatchObject({ held: true });
    expect(store.listener.losses).toEqual([]);
  });

  test("F33: whose connections freeze and wake up later: a change that was given up then does nothing", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url);
    const peer = await store.peer([], "10.0.0.1", 7767);
    // On each connection the statement is there already: only then is all of it sent at once.
    const others = await Promise.all(Array.from({ length: 8 }, () => store.peer([])));
    for (let i = 0; i < 4; i++) {
      await Promise.all(others.map((other, n) => store.update(other, [fileEntry(`other ${n}`, i)])));
    }
    const backends = await running.server.ask(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'p2p' AND datname = '${new URL(url).pathname.slice(1)}'`,
    );
    const signal = (name: "SIGSTOP" | "SIGCONT") => {
      for (const [pid] of backends) process.kill(Number(pid), name);
    };
    const pids = backends.map(([pid]) => pid).join(",");
    const busy = `SELECT 1 FROM pg_stat_activity WHERE pid IN (${pids}) AND state <> 'idle'`;
    try {
      // What freezes while it tells the others of a change has a lock that nobody gets on without.
      await until(async () => {
        signal("SIGSTOP");
        if ((await running.server.ask(busy)).length === 0) return true;
        signal("SIGCONT");
        return false;
      });
      expect((await refusal(store.update(peer, files(5, "g")))).code).toBe("RETRY");
      await store.update(peer, files(1));
    } finally {
      signal("SIGCONT");
    }
    await until(async () => {
      const changing = `SELECT 1 FROM pg_stat_activity WHERE pid IN (${pids}) AND query LIKE 'WITH turn%'`;
      return (await running.server.ask(changing)).length === 0;
    });
    expect(await store.found("g1")).toEqual([]);
    expect(await store.found("f0")).toHaveLength(1);
    expect(peer.files).toBe(1);
    store.catalog.leave(peer);
    const again = store.catalog.join("10.0.0.1");
    expect(await store.claim(again, claimOf(files(1)), 7767)).toMatchObject({ held: true });
  });

  test("F33: that restarts in the middle of a change: all of it is there, or nothing", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url);
    const peer = await store.peer(files(10), "10.0.0.1", 7767);
    const holder = new SQL(url, { max: 1 });
    const held = Promise.withResolvers<void>();
    // The change waits for this in the middle of its transaction.
    const holding = holder
      .begin(async (run) => {
        await run.unsafe("SELECT id FROM turns WHERE id = 1 FOR UPDATE");
        held.resolve();
        await Bun.sleep(60_000);
      })
      .catch(() => {});
    await held.promise;
    const applied = store.update(peer, files(1_900, "new"), ["f0"]).then(
      () => true,
      () => false,
    );
    await until(async () => {
      const rows = await running.server.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      return rows.length > 0;
    });
    await running.server.crash();
    await running.server.launch();
    const names = ["new0", "new777", "new1899"];
    const isSaid = await applied;
    const isThere = await expectAllOrNone(store, names);
    expect(isThere).toBe(isSaid);
    await store.update(peer, files(1_900, "new"), ["f0"]);
    expect(await expectAllOrNone(store, names)).toBe(true);
    expect(peer.files).toBe(1_909);
    store.catalog.leave(peer);
    const again = store.catalog.join("10.0.0.1");
    const claim = claimOf([...files(10).slice(1), ...files(1_900, "new")]);
    expect(await store.claim(again, claim, 7767)).toMatchObject({ held: true });
    await holder.close({ timeout: 0 });
    void holding;
  });

  test("that has lost what it said it had: the index says that it has to begin anew", async () => {
    const url = await running.stores.url();
    await using store = await openShared(url, brisk);
    await store.peer(files(3));
    await running.server.ask("DELETE FROM peers", new URL(url).pathname.slice(1));
    await until(() => store.listener.losses.length > 0);
    expect(store.listener.losses).toHaveLength(1);
  });

  test("whose URL is wrong is said in one line, without the password", async () => {
    const { port } = running.server;
    for (const [url, reason] of [
      [`postgres://p2p:secret@127.0.0.1:${port}/nothing`, /no such database/],
      [`postgres://nobody:secret@127.0.0.1:${port}/postgres`, /user and password/],
      [`postgres://p2p:secret@127.0.0.1:1/postgres`, /127\.0\.0\.1:1\/postgres/],
    ] as const) {
      const error = await openShared(url).then(
        () => new Error("opened"),
        (error: Error) => error,
      );
      expect(error.message).toMatch(reason);
      expect(error.message).not.toContain("secret");
      expect(error.message).not.toContain("\n");
    }
  });
});

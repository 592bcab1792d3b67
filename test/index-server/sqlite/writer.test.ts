/**
 * The writing thread without the thread: what it tells for which line, who gets which slot, when rows go. Time is
 * virtual; the database is a real one.
 */

import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { ChangeStamps } from "../../../src/index-server/sqlite/change-stamps.ts";
import {
  forWriting,
  type IndexDatabase,
  openIndexDatabase,
} from "../../../src/index-server/sqlite/database.ts";
import { PeerPorts } from "../../../src/index-server/sqlite/peer-ports.ts";
import { Writer } from "../../../src/index-server/sqlite/writer.ts";
import type { FromWriter, Outcome } from "../../../src/index-server/sqlite/writer-messages.ts";
import { WantedFiles } from "../../../src/index-server/wanted-files.ts";
import { LibraryDigest } from "../../../src/wire/library-digest.ts";
import type { FileEntry } from "../../../src/wire/messages.ts";
import { fileEntry, wireEntry } from "../../helpers/file-entries.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

class Bench {
  nowMs = 0;
  readonly told: FromWriter[] = [];
  readonly wanted = new WantedFiles();
  readonly stamps = new ChangeStamps();
  readonly ports = new PeerPorts();
  readonly database: Database;
  readonly writer: Writer;
  private readonly file: IndexDatabase;
  private due: { run: () => void; atMs: number }[] = [];
  private lastRequest = 0;

  constructor(keepLeftMs = 60_000, limits = { filesPerPeer: 1_000, filesPerIndex: 10_000 }) {
    this.file = openIndexDatabase(":memory:", () => {});
    this.database = this.another();
    cleanups.push(() => this.file.close());
    cleanups.push(() => this.database.close(true));
    this.writer = new Writer(this.database, {
      limits,
      stamps: this.stamps,
      wanted: this.wanted,
      ports: this.ports,
      keepLeftMs,
      nowMs: () => this.nowMs,
      soon: (run) => void this.due.push({ run, atMs: this.nowMs }),
      later: (run, delayMs) => void this.due.push({ run, atMs: this.nowMs + delayMs }),
      tell: (message) => this.told.push(message),
    });
  }

  another(): Database {
    const database = new Database(this.file.path, { readwrite: true, create: false, strict: true });
    forWriting(database);
    return database;
  }

  /** Whatever is due within that time. */
  passMs(forMs = 0): this {
    const endMs = this.nowMs + forMs;
    for (;;) {
      this.due.sort((a, b) => a.atMs - b.atMs);
      if (this.due.length === 0 || this.due[0]!.atMs > endMs) break;
      const { run, atMs } = this.due.shift()!;
      this.nowMs = Math.max(this.nowMs, atMs);
      run();
    }
    this.nowMs = endMs;
    return this;
  }

  /** Hands over a line; what comes of it is in `outcomeOf` the number. */
  hand(slot: number, message: object | string): number {
    const request = ++this.lastRequest;
    const line = Buffer.from(typeof message === "string" ? message : JSON.stringify(message));
    const type = /UPDATE/.test(line.toString().slice(0, 20)) ? "UPDATE" : "REGISTER";
    this.writer.apply({ kind: "apply", request, slot, host: "10.0.0.1", type, line });
    return request;
  }

  apply(slot: number, message: object | string): Outcome {
    const request = this.hand(slot, message);
    this.passMs();
    return this.outcomeOf(request)!;
  }

  outcomeOf(request: number): Outcome | undefined {
    return this.told.flatMap((one) =>
      one.kind === "outcome" && one.request === request ? [one.outcome] : [],
    )[0];
  }

  get released(): number[] {
    return this.told.flatMap((message) => (message.kind === "released" ? [message.slot] : []));
  }

  get hidden(): number {
    return this.told.findLast((message) => message.kind === "hidden")?.count ?? 0;
  }

  get view(): string[] {
    return this.database
      .query<{ port: number; name: string }, []>("SELECT port, name FROM files")
      .all()
      .map(({ port, name }) => `${port} ${name}`)
      .sort();
  }

  /** A peer that has registered that. */
  peer(slot: number, ...names: string[]): void {
    this.writer.join(slot);
    expect(this.apply(slot, register(slot, names))).toMatchObject({ kind: "applied", files: names.length });
  }
}

function register(slot: number, names: readonly string[]): object {
  return { type: "REGISTER", id: slot, port: 7000 + slot, files: names.map((name) => wireEntry(name)) };
}

function claiming(slot: number, ...files: FileEntry[]): object {
  const library = new LibraryDigest();
  for (const file of files) library.add(file);
  return { type: "REGISTER", id: slot, port: 7000 + slot, library: library.claim };
}

describe("a line", () => {
  test("is applied: the tables have it, the stamps moved, and what is wanted of it is told", () => {
    const bench = new Bench();
    bench.wanted.wantName("b", 1);
    bench.writer.join(1);
    const at = ChangeStamps.ofName("b");
    expect(bench.apply(1, register(1, ["a", "x/b"]))).toEqual({
      kind: "applied",
      id: 1,
      held: undefined,
      slot: 1,
      port: 7001,
      files: 2,
    });
    expect(bench.told).toContainEqual({ kind: "news", slot: 1, files: [fileEntry("x/b")] });
    expect(bench.stamps.at(at)).toBe(1);
    expect(bench.view).toEqual(["7001 a", "7001 x/b"]);
    const update = { type: "UPDATE", id: 5, add: [wireEntry("c")], remove: ["a"] };
    expect(bench.apply(1, update)).toMatchObject({ kind: "applied", id: 5, port: 7001, files: 2 });
    expect(bench.view).toEqual(["7001 c", "7001 x/b"]);
    expect(bench.told.findLast(({ kind }) => kind === "committed")).toMatchObject({ names: 2 });
  });

  test.each<[string, string, object]>([
    ["no JSON", '{"type":"REGISTER","id":1,', { id: null, code: "BAD_JSON" }],
    ["port 0", '{"type":"REGISTER","id":1,"port":0,"files":[]}', { id: 1, code: "BAD_PORT" }],
    ["a bad name", '{"type":"UPDATE","id":1,"remove":["../x"]}', { id: 1, code: "BAD_NAME" }],
    [
      "a digest that is none",
      '{"type":"REGISTER","id":1,"port":1,"library":{"digest":"x","files":1}}',
      { id: 1 },
    ],
    ["another type further on", '{"type":"REGISTER","id":1,"port":1,"type":"PING"}', { code: "BAD_MESSAGE" }],
  ])("is refused whole, with its id as far as there is one: %s", (_, line, expected) => {
    const bench = new Bench();
    bench.peer(1, "a");
    expect(bench.apply(1, line)).toMatchObject({ kind: "refused", ...expected });
    expect(bench.view).toEqual(["7001 a"]);
  });

  test("that begins as a REGISTER and goes on as an UPDATE does not make a peer without a port", () => {
    const bench = new Bench();
    bench.writer.join(1);
    const line = `{"type":"REGISTER","id":1,"port":1,"type":"UPDATE","add":[${JSON.stringify(wireEntry("a"))}]}`;
    const outcome = bench.apply(1, line);
    expect(outcome).toMatchObject({ kind: "refused", code: "BAD_MESSAGE" });
    expect(bench.database.query("SELECT count(*) FROM holdings").values()).toEqual([[0]]);
  });
});

describe("a digest", () => {
  const files = ["a", "b", "c"].map((name) => fileEntry(name));
  const left = (keepLeftMs?: number) => {
    const bench = new Bench(keepLeftMs);
    bench.peer(1, "a", "b", "c");
    bench.writer.leave(1);
    bench.writer.join(2);
    expect([bench.released, bench.hidden]).toEqual([[], 1]);
    return bench;
  };

  test("of what was there before brings that back, and its slot; the one it came with is free", () => {
    const bench = left();
    expect(bench.apply(2, claiming(2, ...files))).toMatchObject({
      held: true,
      slot: 1,
      port: 7002,
      files: 3,
    });
    expect([bench.released, bench.hidden]).toEqual([[2], 0]);
    expect(bench.view).toEqual(["7002 a", "7002 b", "7002 c"]);
    bench.passMs(1_000_000);
    expect(bench.view).toHaveLength(3);
    expect(bench.apply(1, { type: "UPDATE", id: 9, remove: ["a"] })).toMatchObject({ id: 9, files: 2 });
    bench.writer.leave(1);
    expect([bench.released, bench.hidden, bench.view]).toEqual([[2], 1, []]);
  });

  test("of something else: the peer is registered with nothing, what was there stays until its time", () => {
    const bench = left();
    const outcome = bench.apply(2, claiming(2, ...files.slice(1)));
    expect(outcome).toMatchObject({ held: false, slot: 2, port: 7002, files: 0 });
    expect([bench.hidden, bench.view]).toEqual([1, []]);
    expect(bench.apply(2, { type: "UPDATE", id: 9, add: [wireEntry("d")] })).toMatchObject({ files: 1 });
    expect(bench.view).toEqual(["7002 d"]);
  });

  test("of what a connected peer has now is held, whatever left with the same", () => {
    const bench = left();
    bench.apply(2, register(2, ["a", "b", "c"]));
    expect(bench.apply(2, claiming(2, ...files))).toMatchObject({ held: true, slot: 2, files: 3 });
    expect([bench.hidden, bench.view.length]).toEqual([1, 3]);
  });

  test("is of no use once the time of the rows is over: they are purged, and the slot is free", () => {
    const bench = left(60_000);
    bench.passMs(59_000);
    expect(bench.hidden).toBe(1);
    bench.passMs(30_000);
    expect([bench.hidden, bench.released]).toEqual([0, [1]]);
    expect(bench.apply(2, claiming(2, ...files))).toMatchObject({ held: false, files: 0 });
    expect(bench.database.query("SELECT count(*) FROM entries").values()).toEqual([[0]]);
  });

  test("brings nobody to a slot by which another peer may still be meant", () => {
    const bench = left();
    // Peer 2 has other rows, and moves to those of slot 1: the index's thread may still call it 2.
    bench.apply(2, register(2, ["d", "e"]));
    expect(bench.apply(2, claiming(2, ...files))).toMatchObject({ held: true, slot: 1 });
    bench.writer.join(3);
    const others = [fileEntry("d"), fileEntry("e")];
    expect(bench.apply(3, claiming(3, ...others))).toMatchObject({ held: false, slot: 3, files: 0 });
    bench.writer.leave(3);
    // Peer 2 is still there.
    expect(bench.apply(1, { type: "UPDATE", id: 9, add: [wireEntry("f")] })).toMatchObject({ files: 4 });
  });

  test("of who had other rows lets go of these", () => {
    const bench = left();
    bench.apply(2, register(2, ["mine"]));
    expect(bench.apply(2, claiming(2, ...files))).toMatchObject({ held: true, slot: 1 });
    expect([bench.released, bench.hidden]).toEqual([[], 1]);
    expect(bench.view).toEqual(["7002 a", "7002 b", "7002 c"]);
    bench.passMs(90_000);
    expect([bench.released, bench.hidden, bench.view.length]).toEqual([[2], 0, 3]);
  });

  test("waits for another program that writes, and is then as good as before", () => {
    const bench = left();
    const other = bench.another();
    other.run("BEGIN IMMEDIATE");
    const request = bench.hand(2, claiming(2, ...files));
    bench.passMs(1_000);
    expect(bench.outcomeOf(request)).toBeUndefined();
    other.run("ROLLBACK");
    other.close(true);
    bench.passMs(100);
    expect(bench.outcomeOf(request)).toMatchObject({ held: true, slot: 1 });
  });

  test("that is held is told of once the index's thread knows, as long as the peer has that slot", () => {
    const bench = left();
    bench.wanted.wantName("b", 1);
    bench.apply(2, claiming(2, ...files));
    const news = () => bench.told.filter(({ kind }) => kind === "news");
    bench.passMs(1_000);
    expect(news()).toEqual([]);
    bench.writer.survey(1);
    bench.passMs(1_000);
    expect(news()).toEqual([{ kind: "news", slot: 1, files: [fileEntry("b")] }]);
    bench.peer(3, "d");
    bench.writer.leave(3);
    // On to the rows of another one, before anybody has looked at these.
    bench.hand(1, claiming(1, fileEntry("d")));
    bench.writer.survey(1);
    bench.passMs(1_000);
    expect(news()).toHaveLength(1);
  });

  test("of who leaves before it hears the outcome: its rows are kept, each slot is free once at most", () => {
    const bench = left();
    const request = bench.hand(2, claiming(2, ...files));
    bench.passMs();
    expect(bench.outcomeOf(request)).toMatchObject({ held: true, slot: 1 });
    // The other thread has not read that yet: it knows the peer by the slot that it came with.
    bench.writer.leave(2);
    bench.passMs(10);
    expect(bench.view).toEqual([]);
    expect(bench.hidden).toBe(1);
    bench.passMs(1_000_000);
    expect(bench.released.toSorted()).toEqual([1, 2]);
    expect(bench.database.query("SELECT count(*) FROM holdings").values()).toEqual([[0]]);
  });
});

describe("who left", () => {
  test("without rows leaves a slot that is free at once; with rows, once these are gone", () => {
    const bench = new Bench(0);
    bench.writer.join(1);
    bench.writer.leave(1);
    expect(bench.released).toEqual([1]);
    bench.peer(2, "a");
    bench.writer.leave(2);
    expect(bench.released).toEqual([1]);
    bench.passMs();
    expect([bench.released, bench.hidden]).toEqual([[1, 2], 0]);
  });

  test("in the middle of a REGISTER: nothing more of it is applied, and what was goes", () => {
    const bench = new Bench(0);
    bench.writer.join(1);
    const request = bench.hand(1, register(1, ["a", "b"]));
    bench.writer.leave(1);
    bench.passMs(100);
    expect(bench.outcomeOf(request)).toBeUndefined();
    expect([bench.released, bench.view]).toEqual([[1], []]);
  });

  test("makes room for others when there is none", () => {
    const bench = new Bench(60_000, { filesPerPeer: 10, filesPerIndex: 3 });
    bench.peer(1, "a", "b");
    bench.writer.leave(1);
    bench.writer.join(2);
    expect(bench.apply(2, register(2, ["c", "d"]))).toMatchObject({ kind: "refused", code: "RETRY" });
    expect(bench.apply(2, register(2, ["c", "d"]))).toMatchObject({ kind: "applied" });
    expect(bench.released).toEqual([1]);
    bench.writer.join(3);
    const full = { kind: "refused", code: "STORAGE_FULL" } as const;
    expect(bench.apply(3, register(3, ["e", "f"]))).toMatchObject(full);
  });
});

describe("what several hand over at once", () => {
  const two = [fileEntry("a"), fileEntry("b")];

  test("is one commit", () => {
    const bench = new Bench();
    for (const slot of [1, 2, 3]) bench.writer.join(slot);
    const { sequence } = bench.stamps;
    const requests = [1, 2, 3].map((slot) => bench.hand(slot, register(slot, [`${slot}`])));
    bench.passMs();
    for (const request of requests) expect(bench.outcomeOf(request)).toMatchObject({ files: 1 });
    expect(bench.stamps.sequence).toBe(sequence + 2);
  });

  test("and cannot be written: only that is refused, whoever stands beside it", () => {
    const bench = new Bench();
    bench.peer(1, "a", "b");
    bench.writer.leave(1);
    bench.database.run(`CREATE TEMP TRIGGER refused BEFORE INSERT ON entries WHEN new.name = 'refused'
      BEGIN SELECT raise(ABORT, 'refused'); END`);
    for (const slot of [2, 3, 4]) bench.writer.join(slot);
    const [back, refused, other] = [
      bench.hand(2, claiming(2, ...two)),
      bench.hand(3, register(3, ["c", "refused"])),
      bench.hand(4, register(4, ["a", "d"])),
    ];
    bench.passMs(100);
    expect(bench.outcomeOf(refused)).toMatchObject({ kind: "failed", code: "INTERNAL" });
    expect(bench.outcomeOf(back)).toMatchObject({ held: true, slot: 1, files: 2 });
    expect(bench.outcomeOf(other)).toMatchObject({ kind: "applied", files: 2 });
    expect(bench.view).toEqual(["7002 a", "7002 b", "7004 a", "7004 d"]);
    expect(bench.told.findLast(({ kind }) => kind === "committed")).toMatchObject({ names: 3 });
    expect([bench.released, bench.hidden]).toEqual([[2], 0]);
  });

  test("none of it is gone from the full text that was undone", () => {
    const bench = new Bench();
    bench.peer(1, "a");
    bench.database.run(`CREATE TEMP TRIGGER refused BEFORE INSERT ON entries WHEN new.name = 'refused'
      BEGIN SELECT raise(ABORT, 'refused'); END`);
    bench.apply(1, { type: "UPDATE", id: 2, add: [wireEntry("refused")], remove: ["a"] });
    const removed = bench.told.flatMap((message) => (message.kind === "committed" ? message.removed : []));
    expect([bench.view, removed]).toEqual([["7001 a"], []]);
  });

  test("two who claim the same: one has it", () => {
    const bench = new Bench();
    bench.peer(1, "a", "b");
    bench.writer.leave(1);
    for (const slot of [2, 3]) bench.writer.join(slot);
    const requests = [2, 3].map((slot) => bench.hand(slot, claiming(slot, ...two)));
    bench.passMs(100);
    expect(requests.map((request) => bench.outcomeOf(request))).toMatchObject([
      { held: true, slot: 1, files: 2 },
      { held: false, slot: 3, files: 0 },
    ]);
    expect([bench.view, bench.released]).toEqual([["7002 a", "7002 b"], [2]]);
  });

  test("who moves leaves nobody his slot as long as he may be meant by it", () => {
    const bench = new Bench();
    bench.peer(1, "a", "b");
    bench.writer.leave(1);
    bench.peer(2, "c");
    bench.writer.join(3);
    const moves = bench.hand(2, claiming(2, ...two));
    const claims = bench.hand(3, claiming(3, fileEntry("c")));
    bench.passMs(100);
    expect(bench.outcomeOf(moves)).toMatchObject({ held: true, slot: 1 });
    expect(bench.outcomeOf(claims)).toMatchObject({ held: false, slot: 3, files: 0 });
    // Later, when the index's thread has learnt of it, it may be had.
    bench.writer.leave(2);
    bench.writer.join(4);
    expect(bench.apply(4, claiming(4, fileEntry("c")))).toMatchObject({ held: true, slot: 2 });
  });

  test("who comes back before his rows go has them, and keeps them", () => {
    const bench = new Bench(0);
    bench.peer(1, "a", "b");
    bench.writer.join(2);
    const request = bench.hand(2, claiming(2, ...two));
    bench.writer.leave(1);
    bench.passMs(100);
    expect(bench.outcomeOf(request)).toMatchObject({ held: true, slot: 1, files: 2 });
    expect([bench.view, bench.released, bench.hidden]).toEqual([["7002 a", "7002 b"], [2], 0]);
  });
});

test("a full disk: each change is refused with a code, the log is told, and all is right once there is room", () => {
  const bench = new Bench();
  bench.peer(1, "a");
  bench.database.run("PRAGMA max_page_count = 1");
  const add = Array.from({ length: 500 }, (_, i) => wireEntry(`b ${i}`));
  for (const id of [1, 2])
    expect(bench.apply(1, { type: "UPDATE", id, add })).toEqual({ kind: "failed", id, code: "STORAGE_FULL" });
  const troubles = bench.told.flatMap((message) => (message.kind === "trouble" ? [message.line] : []));
  expect(troubles).toHaveLength(2);
  for (const line of troubles) expect(line).toContain("no space");
  expect(bench.view).toEqual(["7001 a"]);
  bench.database.run("PRAGMA max_page_count = 1000000");
  expect(bench.apply(1, { type: "UPDATE", id: 3, add })).toMatchObject({ kind: "applied", files: 501 });
  expect(bench.database.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
});

describe("the end", () => {
  const isClean = ({ database }: Bench) => database.query("SELECT clean FROM totals").values()[0]![0] === 1;

  test("leaves the file as one that nobody need look at", () => {
    const bench = new Bench();
    bench.peer(1, "a");
    expect(isClean(bench)).toBe(false);
    bench.writer.close();
    expect([isClean(bench), bench.view]).toEqual([true, []]);
  });

  test("that cannot be written as a whole is told, and does not call the file clean", () => {
    const bench = new Bench();
    bench.peer(1, "a");
    bench.database.run(
      "CREATE TRIGGER refused BEFORE INSERT ON roots BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    bench.writer.close();
    expect(isClean(bench)).toBe(false);
    expect(bench.told.at(-1)).toMatchObject({ kind: "trouble", line: expect.stringContaining("refused") });
  });

  test("that cannot even be marked is told", () => {
    const bench = new Bench();
    bench.peer(1, "a");
    bench.database.run(
      "CREATE TRIGGER refused BEFORE UPDATE ON totals WHEN NEW.clean = 1 BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    bench.writer.close();
    expect(isClean(bench)).toBe(false);
    expect(bench.told.at(-1)).toMatchObject({ kind: "trouble", line: expect.stringContaining("refused") });
  });

  test("while another program has it locked is the end all the same", () => {
    const bench = new Bench();
    bench.peer(1, "a");
    bench.database.run("PRAGMA busy_timeout = 0");
    const other = bench.another();
    other.run("BEGIN IMMEDIATE");
    bench.writer.close();
    other.run("COMMIT");
    other.close(true);
    expect(isClean(bench)).toBe(false);
  });
});

/** What is said to an index, in which order and how much at once, over whatever connections there are. */
import { afterEach, describe, expect, jest, test } from "bun:test";
import { IndexServer } from "../../src/index-server/server.ts";
import { Announcer, type AnnouncerListener } from "../../src/library/announcer.ts";
import type { IndexClient } from "../../src/net/index-client.ts";
import { IndexLink } from "../../src/net/index-link.ts";
import { IndexRefusal } from "../../src/net/index-refusal.ts";
import { openNetwork } from "../../src/trust/network.ts";
import { encodeIndexRequest } from "../../src/wire/encode.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { FileEntry, LibraryClaim } from "../../src/wire/messages.ts";
import { fileEntry } from "../helpers/file-entries.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

const files = (count: number, folder = "f") =>
  Array.from({ length: count }, (_, i) => fileEntry(`${folder}/${i}`, i));

/** What a client of an index is asked to say, and the answers that a test decides on. */
class SaidOnly {
  readonly label = "INDEX";
  readonly said: string[] = [];
  readonly lineBytes: number[] = [];
  held = false;
  refusal: string | undefined;

  register(_port: number, add: FileEntry[]): Promise<void> {
    return this.say(`REGISTER +${add.length}`);
  }

  async resume(_port: number, { files: count }: LibraryClaim): Promise<boolean> {
    await this.say(`RESUME ${count}`);
    return this.held;
  }

  update(add: FileEntry[], remove: FileName[]): Promise<void> {
    this.lineBytes.push(Buffer.byteLength(encodeIndexRequest({ type: "UPDATE", id: 1, add, remove })));
    return this.say(`UPDATE +${add.length} -${remove.length}`);
  }

  get client(): IndexClient {
    return this as unknown as IndexClient;
  }

  private say(what: string): Promise<void> {
    this.said.push(what);
    const code = this.refusal;
    return code === undefined ? Promise.resolve() : Promise.reject(new IndexRefusal(`no: ${code}`, code));
  }
}

function makeAnnouncer(listener: Partial<AnnouncerListener> = {}): Announcer {
  const announcer = new Announcer({ settled() {}, updated() {}, notice() {}, ...listener });
  cleanups.push(() => announcer.stop());
  return announcer;
}

async function until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await Bun.sleep(5);
  }
}

/** Everything that only waits for promises has happened. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("a library", () => {
  test("that the index still holds is not said again", async () => {
    let settled = 0;
    const announcer = makeAnnouncer({ settled: () => settled++ });
    const index = new SaidOnly();
    index.held = true;
    announcer.changed(files(3_000), []);
    announcer.complete();
    announcer.connected(index.client, 7767);
    await turn();
    expect(index.said).toEqual(["RESUME 3000"]);
    expect(settled).toBe(1);
  });

  test("is said as it becomes known while the first scan goes on, and by its digest over the next connection", async () => {
    const announcer = makeAnnouncer();
    const index = new SaidOnly();
    announcer.changed(files(10), []);
    announcer.connected(index.client, 7767);
    await turn();
    announcer.changed(files(5, "g"), []);
    announcer.complete();
    await turn();
    announcer.stop();
    announcer.connected(index.client, 7767);
    await turn();
    expect(index.said).toEqual(["REGISTER +10", "UPDATE +5 -0", "RESUME 15", "UPDATE +15 -0"]);
  });

  test("of which nothing is held is said little by little, and more while the answers are quick", async () => {
    const announcer = makeAnnouncer();
    const index = new SaidOnly();
    announcer.changed(files(20_000), []);
    announcer.complete();
    announcer.connected(index.client, 7767);
    await turn();
    const counts = index.said.slice(1).map((update) => Number(/\d+/.exec(update)));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20_000);
    expect(Math.max(...counts)).toBe(2_000);
    expect(index.lineBytes[0]).toBeLessThan(48 * 1024);
    expect(index.lineBytes[1]).toBeGreaterThan(48 * 1024);
    expect(index.lineBytes[1]).toBeLessThan(96 * 1024);
  });

  test("that the index has forgotten over a connection that lives is registered anew", async () => {
    jest.useFakeTimers();
    cleanups.push(() => jest.useRealTimers());
    const notices: string[] = [];
    const announcer = makeAnnouncer({ notice: (line) => notices.push(line) });
    const index = new SaidOnly();
    announcer.changed(files(3), []);
    announcer.complete();
    announcer.connected(index.client, 7767);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    index.refusal = "BAD_STATE";
    announcer.changed(files(1, "g"), []);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    index.refusal = undefined;
    jest.advanceTimersByTime(5_000);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(index.said).toEqual(["RESUME 3", "UPDATE +3 -0", "UPDATE +1 -0", "RESUME 4", "UPDATE +4 -0"]);
    expect(notices).toEqual(["no: BAD_STATE; trying again"]);
  });
});

test("F38: 200 peers come back within 15 s to an index that has lost everything, and none is lost again", async () => {
  const log = { info() {}, warn() {}, error() {} };
  const start = async (port: number) => {
    const server = await IndexServer.start({ host: "127.0.0.1", port, databasePath: ":memory:", log });
    cleanups.push(() => server.stop());
    return server;
  };
  const first = await start(0);
  const { port } = first;
  let settled = 0;
  let lost = 0;
  for (let i = 0; i < 200; i++) {
    const announcer = makeAnnouncer({ settled: () => settled++ });
    announcer.changed(files(5, `p${i}`), []);
    announcer.complete();
    const link = new IndexLink({
      network: openNetwork([{ host: "127.0.0.1", port }]),
      onUp: (client) => announcer.connected(client, 1_000 + i),
      onDown: () => {
        lost++;
        announcer.stop();
      },
      onNotice() {},
    });
    cleanups.push(() => link.stop());
    await link.start(false);
  }
  await until(() => settled === 200, "the first registration");
  await first.stop();
  await until(() => lost === 200, "the end of all connections");
  const second = await start(port);
  await until(() => settled === 400, "the second registration", 15_000);
  expect(second.statistics()).toContain("files 1000,");
  expect(lost).toBe(200);
});

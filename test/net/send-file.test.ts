/** What the kernel takes of a file by itself, and what a connection makes of it when it does not. */
import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { connect } from "../../src/net/connect.ts";
import type { Connection } from "../../src/net/connection.ts";
import { peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { Listener } from "../../src/net/listener.ts";
import { canSendFiles, sendFile, useSendFile } from "../../src/net/send-file.ts";
import { Random } from "../helpers/random.ts";
import { temporaryFolder, until } from "../library/temporary-folder.ts";

afterEach(() => useSendFile(true));

const bytes = new Random(5).bytes(20 * 2 ** 20);

/** A connection to a socket that reads only when it is told to. */
async function pair() {
  let accepted: Connection | undefined;
  let closed: { error: Error | undefined } | undefined;
  let drains = 0;
  const listener = new Listener({
    host: "127.0.0.1",
    port: 0,
    limits: peerConnectionLimits,
    accept: (connection) => {
      accepted = connection;
      return {
        greeted: true,
        onLine: () => 0,
        onDrain: () => drains++,
        onClose: (error) => {
          closed = { error };
        },
      };
    },
  });
  const received: Buffer[] = [];
  const reader = await Bun.connect({
    hostname: "127.0.0.1",
    port: listener.port,
    socket: { data: (_, piece) => void received.push(Buffer.from(piece)) },
  });
  reader.pause();
  await until(
    () => accepted !== undefined,
    () => "the connection",
  );
  return {
    connection: accepted!,
    reader,
    received: () => Buffer.concat(received),
    drains: () => drains,
    closed: () => closed,
    [Symbol.dispose]: () => {
      reader.terminate();
      listener.stop();
    },
  };
}

describe.skipIf(process.platform !== "linux")("a file that the kernel sends", () => {
  test("goes as far as there is room, and a write that finds none brings the drain", async () => {
    expect(canSendFiles()).toBe(true);
    using folder = temporaryFolder();
    const fd = openSync(folder.write("file", bytes), "r");
    using both = await pair();
    both.connection.send("line\n");
    let sent = 0;
    for (let taken = 1; taken > 0; sent += taken) {
      taken = both.connection.writeFile(fd, sent, bytes.length - sent);
    }
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(bytes.length);
    expect(both.connection.blocked).toBe(false);
    sent += both.connection.write(bytes, sent, 4_096);
    expect(both.connection.blocked).toBe(true);
    expect(both.connection.writeFile(fd, sent, 1)).toBe(0);
    both.reader.resume();
    await until(
      () => both.drains() === 1,
      () => "the drain",
    );
    closeSync(fd);
    both.connection.send(bytes.subarray(sent));
    await until(
      () => both.received().length === bytes.length + 5,
      () => `${both.received().length}`,
    );
    expect(Buffer.compare(both.received().subarray(5), bytes)).toBe(0);
  });

  test("is nothing beyond its end, of no file, to no socket, or when it is switched off", async () => {
    using folder = temporaryFolder();
    const fd = openSync(folder.write("file", "hello"), "r");
    using both = await pair();
    expect(both.connection.writeFile(fd, 5, 100)).toBe(0);
    expect(both.connection.writeFile(2 ** 30, 0, 100)).toBe(0);
    expect(sendFile(-1, fd, 0, 5)).toBe(0);
    expect(both.connection.writeFile(fd, 1, 100)).toBe(4);
    useSendFile(false);
    expect(both.connection.writeFile(fd, 0, 5)).toBe(0);
    closeSync(fd);
  });

  test("to somebody who has gone ends nothing but the connection", async () => {
    using folder = temporaryFolder();
    const fd = openSync(folder.write("file", bytes), "r");
    using both = await pair();
    both.reader.terminate();
    await until(
      () => {
        // Until the system has heard of it, it takes something.
        both.connection.writeFile(fd, 0, 1_000);
        return both.closed() !== undefined;
      },
      () => "the end",
    );
    expect(both.connection.writeFile(fd, 0, 1_000)).toBe(0);
    closeSync(fd);
  });
});

test("a connection that is not open yet takes nothing", async () => {
  using folder = temporaryFolder();
  const fd = openSync(folder.write("file", "hello"), "r");
  const user = { onLine: () => 0, onClose: () => {} };
  using both = await pair();
  const connection = await connect({ host: "127.0.0.1", port: both.reader.remotePort }, user);
  connection.destroy();
  expect(connection.writeFile(fd, 0, 5)).toBe(0);
  closeSync(fd);
});

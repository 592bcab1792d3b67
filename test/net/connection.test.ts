/** Framed connections and the listener over loopback: back-pressure, last words, deadlines, limits. */
import { describe, expect, test } from "bun:test";
import { monotonicMs } from "../../src/clock.ts";
import { connect } from "../../src/net/connect.ts";
import { Connection } from "../../src/net/connection.ts";
import { peerConnectionLimits } from "../../src/net/connection-limits.ts";
import type { ConnectionUser } from "../../src/net/connection-user.ts";
import { type AcceptedUser, Listener } from "../../src/net/listener.ts";
import {
  handshakeTimeoutMs,
  idleTimeoutMs,
  maxBufferedBytes,
  maxShortLineBytes,
  writeTimeoutMs,
} from "../../src/wire/limits.ts";
import { until } from "../library/temporary-folder.ts";

interface Server extends Disposable {
  listener: Listener;
  accepted: Connection[];
  closed: (Error | undefined)[];
}

interface Behaviour {
  greeted?: boolean;
  onLine?: (line: string, connection: Connection) => number;
  onBody?: (piece: Uint8Array) => void;
  readingBegins?: () => void;
  readingEnds?: () => void;
}

function serve({ greeted = true, onLine, onBody, ...others }: Behaviour, maxConnections = 100): Server {
  const accepted: Connection[] = [];
  const closed: (Error | undefined)[] = [];
  const listener = new Listener({
    host: "127.0.0.1",
    port: 0,
    limits: { ...peerConnectionLimits, total: maxConnections },
    accept: (connection): AcceptedUser => {
      accepted.push(connection);
      const room = new Uint8Array(64 * 1024);
      return {
        greeted,
        onLine: (line) => onLine?.(Buffer.from(line).toString(), connection) ?? 0,
        bodyRoom: () => room,
        onBody: (length) => onBody?.(room.slice(0, length)),
        ...others,
        onClose: (error) => closed.push(error),
      };
    },
  });
  return { listener, accepted, closed, [Symbol.dispose]: () => listener.stop() };
}

/** A client that keeps lines and may refuse to read. */
async function client(
  port: number,
): Promise<{ connection: Connection; lines: string[]; ended: () => boolean }> {
  const lines: string[] = [];
  let over = false;
  const user: ConnectionUser = {
    onLine: (line) => {
      lines.push(Buffer.from(line).toString());
      return 0;
    },
    onClose: () => {
      over = true;
    },
  };
  const connection = await connect({ host: "127.0.0.1", port }, user);
  connection.maxLineBytes = 1024 * 1024;
  return { connection, lines, ended: () => over };
}

describe("a connection", () => {
  test("that broke while nothing was read from it ends when that shows in writing", () => {
    let pauses = 0;
    let closes = 0;
    const connection = new Connection({
      onLine: () => {
        connection.send("x".repeat(2 * maxBufferedBytes));
        return 0;
      },
      onClose: () => closes++,
    });
    // As Bun's are after a reset that it has not told of: it takes nothing, and no drain follows.
    const socket = {
      write: () => -1,
      pause: () => pauses++,
      resume() {},
      setNoDelay() {},
      setKeepAlive() {},
      terminate: () => connection.finish(undefined),
    };
    connection.opened(socket as unknown as Bun.Socket<Connection>, true);
    connection.received(Buffer.from("a question\n"));
    expect([closes, pauses, connection.closed]).toEqual([1, 0, true]);
  });

  test("lets its user measure what it reads, also of what it had held back", async () => {
    const seen: string[] = [];
    let depth = 0;
    let readings = 0;
    using server = serve({
      onLine: (line, connection) => {
        seen.push(`${line} ${depth}`);
        if (line === "hold") connection.pause();
        return 0;
      },
      readingBegins: () => {
        readings++;
        depth++;
      },
      readingEnds: () => depth--,
    });
    const { connection } = await client(server.listener.port);
    connection.send("first\nhold\nlater\n");
    await until(
      () => seen.length === 2,
      () => `${seen}`,
    );
    const before = readings;
    server.accepted[0]!.resume();
    expect(seen).toEqual(["first 1", "hold 1", "later 1"]);
    expect(readings).toBe(before + 1);
    connection.destroy();
  });

  test("carries lines and bodies, split or joined as the network likes", async () => {
    const pieces: Uint8Array[] = [];
    const seen: string[] = [];
    using server = serve({
      onLine: (line, connection) => {
        seen.push(line);
        connection.send(`re: ${line}\n`);
        return line.startsWith("body") ? 6 : 0;
      },
      onBody: (piece) => pieces.push(piece),
    });
    const { connection, lines } = await client(server.listener.port);
    for (const part of ["he", "llo\r\nbody", " 6\nab\ncd", "\nbye\n"]) {
      connection.send(part);
      await Bun.sleep(2);
    }
    await until(
      () => lines.length === 3,
      () => lines.join(),
    );
    expect(seen).toEqual(["hello", "body 6", "bye"]);
    expect(Buffer.concat(pieces).toString()).toBe("ab\ncd\n");
    connection.destroy();
  });

  test("takes fast bodies with lines between them byte for byte, wherever they are cut", async () => {
    // Lengths around what Bun brings at once, what is read past it, and nothing at all.
    const bodies = [1, 700_000, 3_000_001, 0, 65_536, 9_000_000, 17].map((length, i) =>
      Buffer.alloc(length, `${i}:${"abcdefghij".repeat(i + 1)}`),
    );
    const seen: Buffer[] = [];
    let last: Buffer[] = [];
    using server = serve({
      onLine: (line, connection) => {
        if (line === "end") connection.send("got it\n");
        last = [];
        seen.push(Buffer.from(line));
        return Number(/^body (\d+)$/.exec(line)?.[1] ?? 0);
      },
      onBody: (piece) => {
        last.push(Buffer.from(piece));
        const [wanted] = seen.slice(-1);
        const length = last.reduce((sum, { length: each }) => sum + each, 0);
        if (wanted?.toString() === `body ${length}`) seen.push(Buffer.concat(last));
      },
    });
    const { connection, lines } = await client(server.listener.port);
    for (const body of bodies) {
      connection.send(`body ${body.length}\n`);
      connection.send(body);
    }
    connection.send("end\n");
    await until(
      () => lines.length === 1,
      () => lines.join(),
    );
    const expected = bodies.flatMap((body) => [
      Buffer.from(`body ${body.length}`),
      ...(body.length > 0 ? [body] : []),
    ]);
    expect(Buffer.concat(seen).equals(Buffer.concat([...expected, Buffer.from("end")]))).toBe(true);
    connection.destroy();
  });

  test("10,000 requests in one write whose answers nobody reads: bounded, and all arrive once they are read", async () => {
    const answer = `${"x".repeat(2_000)}\n`;
    let taken = 0;
    let mostBuffered = 0;
    using server = serve({
      onLine: (_, connection) => {
        taken++;
        connection.send(answer);
        mostBuffered = Math.max(mostBuffered, connection.bufferedBytes);
        return 0;
      },
    });
    const { connection, lines } = await client(server.listener.port);
    connection.pause();
    connection.send("ask\n".repeat(10_000));
    let before = -1;
    // It stops taking requests, because nobody takes its answers.
    await until(
      () => {
        const stands = taken > 0 && taken === before;
        before = taken;
        return stands;
      },
      () => `${taken} taken`,
    );
    expect(taken).toBeLessThan(10_000);
    expect(mostBuffered).toBeLessThanOrEqual(maxBufferedBytes + answer.length);
    connection.resume();
    await until(
      () => lines.length === 10_000,
      () => `${lines.length} lines`,
    );
    expect(mostBuffered).toBeLessThanOrEqual(maxBufferedBytes + answer.length);
    connection.destroy();
  });

  test("the last word arrives before the end, however much it is", async () => {
    const word = "w".repeat(900_000);
    using server = serve({
      onLine: (_, connection) => {
        connection.send(`${word}\n`);
        connection.send("bye\n");
        connection.end();
        connection.send("never\n");
        return 0;
      },
    });
    const { connection, lines, ended } = await client(server.listener.port);
    connection.send("hello\nand this is not looked at\n");
    await until(ended, () => `${lines.length} lines`);
    expect(lines.map(({ length }) => length)).toEqual([900_000, 3]);
    await until(
      () => server.listener.connectionCount === 0,
      () => "connections left",
    );
  });

  test("a line that is too long ends it with an ERROR", async () => {
    let seen = 0;
    using server = serve({ onLine: () => ++seen && 0 });
    const { connection, lines, ended } = await client(server.listener.port);
    connection.send("a".repeat(maxShortLineBytes + 1));
    await until(ended, () => lines.join());
    expect(JSON.parse(lines[0]!)).toMatchObject({ type: "ERROR", code: "LINE_TOO_LONG" });
    expect(seen).toBe(0);
  });

  test("an exception of its user closes it, and nothing else", async () => {
    using server = serve({
      onLine: () => {
        throw new Error("a bug");
      },
    });
    const { connection, ended } = await client(server.listener.port);
    connection.send("hello\n");
    await until(ended, () => "not closed");
    await until(
      () => server.closed.length === 1,
      () => "not told",
    );
    expect(server.closed[0]?.message).toBe("a bug");
    const next = await client(server.listener.port);
    expect(next.ended()).toBe(false);
    next.connection.destroy();
  });

  test("tells its user of the end exactly once", async () => {
    using server = serve({});
    const { connection } = await client(server.listener.port);
    await until(
      () => server.accepted.length === 1,
      () => "not accepted",
    );
    server.accepted[0]!.destroy();
    server.accepted[0]!.destroy();
    server.accepted[0]!.end();
    connection.destroy();
    await until(
      () => server.listener.connectionCount === 0,
      () => "connections left",
    );
    expect(server.closed.length).toBe(1);
  });
});

describe("connecting", () => {
  test("that was reset is still of the address it was of: what came on it is judged by that (A33)", async () => {
    using server = serve({});
    const { connection, ended } = await client(server.listener.port);
    await until(
      () => server.accepted.length === 1,
      () => "not accepted",
    );
    const accepted = server.accepted[0]!;
    accepted.destroy();
    await until(ended, () => "not ended");
    expect([connection.remoteHost, accepted.remoteHost]).toEqual(["127.0.0.1", "127.0.0.1"]);
  });

  test("is refused where nobody listens", async () => {
    const server = serve({});
    const { port } = server.listener;
    server.listener.stop();
    const refused = connect({ host: "127.0.0.1", port }, { onLine: () => 0, onClose: () => {} });
    expect(refused).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("ends after its time where nobody answers", async () => {
    // TEST-NET-1 (RFC 5737) leads nowhere; where the system says so at once, that is an answer as well.
    const startMs = monotonicMs();
    const attempt = connect(
      { host: "192.0.2.1", port: 9 },
      { onLine: () => 0, onClose: () => {} },
      { timeoutMs: 200 },
    );
    const error = await attempt.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeDefined();
    expect(monotonicMs() - startMs).toBeLessThan(1_500);
  });
});

describe("a listener", () => {
  test("ends who does not greet in time, and says why", async () => {
    using server = serve({ greeted: false });
    const { lines, ended } = await client(server.listener.port);
    await until(
      () => server.listener.connectionCount === 1,
      () => "not accepted",
    );
    server.listener.sweep(monotonicMs() + handshakeTimeoutMs - 1_000);
    await Bun.sleep(20);
    expect(lines).toEqual([]);
    server.listener.sweep(monotonicMs() + handshakeTimeoutMs + 1);
    await until(ended, () => lines.join());
    expect(JSON.parse(lines[0]!)).toMatchObject({ type: "ERROR", code: "TIMEOUT" });
  });

  test("ends who is silent for too long", async () => {
    using server = serve({});
    const { lines, ended } = await client(server.listener.port);
    await until(
      () => server.listener.connectionCount === 1,
      () => "not accepted",
    );
    server.listener.sweep(monotonicMs() + idleTimeoutMs - 1_000);
    await Bun.sleep(20);
    expect(ended()).toBe(false);
    server.listener.sweep(monotonicMs() + idleTimeoutMs + 1);
    await until(ended, () => lines.join());
    expect(JSON.parse(lines[0]!)).toMatchObject({ code: "TIMEOUT" });
  });

  test("cuts who takes nothing for too long", async () => {
    using server = serve({
      onLine: (_, connection) => {
        connection.send(new Uint8Array(64 * 1024 * 1024));
        return 0;
      },
    });
    const { connection } = await client(server.listener.port);
    connection.pause();
    connection.send("more\n");
    await until(
      () => server.accepted[0]?.blocked === true,
      () => "never blocked",
    );
    server.listener.sweep(monotonicMs() + writeTimeoutMs - 1_000);
    expect(server.listener.connectionCount).toBe(1);
    server.listener.sweep(monotonicMs() + writeTimeoutMs + 1);
    await until(
      () => server.listener.connectionCount === 0,
      () => "not cut",
    );
    connection.destroy();
  });

  test("takes so many connections and no more, and has room again when one goes", async () => {
    using server = serve({}, 3);
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await client(server.listener.port));
    await until(
      () => server.listener.connectionCount === 3,
      () => "not accepted",
    );
    const fourth = await client(server.listener.port);
    await until(fourth.ended, () => fourth.lines.join());
    expect(JSON.parse(fourth.lines[0]!)).toMatchObject({ type: "ERROR", code: "BUSY" });
    clients[0]!.connection.destroy();
    await until(
      () => server.listener.connectionCount === 2,
      () => "not noticed",
    );
    const fifth = await client(server.listener.port);
    await until(
      () => server.listener.connectionCount === 3,
      () => "not accepted",
    );
    expect(fifth.ended()).toBe(false);
  });

  test("stopped, it cuts every connection", async () => {
    const server = serve({});
    const { ended } = await client(server.listener.port);
    await until(
      () => server.listener.connectionCount === 1,
      () => "not accepted",
    );
    server.listener.stop();
    await until(ended, () => "not cut");
  });
});

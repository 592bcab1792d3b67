/** Connections between two downloads, over real sockets. */
import { expect, test } from "bun:test";
import { connect } from "../../src/net/connect.ts";
import type { Connection } from "../../src/net/connection.ts";
import { ParkedConnections } from "../../src/transfer/parked-connections.ts";
import { type FakeConnection, type FakeSource, fakeSource, line } from "../helpers/fake-source.ts";
import { until } from "../library/temporary-folder.ts";

const host = "127.0.0.1";
const nobody = { onLine: () => 0, onClose: () => {} };

/** A source that does what it is told on the connections it has. */
class Source implements Disposable {
  readonly connections: FakeConnection[] = [];
  private readonly source: FakeSource = fakeSource((_request, to) => this.connections.push(to));

  get port(): number {
    return this.source.port;
  }

  async opened(): Promise<Connection> {
    const { length } = this.connections;
    const connection = await connect({ host, port: this.port }, nobody);
    connection.send(line({ type: "HELLO" }));
    await until(
      () => this.connections.length > length,
      () => "no connection",
    );
    return connection;
  }

  [Symbol.dispose](): void {
    this.source[Symbol.dispose]();
  }
}

const watched = new Set<string>();

test("are had by address, each once", async () => {
  using one = new Source();
  using other = new Source();
  const parked = new ParkedConnections();
  const [a, b, c] = [await one.opened(), await one.opened(), await other.opened()];
  for (const connection of [a, b])
    parked.park(`${host} ${one.port}`, { connection, roundTripMs: 1, watched });
  parked.park(`${host} ${other.port}`, { connection: c, roundTripMs: 1, watched });
  expect(parked.take(`${host} ${1}`)).toBeUndefined();
  expect(parked.take(`127.0.0.2 ${one.port}`)).toBeUndefined();
  const taken = [1, 2, 3].map(() => parked.take(`${host} ${one.port}`)?.connection);
  expect(new Set(taken)).toEqual(new Set([a, b, undefined]));
  expect(parked.take(`${host} ${other.port}`)?.connection).toBe(c);
  for (const connection of [a, b, c]) {
    expect(connection.closed).toBe(false);
    connection.destroy();
  }
});

test("that the other side closes, or says nonsense over, are gone", async () => {
  using source = new Source();
  const parked = new ParkedConnections();
  const odd: ((to: FakeConnection) => void)[] = [
    (to) => to.end(),
    (to) => to.cut(),
    (to) => to.send("x".repeat(1_000_000)),
  ];
  for (const be of odd) {
    const connection = await source.opened();
    parked.park(`${host} ${source.port}`, { connection, roundTripMs: 1, watched });
    be(source.connections.at(-1)!);
    await until(
      () => connection.closed,
      () => "still open",
    );
    expect(parked.take(`${host} ${source.port}`)).toBeUndefined();
  }
});

test("what comes meanwhile is taken and not looked at, and nobody hears of it later", async () => {
  using source = new Source();
  const parked = new ParkedConnections();
  const connection = await source.opened();
  connection.pause();
  parked.park(`${host} ${source.port}`, { connection, roundTripMs: 1, watched });
  const before = connection.bytesRead;
  const news = line({ type: "HAVE", root: "00", chunk: 1 });
  source.connections[0]!.send(news.repeat(3));
  await until(
    () => connection.bytesRead - before === 3 * news.length,
    () => `${connection.bytesRead - before} bytes came`,
  );
  const heard: string[] = [];
  const taken = parked.take(`${host} ${source.port}`)!;
  taken.connection.use({
    onLine: (each) => heard.push(Buffer.from(each).toString()) * 0,
    onClose: () => {},
  });
  source.connections[0]!.send(line({ type: "OWN" }));
  await until(
    () => heard.length > 0,
    () => "nothing heard",
  );
  expect(heard).toEqual([JSON.stringify({ type: "OWN" })]);
  connection.destroy();
});

test("are all closed in the end", async () => {
  using source = new Source();
  const parked = new ParkedConnections();
  const all = [await source.opened(), await source.opened()];
  for (const connection of all)
    parked.park(`${host} ${source.port}`, { connection, roundTripMs: 1, watched });
  parked.closeAll();
  await until(
    () => all.every(({ closed }) => closed),
    () => "still open",
  );
  expect(parked.take(`${host} ${source.port}`)).toBeUndefined();
});

/**
 * A peer that a test scripts: speaks to whoever connects whatever the test wants, right or wrong, and keeps what it
 * was told. Listens on a free port of loopback; `using source = fakeSource(…)` ends it.
 */
import type { TestContent } from "./contents.ts";

export interface FakeRequest {
  type: string;
  id: number;
  root?: string;
  offset?: number;
  length?: number;
  sent?: boolean;
}

/** What a script may do on its connection. */
export interface FakeConnection {
  /** A line or bytes; all of it arrives, however long it takes. */
  send(data: string | Uint8Array): void;
  /** Ends the connection in order, after what was sent. */
  end(): void;
  /** Cuts it. */
  cut(): void;
}

export type Script = (request: FakeRequest, to: FakeConnection) => void;

export interface FakeSource extends Disposable {
  readonly port: number;
  readonly requests: FakeRequest[];
  readonly connections: number;
}

export function line(message: object): string {
  return `${JSON.stringify(message)}\n`;
}

const welcome = line({ type: "WELCOME", version: 1, agent: "fake" });

/** Answers as a right source does. */
export function honestly(content: TestContent): Script {
  return (request, to) => {
    const { type, id, offset = 0, length = 0 } = request;
    if (type === "HELLO") to.send(welcome);
    else if (request.root !== content.root)
      to.send(line({ type: "ERROR", id, code: "NOT_FOUND", message: "" }));
    else if (type === "HASHES") {
      to.send(line({ type, id, length: content.chunkHashes.length }));
      to.send(content.chunkHashes);
    } else if (type === "GET") {
      to.send(line({ type: "DATA", id, offset, length }));
      to.send(content.bytes.subarray(offset, offset + length));
    }
  };
}

/** Honest but for the requests of that type. */
export function except(type: string, content: TestContent, script: Script): Script {
  const honest = honestly(content);
  return (request, to) => (request.type === type ? script : honest)(request, to);
}

interface State {
  text: string;
  waiting: Uint8Array[];
  ending: boolean;
}

export function fakeSource(script: Script): FakeSource {
  const requests: FakeRequest[] = [];
  let connections = 0;
  const listener = Bun.listen<State>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        connections++;
        socket.data = { text: "", waiting: [], ending: false };
      },
      data(socket, bytes) {
        const lines = (socket.data.text + bytes.toString()).split("\n");
        socket.data.text = lines.pop() ?? "";
        for (const each of lines) {
          const request = JSON.parse(each) as FakeRequest;
          requests.push(request);
          script(request, connectionOf(socket));
        }
      },
      drain: flush,
    },
  });
  return {
    port: listener.port,
    requests,
    get connections() {
      return connections;
    },
    [Symbol.dispose]: () => listener.stop(true),
  };
}

function connectionOf(socket: Bun.Socket<State>): FakeConnection {
  return {
    send(data) {
      socket.data.waiting.push(typeof data === "string" ? Buffer.from(data) : data);
      flush(socket);
    },
    end() {
      socket.data.ending = true;
      flush(socket);
    },
    cut: () => socket.terminate(),
  };
}

function flush(socket: Bun.Socket<State>): void {
  const { waiting } = socket.data;
  for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
    const taken = next.length === 0 ? 0 : socket.write(next);
    if (taken < 0) return;
    if (taken < next.length) {
      waiting[0] = next.subarray(taken);
      return;
    }
    waiting.shift();
  }
  if (socket.data.ending) socket.shutdown();
}

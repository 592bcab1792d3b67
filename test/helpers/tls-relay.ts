/** Somebody in between: ends TLS with an identity of his own, passes on what he reads, both ways, and remembers it. */
import { tlsOptions } from "../../src/net/tls.ts";
import type { Identity } from "../../src/trust/identity.ts";

const host = "127.0.0.1";

type End = { other: Bun.Socket<End> | undefined; early: Uint8Array[] };

export interface TlsRelay extends Disposable {
  port: number;
  /** What was read, in plain words. */
  passed: string[];
}

export function tlsRelay(identity: Identity, toPort: number): TlsRelay {
  const passed: string[] = [];
  const open = (): End => ({ other: undefined, early: [] });
  const forward = (socket: Bun.Socket<End>, bytes: Uint8Array) => {
    passed.push(Buffer.from(bytes).toString());
    if (socket.data.other === undefined) socket.data.early.push(new Uint8Array(bytes));
    else socket.data.other.write(bytes);
  };
  const tls = tlsOptions(identity);
  const server = Bun.listen<End>({
    hostname: host,
    port: 0,
    tls,
    socket: {
      open(client) {
        client.data = open();
        void Bun.connect<End>({
          hostname: host,
          port: toPort,
          tls,
          data: { other: client, early: [] },
          socket: {
            data: forward,
            handshake(upstream) {
              client.data.other = upstream;
              for (const bytes of client.data.early) upstream.write(bytes);
            },
            close: () => {
              client.end();
            },
            error() {},
          },
        }).catch(() => client.end());
      },
      data: forward,
      close: ({ data }) => {
        data?.other?.end();
      },
      error() {},
    },
  });
  return { port: server.port, passed, [Symbol.dispose]: () => server.stop(true) };
}

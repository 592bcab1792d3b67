/**
 * The accepting side of a port: who may come in, how many at once, and the deadlines that need no knowledge of
 * the protocol. What is said on a connection is its user's.
 */
import { monotonicMs } from "../clock.ts";
import { isLoopback } from "../loopback.ts";
import { encodeError } from "../wire/encode.ts";
import { handshakeTimeoutMs, idleTimeoutMs, maxShortLineBytes, writeTimeoutMs } from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { Connection, type ConnectionUser } from "./connection.ts";
import { hostGroup } from "./host-group.ts";
import { socketHandlers } from "./socket-handlers.ts";

export interface ListenerOptions {
  host: string;
  port: number;
  /** Several threads of this process listen on the one port. Each must say so. */
  reusePort?: boolean;
  maxConnections: number;
  /** For each address that is not loopback, and each /64 of IPv6. */
  maxConnectionsPerHost: number;
  /** What all connections may keep together; without it each keeps at most a short line. */
  budget?: ByteBudget;
  /** Makes the user of a new connection. */
  accept(connection: Connection): AcceptedUser;
}

export interface AcceptedUser extends ConnectionUser {
  /** HELLO was understood: the deadline of the handshake no longer counts, the one for idling does. */
  readonly greeted: boolean;
  /** Overrides how long the connection may be silent; undefined for the default. */
  readonly idleTimeoutMs?: number | undefined;
}

const sweepIntervalMs = 1_000;
/** While others wait for room: to finish a long line, 100 KiB/s. */
const longLineMs = 10_000;

export class Listener {
  private readonly server: Bun.TCPSocketListener<Connection>;
  private readonly connections = new Map<Connection, { user: AcceptedUser; host: string; sinceMs: number }>();
  private readonly perHost = new Map<string, number>();
  private readonly sweeper: Timer;

  /** Throws the system's error (`code` EADDRINUSE …) when the port cannot be listened on. */
  constructor(private readonly options: ListenerOptions) {
    // `reusePort` works in 1.4.5 but is missing from its types, hence not written into the literal below.
    const where = { hostname: options.host, port: options.port, reusePort: options.reusePort ?? false };
    this.server = Bun.listen<Connection>({
      ...where,
      // `shutdown` and not `end` says our last word; see Connection.end.
      socket: {
        ...socketHandlers,
        open: (socket) => this.accepted(socket),
        close: (socket, error) => {
          this.forget(socket.data);
          socket.data.finish(error);
        },
      },
    });
    this.sweeper = setInterval(() => this.sweep(monotonicMs()), sweepIntervalMs);
  }

  get port(): number {
    return this.server.port;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Stops accepting and cuts every connection. */
  stop(): void {
    clearInterval(this.sweeper);
    this.server.stop();
    for (const connection of [...this.connections.keys()]) connection.destroy();
  }

  private accepted(socket: Bun.Socket<Connection>): void {
    const connection = new Connection(undefined, maxShortLineBytes, this.options.budget);
    socket.data = connection;
    connection.opened(socket);
    const isNear = isLoopback(connection.remoteHost);
    const host = hostGroup(connection.remoteHost);
    const here = this.perHost.get(host) ?? 0;
    const tooMany =
      this.connections.size >= this.options.maxConnections ||
      (!isNear && here >= this.options.maxConnectionsPerHost);
    if (tooMany) {
      connection.use({ onLine: () => 0, onClose: () => {} });
      connection.send(encodeError(new ProtocolError("BUSY")));
      connection.end();
      return;
    }
    const user = this.options.accept(connection);
    connection.use(user);
    this.connections.set(connection, { user, host, sinceMs: monotonicMs() });
    this.perHost.set(host, here + 1);
  }

  private forget(connection: Connection): void {
    const known = this.connections.get(connection);
    if (known === undefined) return;
    this.connections.delete(connection);
    const left = (this.perHost.get(known.host) ?? 1) - 1;
    if (left === 0) this.perHost.delete(known.host);
    else this.perHost.set(known.host, left);
  }

  /** Ends who is too slow or silent for too long. Done every second; tests name the time. */
  sweep(nowMs: number): void {
    for (const [connection, { user, sinceMs }] of this.connections) {
      const { lastReadMs, lastWriteMs } = connection;
      if (!user.greeted) {
        if (nowMs - sinceMs > handshakeTimeoutMs) connection.refuse(new ProtocolError("TIMEOUT"));
      } else if (connection.blocked) {
        if (nowMs - lastWriteMs > writeTimeoutMs) connection.destroy();
      } else if (
        nowMs - (connection.longLineSinceMs ?? nowMs) > longLineMs &&
        this.options.budget?.contended
      ) {
        connection.refuse(new ProtocolError("TIMEOUT"));
      } else if (connection.heldBack) {
        // Its silence is our doing.
      } else if (nowMs - Math.max(lastReadMs, lastWriteMs) > (user.idleTimeoutMs ?? idleTimeoutMs)) {
        connection.refuse(new ProtocolError("TIMEOUT"));
      }
    }
  }
}

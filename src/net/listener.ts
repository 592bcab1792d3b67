/**
 * The accepting side of a port: its socket, turning away whom admission.ts does not let in, and the deadlines that
 * need no knowledge of the protocol. What is said on a connection is its user's.
 */
import { monotonicMs } from "../clock.ts";
import { encodeError } from "../wire/encode.ts";
import { maxShortLineBytes } from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { type Origin, originOf } from "./address-limits.ts";
import { Admission, type Guest } from "./admission.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { Connection } from "./connection.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { socketHandlers } from "./socket-handlers.ts";

export interface ListenerOptions {
  host: string;
  port: number;
  /** Several threads of this process listen on the one port. Each must say so. */
  reusePort?: boolean;
  limits: ConnectionLimits;
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
/** What an honest client needs for its HELLO to arrive: it comes right behind the connection. */
const reviewAfterMs = 100;
/**
 * So many of those who are turned away are told why, which keeps a file open for up to a second; the others are just
 * cut off. In a flood nobody listens, and at the limit of open files every one of them counts.
 */
const maxLeaving = 16;

class Visitor implements Guest {
  readonly sinceMs = monotonicMs();

  constructor(
    readonly connection: Connection,
    readonly user: AcceptedUser,
    readonly origin: Origin,
  ) {}

  get greeted(): boolean {
    return this.user.greeted;
  }
}

export class Listener {
  private readonly server: Bun.TCPSocketListener<Connection>;
  private readonly admission: Admission<Visitor>;
  private readonly visitors = new Map<Connection, Visitor>();
  /** Turned away, and being told so. */
  private readonly leaving = new Set<Connection>();
  private readonly sweeper: Timer;
  private reviewing: Timer | undefined;
  private accepts = 0;
  private refusals = 0;

  /** Throws the system's error (`code` EADDRINUSE …) when the port cannot be listened on. */
  constructor(private readonly options: ListenerOptions) {
    this.admission = new Admission(options.limits);
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
    return this.visitors.size;
  }

  /** Let in since the start. */
  get acceptedCount(): number {
    return this.accepts;
  }

  /** Not let in, or turned away again before they had said HELLO, since the start. */
  get refusedCount(): number {
    return this.refusals;
  }

  /** Stops accepting and cuts every connection. */
  stop(): void {
    clearInterval(this.sweeper);
    clearTimeout(this.reviewing);
    this.server.stop();
    for (const connection of [...this.visitors.keys(), ...this.leaving]) connection.destroy();
  }

  private accepted(socket: Bun.Socket<Connection>): void {
    const connection = new Connection(undefined, maxShortLineBytes, this.options.budget);
    socket.data = connection;
    connection.opened(socket);
    const origin = originOf(connection.remoteHost);
    if (!this.admission.admits(origin, monotonicMs())) {
      connection.use({ onLine: () => 0, onClose: () => {} });
      this.turnAway(connection);
      return;
    }
    const visitor = new Visitor(connection, this.options.accept(connection), origin);
    connection.use(visitor.user);
    this.accepts++;
    this.admission.enter(visitor);
    this.visitors.set(connection, visitor);
    if (this.admission.isCrowded) this.reviewSoon();
  }

  private reviewSoon(): void {
    this.reviewing ??= setTimeout(() => {
      this.reviewing = undefined;
      for (const { connection } of this.admission.review()) {
        this.visitors.delete(connection);
        this.turnAway(connection);
      }
      if (this.admission.isCrowded) this.reviewSoon();
    }, reviewAfterMs);
  }

  private turnAway(connection: Connection): void {
    this.refusals++;
    if (this.leaving.size >= maxLeaving) {
      connection.destroy();
      return;
    }
    this.leaving.add(connection);
    connection.send(encodeError(new ProtocolError("BUSY", null, "too many connections; try again later")));
    connection.end();
  }

  private forget(connection: Connection): void {
    this.leaving.delete(connection);
    const visitor = this.visitors.get(connection);
    if (visitor === undefined) return;
    this.visitors.delete(connection);
    this.admission.leave(visitor);
  }

  /** Ends who is too slow or silent for too long. Done every second; tests name the time. */
  sweep(nowMs: number): void {
    const { handshakeTimeoutMs, idleTimeoutMs, writeTimeoutMs } = this.options.limits;
    this.admission.tidy(nowMs);
    for (const { connection, user, sinceMs } of this.visitors.values()) {
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

/**
 * The accepting side of a port: its socket, turning away whom admission.ts does not let in, and the deadlines that
 * need no knowledge of the protocol. What is said on a connection is its user's.
 */
import { monotonicMs } from "../clock.ts";
import type { Gate } from "../trust/gate.ts";
import type { Identity } from "../trust/identity.ts";
import type { Membership } from "../trust/membership.ts";
import type { ProofPurpose } from "../trust/token-proof.ts";
import { maxShortLineBytes } from "../wire/limits.ts";
import { type ErrorCode, ProtocolError } from "../wire/protocol-error.ts";
import { type Origin, originOf } from "./address-limits.ts";
import { Admission, type Guest } from "./admission.ts";
import type { Budgets } from "./budgets.ts";
import { Connection } from "./connection.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { AcceptingSide } from "./proving.ts";
import { socketHandlers } from "./socket-handlers.ts";
import { handshakeRecord, securedSocket, tlsOptions } from "./tls.ts";

export interface ListenerOptions {
  host: string;
  port: number;
  /** Several threads of this process listen on the one port. Each must say so. */
  reusePort?: boolean;
  limits: ConnectionLimits;
  /** Undefined: nobody is denied or banned. */
  gate?: Gate | undefined;
  /** What all connections may keep together; without them each keeps at most a short line. */
  budgets?: Budgets;
  /** Undefined: nothing is encrypted, and everybody is let in. */
  secure?: SecureListening | undefined;
  /** Makes the user of a new connection: in a private network of one that has proved to belong there. */
  accept(connection: Connection): AcceptedUser;
}

export interface SecureListening {
  /** Of the moment: the token may be changed while we listen. */
  membership(): Membership;
  readonly identity: Identity;
  readonly purpose: ProofPurpose;
}

export interface AcceptedUser extends ConnectionUser {
  /** HELLO was understood: the deadline of the handshake no longer counts, the one for idling does. */
  readonly greeted: boolean;
  /** Where it is said to be reached, besides where it comes from. */
  readonly advertisedHost?: string | undefined;
  /** It may not be here any more, and is told so: nobody should be sent to it from now on. */
  shownOut?(): void;
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

/** Whose connection does not matter. */
const nobody: ConnectionUser = { onLine: () => 0, onClose: () => {} };

class Visitor implements Guest {
  readonly sinceMs = monotonicMs();

  constructor(
    readonly connection: Connection,
    readonly origin: Origin,
    /** Undefined while it has not proved to belong to the network. */
    public user?: AcceptedUser,
  ) {}

  /** What it has to prove, or has proved, that it shares with us. */
  membership?: Membership;

  get greeted(): boolean {
    return this.user?.greeted ?? false;
  }
}

export class Listener {
  private readonly server: Bun.TCPSocketListener<Connection>;
  private readonly admission: Admission<Visitor>;
  private readonly visitors = new Map<Connection, Visitor>();
  /** Turned away, and being told so. */
  private readonly leaving = new Set<Connection>();
  private readonly sweeper: Timer;
  private readonly unwatchGate: (() => void) | undefined;
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
      ...(options.secure && { tls: tlsOptions(options.secure.identity) }),
      socket: {
        ...socketHandlers,
        open: (socket) => this.accepted(socket),
        handshake: (socket) => this.secured(socket),
        data: (socket, bytes) => {
          if (this.isTlsForNobody(socket.data, bytes)) socket.data.refuse(new ProtocolError("BAD_JSON"));
          else socket.data.received(bytes);
        },
        close: (socket, error) => {
          this.forget(socket.data);
          socket.data.finish(error);
        },
      },
    });
    this.sweeper = setInterval(() => this.sweep(monotonicMs()), sweepIntervalMs);
    this.unwatchGate = options.gate?.onChange(() => this.showOut());
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

  /** Cuts the connections of a private network that were made while `membership` was another one. */
  dropOldMembers(): void {
    const current = this.options.secure?.membership();
    for (const { connection, membership } of [...this.visitors.values()])
      if (membership !== undefined && membership !== current) connection.destroy();
  }

  /** Stops accepting and cuts every connection. */
  stop(): void {
    clearInterval(this.sweeper);
    this.unwatchGate?.();
    clearTimeout(this.reviewing);
    this.server.stop();
    for (const connection of [...this.visitors.keys(), ...this.leaving]) connection.destroy();
  }

  private accepted(socket: Bun.Socket<Connection>): void {
    const connection = new Connection(undefined, maxShortLineBytes, this.options.budgets);
    socket.data = connection;
    connection.opened(socket, this.options.secure !== undefined);
    const origin = originOf(connection.remoteHost);
    const isDenied = !this.mayBeHere(connection);
    if (isDenied || !this.admission.admits(origin, monotonicMs())) {
      connection.use(nobody);
      this.turnAway(connection, isDenied ? "DENIED" : "BUSY");
      return;
    }
    const visitor = new Visitor(connection, origin);
    if (this.options.secure === undefined) this.letIn(visitor);
    else connection.use(nobody);
    this.accepts++;
    this.admission.enter(visitor);
    this.visitors.set(connection, visitor);
    if (this.admission.isCrowded) this.reviewSoon();
  }

  private letIn(visitor: Visitor): void {
    const { connection } = visitor;
    if (!this.mayBeHere(connection)) {
      this.refusals++;
      connection.refuse(new ProtocolError("DENIED"));
      return;
    }
    visitor.user = this.options.accept(connection);
    connection.use(visitor.user);
  }

  /** TLS is up, or has failed. */
  private secured(socket: Bun.Socket<Connection>): void {
    const connection = socket.data;
    const visitor = this.visitors.get(connection);
    const { secure } = this.options;
    if (visitor === undefined || secure === undefined) return;
    const found = securedSocket(socket);
    if (found === undefined) {
      this.refuse(visitor);
      return;
    }
    const { fingerprint: other, exported } = found;
    connection.fingerprint = other;
    visitor.membership = secure.membership();
    const key = visitor.membership.keyFor(secure.purpose);
    const proved = () => {
      this.admission.proved(visitor);
      this.letIn(visitor);
    };
    const side = { connection, key, own: secure.identity.fingerprint, other, exported };
    connection.use(new AcceptingSide(side, { proved, refused: () => this.refuse(visitor) }));
  }

  /** Somebody encrypts and we do not. What TLS says first has no end of line that one could wait for. */
  private isTlsForNobody(connection: Connection, bytes: Uint8Array): boolean {
    return this.options.secure === undefined && connection.bytesRead === 0 && bytes[0] === handshakeRecord;
  }

  /** It has not proved to belong to the network, and is told nothing. */
  private refuse({ connection, origin }: Visitor): void {
    this.refusals++;
    this.admission.failedProof(origin, monotonicMs());
    connection.destroy();
  }

  private reviewSoon(): void {
    this.reviewing ??= setTimeout(() => {
      this.reviewing = undefined;
      for (const { connection } of this.admission.review(monotonicMs())) {
        this.visitors.delete(connection);
        this.turnAway(connection, "BUSY");
      }
      if (this.admission.isCrowded) this.reviewSoon();
    }, reviewAfterMs);
  }

  private mayBeHere({ remoteHost, fingerprint }: Connection, advertisedHost = remoteHost): boolean {
    const { gate } = this.options;
    return gate === undefined || (gate.admits(remoteHost, fingerprint) && gate.admits(advertisedHost));
  }

  /** Who may not be here any more. */
  private showOut(): void {
    for (const { connection, user } of this.visitors.values()) {
      if (this.mayBeHere(connection, user?.advertisedHost)) continue;
      // Who has proved nothing yet is told nothing.
      if (user === undefined) connection.destroy();
      else {
        user.shownOut?.();
        connection.refuse(new ProtocolError("DENIED"));
      }
    }
  }

  private turnAway(connection: Connection, why: ErrorCode): void {
    this.refusals++;
    if (this.leaving.size >= maxLeaving || this.options.secure !== undefined) {
      connection.destroy();
      return;
    }
    this.leaving.add(connection);
    connection.refuse(new ProtocolError(why));
    connection.end();
  }

  private forget(connection: Connection): void {
    this.leaving.delete(connection);
    const visitor = this.visitors.get(connection);
    if (visitor === undefined) return;
    this.visitors.delete(connection);
    this.admission.leave(visitor, monotonicMs());
  }

  /** Ends who is too slow or silent for too long. Done every second; tests name the time. */
  sweep(nowMs: number): void {
    const { handshakeTimeoutMs, idleTimeoutMs, writeTimeoutMs } = this.options.limits;
    this.admission.tidy(nowMs);
    for (const { connection, user, sinceMs } of this.visitors.values()) {
      const { lastReadMs, lastWriteMs } = connection;
      if (user === undefined) {
        if (nowMs - sinceMs > handshakeTimeoutMs) connection.destroy();
      } else if (!user.greeted) {
        if (nowMs - sinceMs > handshakeTimeoutMs) connection.refuse(new ProtocolError("TIMEOUT"));
      } else if (connection.blocked) {
        if (nowMs - lastWriteMs > writeTimeoutMs) connection.destroy();
      } else if (
        nowMs - (connection.longLineSinceMs ?? nowMs) > longLineMs &&
        this.options.budgets?.received.contended
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

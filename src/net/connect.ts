/**
 * Opening a connection to an index or a peer, with a bound on how long it may take: the one place where we connect to
 * anybody. In a private network nothing is sent before the other side has been found to be the machine that is meant,
 * and has proved that it belongs there.
 */
import type { Address } from "../address.ts";
import { AuthenticationError } from "../errors.ts";
import { printable } from "../printable.ts";
import type { Membership } from "../trust/membership.ts";
import type { ProofPurpose } from "../trust/token-proof.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { connectTimeoutMs } from "../wire/limits.ts";
import { Connection } from "./connection.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { ConnectingSide } from "./proving.ts";
import { socketHandlers } from "./socket-handlers.ts";
import { alertRecord, securedSocket, tlsOptions } from "./tls.ts";

export interface ConnectOptions {
  timeoutMs?: number;
  /** Undefined: no encryption, and whoever answers is believed to be the right one. */
  secure?: SecureConnecting | undefined;
}

export interface SecureConnecting {
  readonly membership: Membership;
  readonly purpose: ProofPurpose;
  /** One of these has to answer; undefined: anybody who holds the token. */
  readonly expected: readonly Fingerprint[] | undefined;
}

/**
 * Connects; rejects with the system's error (`code` ECONNREFUSED, ENOTFOUND …), with ETIMEDOUT, or with an
 * AuthenticationError that does not name the address. Bun can neither time out nor cancel a connect: one that succeeds
 * too late is cut at once.
 */
export function connect(
  { host, port }: Address,
  user: ConnectionUser,
  { timeoutMs = connectTimeoutMs, secure }: ConnectOptions = {},
): Promise<Connection> {
  const opening = new Opening(user, secure, timeoutMs);
  Bun.connect<Connection>({
    hostname: host,
    port,
    data: opening.connection,
    ...(secure && { tls: tlsOptions(secure.membership.identity) }),
    socket: {
      ...socketHandlers,
      open: (socket) => opening.opened(socket),
      handshake: (socket, _success, error) => opening.secured(socket, error),
      data(socket, bytes) {
        if (opening.isAlert(bytes)) socket.data.destroy(new AuthenticationError(wantsEncryption));
        else socket.data.received(bytes);
      },
      // Without it a refused connection goes to `error` as well; the promise below says the same.
      connectError() {},
    },
  }).catch((error: unknown) => opening.fail(error));
  return opening.result.promise;
}

const wantsEncryption = "it belongs to a private network: get its link and run `p2p join`";

/** From the first packet to the moment in which the connection is its user's. */
class Opening {
  readonly result = Promise.withResolvers<Connection>();
  readonly connection: Connection;
  private isOver = false;
  private readonly timer: Timer;

  constructor(
    private readonly user: ConnectionUser,
    private readonly secure: SecureConnecting | undefined,
    timeoutMs: number,
  ) {
    this.connection = new Connection(secure === undefined ? user : this.waiting());
    const late = () => Object.assign(new Error("the connection timed out"), { code: "ETIMEDOUT" });
    this.timer = setTimeout(() => this.fail(late()), timeoutMs);
  }

  opened(socket: Bun.Socket<Connection>): void {
    if (this.isOver) {
      socket.terminate();
      return;
    }
    this.connection.opened(socket, this.secure !== undefined);
    if (this.secure === undefined) this.succeed();
  }

  /** TLS is up, or has failed. Not a word has been said yet. */
  secured(socket: object, problem: Error | null): void {
    const { secure, connection } = this;
    if (secure === undefined || this.isOver) return;
    const found = securedSocket(socket);
    if (found === undefined) {
      this.fail(tlsFailure(problem));
      return;
    }
    const { membership, purpose, expected } = secure;
    const { fingerprint, exported } = found;
    if (fingerprint === undefined || expected?.includes(fingerprint) === false) {
      this.fail(new AuthenticationError(anotherMachine(fingerprint, expected)));
      return;
    }
    connection.fingerprint = fingerprint;
    const own = membership.identity.fingerprint;
    const key = membership.keyFor(purpose);
    const side = new ConnectingSide({ connection, key, own, other: fingerprint, exported }, (failure) => {
      if (failure === undefined) this.succeed();
      else this.fail(failure);
    });
    connection.use(side);
    side.begin();
  }

  /** What came first is TLS saying that it is not understood. */
  isAlert(bytes: Uint8Array): boolean {
    return this.secure === undefined && this.connection.bytesRead === 0 && bytes[0] === alertRecord;
  }

  /** Idempotent. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    // Its user has never had it.
    this.connection.use(this.waiting());
    this.connection.destroy();
    this.result.reject(error);
  }

  private succeed(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    this.connection.use(this.user);
    this.result.resolve(this.connection);
  }

  /** The connection's user while TLS is not up. */
  private waiting(): ConnectionUser {
    return {
      onLine: () => 0,
      onClose: (error) => this.fail(error ?? new Error(cutOff)),
    };
  }
}

/** Who has no room, or denies this address, says nothing: both may be otherwise the next time. */
const cutOff = "it closed the connection before TLS was up: it has no room, or does not let this address in";

/** What no machine of a private network says, whatever its state. All else may be otherwise the next time. */
const strangeReasons = /WRONG_VERSION_NUMBER|PROTOCOL|HTTP_REQUEST|HANDSHAKE_FAILURE|CERTIFICATE/;

function tlsFailure(problem: Error | null): Error {
  const reason = problem?.message.split(":").at(-1) ?? "";
  if (reason === "WRONG_VERSION_NUMBER")
    return new AuthenticationError("it does not encrypt, so it is not of this private network");
  if (strangeReasons.test(reason))
    return new AuthenticationError(`TLS 1.3 with it failed (${printable(reason, 80)})`);
  return new Error(cutOff);
}

function anotherMachine(
  found: Fingerprint | undefined,
  expected: readonly Fingerprint[] | undefined,
): string {
  return (
    `it is not the machine that is meant: its fingerprint is ${found?.slice(0, 16) ?? "missing"} and not ` +
    `${expected?.map((each) => each.slice(0, 16)).join(" or ") ?? "there"}; its identity was made anew, or somebody is in between`
  );
}

/**
 * One connection to an index, from the client's side: HELLO, requests and their answers by id, each with a deadline,
 * and what comes unasked. Whatever the index does wrong becomes an IndexError of one line. What can be asked is
 * index-client.ts's, connecting again index-link.ts's.
 */
import { type Address, formatAddress } from "../address.ts";
import { AuthenticationError, IndexError, type P2pError, reasonOf, systemCode } from "../errors.ts";
import { printable } from "../printable.ts";
import { agent } from "../version.ts";
import { decodeIndexAnswer } from "../wire/decode-index-answer.ts";
import { encodeHello, encodeIndexRequest } from "../wire/encode.ts";
import { maxIndexAnswerLineBytes, pingIntervalMs } from "../wire/limits.ts";
import type { Found, IndexAnswer, NewSources, Ok } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { connect, type SecureConnecting } from "./connect.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { IndexRefusal } from "./index-refusal.ts";
import { PendingAnswers, type Request } from "./pending-answers.ts";

/** Of requests that were given up: with so many owed, the index is taken for gone. */
const maxLateAnswers = 1_000;
/** Nobody waits for a PING: a busy index or a line that hangs for a while is no reason to register again. */
const pingTimeoutMs = 25_000;

/** What an index says without being asked for it each time. */
export type Push = NewSources | Found;

export class IndexChannel implements ConnectionUser {
  private connection: Connection | undefined;
  private readonly pending = new PendingAnswers();
  /** By the id of what subscribed. */
  private readonly subscriptions = new Map<number, (push: Push) => void>();
  private readonly welcomed = Promise.withResolvers<void>();
  private isWelcome = false;
  private over = false;
  private pinger: Timer | undefined;
  private lost: (error: Error) => void = () => {};

  /** `answerMs`: how long a question may take. `secure`: undefined where nothing is encrypted. */
  constructor(
    readonly address: Address,
    private readonly answerMs: number,
    private readonly secure?: SecureConnecting | undefined,
  ) {}

  /**
   * Connects, and is welcomed. Throws an IndexError, or an AuthenticationError when it is not our network's index,
   * after which the channel is to be closed.
   */
  async greet(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.fail(`index ${this.label} accepted but does not answer`), timeoutMs);
    try {
      const connection = await this.connected(timeoutMs);
      if (this.over) connection.destroy();
      this.connection = connection;
      connection.maxLineBytes = maxIndexAnswerLineBytes;
      connection.send(encodeHello(agent));
      await this.welcomed.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  get isOpen(): boolean {
    return !this.over;
  }

  /** The address that the index has in fact. */
  get remoteHost(): string {
    return this.connection?.remoteHost ?? "";
  }

  /** `HOST:PORT`. */
  get label(): string {
    return formatAddress(this.address);
  }

  /**
   * A question. When its answer does not come in time it fails, and nothing else does: a busy index is no reason to
   * give up what is registered over this connection.
   */
  ask(request: Request): Promise<IndexAnswer> {
    return this.asking(request).answer;
  }

  /** Something to be done, answered with OK. Without that in time the index is taken for gone. */
  async say(request: Request, timeoutMs: number): Promise<Ok> {
    const answer = await this.request(request, timeoutMs).answer;
    if (answer.type !== "OK") throw this.nonsense();
    return answer;
  }

  /**
   * A question that more follows, of which `onPush` is told until `unsubscribe` or the end of this connection. To keep
   * it, a PING goes out now and then.
   */
  subscribe(request: Request, onPush: (push: Push) => void): { id: number; answer: Promise<IndexAnswer> } {
    const asking = this.asking(request);
    this.subscriptions.set(asking.id, onPush);
    this.pingNowAndThen();
    return asking;
  }

  unsubscribe(query: number): void {
    if (!this.subscriptions.delete(query) || this.over) return;
    // Heard or not: what still comes is ignored.
    this.say({ type: "UNSUBSCRIBE", query }, pingTimeoutMs).catch(() => {});
  }

  /**
   * From now on the connection is kept: a PING goes out now and then, and `onLost` is called once when it is gone
   * without `close`.
   */
  keep(onLost: (error: Error) => void): void {
    if (this.over) {
      // It went before anybody could be told.
      queueMicrotask(() => onLost(new IndexError(`index ${this.label} closed the connection`)));
      return;
    }
    this.lost = onLost;
    this.pingNowAndThen();
  }

  /** What came is none of what may come: the connection ends, with the error returned. */
  nonsense(): IndexError {
    return this.fail(`what answers at ${this.label} does not speak the protocol of an index`);
  }

  /** The connection ends, with the error returned. */
  fail(message: string): IndexError {
    const error = new IndexError(message);
    this.end(error, this.lost);
    return error;
  }

  private notOurs(error: AuthenticationError): AuthenticationError {
    return new AuthenticationError(`index ${this.label}: ${error.message}`, { cause: error });
  }

  /** Idempotent. */
  close(): void {
    this.end(new IndexError(`the connection to index ${this.label} was closed`), () => {});
  }

  // --- what the connection says ---

  onLine(line: Uint8Array): number {
    const answer = decodeIndexAnswer(line);
    if (answer.type === "ERROR" && answer.code === "DENIED") {
      this.end(
        new AuthenticationError(
          `index ${this.label} does not let this machine in: whoever runs it has denied or banned it`,
        ),
        this.lost,
      );
      return 0;
    }
    if (answer.type === "ERROR" && (!this.isWelcome || answer.id === null)) {
      this.fail(this.refusal(answer.code, answer.message).message);
      return 0;
    }
    if (!this.isWelcome) {
      if (answer.type !== "WELCOME") throw new ProtocolError("BAD_STATE");
      this.isWelcome = true;
      this.welcomed.resolve();
      return 0;
    }
    if (answer.type === "WELCOME" || answer.id === null) throw new ProtocolError("BAD_STATE");
    if (answer.type === "SOURCES" || answer.type === "FOUND") {
      if (answer.id > this.pending.lastId) throw new ProtocolError("BAD_STATE");
      // It may have been on its way when we unsubscribed.
      this.subscriptions.get(answer.id)?.(answer);
      return 0;
    }
    const refusal = answer.type === "ERROR" ? this.refusal(answer.code, answer.message) : undefined;
    if (this.pending.onAnswer(answer.id, answer, refusal) === "unknown") throw new ProtocolError("BAD_STATE");
    return 0;
  }

  onProtocolError(): void {
    this.nonsense();
  }

  onClose(error: Error | undefined): void {
    if (error instanceof AuthenticationError) {
      this.end(this.notOurs(error), this.lost);
      return;
    }
    const why = error === undefined ? "closed the connection" : `is gone: ${reasonOf(error)}`;
    this.fail(`index ${this.label} ${why}`);
  }

  // --- internal ---

  private async connected(timeoutMs: number): Promise<Connection> {
    try {
      return await connect(this.address, this, { timeoutMs, secure: this.secure });
    } catch (error) {
      if (error instanceof AuthenticationError) throw this.notOurs(error);
      const hint = systemCode(error) === "ECONNREFUSED" ? " (is `p2p serve-index` running there?)" : "";
      throw new IndexError(`cannot reach index ${this.label}: ${reasonOf(error)}${hint}`, { cause: error });
    }
  }

  private pingNowAndThen(): void {
    if (!this.over)
      this.pinger ??= setInterval(() => {
        // Its failure is reported through `onLost`.
        this.say({ type: "PING" }, pingTimeoutMs).catch(() => {});
      }, pingIntervalMs);
  }

  private asking(request: Request): { id: number; answer: Promise<IndexAnswer> } {
    return this.request(request, this.answerMs, (id) => this.giveUp(id));
  }

  private giveUp(id: number): void {
    this.pending.giveUp(id, new IndexError(this.silence));
    if (this.pending.lateCount > maxLateAnswers) this.fail(this.silence);
  }

  private get silence(): string {
    return `index ${this.label} does not answer`;
  }

  private request(
    request: Request,
    timeoutMs: number,
    onTimeout: (id: number) => void = () => this.fail(this.silence),
  ): { id: number; answer: Promise<IndexAnswer> } {
    if (this.over || this.connection === undefined) {
      return { id: 0, answer: Promise.reject(new IndexError(`not connected to index ${this.label}`)) };
    }
    const opened = this.pending.open(timeoutMs, onTimeout);
    this.connection.send(encodeIndexRequest({ ...request, id: opened.id }));
    return opened;
  }

  private refusal(code: string, message: string): IndexRefusal {
    return new IndexRefusal(
      `index ${this.label} refused: ${printable(message)} (${printable(code, 40)})`,
      code,
    );
  }

  private end(error: P2pError, tell: (error: Error) => void): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.pinger);
    this.subscriptions.clear();
    this.pending.failAll(error);
    this.welcomed.reject(error);
    // Whoever waits for it has its own handler; for the others this is not news.
    this.welcomed.promise.catch(() => {});
    this.connection?.destroy();
    tell(error);
  }
}

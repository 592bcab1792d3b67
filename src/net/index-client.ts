/**
 * One connection to an index, from the client's side: HELLO, requests and their answers by id, each with a
 * deadline. Whatever the index does wrong becomes an IndexError of one line. Connecting again is
 * `index-link.ts`.
 */
import { type Address, formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { IndexError, reasonOf, systemCode } from "../errors.ts";
import { printable } from "../printable.ts";
import { agent } from "../version.ts";
import { decodeIndexAnswer } from "../wire/decode-index-answer.ts";
import { encodeHello, encodeIndexRequest } from "../wire/encode.ts";
import { maxFilesPerList, maxIndexAnswerLineBytes, pingIntervalMs } from "../wire/limits.ts";
import type { FileEntry, FoundContent, IndexAnswer, Matches, Names } from "../wire/messages.ts";
import { NamePattern } from "../wire/name-pattern.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { areNamed, isPageOf } from "./answer-checks.ts";
import { connect } from "./connect.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { IndexRefusal } from "./index-refusal.ts";
import { PendingAnswers, type Request } from "./pending-answers.ts";
import { SourceSubscription } from "./source-subscription.ts";

/**
 * To connect and be welcomed, by all indexes tried together, and for one answer. Together below the 10 s after
 * which a command must have said that the index does not answer.
 */
const openTimeoutMs = 5_000;
const answerTimeoutMs = 4_000;
/** Of requests that were given up: with so many owed, the index is taken for gone. */
const maxLateAnswers = 1_000;
/** Nobody waits for a PING: a busy index or a line that hangs for a while is no reason to register again. */
const pingTimeoutMs = 25_000;
/** Registrations wait behind those of others; the index slows us by not answering. */
const writeAnswerTimeoutMs = 60_000;

export class IndexClient implements ConnectionUser {
  private connection: Connection | undefined;
  private readonly pending = new PendingAnswers();
  private readonly subscriptions = new Map<number, SourceSubscription>();
  private readonly welcomed = Promise.withResolvers<void>();
  private isWelcome = false;
  private over = false;
  private pinger: Timer | undefined;
  private lost: (error: Error) => void = () => {};

  private constructor(
    readonly address: Address,
    private readonly answerMs: number,
  ) {}

  /** Connects to the first of `addresses` that answers. Throws the IndexError of the last one. */
  static async open(
    addresses: readonly Address[],
    timeoutMs: number = openTimeoutMs,
    answerMs: number = answerTimeoutMs,
  ): Promise<IndexClient> {
    const endMs = monotonicMs() + timeoutMs;
    let problem: unknown = new IndexError("no index to ask");
    for (const [i, address] of addresses.entries()) {
      const shareMs = (endMs - monotonicMs()) / (addresses.length - i);
      const client = new IndexClient(address, answerMs);
      try {
        await client.greet(Math.max(100, shareMs));
        return client;
      } catch (error) {
        client.close();
        problem = error;
      }
    }
    throw problem;
  }

  get isOpen(): boolean {
    return !this.over;
  }

  /** `HOST:PORT`. */
  get label(): string {
    return formatAddress(this.address);
  }

  /** Every content the index has for the name. */
  async query(name: string): Promise<FoundContent[]> {
    const answer = await this.ask({ type: "QUERY", name });
    if (answer.type !== "RESULT") throw this.nonsense();
    return this.fitting(answer.contents, name);
  }

  /**
   * As `query`; and of sources that come later we are told until the subscription ends, or this connection. To keep
   * it, a PING goes out now and then.
   */
  async subscribe(name: string): Promise<SourceSubscription> {
    const subscription = new SourceSubscription(name, (id) => this.unsubscribe(id));
    const { id, answer } = this.asking({ type: "QUERY", name, subscribe: true });
    this.subscriptions.set(id, subscription);
    this.pingNowAndThen();
    try {
      const result = await answer;
      if (result.type !== "RESULT") throw this.nonsense();
      return subscription.begin(id, this.fitting(result.contents, name));
    } catch (error) {
      this.unsubscribe(id);
      throw error;
    }
  }

  /**
   * The files whose names fit the pattern (PROTOCOL.md, LIST) and come after `after`, in the order of their names, as
   * far as they fit into one answer.
   */
  async listPage(pattern: string, after: string): Promise<Names> {
    const answer = await this.ask({ type: "LIST", pattern, after, limit: maxFilesPerList });
    if (answer.type === "NAMES" && isPageOf(answer, new NamePattern(pattern), after)) return answer;
    throw this.nonsense();
  }

  async search(text: string, limit: number): Promise<Matches> {
    const answer = await this.ask({ type: "SEARCH", text, after: "", limit });
    if (answer.type !== "MATCHES") throw this.nonsense();
    return answer;
  }

  /** Replaces all that was registered over this connection. */
  async register(port: number, files: FileEntry[]): Promise<void> {
    await this.expectOk({ type: "REGISTER", port, files }, writeAnswerTimeoutMs);
  }

  async update(add: FileEntry[], remove: FileEntry["name"][]): Promise<void> {
    await this.expectOk({ type: "UPDATE", add, remove }, writeAnswerTimeoutMs);
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

  /** Idempotent. */
  close(): void {
    this.end(new IndexError(`the connection to index ${this.label} was closed`), () => {});
  }

  // --- what the connection says ---

  onLine(line: Uint8Array): number {
    const answer = decodeIndexAnswer(line);
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
    if (answer.type === "SOURCES") {
      this.told(answer.id, answer.contents);
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
    const why = error === undefined ? "closed the connection" : `is gone: ${reasonOf(error)}`;
    this.fail(`index ${this.label} ${why}`);
  }

  // --- internal ---

  private pingNowAndThen(): void {
    if (!this.over)
      this.pinger ??= setInterval(() => {
        // Its failure is reported through `onLost`.
        this.expectOk({ type: "PING" }, pingTimeoutMs).catch(() => {});
      }, pingIntervalMs);
  }

  private told(id: number, contents: FoundContent[]): void {
    if (id > this.pending.lastId) throw new ProtocolError("BAD_STATE");
    // It may have been on its way when we unsubscribed.
    const subscription = this.subscriptions.get(id);
    if (subscription !== undefined) subscription.tell(this.fitting(contents, subscription.name));
  }

  private unsubscribe(query: number): void {
    if (!this.subscriptions.delete(query) || this.over) return;
    // Heard or not: what still comes is ignored.
    this.expectOk({ type: "UNSUBSCRIBE", query }, pingTimeoutMs).catch(() => {});
  }

  private fitting(contents: FoundContent[], name: string): FoundContent[] {
    if (areNamed(contents, name)) return contents;
    throw this.fail(`index ${this.label} answered for another name`);
  }

  private async greet(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.fail(`index ${this.label} accepted but does not answer`), timeoutMs);
    try {
      const connection = await connect(this.address, this, timeoutMs);
      if (this.over) connection.destroy();
      this.connection = connection;
      connection.maxLineBytes = maxIndexAnswerLineBytes;
      connection.send(encodeHello(agent));
      await this.welcomed.promise;
    } catch (error) {
      if (error instanceof IndexError) throw error;
      const hint = systemCode(error) === "ECONNREFUSED" ? " (is `p2p serve-index` running there?)" : "";
      throw new IndexError(`cannot reach index ${this.label}: ${reasonOf(error)}${hint}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** A busy index is late for one question: no reason to give up what is registered over this connection. */
  private asking(request: Request): { id: number; answer: Promise<IndexAnswer> } {
    return this.request(request, this.answerMs, (id) => this.giveUp(id));
  }

  private ask(request: Request): Promise<IndexAnswer> {
    return this.asking(request).answer;
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

  private async expectOk(request: Request, timeoutMs: number): Promise<void> {
    const answer = await this.request(request, timeoutMs).answer;
    if (answer.type !== "OK") throw this.nonsense();
  }

  private refusal(code: string, message: string): IndexRefusal {
    return new IndexRefusal(
      `index ${this.label} refused: ${printable(message)} (${printable(code, 40)})`,
      code,
    );
  }

  private nonsense(): IndexError {
    return this.fail(`what answers at ${this.label} does not speak the protocol of an index`);
  }

  private fail(message: string): IndexError {
    const error = new IndexError(message);
    this.end(error, this.lost);
    return error;
  }

  private end(error: IndexError, tell: (error: Error) => void): void {
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

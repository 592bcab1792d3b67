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
import { decodeIndexAnswer } from "../wire/decode.ts";
import { encodeHello, encodeIndexRequest } from "../wire/encode.ts";
import { lastPart } from "../wire/file-name.ts";
import { maxIndexAnswerLineBytes, pingIntervalMs } from "../wire/limits.ts";
import type { FileEntry, FoundContent, IndexAnswer, IndexRequest, Matches } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { connect } from "./connect.ts";
import type { Connection, ConnectionUser } from "./connection.ts";

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

/** The index understood a request and said no. */
export class IndexRefusal extends IndexError {
  constructor(
    message: string,
    /** As it came: one of the protocol's codes, if the index is one of ours. */
    readonly wireCode: string,
  ) {
    super(message);
  }
}

type Request = DistributiveOmit<IndexRequest, "id">;
type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

interface Pending {
  resolve(answer: IndexAnswer): void;
  reject(error: Error): void;
  timer: Timer;
}

export class IndexClient implements ConnectionUser {
  private connection: Connection | undefined;
  private readonly pending = new Map<number, Pending>();
  /** Requests that were given up: their answers may still come, and mean nothing. */
  private readonly late = new Set<number>();
  private readonly welcomed = Promise.withResolvers<void>();
  private isWelcome = false;
  private lastId = 0;
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
    const matches = (found: string) => (name.includes("/") ? found === name : lastPart(found) === name);
    const fits = answer.contents.every(({ names }) => names.length > 0 && names.every(matches));
    if (!fits) throw this.fail(`index ${this.label} answered for another name`);
    return answer.contents;
  }

  async search(text: string, limit: number): Promise<Matches> {
    const answer = await this.ask({ type: "SEARCH", text, limit });
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
    this.pinger = setInterval(() => {
      // Its failure is reported through `onLost`.
      this.expectOk({ type: "PING" }, pingTimeoutMs).catch(() => {});
    }, pingIntervalMs);
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
    if (this.late.delete(answer.id)) return 0;
    const pending = this.take(answer.id);
    if (pending === undefined) throw new ProtocolError("BAD_STATE");
    if (answer.type === "ERROR") pending.reject(this.refusal(answer.code, answer.message));
    else pending.resolve(answer);
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
  private ask(request: Request): Promise<IndexAnswer> {
    return this.request(request, this.answerMs, (id) => this.giveUp(id));
  }

  private giveUp(id: number): void {
    this.late.add(id);
    const error = new IndexError(this.silence);
    if (this.late.size > maxLateAnswers) this.fail(error.message);
    else this.take(id)?.reject(error);
  }

  private get silence(): string {
    return `index ${this.label} does not answer`;
  }

  private request(
    request: Request,
    timeoutMs: number,
    onTimeout: (id: number) => void = () => this.fail(this.silence),
  ): Promise<IndexAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<IndexAnswer>();
    if (this.over || this.connection === undefined) {
      reject(new IndexError(`not connected to index ${this.label}`));
      return promise;
    }
    const id = ++this.lastId;
    const timer = setTimeout(() => onTimeout(id), timeoutMs);
    this.pending.set(id, { resolve, reject, timer });
    this.connection.send(encodeIndexRequest({ ...request, id }));
    return promise;
  }

  private async expectOk(request: Request, timeoutMs: number): Promise<void> {
    const answer = await this.request(request, timeoutMs);
    if (answer.type !== "OK") throw this.nonsense();
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.pending.delete(id);
    return pending;
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
    for (const id of [...this.pending.keys()]) this.take(id)?.reject(error);
    this.welcomed.reject(error);
    // Whoever waits for it has its own handler; for the others this is not news.
    this.welcomed.promise.catch(() => {});
    this.connection?.destroy();
    tell(error);
  }
}

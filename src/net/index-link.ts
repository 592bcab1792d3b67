/**
 * A peer's lasting connection to an index: made again, by itself, whenever it is lost, with a growing and
 * random wait; to the next of several addresses when there are some. One line a change of state.
 */
import type { Address } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { AnotherTokenError, AuthenticationError, IndexError } from "../errors.ts";
import type { Network } from "../trust/network.ts";
import { backoffMs } from "./backoff.ts";
import { IndexClient } from "./index-client.ts";

export interface IndexLinkOptions {
  network: Network;
  /** A connection is up (again). */
  onUp: (client: IndexClient) => void;
  /** The connection is gone; the next is being made. */
  onDown: () => void;
  /** One line for the user, already printable. */
  onNotice: (line: string) => void;
  /** Monotonic; another one for tests. */
  nowMs?: () => number;
}

/** A connection that lasts this long counts as a success: one that is dropped at once is a failure. */
const stableMs = 10_000;

export class IndexLink {
  private current: IndexClient | undefined;
  private failures = 0;
  private upSinceMs = 0;
  private timer: Timer | undefined;
  private stopped = false;
  /** The next address to begin with. */
  private turn = 0;
  /** Why we were last not let in, or did not believe who was there. */
  private refusal: string | undefined;

  private readonly unwatchToken: (() => void) | undefined;

  constructor(private readonly options: IndexLinkOptions) {
    this.unwatchToken = options.network.membership?.onChange(() => this.tryNow());
  }

  /** Undefined while there is no connection. */
  get client(): IndexClient | undefined {
    return this.current;
  }

  /** The first connection. With `keepTrying` it waits for as long as it takes, else it throws an IndexError. */
  async start(keepTrying: boolean): Promise<void> {
    try {
      await this.connect();
    } catch (error) {
      if (!keepTrying || !(error instanceof IndexError)) throw error;
      this.options.onNotice(`${error.message}; trying until it can be reached`);
      this.connectLater();
    }
  }

  /** Idempotent. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.unwatchToken?.();
    this.current?.close();
    this.current = undefined;
  }

  private async connect(): Promise<void> {
    const { network } = this.options;
    const { indexes } = network;
    const inTurn = indexes.map((_, i) => indexes[(this.turn + i) % indexes.length]!);
    const client = await IndexClient.open({ ...network, indexes: inTurn });
    if (this.stopped) {
      client.close();
      return;
    }
    network.membership?.setOld(false);
    this.turn = (indexes as readonly Address[]).indexOf(client.address);
    this.current = client;
    this.upSinceMs = this.nowMs();
    client.keep((error) => this.onLost(error));
    this.options.onUp(client);
  }

  private nowMs(): number {
    return (this.options.nowMs ?? monotonicMs)();
  }

  private onLost(error: Error): void {
    if (this.nowMs() - this.upSinceMs >= stableMs) this.failures = 0;
    this.current = undefined;
    this.turn++;
    if (error instanceof AuthenticationError) this.refusal = error.message;
    this.options.onNotice(`${error.message}; trying to get it back`);
    this.options.onDown();
    this.connectLater();
  }

  private connectLater(): void {
    if (this.stopped) return;
    this.failures++;
    this.timer = setTimeout(() => void this.tryAgain(), backoffMs(this.failures, Math.random()));
  }

  /** There is a new token, with which it may be let in. */
  private tryNow(): void {
    if (this.timer === undefined || this.stopped) return;
    clearTimeout(this.timer);
    void this.tryAgain();
  }

  private async tryAgain(): Promise<void> {
    this.timer = undefined;
    try {
      await this.connect();
    } catch (error) {
      if (error instanceof AuthenticationError) this.tellRefusal(error);
      else if (!(error instanceof IndexError)) throw error;
      // Said once, when it was lost: the next attempt fails for much the same reason.
      this.connectLater();
      return;
    }
    this.refusal = undefined;
    if (this.current !== undefined) this.options.onNotice(`connected to index ${this.current.label}`);
  }

  /** The user has to do something about it, and hears of it once. */
  private tellRefusal(error: AuthenticationError): void {
    const { message } = error;
    if (message !== this.refusal) this.options.onNotice(message);
    this.refusal = message;
    const { membership, indexes } = this.options.network;
    // Said by the machine that is meant, and so true.
    const isPinned = indexes.every(({ fingerprints }) => fingerprints !== undefined);
    if (isPinned && error.cause instanceof AnotherTokenError && membership?.setOld(true))
      this.options.onNotice(
        "until this machine has joined with the new link, nobody is let in by the old token",
      );
  }
}

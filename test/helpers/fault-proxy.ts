/**
 * A network that misbehaves: stands between a downloader and a source, passes on what the downloader says, and
 * spoils what the source answers. Knows bytes, not the protocol.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Counts of bytes are those of the answers on one connection. May be changed while connections are open. */
export interface Faults {
  /** Each piece is this late. */
  delayMs?: number;
  /** Of all connections together. */
  bytesPerSecond?: number;
  /** The connection is closed after so many; a function is asked once for each connection. */
  cutAfter?: number | (() => number);
  /** A cut, and the end of the source, is a reset (RST) instead of an orderly end. */
  reset?: boolean;
  /** One bit in so many bytes is the other one. */
  flipBitEvery?: number;
  /** The piece with this byte comes twice. */
  repeatAt?: number;
  /** Nothing more comes after so many, and the connection stays open. */
  stallAfter?: number;
  /** Longest piece that is passed on at once: 1 is byte by byte. */
  pieceBytes?: number;
}

/** Small enough for a rate to be even. */
const defaultPieceBytes = 16 * 1024;

export class FaultProxy implements AsyncDisposable {
  /** Answered on all connections so far. */
  passedBytes = 0;
  private freeAtMs = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly over = new AbortController();
  private readonly waiting = new Set<() => void>();

  private constructor(
    private readonly targetPort: number,
    public faults: Faults,
  ) {
    this.server = createServer((client) => void this.join(client));
  }

  static async start(targetPort: number, faults: Faults = {}): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort, faults);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    proxy.server.once("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return address.port;
  }

  /** Resolves when so many bytes have been answered in all. */
  async passed(bytes: number, timeoutMs = 10_000): Promise<void> {
    const timer = setTimeout(() => this.wake(), timeoutMs);
    const deadlineMs = performance.now() + timeoutMs;
    while (this.passedBytes < bytes) {
      if (performance.now() >= deadlineMs) throw new Error(`${this.passedBytes} of ${bytes} bytes came`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.over.abort();
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async join(client: Socket): Promise<void> {
    const source = connect(this.targetPort, "127.0.0.1");
    for (const socket of [client, source]) {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
    }
    // One that ends takes the other with it; that connections end is what this is for.
    const end = () => (this.faults.reset ? client.resetAndDestroy() : undefined);
    const ways = [pipeline(client, source), pipeline(source, (answer) => this.spoil(answer, end), client)];
    await Promise.race(ways.map((way) => way.catch(() => {})));
    client.destroy();
    source.destroy();
    await Promise.allSettled(ways);
  }

  private async *spoil(answer: AsyncIterable<Buffer>, end: () => void): AsyncGenerator<Buffer> {
    const drawn = typeof this.faults.cutAfter === "function" ? this.faults.cutAfter() : Infinity;
    let passed = 0;
    for await (const received of answer) {
      let piece: Buffer;
      for (let at = 0; at < received.length; at += piece.length) {
        const { cutAfter, stallAfter = Infinity, pieceBytes = defaultPieceBytes, repeatAt } = this.faults;
        const cutAt = typeof cutAfter === "number" ? cutAfter : drawn;
        const room = Math.max(0, Math.min(cutAt, stallAfter) - passed);
        piece = received.subarray(at, at + Math.min(pieceBytes, room));
        if (piece.length === 0 && passed >= cutAt) return end();
        if (piece.length === 0) await this.sleep(2 ** 31 - 1);
        await this.holdBack(piece.length);
        this.flip(piece, passed);
        const isRepeated = repeatAt !== undefined && passed <= repeatAt && repeatAt < passed + piece.length;
        passed += piece.length;
        this.passedBytes += piece.length;
        yield piece;
        if (isRepeated) yield Buffer.from(piece);
        this.wake();
      }
    }
    end();
  }

  private async holdBack(bytes: number): Promise<void> {
    const { delayMs = 0, bytesPerSecond = Infinity } = this.faults;
    const nowMs = performance.now();
    this.freeAtMs = Math.max(nowMs, this.freeAtMs) + (bytes / bytesPerSecond) * 1000;
    const waitMs = this.freeAtMs - nowMs + delayMs;
    if (waitMs >= 1) await this.sleep(waitMs);
  }

  private flip(piece: Buffer, from: number): void {
    const { flipBitEvery } = this.faults;
    if (flipBitEvery === undefined) return;
    const first = flipBitEvery - 1 - (from % flipBitEvery);
    for (let at = first; at < piece.length; at += flipBitEvery) piece[at]! ^= 0x10;
  }

  private async sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.over.signal });
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

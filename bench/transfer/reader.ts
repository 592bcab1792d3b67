/**
 * A client of a peer that is as light as can be: asks for one range after the other and throws the bytes away. What
 * many connections cost a source can be measured with it, without as many downloaders.
 */

export interface ReaderTarget {
  host: string;
  port: number;
  root: string;
}

export interface Range {
  offset: number;
  length: number;
}

export class Reader {
  private readonly done = Promise.withResolvers<void>();
  private socket: Bun.Socket | undefined;
  private line = "";
  /** Of the body that is being received. */
  private bytesLeft = 0;
  private asked: Range | undefined;
  private id = 0;

  private constructor(
    private readonly root: string,
    private readonly next: () => Range | undefined,
  ) {}

  /** Connected and welcome. It asks for nothing yet. `from` is an address of this machine. */
  static async open(target: ReaderTarget, from: string, next: () => Range | undefined): Promise<Reader> {
    const reader = new Reader(target.root, next);
    const welcome = Promise.withResolvers<void>();
    const fail = (why: string) => {
      const error = new Error(`a connection to the source ${why}`);
      welcome.reject(error);
      reader.done.reject(error);
    };
    // `localAddress` works but is missing from the types, hence not written into the literal below.
    const where = { hostname: target.host, port: target.port, localAddress: from };
    reader.done.promise.catch(() => {});
    reader.socket = await Bun.connect({
      ...where,
      socket: {
        data: (_, bytes) => reader.received(bytes, welcome.resolve, fail),
        close: () => fail("was closed"),
        error: (_, error) => fail(`failed: ${error.message}`),
      },
    });
    reader.say({ type: "HELLO", version: 1, agent: "bench" });
    await welcome.promise;
    return reader;
  }

  /** Reads until there are no more ranges. The connection stays. */
  async readAll(): Promise<void> {
    this.ask();
    await this.done.promise;
  }

  close(): void {
    this.socket?.terminate();
  }

  private ask(): void {
    this.asked = this.next();
    if (this.asked === undefined) this.done.resolve();
    else this.repeat();
  }

  private repeat(): void {
    this.say({ type: "GET", id: ++this.id, root: this.root, ...this.asked });
  }

  private say(message: object): void {
    this.socket?.write(`${JSON.stringify(message)}\n`);
  }

  private received(bytes: Buffer, welcome: () => void, fail: (why: string) => void): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.bytesLeft > 0) {
        const taken = Math.min(this.bytesLeft, bytes.length - at);
        this.bytesLeft -= taken;
        at += taken;
        if (this.bytesLeft === 0) this.ask();
        continue;
      }
      const end = bytes.indexOf(10, at);
      this.line += bytes.toString("utf8", at, end === -1 ? bytes.length : end);
      if (end === -1) return;
      at = end + 1;
      const message = JSON.parse(this.line) as Answer;
      this.line = "";
      if (message.type === "WELCOME") welcome();
      else if (message.type === "DATA") this.bytesLeft = message.length ?? 0;
      // It has too much to do; the same makes sense again later.
      else if (message.retryMs !== undefined) setTimeout(() => this.repeat(), message.retryMs);
      else fail(`was answered ${JSON.stringify(message)}`);
    }
  }
}

interface Answer {
  type: string;
  length?: number;
  retryMs?: number;
}

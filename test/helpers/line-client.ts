/**
 * A client of either protocol that says exactly what a test wants it to, line by line or raw, and waits for what
 * comes back. It checks nothing.
 */
const timeoutMs = 10_000;

export type Message = Record<string, unknown>;

export const hello = { type: "HELLO", version: 1, agent: "test" };

export class LineClient implements AsyncDisposable {
  readonly answers: Message[] = [];
  private text = "";
  private readonly decoder = new TextDecoder();
  private socket: Bun.Socket | undefined;
  private unsent: Uint8Array[] = [];
  private isEnded = false;
  private readonly waiting = new Set<() => void>();

  /** `from`: another address of this machine, such as 127.0.0.2, to be seen with. */
  static async open(port: number, from = "127.0.0.1"): Promise<LineClient> {
    const client = new LineClient();
    // `localAddress` works in 1.4.5 but is missing from its types, hence not written into the literal below.
    const where = { hostname: "127.0.0.1", port, localAddress: from };
    client.socket = await Bun.connect({
      ...where,
      socket: {
        data: (_, bytes) => client.received(bytes),
        drain: () => client.flush(),
        close: () => client.ended(),
        error: () => client.ended(),
      },
    });
    return client;
  }

  /** Connected, and HELLO answered. */
  static async greeted(port: number, from?: string): Promise<LineClient> {
    const client = await LineClient.open(port, from);
    client.send(hello);
    await client.answerWhere((answer) => answer.type === "WELCOME");
    return client;
  }

  send(...messages: object[]): void {
    this.sendRaw(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  }

  sendRaw(bytes: string | Uint8Array): void {
    this.unsent.push(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    if (this.unsent.length === 1) this.flush();
  }

  /** Sends a request and waits for what has its id. */
  async request(message: Message & { id: number }): Promise<Message> {
    this.send(message);
    return await this.answerTo(message.id);
  }

  answerTo(id: number): Promise<Message> {
    return this.answerWhere((answer) => answer.id === id);
  }

  async answerWhere(accept: (answer: Message) => boolean): Promise<Message> {
    await this.until(() => this.answers.some(accept), "the answer");
    return this.answers.find(accept)!;
  }

  /** The other side has closed. */
  async closed(): Promise<void> {
    await this.until(() => this.isEnded, "the end of the connection");
  }

  get isClosed(): boolean {
    return this.isEnded;
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  close(): void {
    this.socket?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed();
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > deadlineMs) throw new Error(`no ${what} within ${timeoutMs} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiting.add(resolve);
      const timer = setTimeout(resolve, timeoutMs);
      await promise;
      clearTimeout(timer);
      this.waiting.delete(resolve);
    }
  }

  private flush(): void {
    while (this.unsent.length > 0) {
      const next = this.unsent[0]!;
      const taken = this.socket?.write(next) ?? -1;
      if (taken < 0) {
        this.unsent = [];
        return;
      }
      if (taken < next.length) {
        this.unsent[0] = next.subarray(taken);
        return;
      }
      this.unsent.shift();
    }
  }

  private received(bytes: Uint8Array): void {
    this.text += this.decoder.decode(bytes, { stream: true });
    const lines = this.text.split("\n");
    this.text = lines.pop() ?? "";
    for (const line of lines) this.answers.push(JSON.parse(line) as Message);
    this.wake();
  }

  private ended(): void {
    this.isEnded = true;
    this.wake();
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
  }
}

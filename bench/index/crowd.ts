/** Peers that register over TCP and stay connected with a sign of life now and then, as real ones do. */
import { readFileSync } from "node:fs";
import { filesOfPeer, type Shape, type SharedFile } from "./catalogue.ts";
import { hello, registerLine, registrationLines } from "./requests.ts";

/** Where the peers of a crowd pretend to listen: distinct, and nobody connects. */
const firstPort = 10_000;
/** Registering at the same time: the index is to be what limits. */
const atOnce = 8;
const pingIntervalMs = 30_000;
const tickMs = 500;

export class Crowd implements AsyncDisposable {
  private readonly peers: CrowdPeer[] = [];
  private readonly timer: Timer;
  private nextToPing = 0;

  constructor(private readonly port: number) {
    this.timer = setInterval(() => this.pingSome(), tickMs);
  }

  get size(): number {
    return this.peers.length;
  }

  /** Throws when the index has closed the connection of somebody: what is measured then is something else. */
  requireWhole(): void {
    const lost = this.peers.filter(({ isLost }) => isLost).length;
    if (lost > 0) throw new Error(`the index closed the connections of ${lost} of ${this.size} peers`);
  }

  /** Peers `from` to `to` of the catalogue; returns how many seconds it took. */
  async join(shape: Shape, from = 0, to = shape.peers): Promise<number> {
    return await this.joinEach(to - from, (at) => filesOfPeer(from + at, shape));
  }

  /** `count` further peers, with what `filesOf` says. */
  async joinEach(count: number, filesOf: (at: number) => readonly SharedFile[]): Promise<number> {
    return await this.add(count, (at, port) => registrationLines(port, filesOf(at)));
  }

  /** `count` further peers that share nothing. */
  async joinIdle(count: number): Promise<number> {
    return await this.add(count, (_, port) => [registerLine(port, [])]);
  }

  /** `count` further peers that say these lines, each once the one before is answered. */
  async add(
    count: number,
    linesOf: (at: number, port: number) => readonly string[],
    onAnswer?: (answer: Answer) => void,
  ): Promise<number> {
    requireOpenFiles(this.peers.length + count);
    const startedMs = performance.now();
    const base = firstPort + this.peers.length;
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const at = next++;
        const lines = linesOf(at, base + at);
        const peer = await CrowdPeer.open(this.port);
        this.peers.push(peer);
        for (const line of lines) {
          const answer = await peer.request(line);
          if (answer.type !== "OK")
            throw new Error(`the index answered a registration with ${JSON.stringify(answer)}`);
          onAnswer?.(answer);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
    return (performance.now() - startedMs) / 1000;
  }

  /** Evenly spread, so that each peer's turn comes in time. */
  private pingSome(): void {
    const count = Math.ceil((this.peers.length * tickMs) / pingIntervalMs);
    for (let each = 0; each < count; each++) this.peers[this.nextToPing++ % this.peers.length]?.ping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer);
    for (const peer of this.peers) peer.close();
  }
}

/** For everything else that this process has open. */
const otherOpenFiles = 200;

function requireOpenFiles(connections: number): void {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
  if (connections + otherOpenFiles <= limit) return;
  throw new Error(
    `${connections} connections are more than the ${limit} open files allowed here: raise ulimit -n`,
  );
}

export interface Answer {
  type: string;
  [field: string]: unknown;
}

/** A connection of one who asks one thing at a time. */
export class CrowdPeer {
  private socket: Bun.Socket | undefined;
  private unsent: Uint8Array = new Uint8Array(0);
  private partial = "";
  private readonly decoder = new TextDecoder();
  private waiting: PromiseWithResolvers<Answer> | undefined;
  private lost: Error | undefined;

  static async open(port: number): Promise<CrowdPeer> {
    const peer = new CrowdPeer();
    const lose = (why: string) => {
      peer.lost = new Error(`the index ${why} the connection of a peer`);
      peer.waiting?.reject(peer.lost);
    };
    peer.socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => peer.received(bytes),
        drain: () => peer.flush(),
        close: () => lose("closed"),
        error: () => lose("broke"),
      },
    });
    await peer.request(`${hello}\n`);
    return peer;
  }

  get isLost(): boolean {
    return this.lost !== undefined;
  }

  /** The answer to one line. */
  async request(line: string): Promise<Answer> {
    if (this.lost !== undefined) throw this.lost;
    this.waiting = Promise.withResolvers();
    this.unsent = Buffer.from(line);
    this.flush();
    return await this.waiting.promise;
  }

  /** What comes back is nobody's. */
  ping(): void {
    if (this.waiting === undefined && this.unsent.length === 0) this.socket?.write(pingLine);
  }

  close(): void {
    this.socket?.terminate();
  }

  private flush(): void {
    if (this.unsent.length === 0) return;
    const written = this.socket?.write(this.unsent) ?? 0;
    this.unsent = this.unsent.subarray(written);
  }

  private received(bytes: Uint8Array): void {
    const lines = (this.partial + this.decoder.decode(bytes, { stream: true })).split("\n");
    this.partial = lines.pop()!;
    for (const line of lines) {
      const answer = JSON.parse(line) as Answer;
      if (answer.id === pingId) continue;
      const waiting = this.waiting;
      this.waiting = undefined;
      waiting?.resolve(answer);
    }
  }
}

const pingId = 999_999_999;
const pingLine = `${JSON.stringify({ type: "PING", id: pingId })}\n`;

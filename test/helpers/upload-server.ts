/**
 * Upload connections of this very thread, on a free port of loopback, and a client that takes bodies: for tests of what
 * is sent and when. Without workers, so that a test sees the inside.
 */
import { addressLimit } from "../../src/net/address-limits.ts";
import { peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { Listener } from "../../src/net/listener.ts";
import type { RateLimit } from "../../src/net/rate-limit.ts";
import { ContentBoard } from "../../src/transfer/content-board.ts";
import { OpenContents } from "../../src/transfer/open-contents.ts";
import { UploadConnection } from "../../src/transfer/upload-connection.ts";
import type { Offer } from "../../src/transfer/upload-messages.ts";
import { UploadQueue } from "../../src/transfer/upload-queue.ts";
import type { TurnLimits } from "../../src/transfer/upload-turns.ts";

export interface UploadServer extends Disposable {
  readonly port: number;
  /** Paths of files that are not what they were. */
  readonly changed: string[];
  readonly bugs: Error[];
  /** The roots it asked about, those asked together in one list. */
  readonly asked: (readonly string[])[];
  servedBytes: number;
}

export interface UploadServerOptions {
  offers: readonly Offer[];
  turnLimits?: TurnLimits;
  rateLimit?: RateLimit;
}

export function uploadServer({ offers, turnLimits, rateLimit }: UploadServerOptions): UploadServer {
  const contents = new OpenContents(
    (roots) => {
      server.asked.push(roots);
      const found = roots.map((root) => {
        const offer = offers.find((each) => each.root === root);
        const { shared: board } = ContentBoard.make(Math.ceil((offer?.sizeBytes ?? 0) / 2 ** 20));
        return { root, content: offer && { offer, board } };
      });
      queueMicrotask(() => contents.answer(found, performance.now()));
    },
    (path) => server.changed.push(path),
  );
  const queue = new UploadQueue(turnLimits ?? { slots: 8, perHost: addressLimit(8), total: 64 }, rateLimit);
  const context = {
    contents,
    queue,
    served: (_root: string, bytes: number) => {
      server.servedBytes += bytes;
    },
    promised: () => {},
    bug: (error: Error) => server.bugs.push(error),
  };
  const listener = new Listener({
    host: "127.0.0.1",
    port: 0,
    limits: peerConnectionLimits,
    accept: (connection) => new UploadConnection(connection, context, () => {}),
  });
  const server = {
    port: listener.port,
    changed: [] as string[],
    bugs: [] as Error[],
    asked: [] as (readonly string[])[],
    servedBytes: 0,
    [Symbol.dispose]: () => {
      listener.stop();
      queue.stop();
      contents.closeAll();
    },
  };
  return server;
}

export interface Answer {
  type: string;
  id?: number | null;
  code?: string;
  retryMs?: number;
  length?: number;
  chunk?: number;
  chunks?: string;
  sent?: string;
}

/** Says HELLO, asks, and keeps what comes. */
export class BodyClient implements Disposable {
  /** In order, without WELCOME. */
  readonly answers: Answer[] = [];

  isClosed = false;
  private rest = Buffer.alloc(0);
  private bodyLeft = 0;
  private lastId = 0;
  private readonly patient = new Map<number, (answer: Answer) => void>();
  private readonly pieces: Buffer[] = [];
  private piecesBytes = 0;

  private constructor(private readonly socket: Bun.Socket) {}

  static async open(port: number): Promise<BodyClient> {
    const waiting: Buffer[] = [];
    let client: BodyClient | undefined;
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => {
          if (client === undefined) waiting.push(Buffer.from(bytes));
          else client.received(Buffer.from(bytes));
        },
        close: () => {
          if (client !== undefined) client.isClosed = true;
        },
        error: () => {},
      },
    });
    client = new BodyClient(socket);
    for (const each of waiting) client.received(each);
    client.say({ type: "HELLO", version: 1, agent: "test" });
    return client;
  }

  say(message: object): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** In one packet, if they fit into one. */
  sayAll(messages: readonly object[]): void {
    this.socket.write(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  }

  get(root: string, offset: number, length: number): number {
    this.say({ type: "GET", id: ++this.lastId, root, offset, length });
    return this.lastId;
  }

  /** Asks as often as it has to be said while the other side is busy; `began` is called with the answer. */
  getPatiently(root: string, offset: number, length: number, began: () => void = () => {}): void {
    const id = this.get(root, offset, length);
    this.patient.set(id, (answer) => {
      if (answer.code !== "BUSY") began();
      else setTimeout(() => this.isClosed || this.getPatiently(root, offset, length, began), answer.retryMs);
    });
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  get bodyBytes(): number {
    return this.piecesBytes;
  }

  get bodies(): Buffer {
    return Buffer.concat(this.pieces);
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }

  private received(bytes: Buffer): void {
    for (let left = bytes; left.length > 0; ) {
      if (this.bodyLeft > 0) {
        const piece = left.subarray(0, this.bodyLeft);
        this.pieces.push(piece);
        this.piecesBytes += piece.length;
        this.bodyLeft -= piece.length;
        left = left.subarray(piece.length);
        continue;
      }
      const end = left.indexOf(10);
      if (end === -1) {
        this.rest = Buffer.concat([this.rest, left]);
        return;
      }
      const answer = JSON.parse(Buffer.concat([this.rest, left.subarray(0, end)]).toString()) as Answer;
      this.rest = Buffer.alloc(0);
      left = left.subarray(end + 1);
      if (answer.type === "WELCOME") continue;
      this.answers.push(answer);
      if (typeof answer.id === "number") this.patient.get(answer.id)?.(answer);
      if (answer.type === "DATA" || answer.type === "HASHES") this.bodyLeft = answer.length ?? 0;
    }
  }
}

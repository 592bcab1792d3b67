/** Peers of the product itself, without folders: they find their index again and say what it does not know. */
import { Announcer } from "../../src/library/announcer.ts";
import { IndexLink } from "../../src/net/index-link.ts";
import { openNetwork } from "../../src/trust/network.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { FileEntry } from "../../src/wire/messages.ts";
import { filesOfPeer, type Shape } from "./catalogue.ts";

/** Where they pretend to listen. */
const firstPort = 10_000;

/** On the clock of `performance.now`. */
export interface Coming {
  connectedMs: number;
  /** The index has all that the peer shares. */
  settledMs: number;
}

export class LastingPeers implements Disposable {
  private readonly links: IndexLink[] = [];
  private readonly announcers: Announcer[] = [];
  private readonly connectedMs: (number | undefined)[] = [];
  private readonly settledMs: (number | undefined)[] = [];
  /** Calls itself out when all have settled. */
  private onWhole = (): void => {};

  constructor(
    private readonly port: number,
    shape: Shape,
  ) {
    for (let at = 0; at < shape.peers; at++) {
      const announcer = new Announcer({
        settled: () => this.settled(at),
        updated: () => {},
        notice: (line) => this.complain(at, line),
      });
      announcer.changed(filesOfPeer(at, shape).map(entryOf), []);
      announcer.complete();
      const link = new IndexLink({
        network: openNetwork([{ host: "127.0.0.1", port }]),
        onUp: (client) => {
          this.connectedMs[at] = performance.now();
          announcer.connected(client, firstPort + at);
        },
        onDown: () => {
          this.connectedMs[at] = this.settledMs[at] = undefined;
          announcer.stop();
        },
        onNotice: () => {},
      });
      this.links.push(link);
      this.announcers.push(announcer);
    }
  }

  async start(): Promise<void> {
    for (const link of this.links) await link.start(false);
  }

  /** Until the index has all that they share. Once for each time that it was lost. */
  async whole(timeoutMs: number): Promise<Coming[]> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.onWhole = resolve;
    const late = () => reject(new Error(`${this.missing} peers are not registered after ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    if (this.missing === 0) resolve();
    await promise.finally(() => clearTimeout(timer));
    return this.links.map((_, at) => ({
      connectedMs: this.connectedMs[at]!,
      settledMs: this.settledMs[at]!,
    }));
  }

  /** Bytes that went both ways over the connections that they have now. */
  get bytes(): number {
    const argv = ["ss", "-tinH", "state", "established", `dport = :${this.port}`];
    const text = Bun.spawnSync(argv).stdout.toString();
    let sum = 0;
    for (const [, bytes] of text.matchAll(/\bbytes_(?:sent|received):(\d+)/g)) sum += Number(bytes);
    return sum;
  }

  [Symbol.dispose](): void {
    for (const announcer of this.announcers) announcer.stop();
    for (const link of this.links) link.stop();
  }

  // --- internal ---

  private get missing(): number {
    let settled = 0;
    for (const each of this.settledMs) if (each !== undefined) settled++;
    return this.links.length - settled;
  }

  private settled(at: number): void {
    this.settledMs[at] = performance.now();
    if (this.missing === 0) this.onWhole();
  }

  /** A refusal, which is tried again: it must show. */
  private complain(at: number, line: string): void {
    console.error(`  peer ${at}: ${line}`);
  }
}

function entryOf({ name, size, md5, root }: ReturnType<typeof filesOfPeer>[number]): FileEntry {
  return { name: name as FileName, sizeBytes: size, md5, root };
}

/**
 * What `Flood` runs: somebody of one address who does the same to a server again and again, on as many connections as
 * he gets, until he is ended. He reads nothing that he need not read.
 */
import { hello } from "./line-client.ts";

const MiB = 1024 * 1024;

export type FloodKind = keyof typeof floods;

export interface FloodPlan {
  port: number;
  from: string;
  kind: FloodKind;
  connections: number;
}

/** What is said on each new connection; the last part again and again. Once it is closed another one is opened. */
interface Flood {
  first?: string;
  again: string | Uint8Array;
  /** Between two times; else as soon as the system takes it. */
  pauseMs?: number;
  /** Nothing is said any more after so many. */
  times?: number;
  reads?: boolean;
  /** By TLS, of which whoever does the greeting has to pay most. */
  encrypted?: boolean;
}

const greeting = `${JSON.stringify(hello)}\n`;
const keys = Array.from({ length: 90_000 }, (_, i) => `"${i.toString(36)}":1`).join();
const evil = '"__proto__":{"isAdmin":true,"type":"ERROR"},"constructor":{"prototype":{"x":1}}';

function entry(number: number): object {
  const hex = Bun.hash(`${number}`).toString(16).padStart(16, "0");
  const long = "x".repeat(250);
  return { name: `${long}/${long}/${long}/${number}`, size: number, md5: hex.repeat(2), root: hex.repeat(4) };
}

function register(files: number): string {
  const all = Array.from({ length: files }, (_, i) => entry(i));
  return `${JSON.stringify({ type: "REGISTER", id: 1, port: 7767, files: all })}\n`;
}

const floods = {
  "endless line": { again: new Uint8Array(MiB).fill(0x61) },
  "endless line after HELLO": { first: greeting, again: new Uint8Array(MiB).fill(0x61) },
  dripping: { again: " ", pauseMs: 500 },
  nesting: { first: greeting, again: `${"[".repeat(MiB - 100)}\n` },
  prototypes: {
    first: greeting,
    again: `{"type":"QUERY","id":1,"name":"a.bin",${evil}}\n`.repeat(500),
    reads: true,
  },
  keys: { first: greeting, again: `{${keys.slice(0, MiB - 100)}}\n` },
  "keys of a REGISTER": {
    first: greeting,
    again: `{"type":"REGISTER","id":1,${keys.slice(0, MiB - 100)}}\n`,
  },
  "long PING": { first: greeting, again: `{"type":"PING","id":1,"x":"${"x".repeat(MiB - 100)}"}\n` },
  REGISTER: { first: greeting, again: register(1_100), reads: true },
  newcomers: { first: greeting, again: register(1), times: 1, pauseMs: 20, reads: true },
  "unread QUERY": { first: greeting, again: `{"type":"QUERY","id":1,"name":"a.bin"}\n`.repeat(10_000) },
  silence: { again: "", times: 1, pauseMs: 60_000 },
  "handshakes of TLS": { again: "x\n", times: 1, reads: true, encrypted: true },
} as const satisfies Record<string, Flood>;

class Connection {
  private socket: Bun.Socket | undefined;
  private readonly flood: Flood;
  private readonly text: Buffer;
  private at = 0;
  private said = 0;

  constructor(private readonly plan: FloodPlan) {
    this.flood = floods[plan.kind];
    this.text = Buffer.from(this.flood.again);
  }

  open(): void {
    const { port, from } = this.plan;
    const where = { hostname: "127.0.0.1", port, localAddress: from };
    const tls = this.flood.encrypted === true ? { tls: { rejectUnauthorized: false } } : {};
    let isOver = false;
    const again = () => {
      if (isOver) return;
      isOver = true;
      setTimeout(() => new Connection(this.plan).open(), 1);
    };
    Bun.connect({
      ...where,
      ...tls,
      socket: {
        open: (socket) => {
          this.socket = socket;
          if (this.flood.reads !== true) socket.pause();
          if (this.flood.first !== undefined) socket.write(this.flood.first);
          this.say();
        },
        drain: () => this.say(),
        data() {},
        close: again,
        error: again,
        connectError: again,
      },
    }).catch(again);
  }

  private say(): void {
    const { pauseMs, times = Number.POSITIVE_INFINITY } = this.flood;
    while (this.said < times) {
      const taken = this.socket?.write(this.text, this.at, this.text.length - this.at) ?? -1;
      if (taken < 0) return;
      this.at += taken;
      if (this.at < this.text.length) return;
      this.at = 0;
      this.said++;
      if (pauseMs === undefined) continue;
      setTimeout(() => (this.said < times ? this.say() : this.socket?.end()), pauseMs);
      return;
    }
  }
}

if (import.meta.main) {
  const plan = JSON.parse(process.argv[2] ?? "") as FloodPlan;
  for (let i = 0; i < plan.connections; i++) new Connection(plan).open();
}

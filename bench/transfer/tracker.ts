/** A BitTorrent tracker as small as can be, for the one client that finds its peers in no other way (aria2). */
import { bencode } from "./torrent-file.ts";

export class Tracker implements AsyncDisposable {
  readonly announceUrl: string;
  private readonly server: Bun.Server<undefined>;
  private readonly peers = new Map<string, Buffer>();
  private readonly complete = new Set<string>();

  constructor(host: string) {
    this.server = Bun.serve({
      hostname: host,
      port: 0,
      fetch: (request, server) => this.announce(new URL(request.url), server.requestIP(request)?.address),
    });
    this.announceUrl = `http://${host}:${this.server.port}/announce`;
  }

  get seeds(): number {
    return this.complete.size;
  }

  private announce({ searchParams }: URL, host: string | undefined): Response {
    const port = Number(searchParams.get("port"));
    const peer = `${host}:${port}`;
    const others = [...this.peers].filter(([each]) => each !== peer).map(([, address]) => address);
    this.peers.set(peer, compactAddress(host ?? "0.0.0.0", port));
    if (searchParams.get("left") === "0") this.complete.add(peer);
    // Often, so that nobody waits long for those who came after.
    const answer = { interval: 5, "min interval": 5, peers: Buffer.concat(others) };
    return new Response(new Uint8Array(bencode(answer)), { headers: { "Content-Type": "text/plain" } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop(true);
  }
}

function compactAddress(host: string, port: number): Buffer {
  return Buffer.from([...host.replace("::ffff:", "").split(".").map(Number), port >> 8, port & 255]);
}

/**
 * A sandbox with a running index in it, and in few words what most tests of the built binary begin with: peers
 * that share files, peers behind a bad network, made-up peers, downloads.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { ContentHasher } from "../../src/content/merkle.ts";
import type { BinaryProcess, JsonEvent } from "./binary-process.ts";
import { FaultProxy, type Faults } from "./fault-proxy.ts";
import { LineClient } from "./line-client.ts";
import { type RunningServer, Sandbox, type StartOptions } from "./sandbox.ts";

export type Files = Record<string, Uint8Array>;

export class Swarm implements AsyncDisposable {
  private readonly parts = new AsyncDisposableStack();

  private constructor(
    readonly box: Sandbox,
    readonly index: RunningServer,
  ) {}

  static async start(flags?: readonly string[]): Promise<Swarm> {
    const box = new Sandbox();
    try {
      return new Swarm(box, await box.index(flags));
    } catch (error) {
      await box[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A new folder with these files in it, written long enough ago for a peer to offer them at once. */
  folderOf(files: Files): string {
    const folder = this.box.newFolder("shared");
    const written = new Date(Date.now() - 60_000);
    for (const [name, bytes] of Object.entries(files)) {
      utimesSync(this.box.put(folder, name, bytes), written, written);
    }
    return folder;
  }

  peer(files: Files, flags: readonly string[] = []): Promise<RunningServer> {
    return this.box.peer(this.index, this.folderOf(files), flags);
  }

  /** A peer that can be reached through a proxy only: it is registered at another index, the proxy at this one. */
  async peerBehind(
    faults: Faults,
    files: Files,
  ): Promise<{ peer: RunningServer; proxy: FaultProxy; folder: string }> {
    const folder = this.folderOf(files);
    const peer = await this.box.peer(await this.box.index(), folder);
    const proxy = this.parts.use(await FaultProxy.start(peer.port, faults));
    await this.register(proxy.port, files);
    return { peer, proxy, folder };
  }

  /** Says at the index that these files are at that port. They are gone again when the client is closed. */
  async register(port: number, files: Files): Promise<LineClient> {
    const client = this.parts.use(await LineClient.greeted(this.index.port));
    const entries = Object.entries(files).map(([name, bytes]) => entryOf(name, bytes));
    const answer = await client.request({ type: "REGISTER", id: 1, port, files: entries });
    if (answer.type !== "OK") throw new Error(`REGISTER: ${JSON.stringify(answer)}`);
    return client;
  }

  /** A running `p2p query NAME --json`, by default into a new folder. */
  query(argv: readonly string[], options: StartOptions = {}): Query {
    const cwd = options.cwd ?? this.box.newFolder("downloads");
    const started = this.box.start(["query", "--json", "--index", this.index.address, ...argv], {
      ...options,
      cwd,
    });
    return { process: started, folder: cwd };
  }

  /** The same to its end. */
  async fetch(argv: readonly string[], options: StartOptions = {}): Promise<FinishedQuery> {
    return await finished(this.query(argv, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.disposeAsync();
    await this.box[Symbol.asyncDispose]();
  }
}

export interface Query {
  process: BinaryProcess;
  /** Its working folder. */
  folder: string;
}

export interface FinishedQuery extends Query {
  code: number;
  /** The last event. */
  last: JsonEvent | undefined;
}

export async function finished(query: Query, timeoutMs?: number): Promise<FinishedQuery> {
  const code = await query.process.exit(timeoutMs);
  return { ...query, code, last: query.process.events.at(-1) };
}

/** As it stands in a REGISTER. */
export function entryOf(name: string, bytes: Uint8Array): object {
  const hasher = new ContentHasher(bytes.length);
  hasher.update(bytes);
  const root = Buffer.from(hasher.finish().root).toString("hex");
  return { name, size: bytes.length, md5: md5Of(bytes), root };
}

export function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** Whether there is a file with exactly these bytes. (A failed `expect` would print all of them.) */
export function holds(path: string, bytes: Uint8Array): boolean {
  return existsSync(path) && Buffer.compare(readFileSync(path), bytes) === 0;
}

/** What a download that is not complete has left in `folder`. */
export function partialFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(".p2p-"))
    .map((name) => join(folder, name))
    .sort();
}

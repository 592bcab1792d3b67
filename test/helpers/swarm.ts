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
import { type RunningServer, Sandbox, type SandboxOptions, type StartOptions } from "./sandbox.ts";

export type Files = Record<string, Uint8Array>;

/** Folders in memory, where there is such a place: for thousands of files, each of which is synced. */
export const inMemory: SandboxOptions = existsSync("/dev/shm") ? { parent: "/dev/shm" } : {};

export class Swarm implements AsyncDisposable {
  private readonly parts = new AsyncDisposableStack();

  private constructor(
    readonly box: Sandbox,
    readonly index: RunningServer,
  ) {}

  static async start(flags?: readonly string[], options?: SandboxOptions): Promise<Swarm> {
    const box = new Sandbox(options);
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
  async peerBehind(faults: Faults, files: Files): Promise<HiddenPeer> {
    const folder = this.folderOf(files);
    const peer = await this.box.peer(await this.box.index(), folder);
    return { peer, proxy: await this.wayTo(peer.port, faults, files), folder };
  }

  /** The same with several, who all have these files. */
  async peersBehind(count: number, faults: Faults, files: Files): Promise<HiddenPeer[]> {
    return await Promise.all(Array.from({ length: count }, () => this.peerBehind({ ...faults }, files)));
  }

  /** Another way to a peer that runs: a proxy that spoils what it says, registered for these files. */
  async wayTo(port: number, faults: Faults, files: Files): Promise<FaultProxy> {
    const proxy = this.parts.use(await FaultProxy.start(port, faults));
    await this.register(proxy.port, files);
    return proxy;
  }

  /** Says at the index that these files are at that port. They are gone again when the client is closed. */
  async register(port: number, files: Files): Promise<LineClient> {
    const client = this.parts.use(await LineClient.greeted(this.index.port));
    const entries = Object.entries(files).map(([name, bytes]) => entryOf(name, bytes));
    const answer = await client.request({ type: "REGISTER", id: 1, port, files: entries });
    if (answer.type !== "OK") throw new Error(`REGISTER: ${JSON.stringify(answer)}`);
    // Who is registered and says nothing for 90 s is forgotten.
    let id = 1;
    const pings = setInterval(() => client.isClosed || client.send({ type: "PING", id: ++id }), 30_000);
    this.parts.defer(() => clearInterval(pings));
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

export interface HiddenPeer {
  peer: RunningServer;
  proxy: FaultProxy;
  folder: string;
}

export interface Query {
  process: BinaryProcess;
  /** Its working folder. */
  folder: string;
}

export interface FinishedQuery extends Query {
  code: number;
  /** How it ended: the last event but for what it has served to others meanwhile. */
  last: JsonEvent | undefined;
}

export async function finished(query: Query, timeoutMs?: number): Promise<FinishedQuery> {
  const code = await query.process.exit(timeoutMs);
  return { ...query, code, last: query.process.events.findLast(({ event }) => event !== "served") };
}

/** Some of it is verified and told; with a source that is slow enough, not all of it. */
export async function hasBegun({ process }: Query): Promise<void> {
  await process.waitForEvent("progress", { where: ({ bytes }) => Number(bytes) > 0 });
}

/** The warnings and errors it has told people, without how far it is and what it comes to in the end. */
export function complaints({ process }: Query): string[] {
  return process.stderr.split("\n").filter((line) => /^(warning|error|p2p): /.test(line));
}

/** What the `complete` event says of that source. */
export function delivered(
  { last }: FinishedQuery,
  port: number,
): { bytes: number; badChunks: number } | undefined {
  const sources = (last?.sources ?? []) as { port: number; bytes: number; badChunks: number }[];
  return sources.find((source) => source.port === port);
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

/** What is wrong with a download that should have made `bytes` of `name`, and nothing else; undefined: nothing. */
export function shortcoming(
  { code, folder, process }: FinishedQuery,
  name: string,
  bytes: Uint8Array,
): string | undefined {
  if (code !== 0) return process.said();
  if (!holds(join(folder, name), bytes)) return `other bytes in ${name}\n${process.said()}`;
  return partialFiles(folder).length === 0 ? undefined : `left behind: ${partialFiles(folder)}`;
}

/** What a download that is not complete has left in `folder`. */
export function partialFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(".p2p-"))
    .map((name) => join(folder, name))
    .sort();
}

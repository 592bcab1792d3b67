/** A store with a listener that records, driven with lines as they come from peers. */
import type {
  Applied,
  Catalog,
  CatalogLimits,
  CatalogListener,
  CatalogPeer,
} from "../../src/index-server/catalog.ts";
import { encodeIndexRequest } from "../../src/wire/encode.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import { LibraryDigest } from "../../src/wire/library-digest.ts";
import type {
  FileEntry,
  FoundContent,
  LibraryClaim,
  Register,
  Source,
  Update,
} from "../../src/wire/messages.ts";

export interface StoreOptions {
  listener: CatalogListener;
  limits?: CatalogLimits;
}

/** Opens a store that is new and empty. */
export type OpenStore = (options: StoreOptions) => Promise<Catalog>;

export class RecordingListener implements CatalogListener {
  /** Names, or what else, that are wanted. */
  wanted: (file: FileEntry) => boolean = () => false;
  readonly told: { source: Source; file: FileEntry }[] = [];
  readonly failures: string[] = [];
  readonly losses: string[] = [];

  wants(file: FileEntry): boolean {
    return this.wanted(file);
  }

  arrived(source: Source, files: readonly FileEntry[]): void {
    for (const file of files) this.told.push({ source, file });
  }

  failed(line: string): void {
    this.failures.push(line);
  }

  lost(line: string): void {
    this.losses.push(line);
  }
}

export class Store implements AsyncDisposable {
  private nextPort = 20_000;
  private nextId = 1;

  constructor(
    readonly catalog: Catalog,
    readonly listener: RecordingListener,
  ) {}

  static async open(open: OpenStore, limits?: CatalogLimits): Promise<Store> {
    const listener = new RecordingListener();
    const options = limits === undefined ? { listener } : { listener, limits };
    return new Store(await open(options), listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.catalog.close();
  }

  /** A peer on a port of its own that has registered `files`. */
  async peer(
    files: readonly FileEntry[] = [],
    host = "10.0.0.1",
    port = this.nextPort++,
  ): Promise<CatalogPeer> {
    const peer = this.catalog.join(host);
    await this.register(peer, files, port);
    return peer;
  }

  /** Beyond 2,000 files with the UPDATEs that follow. */
  async register(peer: CatalogPeer, files: readonly FileEntry[], port = peer.port): Promise<Applied> {
    const applied = await this.apply(peer, {
      type: "REGISTER",
      id: this.nextId++,
      port,
      files: files.slice(0, 2_000),
    });
    for (let i = 2_000; i < files.length; i += 2_000) await this.update(peer, files.slice(i, i + 2_000));
    return applied;
  }

  claim(peer: CatalogPeer, library: LibraryClaim, port = peer.port): Promise<Applied> {
    return this.apply(peer, { type: "REGISTER", id: this.nextId++, port, files: [], library });
  }

  update(
    peer: CatalogPeer,
    add: readonly FileEntry[],
    remove: readonly string[] = [],
    id = this.nextId++,
  ): Promise<Applied> {
    return this.apply(peer, { type: "UPDATE", id, add: [...add], remove: remove as FileName[] });
  }

  apply(peer: CatalogPeer, request: Register | Update): Promise<Applied> {
    return this.catalog.apply(peer, request.type, lineOf(request));
  }

  async find(name: string): Promise<FoundContent[]> {
    return this.catalog.find(name);
  }

  /** What QUERY says, in one line a content: `root total [names] ports`. */
  async found(name: string): Promise<string[]> {
    const contents = await this.find(name);
    return contents
      .map(({ root, total, names, sources }) => {
        const ports = sources.map(({ port, partial }) => `${port}${partial ? " in part" : ""}`).sort();
        return `${root.slice(0, 8)} ${total} [${names.join(", ")}] ${ports.join(",")}`;
      })
      .sort();
  }
}

/** As a connection hands it on: without its end, and not to be used by anybody else. */
export function lineOf(request: Register | Update): Uint8Array {
  return Buffer.from(encodeIndexRequest(request).trimEnd());
}

export function claimOf(files: readonly FileEntry[]): LibraryClaim {
  const digest = new LibraryDigest();
  for (const file of files) digest.add(file);
  return digest.claim;
}

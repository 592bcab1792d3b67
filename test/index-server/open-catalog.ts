/** A catalog in memory, driven without a queue: changes are applied at once, in slices of a few steps. */
import { Catalog, type CatalogLimits } from "../../src/index-server/catalog.ts";
import { openIndexDatabase } from "../../src/index-server/database.ts";
import { NameList } from "../../src/index-server/list.ts";
import type { LivePeer } from "../../src/index-server/live-peers.ts";
import { Lookup } from "../../src/index-server/lookup.ts";
import { Search } from "../../src/index-server/search.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { FileEntry } from "../../src/wire/messages.ts";

export class OpenCatalog implements Disposable {
  readonly catalog: Catalog;
  readonly lookup: Lookup;
  readonly search: Search;
  readonly list: NameList;
  private readonly database;
  private nextPort = 20_000;

  constructor(path = ":memory:", limits?: CatalogLimits, chance: () => number = Math.random) {
    this.database = openIndexDatabase(path, () => {});
    this.catalog = new Catalog(this.database.database, limits);
    this.lookup = new Lookup(this.catalog, chance);
    this.search = new Search(this.catalog, this.lookup);
    this.list = new NameList(this.catalog, this.lookup);
  }

  [Symbol.dispose](): void {
    this.database.close();
  }

  /** A live peer on a port of its own that has registered `files`. */
  peer(files: readonly FileEntry[] = [], host = "10.0.0.1", port = this.nextPort++): LivePeer {
    const peer = this.catalog.join(host, port);
    this.register(peer, files);
    return peer;
  }

  register(peer: LivePeer, files: readonly FileEntry[]): void {
    this.run(this.catalog.register(peer, peer.port, files));
  }

  update(peer: LivePeer, add: readonly FileEntry[], remove: readonly string[] = []): void {
    this.run(this.catalog.update(peer, add, remove as FileName[]));
  }

  purge(peer: LivePeer): void {
    this.run(this.catalog.purge(peer.id));
    this.catalog.forget(peer.id);
  }

  find(text: string, limit = 50) {
    const steps = this.search.run(text, limit);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /** Rows of the view, as `host:port name size md5 root complete`. */
  view(): string[] {
    const rows = this.database.database.query("SELECT * FROM files").values();
    return rows.map(([host, port, ...rest]) => [`${host}:${port}`, ...rest].join(" ")).sort();
  }

  rows(table: string): number {
    return Number(this.database.database.query(`SELECT count(*) FROM ${table}`).values()[0]?.[0]);
  }

  run(steps: Iterator<void>, stepsPerSlice = 7): void {
    let done = false;
    while (!done) {
      this.catalog.tryTransaction(() => {
        for (let i = 0; i < stepsPerSlice && !done; i++) done = steps.next().done === true;
      });
    }
  }
}

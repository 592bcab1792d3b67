/** SEARCH of a catalog: begins with its threads when there is something to find, and forgets what nobody waits for. */
import type { MatchPage } from "../catalog.ts";
import { searchPathOf } from "./search-database.ts";
import type { SearchRequest } from "./search-run.ts";
import { SearchThread } from "./search-thread.ts";

export interface CatalogSearchOptions {
  /** Of the index's database. */
  path: string;
  /** Of `LiveBits`. */
  live: SharedArrayBuffer;
  warn: (line: string) => void;
  /** See `SearchThreadOptions`. */
  damaged: (line: string) => void;
}

export class CatalogSearch {
  private thread: SearchThread | undefined;
  private isStopped = false;
  /** Whose search is under way. */
  private readonly searching = new Map<object, AbortController>();

  constructor(private readonly options: CatalogSearchOptions) {}

  /** One at a time for each owner. Rejects with ProtocolError. */
  async search(owner: object, request: SearchRequest): Promise<MatchPage> {
    const giveUp = new AbortController();
    this.searching.set(owner, giveUp);
    try {
      const { matches, next } = await this.running().search(request, giveUp.signal);
      return { matches, more: next !== undefined, next };
    } finally {
      if (this.searching.get(owner) === giveUp) this.searching.delete(owner);
    }
  }

  /** Its search is not needed any more. */
  forget(owner: object): void {
    this.searching.get(owner)?.abort();
  }

  /** Entries have come, and these have gone. `names`: how many distinct ones there are. */
  changed(names: number, removed: readonly number[]): void {
    // Threads take memory: not before there is anything to find.
    if (this.isStopped || (names === 0 && this.thread === undefined)) return;
    const thread = this.running();
    if (removed.length > 0) thread.removed(removed);
    thread.changed();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.thread?.stop();
  }

  private running(): SearchThread {
    if (this.thread !== undefined) return this.thread;
    const { path, ...options } = this.options;
    this.thread = new SearchThread({ paths: { database: path, search: searchPathOf(path) }, ...options });
    this.thread.start();
    return this.thread;
  }
}

/** SEARCH, LIST and BROWSE: a few at a time, and none for whoever has gone. */
import type { FolderPage, ListPage, MatchPage } from "../catalog.ts";
import type { Pool } from "./database.ts";
import { Folders } from "./folders.ts";
import { NameList } from "./list.ts";
import type { Members } from "./members.ts";
import { NameSearch } from "./search.ts";
import { Turns } from "./turns.ts";

/** Half of the connections for questions: a QUERY is not to wait for them. */
const viewsAtOnce = 4;

export class Views {
  private readonly turns = new Turns(viewsAtOnce);
  private readonly gone = new WeakSet<object>();
  private readonly names: NameSearch;
  private readonly files: NameList;
  private readonly folders: Folders;

  constructor(pool: Pool, members: Members, chance: () => number) {
    this.names = new NameSearch(pool, members);
    this.files = new NameList(pool, members, chance);
    this.folders = new Folders(pool, members);
  }

  search(owner: object, text: string, after: string, limit: number): Promise<MatchPage> {
    return this.look(owner, () => this.names.run(text, after, limit));
  }

  list(owner: object, pattern: string, after: string, limit: number): Promise<ListPage> {
    return this.look(owner, () => this.files.run(pattern, after, limit));
  }

  browse(owner: object, folder: string, after: string, limit: number): Promise<FolderPage> {
    return this.look(owner, () => this.folders.run(folder, after, limit));
  }

  forget(owner: object): void {
    this.gone.add(owner);
  }

  // --- internal ---

  /** The promise of an owner that is gone stays open. */
  private look<Page>(owner: object, run: () => Promise<Page>): Promise<Page> {
    const { promise, resolve, reject } = Promise.withResolvers<Page>();
    const isGone = () => this.gone.has(owner);
    void this.turns.run(async () => {
      if (isGone()) return;
      try {
        const page = await run();
        if (!isGone()) resolve(page);
      } catch (error) {
        if (!isGone()) reject(error);
      }
    });
    return promise;
  }
}

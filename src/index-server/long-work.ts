/**
 * What a long request of a connection does, in steps that can rest, and what it is answered with; and the peer that
 * the connection has become by REGISTER. When the steps run is work-queue.ts's to say, what is sent index-connection.ts's.
 */
import { monotonicMs } from "../clock.ts";
import type { AddressLimit } from "../net/address-limits.ts";
import { encodeFolder, encodeMatches, encodeNames, encodeOk } from "../wire/encode.ts";
import type { FileEntry, List, Register, Search as SearchRequest, Update } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Browse } from "../wire/view-messages.ts";
import { browse, type FolderPage, type NameSource } from "./browse.ts";
import type { Catalog } from "./catalog.ts";
import type { ListPage, NameList } from "./list.ts";
import type { LivePeer } from "./live-peers.ts";
import type { Search, SearchResult } from "./search.ts";
import type { LongRequest } from "./session.ts";

export interface LongWorkParts {
  readonly catalog: Catalog;
  readonly search: Search;
  readonly list: NameList;
  readonly names: NameSource;
  readonly peersPerAddress: AddressLimit;
}

export interface Work {
  readonly steps: Iterator<void, unknown>;
  /** See `Job`. */
  slice(run: () => void): boolean;
  /** The line for what the steps have returned. */
  answer(result: unknown): string;
  /** Files that can be found now and could not before. */
  readonly news: FileEntry[];
}

export class LongWork {
  private registered: LivePeer | undefined;

  constructor(
    private readonly parts: LongWorkParts,
    private readonly remoteHost: string,
    /** Others may be told of what is registered: only that is gathered as news. */
    private readonly isWanted: (file: FileEntry) => boolean,
  ) {}

  /** Undefined before the first REGISTER has begun. */
  get peer(): LivePeer | undefined {
    return this.registered;
  }

  /** `isRegistered`: no REGISTER has failed since the last one that did not. Asked when the work begins. */
  of(request: LongRequest, isRegistered: () => boolean): Work {
    switch (request.type) {
      case "SEARCH":
        return this.search(request);
      case "LIST":
        return this.list(request);
      case "BROWSE":
        return this.browse(request);
      case "REGISTER":
        // No library is held after its peer has gone.
        return this.change(encodeOk(request.id, request.library && false), (news) =>
          this.register(request, news),
        );
      case "UPDATE":
        return this.change(encodeOk(request.id), (news) => this.update(request, isRegistered, news));
    }
  }

  // --- internal ---

  private search({ id, text, limit }: SearchRequest): Work {
    const steps = this.parts.search.run(text, limit);
    const answer = (result: unknown) => {
      const { matches, more } = result as SearchResult;
      return encodeMatches(id, matches, more);
    };
    return { steps, slice: readOnly, answer, news: [] };
  }

  private list({ id, pattern, after, limit }: List): Work {
    const steps = this.parts.list.run(pattern, after, limit);
    const answer = (result: unknown) => {
      const { files, next } = result as ListPage;
      return encodeNames(id, files, next);
    };
    return { steps, slice: readOnly, answer, news: [] };
  }

  private browse({ id, folder, after, limit }: Browse): Work {
    const steps = browse(this.parts.names, folder, after, limit);
    const answer = (result: unknown) => {
      const { entries, next } = result as FolderPage;
      return encodeFolder(id, entries, next);
    };
    return { steps, slice: readOnly, answer, news: [] };
  }

  private change(done: string, begin: (news: FileEntry[]) => Iterator<void>): Work {
    const news: FileEntry[] = [];
    const slice = (run: () => void) => this.parts.catalog.tryTransaction(run);
    return { steps: begin(news), slice, answer: () => done, news };
  }

  private *register({ port, files }: Register, news: FileEntry[]): Generator<void, void> {
    const { catalog, peersPerAddress } = this.parts;
    if (this.registered === undefined && !catalog.live.hasRoom(this.remoteHost, peersPerAddress)) {
      throw new ProtocolError("RETRY", null, "this address has as many peers as it may have");
    }
    this.registered ??= catalog.join(this.remoteHost, port, monotonicMs());
    yield* catalog.register(this.registered, port, files, (file) => this.gather(file, news));
  }

  private *update(
    { add, remove }: Update,
    isRegistered: () => boolean,
    news: FileEntry[],
  ): Generator<void, void> {
    if (this.registered === undefined || !isRegistered()) throw new ProtocolError("BAD_STATE");
    yield* this.parts.catalog.update(this.registered, add, remove, (file) => this.gather(file, news));
  }

  private gather(file: FileEntry, news: FileEntry[]): void {
    if (this.isWanted(file)) news.push(file);
  }
}

function readOnly(run: () => void): boolean {
  run();
  return true;
}

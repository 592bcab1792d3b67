/**
 * Who has what: the contract that each store of the index keeps (sqlite/, postgres/), as far as connections and
 * commands know it. One suite of tests holds for all of them (test/index-server/contract.ts).
 *
 * - What is applied is found: once `apply` has resolved, `find` has it.
 * - What is gone is not: once `leave` has been called, `find` does not have that peer, however long its rows take to go.
 * - `apply` takes the line as it came, because to decode one takes longer than a QUERY should wait. Those
 *   of different peers take turns, so that a small one is soon done.
 * - Counters are kept, and never counted by looking at rows.
 */
import type { FileName } from "../wire/file-name.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import type { FileEntry, FoundContent, ListedFile, Match, Source } from "../wire/messages.ts";
import type { NameBytes } from "../wire/plain-query.ts";
import type { ErrorCode } from "../wire/protocol-error.ts";
import type { FolderEntry } from "../wire/view-messages.ts";

export interface CatalogLimits {
  filesPerPeer: number;
  filesPerIndex: number;
}

export interface CatalogCounts {
  /** Connected and registered. */
  peers: number;
  /** Names of connected peers, each counted once for every peer that has it. */
  files: number;
  /** Distinct names; those of peers that left count until their rows are gone. */
  names: number;
}

/** A peer that is connected. */
export interface CatalogPeer {
  /** What QUERY tells of it: opaque, and never another peer's. */
  readonly id: string;
  /** As the index sees it. */
  readonly host: string;
  /** In a private network: who it is. */
  readonly fingerprint: Fingerprint | undefined;
  /** As it said; 0 before it has. */
  readonly port: number;
  /** Names it has registered. */
  readonly files: number;
  /** Monotonic: when it came. */
  readonly sinceMs: number;
}

export type ChangeType = "REGISTER" | "UPDATE";

/** What a REGISTER or UPDATE has done. */
export interface Applied {
  /** Of the request. */
  id: number;
  /** A REGISTER with a digest: whether the peer has now all of what it described. */
  held: boolean | undefined;
}

/**
 * The store failed and not the request; of the change a part may have been done. Says what the peer is told
 * (`RETRY`, `STORAGE_FULL`, `INTERNAL`); what the log is told, `CatalogListener.failed` has heard.
 */
export class StoreError extends Error {
  constructor(readonly code: ErrorCode) {
    super(code);
    this.name = "StoreError";
  }
}

export interface MatchPage {
  matches: Match[];
  /** There are more than these. */
  more: boolean;
  /** Where they go on; undefined when there are none, or they cannot be had. */
  next: string | undefined;
}

export interface ListPage {
  files: ListedFile[];
  /** Undefined: this is the last page. */
  next: FileName | undefined;
}

export interface FolderPage {
  entries: FolderEntry[];
  /** `after` for the next page; undefined: this is the last one. */
  next: FileName | undefined;
}

/** What a store tells its index. */
export interface CatalogListener {
  /** Whether anybody is to be told when such a file arrives. Asked for each file of a change, so it must be cheap. */
  wants(file: FileEntry): boolean;
  /** These can be found at `source` from now on and could not before, here or at another index of the same store. */
  arrived(source: Source, files: readonly FileEntry[]): void;
  /** Something went wrong that the operator should know: one line, printable. May be said often. */
  failed(line: string): void;
  /**
   * The store cannot go on: one line. `isDamaged`: what it holds is not to be trusted, but can be rebuilt by the peers.
   * Called once.
   */
  lost(line: string, isDamaged: boolean): void;
}

/** Some bytes. */
export interface ByteSlice {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

export interface Catalog {
  readonly storage: "memory" | "sqlite" | "postgresql";
  /** So many UPDATEs of one peer it takes at a time. */
  readonly updatesAtOnce: number;
  readonly counts: CatalogCounts;
  /** Requests that are not done, and peers that left and whose rows are still there. */
  readonly waiting: number;
  /** Undefined where there is no file. */
  bytesOnDisk(): number | undefined;

  /** Whoever is connected, in the order in which they came. */
  peers(): Iterable<CatalogPeer>;

  /** Whether a peer of that id is connected, here or at another index of the same store. */
  isLive(id: string): boolean;

  /** Somebody is about to register: has nothing yet, and is in no answer. */
  join(host: string, fingerprint?: Fingerprint | undefined): CatalogPeer;

  /**
   * Applies the line of a REGISTER or UPDATE, as which it is taken already: one that turns out to be something else
   * is refused. Rejects with a ProtocolError (with the request's id as far as it could
   * be read) when it is refused and nothing of it was done, with a StoreError otherwise. The bytes are the store's own
   * from then on. Of one peer a REGISTER comes alone, and UPDATEs `updatesAtOnce` at a time: they are done in their order.
   */
  apply(peer: CatalogPeer, type: ChangeType, line: Uint8Array): Promise<Applied>;

  /** The peer is gone, with whatever of it is not applied yet. Idempotent. */
  leave(peer: CatalogPeer): void;

  /** Which contents a name stands for, and who has them (DESIGN.md, QUERY). A store at hand answers at once. */
  find(name: string): FoundContent[] | Promise<FoundContent[]>;

  /**
   * What `answer` would give at once, if that is kept: to be copied before anything else is asked of the catalog.
   * The name need not be a string for it.
   */
  keptAnswer?(name: NameBytes): ByteSlice | undefined;

  /** As `find`, as the end of a RESULT line (`encodeResultEnd`): an answer that is still true is not built again. */
  answer(name: string): Uint8Array | Promise<Uint8Array>;

  /**
   * How many have a content that somebody has, as far as that can be known for next to nothing: peers that have left may
   * be counted.
   */
  keptTotal(content: { root: string; sizeBytes: number }): number;

  /** Throws or rejects with ProtocolError BAD_SEARCH or TOO_MANY for a text that is no search, RETRY when busy. */
  search(owner: object, text: string, after: string, limit: number): Promise<MatchPage>;

  /** The files whose names fit the pattern (PROTOCOL.md, LIST). */
  list(owner: object, pattern: string, after: string, limit: number): Promise<ListPage>;

  /** What is in a folder (PROTOCOL.md, BROWSE). */
  browse(owner: object, folder: string, after: string, limit: number): Promise<FolderPage>;

  /** The owner of a search, list or browse is gone: what it waits for is not needed. Its promise stays open. */
  forget(owner: object): void;

  /** A line when the store could not take a change now (for `/readyz`); undefined: it can. */
  problem(): Promise<string | undefined>;

  /** Nobody is connected any more. Idempotent, never rejects. */
  close(): Promise<void>;
}

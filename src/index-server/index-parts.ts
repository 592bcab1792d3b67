/** What all connections of an index share. */
import type { AddressShares } from "../net/address-limits.ts";
import type { Audit } from "./audit.ts";
import type { Catalog } from "./catalog.ts";
import type { IndexCounters } from "./counters.ts";
import type { IndexSnapshot } from "./metrics.ts";
import type { Reach } from "./reach.ts";
import type { Rounds } from "./rounds.ts";
import type { SourceNews } from "./source-news.ts";

export interface IndexParts {
  readonly catalog: Catalog;
  readonly peersPerAddress: AddressShares;
  readonly news: SourceNews;
  readonly rounds: Rounds;
  readonly welcome: { agent: string; epoch: string };
  readonly counters: IndexCounters;
  /** Undefined: whoever registers is believed. */
  readonly checks: { readonly reach: Reach; readonly audit: Audit } | undefined;
  snapshot(): IndexSnapshot;
  /** A bug: a line for the log. */
  onFailure(error: unknown): void;
}

/** What is known of each subscription, and of what it is about. Data; what follows from it is subscriptions.ts. */
import type { RecentSources } from "./recent-sources.ts";

/** One connection: it subscribes, and perhaps registers. */
export interface Subscriber {
  /** False while it does not take what it is sent. */
  readonly takesNews: boolean;
  /** The peer that it has become: it is not told of itself. */
  readonly peerId: string | undefined;
}

export interface KnownContent {
  key: string;
  root: string;
  sizeBytes: number;
  md5: string;
  recent: RecentSources;
  topics: Set<Topic>;
}

/** A name that somebody has subscribed to. */
export interface Topic {
  name: string;
  /** Contents known under it, each with one of its names that match. */
  contents: Map<KnownContent, string>;
  subscriptions: Set<Subscription>;
  /** Of these, such as are neither due nor in a pause. */
  ready: Set<Subscription>;
}

export interface Subscription {
  owner: Subscriber;
  id: number;
  topic: Topic;
  /** It has been told of everything up to here, as far as it will ever be. */
  toldSeq: number;
  level: number;
  /** End of its pause. */
  dueMs: number;
}

/**
 * Who wants to be told of contents that come and fit a search (WATCH), and what is to be told to whom next. Pure: time
 * is an argument. Who sends is not here.
 *
 * A file that comes is not compared with every search. Each search is filed under a key that every name has that fits
 * (watch-keys.ts), and the one that fewest names have; the keys of the name lead to the searches that may fit, and those
 * are compared. Searches that are the same are one *topic*, whoever watches: what fits is written down once
 * (watch-log.ts), and each watch remembers how far it has been told.
 */
import { maxMatchesPerSearch, maxSubscriptions, maxSubscriptionsPerConnection } from "../wire/limits.ts";
import type { FileEntry, Match, Source } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { FoldedName } from "../wire/search-fold.ts";
import { isPeerMeant, matchesFolded, matchesSize } from "../wire/search-match.ts";
import { type Condition, parseSearch, type SearchQuery } from "../wire/search-query.ts";
import type { Subscriber as AnySubscriber } from "./subscription-state.ts";
import type { WantedFiles } from "./wanted-files.ts";
import { KeyCounts, keysOfName, keysOfType, keysOfWords } from "./watch-keys.ts";
import { FoundLog } from "./watch-log.ts";

type Subscriber = AnySubscriber;

export interface FoundPush<Owner> {
  owner: Owner;
  /** Of the WATCH. */
  id: number;
  /** Without the number of sources, which is not kept here. */
  matches: Omit<Match, "sources">[];
}

/** Between two FOUND of a watch; what comes meanwhile is gathered. */
const intervalMs = 200;
/** How long arrivals are gathered before somebody is told who was not told of late. */
const gatherMs = 50;
/** Searches under one key, which are compared with every name that has it; those without (`size:>1G`) with every name. */
const maxTopicsPerKey = 1_024;
const maxTopicsWithoutKey = 64;
const noKey = "";
/** Contents that are remembered for all topics together: 60 MB. */
const maxRemembered = 262_144;
/** Who has nothing to be told of is passed over: so many at a time. */
const maxPassedOver = 64;

interface Topic {
  text: string;
  query: SearchQuery;
  /** One key, or all endings of a type. */
  keys: readonly string[];
  found: FoundLog;
  watches: Set<Watch>;
  /** Of these, such as have been told of everything and are in no pause. */
  idle: Set<Watch>;
  /** `startSeq` of the last one. */
  newestStart: number;
}

interface Watch {
  owner: Subscriber;
  id: number;
  topic: Topic;
  /** Arrivals before do not concern it. */
  startSeq: number;
  toldSeq: number;
  /** When it is told next, if there is anything. */
  dueMs: number;
}

/** What the connection, and all connections, have of other subscriptions, which count for the same limits. */
export interface OtherSubscriptions {
  ofOwner: number;
  ofAll: number;
}

export class Watches<Owner extends Subscriber> {
  private readonly topics = new Map<string, Topic>();
  private readonly byKey = new Map<string, Set<Topic>>();
  private readonly byOwner = new Map<Subscriber, Map<number, Watch>>();
  private readonly counts = new KeyCounts();
  /** Something has come; in the order of `dueMs`. */
  private readonly gathering = new Set<Watch>();
  /** Told of something; in the order of `dueMs`. */
  private readonly resting = new Set<Watch>();
  private total = 0;
  private remembered = 0;
  private seq = 0;

  /** `wanted` knows by which keys. */
  constructor(private readonly wanted: WantedFiles) {}

  /** All watches. */
  get size(): number {
    return this.total;
  }

  sizeOf(owner: Owner): number {
    return this.byOwner.get(owner)?.size ?? 0;
  }

  // --- facts ---

  /** In place of one with the same id. Throws ProtocolError: of the grammar; TOO_MANY, RETRY: no room. */
  watch(owner: Owner, id: number, text: string, others: OtherSubscriptions = { ofOwner: 0, ofAll: 0 }): void {
    this.unwatch(owner, id);
    const known = this.topics.get(text);
    const query = known?.query ?? parseSearch(text);
    if (this.sizeOf(owner) + others.ofOwner >= maxSubscriptionsPerConnection)
      throw new ProtocolError("TOO_MANY", id);
    if (this.total + others.ofAll >= maxSubscriptions) throw new ProtocolError("RETRY", id);
    const topic = known ?? this.newTopic(text, query, id);
    const watch: Watch = { owner, id, topic, startSeq: this.seq, toldSeq: this.seq, dueMs: 0 };
    topic.watches.add(watch);
    topic.idle.add(watch);
    topic.newestStart = this.seq;
    const own = this.byOwner.get(owner) ?? new Map<number, Watch>();
    own.set(id, watch);
    this.byOwner.set(owner, own);
    this.total++;
  }

  /** One that is not there, or not any more, is no mistake. */
  unwatch(owner: Owner, id: number): void {
    const own = this.byOwner.get(owner);
    const watch = own?.get(id);
    if (own === undefined || watch === undefined) return;
    own.delete(id);
    if (own.size === 0) this.byOwner.delete(owner);
    this.end(watch);
  }

  /** The connection is gone. */
  drop(owner: Owner): void {
    for (const watch of this.byOwner.get(owner)?.values() ?? []) this.end(watch);
    this.byOwner.delete(owner);
  }

  /** The source has the file whole now, and had not before. */
  arrived(source: Source, file: FileEntry, nowMs: number): void {
    if (this.total === 0 || file.partial === true) return;
    const name = new FoldedName(file.name);
    for (const topic of this.candidates(name)) {
      const { query } = topic;
      if (!matchesFolded(query, name) || !matchesSize(query, file.sizeBytes) || !isMeant(query, source))
        continue;
      this.note(topic, source.peer, file, nowMs);
    }
  }

  // --- questions ---

  /** When `nextPush` is to be asked again: infinity for not before something arrives. */
  get nextWakeMs(): number {
    const [gathering] = this.gathering;
    const [resting] = this.resting;
    return Math.min(gathering?.dueMs ?? Number.POSITIVE_INFINITY, resting?.dueMs ?? Number.POSITIVE_INFINITY);
  }

  /** What is to be sent now; undefined: nothing until `nextWakeMs`, which may be now. */
  nextPush(nowMs: number): FoundPush<Owner> | undefined {
    let passedOver = 0;
    for (const waiting of [this.gathering, this.resting]) {
      for (const watch of waiting) {
        if (watch.dueMs > nowMs) break;
        waiting.delete(watch);
        const found = this.foundFor(watch, nowMs);
        if (found !== undefined) return found;
        if (++passedOver === maxPassedOver) return undefined;
      }
    }
    return undefined;
  }

  // --- internal ---

  private foundFor(watch: Watch, nowMs: number): FoundPush<Owner> | undefined {
    const { owner, id, topic, startSeq, toldSeq } = watch;
    const hasNews = topic.found.lastSeq > toldSeq;
    if (hasNews && !owner.takesNews) {
      this.rest(watch, nowMs);
      return undefined;
    }
    const { matches, toldSeq: told } = topic.found.since(
      toldSeq,
      startSeq,
      owner.peerId,
      maxMatchesPerSearch,
    );
    watch.toldSeq = told;
    if (matches.length === 0) {
      topic.idle.add(watch);
      return undefined;
    }
    this.rest(watch, nowMs);
    return { owner: owner as Owner, id, matches };
  }

  private rest(watch: Watch, nowMs: number): void {
    watch.dueMs = nowMs + intervalMs;
    this.resting.add(watch);
  }

  private note(topic: Topic, peer: string, file: FileEntry, nowMs: number): void {
    const more = topic.found.add(++this.seq, peer, file, topic.newestStart, this.remembered < maxRemembered);
    this.remembered += more;
    if (topic.found.lastSeq !== this.seq) return;
    for (const watch of topic.idle) {
      watch.dueMs = nowMs + gatherMs;
      this.gathering.add(watch);
    }
    topic.idle.clear();
  }

  /** Topics that may fit, each once. */
  private candidates(name: FoldedName): Set<Topic> {
    const keys = keysOfName(name);
    this.counts.add(keys);
    const found = new Set(this.byKey.get(noKey));
    for (const key of keys) for (const topic of this.byKey.get(key) ?? []) found.add(topic);
    return found;
  }

  private newTopic(text: string, query: SearchQuery, id: number): Topic {
    const usesOf = (key: string) => this.byKey.get(key)?.size ?? 0;
    const rarest = this.counts.rarest(keysOfWords(query), usesOf);
    const ofType = keysOfType(query);
    const keys = rarest !== undefined ? [rarest] : ofType.length > 0 ? ofType : [noKey];
    const isFull = (key: string) => usesOf(key) >= (key === noKey ? maxTopicsWithoutKey : maxTopicsPerKey);
    if (keys.some(isFull)) throw new ProtocolError("RETRY", id);
    const topic: Topic = {
      text,
      query,
      keys,
      found: new FoundLog(),
      watches: new Set(),
      idle: new Set(),
      newestStart: 0,
    };
    this.topics.set(text, topic);
    for (const key of keys) {
      const filed = this.byKey.get(key) ?? new Set();
      filed.add(topic);
      this.byKey.set(key, filed);
      this.want(key, 1);
    }
    return topic;
  }

  private end(watch: Watch): void {
    const { topic } = watch;
    this.total--;
    this.gathering.delete(watch);
    this.resting.delete(watch);
    topic.idle.delete(watch);
    topic.watches.delete(watch);
    if (topic.watches.size > 0) return;
    this.topics.delete(topic.text);
    this.remembered -= topic.found.size;
    for (const key of topic.keys) {
      const filed = this.byKey.get(key);
      filed?.delete(topic);
      if (filed?.size === 0) this.byKey.delete(key);
      this.want(key, -1);
    }
  }

  private want(key: string, by: 1 | -1): void {
    if (key === noKey) this.wanted.wantAll(by);
    else this.wanted.wantKey(key, by);
  }
}

function isMeant({ wanted, unwanted }: SearchQuery, { host, port }: { host: string; port: number }): boolean {
  const is = (each: Condition) => (each.kind === "peer" ? isPeerMeant(each.prefix, host, port) : undefined);
  return wanted.every((each) => is(each) ?? true) && !unwanted.some((each) => is(each) ?? false);
}

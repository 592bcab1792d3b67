/**
 * Who wants to be told of new sources for which name, and what is to be told to whom next. Pure: time and chance are
 * arguments; who sends, and when it is asked, is source-news.ts.
 *
 * A crowd must not cost its square: what arrives is written down once for each content, whoever wants it, and each
 * subscription remembers how far it has been told. So an arrival costs the same for one subscriber and for ten
 * thousand, and a push costs by what is in it. A push that could not say everything makes the pause before the next
 * one longer: whoever has been told of many sources does well without the others.
 */
import { lastPart } from "../wire/file-name.ts";
import {
  maxContentsPerResult,
  maxSubscriptions,
  maxSubscriptionsPerConnection,
  sourcesIntervalMs,
} from "../wire/limits.ts";
import type { FileEntry, FoundContent, Source } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { RecentSources } from "./recent-sources.ts";
import type { KnownContent, Subscriber, Subscription, Topic } from "./subscription-state.ts";
import type { WantedFiles } from "./wanted-files.ts";

export interface Push<Owner> {
  owner: Owner;
  /** Of the QUERY. */
  id: number;
  /** Without the total, which is not kept here. */
  contents: Omit<FoundContent, "total">[];
}

/** How long arrivals are gathered before somebody who is not in a pause is told. */
const gatherMs = 50;
/** The pause after a push is doubled so many times at most, to 3.2 s. */
const maxLevel = 4;
/** Arrivals older than the longest pause are of no use. */
const keepMs = 5_000;
/** Who has nothing to be told of is passed over: so many at a time. */
const maxPassedOver = 64;
/** Contents of all subscribed names together: 50 MB. */
const maxLinks = 262_144;

export class Subscriptions<Owner extends Subscriber> {
  private readonly topics = new Map<string, Topic>();
  private readonly contents = new Map<string, KnownContent>();
  private readonly byOwner = new Map<Subscriber, Map<number, Subscription>>();
  private total = 0;
  private links = 0;
  private seq = 0;
  /** Contents with arrivals for which nobody has been made due; since when. */
  private readonly changed = new Set<KnownContent>();
  private changedSinceMs = 0;
  /** Contents with arrivals, the one that had none for longest first. */
  private readonly fresh = new Set<KnownContent>();
  private readonly due = new Set<Subscription>();
  /** In a pause: for each length of it in the order of their ends. */
  private readonly resting = Array.from({ length: maxLevel + 1 }, () => new Set<Subscription>());

  /** `chance` gives numbers from 0 to 1, 1 excluded; `isLive` knows peers by their opaque id. */
  constructor(
    private readonly chance: () => number,
    private readonly isLive: (peer: string) => boolean,
    private readonly wanted: WantedFiles,
  ) {}

  get size(): number {
    return this.total;
  }

  sizeOf(owner: Owner): number {
    return this.byOwner.get(owner)?.size ?? 0;
  }

  // --- facts ---

  /** The QUERY has been answered with `found`. Throws ProtocolError TOO_MANY or RETRY, then nothing is subscribed. */
  subscribe(owner: Owner, id: number, name: string, found: readonly FoundContent[]): void {
    this.unsubscribe(owner, id);
    const own = this.byOwner.get(owner) ?? new Map<number, Subscription>();
    if (own.size >= maxSubscriptionsPerConnection) throw new ProtocolError("TOO_MANY", id);
    if (this.total >= maxSubscriptions || this.links + found.length > maxLinks)
      throw new ProtocolError("RETRY", id);
    const topic = this.topicOf(name);
    for (const content of found) this.link(topic, this.contentOf(content), content.names[0] ?? name);
    const subscription = { owner, id, topic, toldSeq: this.seq, level: 0, dueMs: 0 };
    topic.subscriptions.add(subscription);
    topic.ready.add(subscription);
    own.set(id, subscription);
    this.byOwner.set(owner, own);
    this.total++;
  }

  unsubscribe(owner: Owner, id: number): void {
    const own = this.byOwner.get(owner);
    const subscription = own?.get(id);
    if (own === undefined || subscription === undefined) return;
    own.delete(id);
    if (own.size === 0) this.byOwner.delete(owner);
    this.end(subscription);
  }

  /** The connection is gone. */
  drop(owner: Owner): void {
    for (const subscription of this.byOwner.get(owner)?.values() ?? []) this.end(subscription);
    this.byOwner.delete(owner);
  }

  /** Whether anybody would be told of this file. */
  wants(file: FileEntry): boolean {
    if (this.total === 0) return false;
    return (
      this.contents.has(keyOf(file)) || this.topics.has(file.name) || this.topics.has(lastPart(file.name))
    );
  }

  /** The file can be found at `source` now, and could not before. */
  arrived(source: Source, file: FileEntry, nowMs: number): void {
    for (const name of new Set([file.name, lastPart(file.name)])) {
      const topic = this.topics.get(name);
      if (topic === undefined || topic.contents.size >= maxContentsPerResult || this.links >= maxLinks)
        continue;
      this.link(topic, this.contentOf(file), file.name);
    }
    const content = this.contents.get(keyOf(file));
    if (content === undefined) return;
    content.recent.add({ seq: ++this.seq, source }, nowMs);
    this.fresh.delete(content);
    this.fresh.add(content);
    if (this.changed.size === 0) this.changedSinceMs = nowMs;
    this.changed.add(content);
  }

  // --- questions ---

  /** When `nextPush` is to be asked again: infinity for not before something arrives. */
  get nextWakeMs(): number {
    if (this.due.size > 0) return Number.NEGATIVE_INFINITY;
    let wakeMs = this.changed.size > 0 ? this.changedSinceMs + gatherMs : Number.POSITIVE_INFINITY;
    for (const level of this.resting) {
      for (const { dueMs } of level) {
        wakeMs = Math.min(wakeMs, dueMs);
        break;
      }
    }
    return wakeMs;
  }

  /** What is to be sent now; undefined: nothing until `nextWakeMs`, which may be now. */
  nextPush(nowMs: number): Push<Owner> | undefined {
    this.forgetOld(nowMs);
    if (this.changed.size > 0 && nowMs >= this.changedSinceMs + gatherMs) this.wakeReady();
    for (const level of this.resting) {
      for (const subscription of level) {
        if (subscription.dueMs > nowMs) break;
        level.delete(subscription);
        this.due.add(subscription);
      }
    }
    let passedOver = 0;
    for (const subscription of this.due) {
      this.due.delete(subscription);
      const push = this.pushOf(subscription, nowMs);
      if (push !== undefined) return push;
      if (++passedOver === maxPassedOver) break;
    }
    return undefined;
  }

  // --- internal ---

  private pushOf(subscription: Subscription, nowMs: number): Push<Owner> | undefined {
    const { owner, id, topic, toldSeq } = subscription;
    if (!owner.takesNews) {
      this.rest(subscription, nowMs, maxLevel);
      return undefined;
    }
    const contents: Push<Owner>["contents"] = [];
    let hasMore = false;
    for (const [content, name] of topic.contents) {
      const { sources, isAll } = content.recent.choose(toldSeq, owner.peerId, this.isLive, this.chance);
      if (sources.length === 0) continue;
      hasMore ||= !isAll;
      const { root, sizeBytes, md5 } = content;
      contents.push({ root, sizeBytes, md5, names: [name], sources });
    }
    subscription.toldSeq = this.seq;
    if (contents.length === 0) {
      topic.ready.add(subscription);
      return undefined;
    }
    // The first pause is the shortest one also in a crowd.
    this.rest(subscription, nowMs, subscription.level);
    subscription.level = hasMore ? Math.min(subscription.level + 1, maxLevel) : 0;
    return { owner: owner as Owner, id, contents };
  }

  private rest(subscription: Subscription, nowMs: number, level: number): void {
    subscription.dueMs = nowMs + sourcesIntervalMs * 2 ** level;
    this.resting[level]!.add(subscription);
  }

  private wakeReady(): void {
    for (const content of this.changed) {
      for (const topic of content.topics) {
        for (const subscription of topic.ready) this.due.add(subscription);
        topic.ready.clear();
      }
    }
    this.changed.clear();
  }

  private forgetOld(nowMs: number): void {
    for (const content of this.fresh) {
      if (content.recent.lastMs > nowMs - keepMs) break;
      content.recent.forget();
      this.fresh.delete(content);
    }
  }

  private topicOf(name: string): Topic {
    const known = this.topics.get(name);
    if (known !== undefined) return known;
    const topic: Topic = { name, contents: new Map(), subscriptions: new Set(), ready: new Set() };
    this.topics.set(name, topic);
    this.wanted.wantName(name, 1);
    return topic;
  }

  private contentOf(described: { root: string; sizeBytes: number; md5: string }): KnownContent {
    const key = keyOf(described);
    const known = this.contents.get(key);
    if (known !== undefined) return known;
    const { root, sizeBytes, md5 } = described;
    const content = { key, root, sizeBytes, md5, recent: new RecentSources(), topics: new Set<Topic>() };
    this.contents.set(key, content);
    this.wanted.wantRoot(root, 1);
    return content;
  }

  private link(topic: Topic, content: KnownContent, name: string): void {
    if (topic.contents.has(content)) return;
    topic.contents.set(content, name);
    content.topics.add(topic);
    this.links++;
  }

  private end(subscription: Subscription): void {
    const { topic } = subscription;
    this.total--;
    this.due.delete(subscription);
    for (const level of this.resting) level.delete(subscription);
    topic.ready.delete(subscription);
    topic.subscriptions.delete(subscription);
    if (topic.subscriptions.size > 0) return;
    this.topics.delete(topic.name);
    this.wanted.wantName(topic.name, -1);
    for (const content of topic.contents.keys()) {
      this.links--;
      content.topics.delete(topic);
      if (content.topics.size > 0) continue;
      this.contents.delete(content.key);
      this.wanted.wantRoot(content.root, -1);
      this.fresh.delete(content);
      this.changed.delete(content);
    }
  }
}

function keyOf({ root, sizeBytes }: { root: string; sizeBytes: number }): string {
  return `${root} ${sizeBytes}`;
}

/**
 * What is told to connections unasked: new sources to those that subscribed with a QUERY (subscriptions.ts), new contents
 * to those that watch (watches.ts). Here arrivals are handed to both, a few milliseconds at a time.
 */
import { maxSubscriptionsPerConnection } from "../wire/limits.ts";
import type { FileEntry, FoundContent, Source } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { PushTurns, type PushTurnsOptions } from "./push-turns.ts";
import type { Subscriber } from "./subscription-state.ts";
import { type Push, Subscriptions } from "./subscriptions.ts";
import type { WantedFiles } from "./wanted-files.ts";
import { type FoundPush, Watches } from "./watches.ts";

/** Neither may throw, whatever it does. */
export interface NewsReader extends Subscriber {
  tell(id: number, contents: Push<NewsReader>["contents"]): void;
  tellFound(id: number, matches: FoundPush<NewsReader>["matches"]): void;
}

export interface SourceNewsOptions extends PushTurnsOptions {
  /** From 0 to 1, 1 excluded. */
  chance(): number;
  /** Knows peers by their opaque id. */
  isLive(peer: string): boolean;
  wanted: WantedFiles;
}

/** To look at arrivals: a name is compared with what is watched in some microseconds. */
const turnMs = 3;
/** Not looked at yet: 20 MB. */
const maxArrivals = 50_000;

export class SourceNews {
  private readonly subscriptions: Subscriptions<NewsReader>;
  private readonly watches: Watches<NewsReader>;
  private readonly sources: PushTurns<Push<NewsReader>>;
  private readonly found: PushTurns<FoundPush<NewsReader>>;
  /** Not looked at yet; those before `next` are. */
  private arrivals: { source: Source; file: FileEntry }[] = [];
  private next = 0;

  constructor(private readonly options: SourceNewsOptions) {
    this.subscriptions = new Subscriptions(options.chance, options.isLive, options.wanted);
    this.watches = new Watches(options.wanted);
    this.sources = new PushTurns(
      this.subscriptions,
      ({ owner, id, contents }) => owner.tell(id, contents),
      options,
    );
    this.found = new PushTurns(
      this.watches,
      ({ owner, id, matches }) => owner.tellFound(id, matches),
      options,
    );
  }

  get size(): number {
    return this.subscriptions.size + this.watches.size;
  }

  /** Whether anybody may want to hear of that. */
  wants(file: FileEntry): boolean {
    return this.watches.size > 0 || this.subscriptions.wants(file);
  }

  /** Somebody is about to look for the name, and to subscribe: what comes meanwhile is wanted, until what is returned is called. */
  wanting(name: string): () => void {
    const { wanted } = this.options;
    wanted.wantName(name, 1);
    return () => wanted.wantName(name, -1);
  }

  /** Throws ProtocolError: a limit. */
  subscribe(reader: NewsReader, id: number, name: string, found: readonly FoundContent[]): void {
    // In place of what was begun with that id.
    this.unsubscribe(reader, id);
    const isFull =
      this.watches.sizeOf(reader) + this.subscriptions.sizeOf(reader) >= maxSubscriptionsPerConnection;
    if (isFull) throw new ProtocolError("TOO_MANY", id);
    this.subscriptions.subscribe(reader, id, name, found);
  }

  /** Throws ProtocolError: a limit, or what is wrong with the text. */
  watch(reader: NewsReader, id: number, text: string): void {
    this.subscriptions.unsubscribe(reader, id);
    const others = { ofOwner: this.subscriptions.sizeOf(reader), ofAll: this.subscriptions.size };
    this.watches.watch(reader, id, text, others);
  }

  /** What was begun with that id. */
  unsubscribe(reader: NewsReader, id: number): void {
    this.subscriptions.unsubscribe(reader, id);
    this.watches.unwatch(reader, id);
  }

  drop(reader: NewsReader): void {
    this.subscriptions.drop(reader);
    this.watches.drop(reader);
  }

  /** These can be found at `source` now, and could not before. */
  arrived(source: Source, files: readonly FileEntry[]): void {
    const isIdle = this.arrivals.length === 0;
    // Who comes so much faster than they can be looked at is not told of all: a search finds the rest.
    if (this.arrivals.length - this.next > maxArrivals) [this.arrivals, this.next] = [[], 0];
    for (const file of files) this.arrivals.push({ source, file });
    if (isIdle) this.look();
  }

  // --- internal ---

  private look(): void {
    const { nowMs, later } = this.options;
    const beginMs = nowMs();
    while (this.next < this.arrivals.length && nowMs() < beginMs + turnMs) {
      const { source, file } = this.arrivals[this.next++]!;
      this.subscriptions.arrived(source, file, beginMs);
      this.watches.arrived(source, file, beginMs);
    }
    if (this.next < this.arrivals.length) later(() => this.look(), 0);
    else [this.arrivals, this.next] = [[], 0];
    this.sources.changed();
    this.found.changed();
  }
}

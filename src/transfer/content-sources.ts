/** Who has one content, as the index says: when it is asked, and by itself when somebody new has it. */
import type { IndexClient } from "../net/index-client.ts";
import type { SourceSubscription } from "../net/source-subscription.ts";
import { unlessAborted } from "../shutdown.ts";
import type { FoundContent } from "../wire/messages.ts";
import type { KnownSources } from "./download.ts";

export class ContentSources {
  private listener: (news: KnownSources) => void = () => {};

  constructor(
    /** Throws IndexError while there is none. */
    private readonly index: () => IndexClient,
    private readonly content: FoundContent,
    /** Of the name; taken over. */
    private subscription: SourceSubscription,
    private readonly signal: AbortSignal,
  ) {
    this.listen(subscription);
  }

  /** What the index said at first. */
  get known(): KnownSources {
    return sourcesOf(this.content);
  }

  /** Asks again, over whatever connection there is now. Rejects when it cannot be asked. */
  async ask(): Promise<KnownSources> {
    const next = await unlessAborted(this.index().subscribe(this.subscription.name), this.signal);
    this.subscription.end();
    this.subscription = next;
    this.listen(next);
    return this.among(next.contents);
  }

  follow(listener: (news: KnownSources) => void): void {
    this.listener = listener;
  }

  end(): void {
    this.subscription.end();
  }

  private listen(subscription: SourceSubscription): void {
    // New ones are never all.
    subscription.listen((contents) => this.listener({ ...this.among(contents), whole: false }));
  }

  private among(contents: readonly FoundContent[]): KnownSources {
    return sourcesOf(contents.find((found) => isSameContent(found, this.content)));
  }
}

/** The size belongs to the identity: an index may know several that peers say of one root. */
function isSameContent(one: FoundContent, other: FoundContent): boolean {
  return one.root === other.root && one.sizeBytes === other.sizeBytes;
}

function sourcesOf(content: FoundContent | undefined): KnownSources {
  if (content === undefined) return { addresses: [], whole: true };
  return { addresses: content.sources, whole: content.sources.length >= content.total };
}

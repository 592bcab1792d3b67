/** What an index tells of new sources for one name, kept until somebody listens. Made by index-client.ts. */
import type { FoundContent } from "../wire/messages.ts";

/** There is at most one in 200 ms, and who does not listen within seconds asks again anyway. */
const maxWaiting = 64;

export class SourceSubscription {
  private id: number | undefined;
  private found: FoundContent[] = [];
  private waiting: (readonly FoundContent[])[] = [];
  private listener: ((contents: readonly FoundContent[]) => void) | undefined;

  constructor(
    readonly name: string,
    private readonly onEnd: (id: number) => void,
  ) {}

  /** At no index: nothing more will be told. */
  static ofNobody(name: string, found: FoundContent[]): SourceSubscription {
    return new SourceSubscription(name, () => {}).begin(0, found);
  }

  /** What the index knew when it was asked. */
  get contents(): FoundContent[] {
    return this.found;
  }

  /** Sources that came since then: those that are waiting at once, others as they come. They are hints. */
  listen(listener: (contents: readonly FoundContent[]) => void): void {
    this.listener = listener;
    for (const contents of this.waiting.splice(0)) listener(contents);
  }

  /** The index need not tell any more. Idempotent. */
  end(): void {
    this.listener = undefined;
    this.waiting = [];
    if (this.id !== undefined) this.onEnd(this.id);
    this.id = undefined;
  }

  // --- what the client says ---

  begin(id: number, found: FoundContent[]): this {
    this.id = id;
    this.found = found;
    return this;
  }

  tell(contents: readonly FoundContent[]): void {
    if (this.listener !== undefined) this.listener(contents);
    else if (this.waiting.length < maxWaiting) this.waiting.push(contents);
  }
}

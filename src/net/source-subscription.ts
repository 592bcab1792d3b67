/** What an index tells of new sources for one name, kept until somebody listens. Made by index-client.ts. */
import type { FoundContent } from "../wire/messages.ts";
import { PushQueue } from "./push-queue.ts";

export class SourceSubscription {
  private id: number | undefined;
  private found: FoundContent[] = [];
  private readonly news = new PushQueue<readonly FoundContent[]>();

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
    this.news.listen(listener);
  }

  /** The index need not tell any more. Idempotent. */
  end(): void {
    this.news.end();
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
    this.news.tell(contents);
  }
}

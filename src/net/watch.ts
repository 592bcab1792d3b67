/** What an index tells of contents that come and fit a search. Made by index-client.ts. */
import type { Match } from "../wire/messages.ts";
import { PushQueue } from "./push-queue.ts";

export class Watch {
  private id: number | undefined;
  private readonly news = new PushQueue<readonly Match[]>();

  constructor(private readonly onEnd: (id: number) => void) {}

  /** Each content once: those that are waiting at once, others as they come. */
  listen(listener: (matches: readonly Match[]) => void): void {
    this.news.listen(listener);
  }

  /** The index need not tell any more. Idempotent. */
  close(): void {
    this.news.end();
    if (this.id !== undefined) this.onEnd(this.id);
    this.id = undefined;
  }

  // --- what the client says ---

  begin(id: number): this {
    this.id = id;
    return this;
  }

  tell(matches: readonly Match[]): void {
    this.news.tell(matches);
  }
}

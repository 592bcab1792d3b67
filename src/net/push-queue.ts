/** What an index pushes for one subscription, kept until somebody listens. */

/** There is at most one in 200 ms, and whoever subscribed listens as soon as it has the answer. */
const maxWaiting = 64;

export class PushQueue<News> {
  private waiting: News[] = [];
  private listener: ((news: News) => void) | undefined;

  /** What is waiting is told at once, the rest as it comes. */
  listen(listener: (news: News) => void): void {
    this.listener = listener;
    for (const news of this.waiting.splice(0)) listener(news);
  }

  tell(news: News): void {
    if (this.listener !== undefined) this.listener(news);
    else if (this.waiting.length < maxWaiting) this.waiting.push(news);
  }

  /** Nobody listens any more. */
  end(): void {
    this.listener = undefined;
    this.waiting = [];
  }
}

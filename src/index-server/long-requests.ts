/**
 * The long requests of one connection: begun one after the other, but UPDATEs that follow one another some at a time, and
 * answered in the order in which they came. What they do is not known here.
 */
import type { LongRequest } from "./session.ts";

/** Whose requests they are. */
export interface LongRequestsOwner {
  readonly updatesAtOnce: number;
  /** Never rejects. What it resolves to says the answer. */
  work(request: LongRequest): Promise<() => void>;
  /** Requests are answered that came with so many bytes, and others begun. */
  onAnswered(keptBytes: number): void;
}

interface Waiting {
  readonly request: LongRequest;
  readonly keptBytes: number;
  isBegun: boolean;
  answer: (() => void) | undefined;
}

export class LongRequests {
  /** What has begun comes first. */
  private readonly waiting: Waiting[] = [];

  constructor(private readonly owner: LongRequestsOwner) {}

  add(request: LongRequest, keptBytes: number): void {
    this.waiting.push({ request, keptBytes, isBegun: false, answer: undefined });
    this.begin();
  }

  /** All are answered. */
  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Nobody waits for an answer any more. */
  clear(): void {
    this.waiting.length = 0;
  }

  // --- internal ---

  private begin(): void {
    for (const [i, each] of this.waiting.entries()) {
      const isUpdate = each.request.type === "UPDATE";
      if (i > 0 && !isUpdate) return;
      if (!each.isBegun) void this.work(each);
      if (!isUpdate || i + 1 === this.owner.updatesAtOnce) return;
    }
  }

  private async work(each: Waiting): Promise<void> {
    each.isBegun = true;
    each.answer = await this.owner.work(each.request);
    let [isAnswered, keptBytes] = [false, 0];
    for (let first = this.waiting[0]; first?.answer !== undefined; first = this.waiting[0]) {
      this.waiting.shift();
      first.answer();
      isAnswered = true;
      keptBytes += first.keptBytes;
    }
    if (!isAnswered) return;
    this.begin();
    this.owner.onAnswered(keptBytes);
  }
}

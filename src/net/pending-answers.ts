/** Requests of one connection that are waiting for their answers, by id, each with a deadline. Knows no socket. */
import type { IndexAnswer, IndexRequest } from "../wire/messages.ts";

export type Request = WithoutId<IndexRequest>;
type WithoutId<Union> = Union extends unknown ? Omit<Union, "id"> : never;

interface Pending {
  resolve(answer: IndexAnswer): void;
  reject(error: Error): void;
  timer: Timer;
}

/** What came with an id: the answer that somebody waits for, one that nobody waits for any more, or neither. */
export type Awaited = "pending" | "late" | "unknown";

export class PendingAnswers {
  private readonly pending = new Map<number, Pending>();
  /** Requests that were given up: their answers may still come, and mean nothing. */
  private readonly late = new Set<number>();
  private last = 0;

  /** The largest id so far. */
  get lastId(): number {
    return this.last;
  }

  get lateCount(): number {
    return this.late.size;
  }

  /** A new id, and the answer to it, of which `onTimeout` is told when it does not come in time. */
  open(timeoutMs: number, onTimeout: (id: number) => void): { id: number; answer: Promise<IndexAnswer> } {
    const { promise, resolve, reject } = Promise.withResolvers<IndexAnswer>();
    const id = ++this.last;
    const timer = setTimeout(() => onTimeout(id), timeoutMs);
    this.pending.set(id, { resolve, reject, timer });
    return { id, answer: promise };
  }

  /** The request with this id has been answered, with an error where `refusal` makes one of the answer. */
  onAnswer(id: number, answer: IndexAnswer, refusal: Error | undefined): Awaited {
    if (this.late.delete(id)) return "late";
    const pending = this.take(id);
    if (pending === undefined) return "unknown";
    if (refusal === undefined) pending.resolve(answer);
    else pending.reject(refusal);
    return "pending";
  }

  /** Whoever waits need not wait any longer; the answer may come late. */
  giveUp(id: number, error: Error): void {
    this.late.add(id);
    this.take(id)?.reject(error);
  }

  failAll(error: Error): void {
    for (const id of [...this.pending.keys()]) this.take(id)?.reject(error);
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.pending.delete(id);
    return pending;
  }
}

/**
 * What an index counts about its own work, from its start to its end. Counting costs next to nothing and decides
 * nothing; how it is told to others is metrics.ts. Pure.
 */
import type { IndexRequest } from "../wire/messages.ts";
import type { ErrorCode } from "../wire/protocol-error.ts";

export type RequestType = IndexRequest["type"];

/** Upper ends of the classes of QUERY times: from an answer that was kept to a name with thousands of holders. */
const queryBoundsSeconds = [
  0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25,
];

/** Reading the clock twice is 0.2 us, and an answer that was kept costs 1 to 2: so one QUERY in so many is timed. */
export const queriesPerTimedOne = 16;

export class IndexCounters {
  readonly requests = new Map<RequestType, number>();
  /** ERRORs that were answered, by their code. */
  readonly errors = new Map<ErrorCode, number>();
  readonly queryTimes = new Histogram(queryBoundsSeconds);
  /** Of the requests: kept apart because nothing else is asked as often. */
  queries = 0;
  /** Changes that could not be written: no space, a lock, a damaged file. */
  failures = 0;

  /** A QUERY has come. True when it is one whose time is to be told to `queryTimes`. */
  query(): boolean {
    return this.queries++ % queriesPerTimedOne === 0;
  }

  /** Any request but QUERY. */
  request(type: RequestType): void {
    this.requests.set(type, (this.requests.get(type) ?? 0) + 1);
  }

  error(code: ErrorCode): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}

/** How many of something were at most so large, for a few fixed sizes. */
export class Histogram {
  /** For each bound what is at most that and more than the one before; the last is what is more than all. */
  private readonly classes: number[];
  sum = 0;

  /** `bounds` grow. */
  constructor(readonly bounds: readonly number[]) {
    this.classes = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > this.bounds[at]!) at++;
    this.classes[at]!++;
    this.sum += value;
  }

  /** For each bound how many were at most that. The last one more: how many there were in all. */
  cumulative(): number[] {
    let total = 0;
    return this.classes.map((count) => (total += count));
  }
}

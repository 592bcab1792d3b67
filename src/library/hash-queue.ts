/**
 * The order in which waiting files are hashed: one worker takes the largest, so that no giant is begun last, all
 * others the smallest, so that many files can be offered early. Pure.
 */
export interface Sized {
  readonly sizeBytes: number;
}

/** Sizes have up to 53 digits, which `Math.log2` may round up to 54; and there is one bucket for 0. */
const bucketCount = 55;

export class HashQueue<Job extends Sized> {
  /** By number of binary digits of the size: near enough to sorted, and every operation takes constant time. */
  private readonly buckets: Bucket<Job>[] = Array.from({ length: bucketCount }, () => new Bucket());
  private length = 0;
  private sumBytes = 0;

  add(job: Job): void {
    this.bucketOf(job).add(job);
    this.length++;
    this.sumBytes += job.sizeBytes;
  }

  /** False when it was not waiting (any more). */
  delete(job: Job): boolean {
    if (!this.bucketOf(job).delete(job)) return false;
    this.length--;
    this.sumBytes -= job.sizeBytes;
    return true;
  }

  /** Undefined when nothing waits. */
  get smallest(): Job | undefined {
    return this.buckets.find(({ isEmpty }) => !isEmpty)?.first;
  }

  get largest(): Job | undefined {
    return this.buckets.findLast(({ isEmpty }) => !isEmpty)?.first;
  }

  get size(): number {
    return this.length;
  }

  /** Size of all that wait, together. */
  get bytes(): number {
    return this.sumBytes;
  }

  private bucketOf(job: Job): Bucket<Job> {
    return this.buckets[job.sizeBytes < 1 ? 0 : Math.floor(Math.log2(job.sizeBytes)) + 1]!;
  }
}

/**
 * First in, first out. (A Set alone would do, but to find the first of 100,000 it walks over all that were deleted
 * before: measured, half the time of hashing as many small files.)
 */
class Bucket<Job> {
  private readonly waiting = new Set<Job>();
  /** In order; some may not be waiting any more, and all before `head` are not. */
  private order: Job[] = [];
  private head = 0;

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  get first(): Job | undefined {
    while (this.head < this.order.length && !this.waiting.has(this.order[this.head]!)) this.head++;
    return this.order[this.head];
  }

  add(job: Job): void {
    this.waiting.add(job);
    this.order.push(job);
  }

  delete(job: Job): boolean {
    if (!this.waiting.delete(job)) return false;
    if (this.isEmpty || this.head > this.order.length / 2) {
      this.order = [...this.waiting];
      this.head = 0;
    }
    return true;
  }
}

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
  private readonly buckets: Set<Job>[] = Array.from({ length: bucketCount }, () => new Set());
  private length = 0;

  add(job: Job): void {
    this.bucketOf(job).add(job);
    this.length++;
  }

  /** False when it was not waiting (any more). */
  delete(job: Job): boolean {
    if (!this.bucketOf(job).delete(job)) return false;
    this.length--;
    return true;
  }

  takeSmallest(): Job | undefined {
    return this.take(this.buckets.find((bucket) => bucket.size > 0));
  }

  takeLargest(): Job | undefined {
    return this.take(this.buckets.findLast((bucket) => bucket.size > 0));
  }

  get size(): number {
    return this.length;
  }

  private bucketOf(job: Job): Set<Job> {
    return this.buckets[job.sizeBytes < 1 ? 0 : Math.floor(Math.log2(job.sizeBytes)) + 1]!;
  }

  private take(bucket: Set<Job> | undefined): Job | undefined {
    const job = bucket?.values().next().value;
    if (job !== undefined) this.delete(job);
    return job;
  }
}

/**
 * When a running download asks the index again, and whether what it said last is news enough to give up on. Pure;
 * a part of the scheduler.
 */

/** How often new sources are asked for: while there are some to try, and while there are none. */
const askIntervalMs = 10_000;
const askUrgentlyMs = 1_000;

export class IndexAsking {
  private asking = false;
  /** The last answer was no sample. */
  private namedAll = true;
  /** How many sources were excluded: in all, when the index was last asked, and when that was answered. */
  private exclusions = 0;
  private exclusionsAsked = 0;
  private exclusionsAnswered = 0;

  constructor(private lastAnswerMs: number) {}

  onExcluded(): void {
    this.exclusions++;
  }

  onAsked(): void {
    this.asking = true;
    this.exclusionsAsked = this.exclusions;
  }

  /** It answered, or could not be asked (`whole` undefined); either way we know no better for the moment. */
  onAnswered(nowMs: number, whole?: boolean): void {
    this.asking = false;
    this.namedAll = whole ?? this.namedAll;
    this.lastAnswerMs = nowMs;
    this.exclusionsAnswered = this.exclusionsAsked;
  }

  /** The last answer came after the last exclusion and named everybody: there is nobody else. */
  get isCurrent(): boolean {
    return this.namedAll && this.isAnswered;
  }

  private get isAnswered(): boolean {
    return this.exclusionsAnswered === this.exclusions;
  }

  /** When to ask next; infinity while an answer is awaited. */
  nextMs(anybodyLeft: boolean): number {
    if (this.asking) return Number.POSITIVE_INFINITY;
    if (anybodyLeft) return this.lastAnswerMs + askIntervalMs;
    return this.isAnswered ? this.lastAnswerMs + askUrgentlyMs : this.lastAnswerMs;
  }
}

/** So many at once and so many of one group, the others in the order in which they came. Pure but for the promises. */
export class ProbeTurns {
  private readonly running = new Map<string, number>();
  private readonly waiting: { group: string; begin: () => void }[] = [];
  private count = 0;

  constructor(
    private readonly most: number,
    private readonly mostOfGroup: number,
  ) {}

  async run<Result>(group: string, task: () => Promise<Result>): Promise<Result> {
    await new Promise<void>((begin) => {
      this.waiting.push({ group, begin });
      this.next();
    });
    try {
      return await task();
    } finally {
      this.count--;
      const left = this.runningOf(group) - 1;
      if (left > 0) this.running.set(group, left);
      else this.running.delete(group);
      this.next();
    }
  }

  private next(): void {
    while (this.count < this.most) {
      const at = this.waiting.findIndex(({ group }) => this.runningOf(group) < this.mostOfGroup);
      const [turn] = at < 0 ? [] : this.waiting.splice(at, 1);
      if (turn === undefined) return;
      this.count++;
      this.running.set(turn.group, this.runningOf(turn.group) + 1);
      turn.begin();
    }
  }

  private runningOf(group: string): number {
    return this.running.get(group) ?? 0;
  }
}
